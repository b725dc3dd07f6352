// Package verify verifies callbacks: it turns a content type, headers, a body and
// keys into a typed event or an error. It does no I/O. It also has the signing side
// of every message, for tests, tools and clients.
//
// Each provider has a verifier ([Ptop], [PTS], [Payatom]) and a set of keys, which
// are safe for concurrent use and worth building once. Every verifier recognises
// the shape of the message, opens its envelope, decodes it strictly, and verifies
// the signature over the text of the body or the texts of its members. Only then
// does it check the event and return it.
//
// Every error of a Verify method is a *[payack.Error]. Match it with errors.Is:
// [payack.ErrMalformed], [payack.ErrEnvelope], [payack.ErrSignature],
// [payack.ErrInvalid] or [payack.ErrUnknownTenant]. With ErrInvalid the signature
// matches and the event breaks a rule of the provider: the event is returned beside
// the error.
//
// A verified event is authentic, but it may be a replay, and some providers leave
// amounts or the borders between members unsigned. Package middleware handles that.
//
// An event's texts are parts of the callback's body. The body is a string, so
// nobody can change these texts after the verification.
package verify

import (
	"errors"
	"mime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/keytext"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/strict"
)

// Message is a callback as received.
type Message struct {
	// ContentType is the value of the Content-Type header.
	ContentType string
	// Header holds the other headers under their canonical names, as an
	// http.Header does. Only headers that carry signatures are read.
	Header map[string][]string
	// Body is the body, byte for byte. It may be hostile; the caller bounds its
	// length. An event keeps parts of it.
	Body string
}

// Body is the format that an endpoint accepts. An endpoint accepts one only: the
// content type is not signed, and a body that is valid in both formats would have
// two meanings.
type Body string

// The formats.
const (
	BodyJSON Body = "json"
	BodyForm Body = "form"
)

func (b Body) name() string {
	if b == BodyForm {
		return "a form"
	}
	return "a JSON object"
}

// mediaType is a kind of content type that verifiers distinguish.
type mediaType int

const (
	mediaOther mediaType = iota
	mediaJSON
	mediaForm
	mediaText
)

const maxContentType = 256

// media returns the kind of a Content-Type. With a charset other than UTF-8 the kind
// is mediaOther, except for text/plain: that carries base64, which reads the same in
// every charset.
func media(contentType string) mediaType {
	switch contentType { // the usual spellings need no parsing
	case "application/json", "application/json; charset=utf-8", "application/json;charset=utf-8",
		"application/json; charset=UTF-8", "application/json;charset=UTF-8":
		return mediaJSON
	case "text/plain":
		return mediaText
	case "application/x-www-form-urlencoded":
		return mediaForm
	case "":
		return mediaOther
	}
	if len(contentType) > maxContentType { // bounds the work for unauthenticated senders
		return mediaOther
	}
	base, _, _ := strings.Cut(contentType, ";")
	switch strings.TrimSpace(strings.ToLower(base)) { // other types need no parsing
	case "application/json", "application/x-www-form-urlencoded", "text/plain":
	default:
		return mediaOther
	}
	name, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return mediaOther
	}
	charset, given := params["charset"]
	utf8 := !given || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
	switch {
	case name == "application/json" && utf8:
		return mediaJSON
	case name == "application/x-www-form-urlencoded" && utf8:
		return mediaForm
	case name == "text/plain":
		return mediaText
	}
	return mediaOther
}

// looksLikeJSON reports whether the first byte after white space is {. Base64 has no
// such byte.
func looksLikeJSON(body string) bool {
	for _, c := range []byte(body) {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c == '{'
	}
	return false
}

// room holds the fields of a message during its verification. An event keeps only
// the texts of fields, so rooms are reused. If a message has more fields than a
// room can hold, its fields are on the heap.
type room [20]strict.Field

var rooms = sync.Pool{New: func() any { return new(room) }}

func takeRoom() *room { return rooms.Get().(*room) }

func (r *room) release() {
	clear(r[:]) // the pool must not keep a message alive
	rooms.Put(r)
}

// known holds the names of a message's members. The list signed has the signed
// members and the signature itself: a mistake in one of them refuses the message. The
// list shown has documented members on which nothing depends: they may have any
// value, which the event keeps.
type known struct{ signed, shown, all []string }

func knownOf(signed []string, shown ...string) known {
	return known{signed: signed, shown: shown, all: slices.Concat(signed, shown)}
}

// mark marks the known members among fields, and refuses what [strict.Know] refuses.
func (k *known) mark(fields []strict.Field) error { return strict.Know(fields, k.signed, k.shown...) }

// decode decodes a body in the given format and appends its fields to dst. It does
// not mark known fields.
func decode(dst []strict.Field, body Body, text string, known []string) ([]strict.Field, error) {
	if body == BodyForm {
		return strict.Form(dst, text, known...)
	}
	return strict.JSON(dst, text, known...)
}

// members reads the known members of a message, each with its type. The field err is
// the first mistake: a member of another type, or a required one that is missing.
type members struct {
	fields []strict.Field
	err    error
}

func (m *members) fail(what string, f *strict.Field) {
	if m.err != nil {
		return
	}
	if f == nil {
		m.err = errors.New(what)
		return
	}
	m.err = &strict.Error{What: what, Offset: f.ValueStart}
}

// id returns a required member that is an id, a status or a timestamp: a string,
// null, or a plain integer literal.
func (m *members) id(name string) payack.Text {
	f := strict.Find(m.fields, name)
	switch {
	case f == nil:
		m.fail(name+" is missing", nil)
		return payack.Text{}
	case f.Kind == strict.Null:
		return payack.NullText()
	case f.Kind == strict.String, f.Kind == strict.Number && plainInteger(f.Text):
		return payack.NewText(f.Text)
	}
	m.fail(name+" is neither a string nor a plain integer of at most "+strconv.Itoa(maxIntegerDigits)+" digits", f)
	return payack.Text{}
}

// word returns a required signed member: a string, a number or null.
func (m *members) word(name string) payack.Text {
	f := strict.Find(m.fields, name)
	switch {
	case f == nil:
		m.fail(name+" is missing", nil)
		return payack.Text{}
	case f.Kind == strict.Null:
		return payack.NullText()
	case f.Kind == strict.String || f.Kind == strict.Number:
		return payack.NewText(f.Text)
	}
	m.fail(name+" is neither a string nor a number", f)
	return payack.Text{}
}

func (m *members) amount(name string) payack.Amount { return payack.AmountOf(m.word(name)) }

// shown returns a shown member (see known): a string's content, or the literal of
// any other value.
func (m *members) shown(name string) payack.Text { return textOf(strict.Find(m.fields, name)) }

func (m *members) shownAmount(name string) payack.Amount { return payack.AmountOf(m.shown(name)) }

// textOf returns the text of a field, which may be nil.
func textOf(f *strict.Field) payack.Text {
	switch {
	case f == nil:
		return payack.Text{}
	case f.Kind == strict.Null:
		return payack.NullText()
	}
	return payack.NewText(f.Text)
}

// extra returns the unknown members, or nil if there are none.
func (m *members) extra() map[string]payack.Text {
	var out map[string]payack.Text
	for i := range m.fields {
		f := &m.fields[i]
		if f.Known {
			continue
		}
		if out == nil {
			out = make(map[string]payack.Text)
		}
		out[f.Name] = textOf(f)
	}
	return out
}

// maxIntegerDigits bounds an integer literal that is an id, a status or a
// timestamp. Amounts have the same bound. No sender's integer type needs more.
const maxIntegerDigits = 40

// plainInteger reports whether a JSON number has neither fraction nor exponent and
// at most maxIntegerDigits digits. -0 is not plain: PHP reads it as 0, so one
// number would have two texts.
func plainInteger(literal string) bool {
	digits := strings.TrimPrefix(literal, "-")
	return len(digits) <= maxIntegerDigits && !strings.ContainsAny(digits, ".eE") && literal != "-0"
}

// phpNumber returns PHP's text of an amount or a rate that is a JSON number. A
// number out of the bounds of amounts has none: it would be refused anyway, and its
// conversion can be expensive.
func phpNumber(f *strict.Field) (text string, ok bool) {
	if f.Kind != strict.Number || !payack.NewAmount(f.Text).Valid() {
		return "", false
	}
	return php.NumberText(f.Text)
}

// phpIntegers reports whether PHP reads these members without rounding. PHP turns
// an integer beyond int64 into a float, whose text differs.
func phpIntegers(fields []strict.Field, names ...string) bool {
	for _, name := range names {
		if f := strict.Find(fields, name); f != nil && f.Kind == strict.Number {
			if _, err := strconv.ParseInt(f.Text, 10, 64); err != nil {
				return false
			}
		}
	}
	return true
}

// reject returns the error of a refusal. The detail must contain nothing that was sent.
func reject(p payack.Provider, reason payack.Reason, detail string) error {
	return &payack.Error{Provider: p, Stage: payack.StageVerify, Reason: reason, Detail: detail}
}

// malformed returns the refusal of a message that could not be decoded. The text of
// a [strict.Error] contains nothing that was sent.
func malformed(p payack.Provider, err error) error {
	return reject(p, payack.ReasonMalformed, err.Error())
}

// invalid returns the refusal of an event that breaks a rule of the provider. It
// trims from err what the reason says already.
func invalid(p payack.Provider, err error) error {
	text := strings.TrimSuffix(err.Error(), ": "+payack.ErrInvalid.Error())
	return reject(p, payack.ReasonInvalid, strings.TrimPrefix(text, "payack: "))
}

// numberSchemes are the spellings of a number that PTS and Payatom may have signed.
var numberSchemes = []payack.Scheme{payack.SchemeLiteral, payack.SchemePHP}

// pickSchemes returns the configured schemes, or all where none is configured. A
// scheme that is not in all is an error.
func pickSchemes(member string, chosen, all []payack.Scheme) ([]payack.Scheme, error) {
	if len(chosen) == 0 {
		return all, nil
	}
	for _, c := range chosen {
		known := false
		for _, a := range all {
			known = known || a == c
		}
		if !known {
			return nil, errors.New("payack: " + member + ": unknown scheme " + strconv.Quote(string(c)) + "; choose from " + list(all))
		}
	}
	return append([]payack.Scheme(nil), chosen...), nil
}

func list(schemes []payack.Scheme) string {
	words := make([]string, len(schemes))
	for i, s := range schemes {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

func checkBody(b Body) (Body, error) {
	switch b {
	case "":
		return BodyJSON, nil
	case BodyJSON, BodyForm:
		return b, nil
	}
	return "", errors.New(`payack: Body: unknown format ` + strconv.Quote(string(b)) + `; choose "json" or "form"`)
}

// checkSecrets refuses an empty list, an empty key, and a key that can't be right.
func checkSecrets(member string, secrets []payack.Secret) error {
	if len(secrets) == 0 {
		return errors.New("payack: " + member + ": no key is given; give at least one")
	}
	for i, s := range secrets {
		switch problem := keytext.Problem(s.Reveal()); {
		case s.IsZero():
			return errors.New("payack: " + member + ": key " + strconv.Itoa(i+1) + ": it is empty, and anybody can sign with an empty key; give the account's key")
		case problem != "":
			return errors.New("payack: " + member + ": key " + strconv.Itoa(i+1) + ": " + problem)
		}
	}
	return nil
}

// checkSecret is checkSecrets for a single key. The parameter source is the fix for an
// empty key.
func checkSecret(member string, s payack.Secret, source string) error {
	switch problem := keytext.Problem(s.Reveal()); {
	case s.IsZero():
		return errors.New("payack: " + member + ": it is empty; " + source)
	case problem != "":
		return errors.New("payack: " + member + ": " + problem)
	}
	return nil
}
