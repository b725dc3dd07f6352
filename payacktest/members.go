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

// member is a member of a message: its name and its JSON literal.
type member struct{ name, literal string }

// members are the members of a message in their order. Methods that change them
// return a copy.
type members []member

func (m members) index(name string) int {
	return slices.IndexFunc(m, func(x member) bool { return x.name == name })
}

// setJSON replaces a member's literal, or appends a new member.
func (m members) setJSON(name, literal string) members {
	out := slices.Clone(m)
	if i := out.index(name); i >= 0 {
		out[i].literal = literal
		return out
	}
	return append(out, member{name, literal})
}

// set replaces a member's value, or appends a new member. The value keeps the JSON
// type of the old one if it can; otherwise it becomes a string.
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

// quote returns a JSON string without the escapes for HTML, as most senders write
// it.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // never fails for a string
	return strings.TrimSuffix(b.String(), "\n")
}

// textOf returns the text that is signed for a literal: a string's content, nothing
// for null, the literal otherwise.
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

// builder has what the builders of all providers share.
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

// finish calls build, and ends the test if it fails.
func finish(t testing.TB, build func() (Callback, error)) Callback {
	t.Helper()
	cb, err := build()
	return must(t, cb, err)
}
