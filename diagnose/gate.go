package diagnose

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	jsonType = "application/json"
	textType = "text/plain"
	formType = "application/x-www-form-urlencoded"
)

// gate describes the checks of the gate in their order. It describes only: the
// receiver decides.
func (c *examination) gate() (steps []Step) {
	say := func(ok bool, what, otherwise string) {
		if text := what + ": accepted"; ok {
			steps = append(steps, Step{"gate", text})
		} else {
			steps = append(steps, Step{"gate", what + ": refused; " + otherwise})
		}
	}
	d := c.delivery
	say(d.Method == http.MethodPost, d.Method, "only POST is accepted")

	size := max(c.length(), int64(len(d.Body)))
	say(size <= c.handler.MaxBody(), fmt.Sprintf("%d bytes", size), fmt.Sprintf("max_body_bytes is %d", c.handler.MaxBody()))

	types := d.Header["Content-Type"]
	if c.subject != nil {
		ok := len(types) == 0 && c.subject.accepts("") || len(types) == 1 && c.subject.accepts(types[0])
		say(ok, cmp.Or(strings.Join(types, " and "), "no content type"), "taken is "+c.types())
	}

	compressed := slices.DeleteFunc(slices.Clone(d.Header["Content-Encoding"]), func(e string) bool {
		return e == "" || strings.EqualFold(e, "identity")
	})
	say(len(compressed) == 0, cmp.Or(strings.Join(compressed, " and "), "no compression"), "only bodies without compression are accepted")
	return steps
}

// types names the content types that the receiver accepts.
func (c *examination) types() string {
	if c.subject.accepts("") {
		return "one of any type"
	}
	var taken []string
	for _, t := range []string{jsonType, textType, formType} {
		if c.subject.accepts(t) {
			taken = append(taken, t)
		}
	}
	return strings.Join(taken, " or ")
}

// cleanURL returns a URL with the path only. A receiver ignores the rest of a URL.
func cleanURL(path string) *url.URL { return &url.URL{Path: path} }
