// Package verify is the pure core: a callback's content type, headers, body and
// the keys go in, a verified typed event or an error comes out. It knows
// nothing of servers and does no I/O. The signing side of every message stands
// beside it, for tests, tools and clients.
//
// There is a file for each provider. The order in all of them is the same:
// recognise the shape, open the envelope, decode strictly, verify over the
// literals, and only then build the typed event and check it.
//
// A callback is a string, so that nobody can change it between the verification
// and its use; what an HTTP client reads and sends is bytes.
//
// Every error is a *[payack.Error] whose reason is envelope, malformed,
// signature or invalid. Invalid is what is authentic and breaks a rule: there the
// event comes back beside the error. Verifiers and keys are safe for concurrent
// use.
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

// Message is a callback as it came in.
type Message struct {
	// ContentType is the Content-Type header's value.
	ContentType string
	// Header holds the other headers under their canonical names, as an
	// http.Header does; only those that carry signatures are looked at.
	Header map[string][]string
	// Body is the exact body. An event's texts are parts of it.
	Body string
}

// Body says which of two formats an endpoint takes. The content type is not
// signed, so it must not choose the meaning: an endpoint takes one of them.
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

// mediaType is a content type as far as it matters here.
type mediaType int

const (
	mediaOther mediaType = iota
	mediaJSON
	mediaForm
	mediaText
)

const maxContentType = 256

// media reads a Content-Type. A charset other than UTF-8 makes it another type,
// except for text/plain, where it carries base64 and every charset in use
// agrees on that.
func media(contentType string) mediaType {
	switch contentType { // as nearly all senders write it; saves the parsing
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
	if len(contentType) > maxContentType { // read before anybody is known
		return mediaOther
	}
	base, _, _ := strings.Cut(contentType, ";")
	switch strings.TrimSpace(strings.ToLower(base)) { // saves the parsing of a flood
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

// looksLikeJSON reports whether the first byte that is no white space opens an
// object. No base64 text does.
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

// room is where a message's fields stand while it is verified; what comes of it
// keeps their texts at the most. More fields than the documents know go to the
// heap.
type room [20]strict.Field

var rooms = sync.Pool{New: func() any { return new(room) }}

func takeRoom() *room { return rooms.Get().(*room) }

func (r *room) release() {
	clear(r[:]) // keep no message alive
	rooms.Put(r)
}

// known are the names of a message's members. The signed ones (the signature's
// own among them) decide; the shown ones are documented and decide nothing, so
// that whatever they hold is kept and refuses nothing.
type known struct{ signed, shown, all []string }

func knownOf(signed []string, shown ...string) known {
	return known{signed: signed, shown: shown, all: slices.Concat(signed, shown)}
}

// mark marks the known members among fields.
func (k *known) mark(fields []strict.Field) error { return strict.Know(fields, k.signed, k.shown...) }

// decode reads a body in its one format, into dst as far as there is room. It
// does not mark what is known.
func decode(dst []strict.Field, body Body, text string, known []string) ([]strict.Field, error) {
	if body == BodyForm {
		return strict.Form(dst, text, known...)
	}
	return strict.JSON(dst, text, known...)
}

// members gives the known members of a message their types. The first one that
// has another type, or is missing though required, is kept in err.
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

// id returns an id, a status or a timestamp: a string, or a plain integer
// literal.
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

// word returns a signed member that is a string, a number, or null.
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

// shown returns a member that is not signed, or decides nothing: a string's
// content, and the literal of any other value. It refuses nothing.
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

// extra returns the members that are not known, nil when there are none.
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

// maxIntegerDigits bounds an integer literal that stands for an id, a status or
// a timestamp. It is the bound of amounts, and beyond every integer type that a
// sender has.
const maxIntegerDigits = 40

// plainInteger reports whether a JSON number has neither fraction nor exponent.
// It refuses -0: PHP reads it as 0, so that one number would have two texts.
func plainInteger(literal string) bool {
	digits := strings.TrimPrefix(literal, "-")
	return len(digits) <= maxIntegerDigits && !strings.ContainsAny(digits, ".eE") && literal != "-0"
}

// phpNumber returns PHP's text of an amount or a rate that is a JSON number. One
// that is out of the bounds of amounts has none: it could not be accepted, and
// to convert it would cost anybody's time.
func phpNumber(f *strict.Field) (text string, ok bool) {
	if f.Kind != strict.Number || !payack.NewAmount(f.Text).Valid() {
		return "", false
	}
	return php.NumberText(f.Text)
}

// phpIntegers reports whether PHP reads these members without rounding one. It
// makes a float of an integer beyond int64, and then signs another text of it.
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

// reject returns the error of a refusal; detail is a fixed text.
func reject(p payack.Provider, reason payack.Reason, detail string) error {
	return &payack.Error{Provider: p, Stage: payack.StageVerify, Reason: reason, Detail: detail}
}

// malformed is the refusal of a message that could not be decoded. A strict
// error's text holds nothing that was sent.
func malformed(p payack.Provider, err error) error {
	return reject(p, payack.ReasonMalformed, err.Error())
}

// invalid is the refusal of an event that breaks a rule of the provider. The
// reason says already what the end of a check's text says.
func invalid(p payack.Provider, err error) error {
	text := strings.TrimSuffix(err.Error(), ": "+payack.ErrInvalid.Error())
	return reject(p, payack.ReasonInvalid, strings.TrimPrefix(text, "payack: "))
}

// numberSchemes are the texts of a number that PTS and Payatom may have signed.
var numberSchemes = []payack.Scheme{payack.SchemeLiteral, payack.SchemePHP}

// pickSchemes checks a configured list of schemes against those that exist.
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

// checkSecrets refuses a key set that would verify anything, or that never could
// verify something.
func checkSecrets(member string, secrets []payack.Secret) error {
	if len(secrets) == 0 {
		return errors.New("payack: " + member + ": no key is given; give at least one")
	}
	for i, s := range secrets {
		switch problem := keytext.Problem(s.Reveal()); {
		case s.IsZero():
			return errors.New("payack: " + member + ": key " + strconv.Itoa(i+1) + ": it is empty; an empty key would let anybody sign")
		case problem != "":
			return errors.New("payack: " + member + ": key " + strconv.Itoa(i+1) + ": " + problem)
		}
	}
	return nil
}

// checkSecret is checkSecrets for a single key; source says where an empty one
// is found.
func checkSecret(member string, s payack.Secret, source string) error {
	switch problem := keytext.Problem(s.Reveal()); {
	case s.IsZero():
		return errors.New("payack: " + member + ": it is empty; " + source)
	case problem != "":
		return errors.New("payack: " + member + ": " + problem)
	}
	return nil
}
