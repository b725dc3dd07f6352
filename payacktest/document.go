package payacktest

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/internal/strictbase64"
)

// document is a JSON object or a form, together with the positions of its members.
// Its methods return a changed text, and leave all other bytes as they are.
type document struct {
	text   []byte
	fields []strict.Field
	form   bool
}

func parseDocument(text []byte, form bool) (document, error) {
	d := document{text: text, form: form}
	var err error
	if form {
		d.fields, err = strict.Form(nil, string(text))
	} else {
		d.fields, err = strict.JSON(nil, string(text))
	}
	if err != nil {
		return d, fmt.Errorf("payacktest: the members cannot be read: %w", err)
	}
	return d, nil
}

func (d document) find(name string) *strict.Field { return strict.Find(d.fields, name) }

func (d document) index(name string) (int, error) {
	i := slices.IndexFunc(d.fields, func(f strict.Field) bool { return f.Name == name })
	if i < 0 {
		return 0, fmt.Errorf("payacktest: there is no member %q", name)
	}
	return i, nil
}

func (d document) splice(start, end int, text string) []byte {
	out := make([]byte, 0, len(d.text)+len(text))
	out = append(out, d.text[:start]...)
	out = append(out, text...)
	return append(out, d.text[end:]...)
}

// set replaces a member's value by a JSON literal, or in a form by the literal's
// text.
func (d document) set(name, literal string) ([]byte, error) {
	i, err := d.index(name)
	if err != nil {
		return nil, err
	}
	f := d.fields[i]
	if d.form {
		literal = url.QueryEscape(textOf(literal))
		if bytes.IndexByte(d.text[f.Start:f.End], '=') < 0 {
			literal = "=" + literal
		}
	}
	out := d.splice(f.ValueStart, f.End, literal)
	if bytes.Equal(out, d.text) {
		return nil, fmt.Errorf("payacktest: %s has this value already", name)
	}
	return out, nil
}

// drop removes a member and one separator.
func (d document) drop(name string) ([]byte, error) {
	i, err := d.index(name)
	if err != nil {
		return nil, err
	}
	f := d.fields[i]
	switch {
	case i+1 < len(d.fields):
		return d.splice(f.Start, d.fields[i+1].Start, ""), nil
	case i > 0:
		return d.splice(d.fields[i-1].End, f.End, ""), nil
	}
	return d.splice(f.Start, f.End, ""), nil
}

// duplicate writes a member a second time, after the first.
func (d document) duplicate(name string) ([]byte, error) {
	i, err := d.index(name)
	if err != nil {
		return nil, err
	}
	f, separator := d.fields[i], ","
	if d.form {
		separator = "&"
	}
	return d.splice(f.End, f.End, separator+string(d.text[f.Start:f.End])), nil
}

// recase changes the case of the first letter of a member's name.
func (d document) recase(name string) ([]byte, error) {
	i, err := d.index(name)
	if err != nil {
		return nil, err
	}
	at := d.fields[i].Start
	if !d.form {
		at++ // skip the quote
	}
	c := d.text[at]
	if c|0x20 < 'a' || c|0x20 > 'z' {
		return nil, fmt.Errorf("payacktest: the name %q does not begin with a letter", name)
	}
	return d.splice(at, at+1, string(c^0x20)), nil
}

// errSealed means that an envelope can't be opened without keys.
var errSealed = errors.New("payacktest: the members are sealed; WithKeys opens a loaded callback")

// open finds the members of a callback in any shape that its provider uses. If
// the provider is unknown, open tries the shapes of every provider. The returned
// function puts changed members back.
func (cb Callback) open() (document, func([]byte) (Callback, error), error) {
	for _, p := range providers.All {
		inside := descriptors[p].inside
		if inside == nil || cb.Provider != "" && cb.Provider != p {
			continue
		}
		if d, put, found, err := inside(cb); found {
			return d, put, err
		}
	}
	d, err := parseDocument(cb.Body, !looksLikeJSON(cb.Body))
	return d, cb.withBody, err
}

func (cb Callback) withBody(body []byte) (Callback, error) {
	out := cb.Clone()
	out.Body = body
	return out, nil
}

func looksLikeJSON(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
}

// isBase64 reports whether a body is strict base64, and so can only be an envelope.
func isBase64(body []byte) bool {
	decoded, ok := strictbase64.Decode(nil, body)
	return ok && len(decoded) > 0 && !strings.Contains(string(body), "&")
}
