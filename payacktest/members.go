package payacktest

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/payack/payack"
)

// member is one member of a message: its name and its JSON literal.
type member struct{ name, literal string }

// members are a message in its order. Methods that change it return a copy.
type members []member

func (m members) index(name string) int {
	return slices.IndexFunc(m, func(x member) bool { return x.name == name })
}

// setJSON replaces a member's literal in its place, or appends a new member.
func (m members) setJSON(name, literal string) members {
	out := slices.Clone(m)
	if i := out.index(name); i >= 0 {
		out[i].literal = literal
		return out
	}
	return append(out, member{name, literal})
}

// set takes the JSON type of the member that it replaces where the value has
// it; everything else is a string.
func (m members) set(name, value string) members {
	literal := quote(value)
	if i := m.index(name); i >= 0 {
		literal = sameType(m[i].literal, value)
	}
	return m.setJSON(name, literal)
}

func (m members) remove(name string) members {
	return slices.DeleteFunc(slices.Clone(m), func(x member) bool { return x.name == name })
}

func sameType(literal, value string) string {
	_, wasNumber := strconv.ParseFloat(literal, 64)
	switch {
	case wasNumber == nil && payack.NewAmount(value).Valid(),
		(literal == "true" || literal == "false") && (value == "true" || value == "false"):
		return value
	}
	return quote(value)
}

// quote returns a JSON string as PHP and most others would write it, without
// the escapes for HTML.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always can be
	return strings.TrimSuffix(b.String(), "\n")
}

// textOf is a literal's text as it is signed: a string's content, nothing for
// null, and the literal of anything else.
func textOf(literal string) string {
	var s string
	if json.Unmarshal([]byte(literal), &s) == nil {
		return s
	}
	return literal
}

func (m members) text(name string) string {
	if i := m.index(name); i >= 0 {
		return textOf(m[i].literal)
	}
	return ""
}

func (m members) json() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, x := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(x.name) + ":" + x.literal)
	}
	b.WriteByte('}')
	return b.String()
}

func (m members) form() string {
	pairs := make([]string, len(m))
	for i, x := range m {
		pairs[i] = url.QueryEscape(x.name) + "=" + url.QueryEscape(textOf(x.literal))
	}
	return strings.Join(pairs, "&")
}

var errNoName = errors.New("payacktest: Set, SetJSON: the name of the member is empty")

// builder is what the three providers' builders share.
type builder struct {
	members members
	err     error
}

func (b builder) named(name string, m members) builder {
	if name == "" && b.err == nil {
		b.err = errNoName
	}
	b.members = m
	return b
}

// finish is the end of every builder's Callback.
func finish(t testing.TB, build func() (Callback, error)) Callback {
	t.Helper()
	cb, err := build()
	return must(t, cb, err)
}
