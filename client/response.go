package client

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// hidden returns the texts that an error must not repeat.
func (t *transport) hidden(a *answer) []string {
	out := append([]string(nil), a.hide...)
	for _, s := range t.secrets {
		out = append(out, s.Reveal())
	}
	return out
}

func (t *transport) fail(a *answer, kind, cause error, detail string) *Error {
	return &Error{Provider: t.provider, Call: a.call, Kind: kind, Cause: cause, Detail: detail, Status: a.status}
}

// unreadable returns the error of a response that is not as documented.
func (t *transport) unreadable(a *answer, cause error, detail string) *Error {
	e := t.fail(a, ErrResponse, cause, detail)
	e.Excerpt = printable(string(a.body), t.hidden(a), maxExcerpt)
	return e
}

// said puts the provider's code and message into an error.
func (t *transport) said(e *Error, a *answer, code, message string) *Error {
	e.Code = printable(code, t.hidden(a), maxCode)
	e.Message = printable(message, t.hidden(a), maxExcerpt)
	return e
}

// mismatch returns the error of an answer about another order or transaction.
func (t *transport) mismatch(name, member string) *Error {
	return &Error{Provider: t.provider, Call: name, Kind: ErrMismatch, Detail: member + " is not that of the request"}
}

// invalid returns the error of a request that is not sent.
func (t *transport) invalid(name, detail string) *Error {
	return &Error{Provider: t.provider, Call: name, Kind: ErrRequest, Detail: strings.TrimPrefix(detail, "payack: ")}
}

// ok returns an error unless the status is 2xx. The error has the code and message
// of a body that is JSON.
func (t *transport) ok(a *answer) *Error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	e := t.fail(a, ErrStatus, nil, "")
	fields, err := strict.JSON(nil, string(a.body))
	if err != nil {
		e.Excerpt = printable(string(a.body), t.hidden(a), maxExcerpt)
		return e
	}
	text := func(name string) string {
		if f := strict.Find(fields, name); f != nil && f.Kind != strict.Null {
			return f.Text
		}
		return ""
	}
	return t.said(e, a, text("code"), text("message"))
}

// object reads a response that must be one JSON object.
func (t *transport) object(a *answer, known ...string) (*members, *Error) {
	if e := t.opens(a, '{'); e != nil {
		return nil, e
	}
	fields, err := strict.JSON(nil, string(a.body), known...)
	if err == nil {
		err = strict.Know(fields, known)
	}
	if err != nil {
		return nil, t.unreadable(a, payack.ErrMalformed, err.Error())
	}
	return &members{fields: fields}, nil
}

const byteOrderMark = "\ufeff"

// opens returns an error unless the body begins with one of these bytes. The error
// describes the usual mistakes, such as an HTML page.
func (t *transport) opens(a *answer, with ...byte) *Error {
	trimmed := bytes.TrimLeft(a.body, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return t.unreadable(a, nil, "the response is empty")
	case bytes.HasPrefix(trimmed, []byte(byteOrderMark)):
		return t.unreadable(a, payack.ErrMalformed, "a byte-order mark is where the JSON should begin")
	case trimmed[0] == '<':
		return t.unreadable(a, nil, "the response is an HTML page, not JSON")
	case trimmed[0] >= utf8.RuneSelf: // the strict reader names the mistake
		_, err := strict.JSON(nil, string(a.body))
		return t.unreadable(a, payack.ErrMalformed, err.Error())
	case !bytes.ContainsRune(with, rune(trimmed[0])):
		return t.unreadable(a, nil, "the response is not the JSON that was expected")
	}
	return nil
}

// members has the members of a response. Its methods read a member as a type. err
// is the first mistake that they found.
type members struct {
	fields []strict.Field
	err    error
}

func (m *members) fail(f *strict.Field, name, what string) payack.Text {
	if m.err == nil {
		m.err = errors.New(name + " " + what)
		if f != nil {
			m.err = &strict.Error{What: name + " " + what, Offset: f.ValueStart}
		}
	}
	return payack.Text{}
}

// id returns an id or a status: a string, or a plain integer within int64.
func (m *members) id(name string) payack.Text {
	f := strict.Find(m.fields, name)
	switch {
	case f == nil:
		return payack.Text{}
	case f.Kind == strict.Null:
		return payack.NullText()
	case f.Kind == strict.String:
		return payack.NewText(f.Text)
	case f.Kind == strict.Number:
		if _, err := strconv.ParseInt(f.Text, 10, 64); err == nil && f.Text != "-0" {
			return payack.NewText(f.Text)
		}
	}
	return m.fail(f, name, "is neither a string nor a plain integer")
}

// required returns an id that must not be empty.
func (m *members) required(name string) string {
	text := m.id(name).String()
	if text == "" {
		m.fail(strict.Find(m.fields, name), name, "is missing or empty")
	}
	return text
}

// word returns a string, a number or null.
func (m *members) word(name string) payack.Text {
	f := strict.Find(m.fields, name)
	switch {
	case f == nil:
		return payack.Text{}
	case f.Kind == strict.Null:
		return payack.NullText()
	case f.Kind == strict.String || f.Kind == strict.Number:
		return payack.NewText(f.Text)
	}
	return m.fail(f, name, "is neither a string nor a number")
}

// flag returns a boolean, and whether there is one.
func (m *members) flag(name string) (value, found bool) {
	f := strict.Find(m.fields, name)
	switch {
	case f == nil || f.Kind == strict.Null:
		return false, false
	case f.Kind == strict.True || f.Kind == strict.False:
		return f.Kind == strict.True, true
	}
	m.fail(f, name, "is not a boolean")
	return false, false
}

// extra returns the members that are not known, or nil if there are none.
func (m *members) extra() map[string]payack.Text {
	var out map[string]payack.Text
	for _, f := range m.fields {
		if f.Known {
			continue
		}
		if out == nil {
			out = make(map[string]payack.Text)
		}
		if out[f.Name] = payack.NewText(f.Text); f.Kind == strict.Null {
			out[f.Name] = payack.NullText()
		}
	}
	return out
}

// question returns the error of Confirm for an event that can't be asked about.
func (t *transport) question(detail string) error { return t.invalid("confirm", detail) }

// contradiction returns Confirm's final error. The argument what names the members
// that differ.
func (t *transport) contradiction(call string, what ...string) error {
	return &Error{Provider: t.provider, Call: call, Kind: payack.ErrUnconfirmed, Detail: "the answer differs in " + strings.Join(what, ", ")}
}

// pending returns Confirm's error for an answer that is not final.
func (t *transport) pending(call, detail string) error {
	return &Error{Provider: t.provider, Call: call, Kind: ErrPending, Detail: detail}
}
