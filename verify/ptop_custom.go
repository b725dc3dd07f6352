package verify

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// PtopReading is the merchant's own reading of Ptop's document, for use when Ptop
// signs in none of the ways that [PtopOptions].Schemes lists. It returns the text
// that Ptop signed and the signature in the message. The verifier compares the
// signature, which must be 64 lower-case hex digits, with the HMAC-SHA256 of the
// text under each key. If the reading returns an error or panics, Verify returns
// [payack.ErrSignature].
//
// A reading is unsafe unless it guarantees all of this:
//
//   - The text fixes success, transaction_id and order_id: messages that differ in
//     one of them have different texts. Joined values need a separator that no
//     value can contain; without one, ("T1", "23") and ("T12", "3") have the same
//     signature. The safest text is the raw body with as little removed as
//     possible.
//   - It takes these members from the top level of the one JSON object or form, as
//     the verifier does.
//   - Its work is bounded by the length of the body: it runs before anything is
//     authenticated.
//   - It is safe for concurrent use and does not change the message.
//
// Message and Extra of the event are authentic only if the text fixes them too.
//
// The verifier detects some readings that break the first rule. When a signature
// matches, it calls the reading again with another success, another id, and with
// characters moved between the ids, and refuses the message if the text is still
// the same. A reading that passes may still be wrong.
type PtopReading func(m Message) (signed, signature string, err error)

// setCustom sets up the merchant's own reading, which replaces all schemes.
func (v *Ptop) setCustom(o PtopOptions) error {
	switch named := slices.Contains(o.Schemes, payack.SchemeCustom); {
	case o.Custom == nil && named:
		return errors.New(`payack: Schemes: "custom" needs the reading; give it in Custom`)
	case o.Custom == nil:
		return nil
	case len(o.Schemes) > 1 || len(o.Schemes) == 1 && !named:
		return errors.New("payack: Schemes: Custom replaces all other readings; leave Schemes out")
	case len(o.Headers) > 0:
		return errors.New("payack: Headers: Custom finds the signature itself; leave Headers out")
	}
	v.custom, v.schemes, v.headers = o.Custom, []payack.Scheme{payack.SchemeCustom}, nil
	return nil
}

// runCustom verifies a decoded message under the merchant's own reading.
func (v *Ptop) runCustom(m Message, fields []strict.Field, k *PtopKeys, t *trace) (*payack.PtopEvent, error) {
	t.note("signature", "where the custom reading finds it")
	if k == nil {
		k = &PtopKeys{}
	}
	signed, signature, err := v.read(m)
	if err != nil {
		t.note("hint", "the custom reading says: "+err.Error())
		return nil, reject(payack.Ptop, payack.ReasonSignature, "the custom reading finds no signature; explain the delivery to see its error")
	}
	if !ptopDigits(signature) {
		return nil, reject(payack.Ptop, payack.ReasonSignature, mangledDigits(signature))
	}
	search := searchPtop(signature, m.Body, k, t)
	key := search.find(payack.SchemeCustom, signed)
	if key < 0 {
		cause := ""
		if search.exhausted() {
			cause = ptopExhausted
		}
		return nil, reject(payack.Ptop, payack.ReasonSignature, because("no signing key matches it under the custom reading", cause))
	}
	ev, err := v.event(fields)
	if err != nil {
		return nil, malformed(payack.Ptop, err)
	}
	if what := v.unfixed(m, fields, ev, signed); what != "" {
		return nil, reject(payack.Ptop, payack.ReasonSignature,
			"the custom reading returns the same text for "+what+", so the signature does not cover it; return a text that differs")
	}
	ev.Verification = payack.Verification{Tenant: k.tenant, Scheme: payack.SchemeCustom, Key: key, Signature: signature}
	if err := ev.Check(); err != nil {
		return ev, invalid(payack.Ptop, err)
	}
	return ev, nil
}

// read calls the merchant's reading, which may panic.
func (v *Ptop) read(m Message) (signed, signature string, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it panicked")
		}
	}()
	return v.custom(m)
}

// ptopChange is a change of a message: new values by member, with a description.
type ptopChange struct {
	what   string
	values map[string]string
}

// unfixed describes a change of the message that does not change its signed text.
// It returns "" if it finds none.
func (v *Ptop) unfixed(m Message, fields []strict.Field, ev *payack.PtopEvent, signed string) string {
	const tx, order = "transaction_id", "order_id"
	changes := []ptopChange{
		{"another success", map[string]string{"success": ""}},
		{"another transaction_id", map[string]string{tx: ev.TransactionID + "0"}},
		{"another order_id", map[string]string{order: ev.OrderID + "0"}},
	}
	for _, moved := range ptopMoves(ev.TransactionID, ev.OrderID) {
		changes = append(changes, ptopChange{"a character moved between transaction_id and order_id", map[string]string{tx: moved[0], order: moved[1]}})
	}
	for _, moved := range ptopBorders(ev.TransactionID, ev.OrderID, signed) {
		changes = append(changes, ptopChange{"another border between transaction_id and order_id, which contain the separator of the text", map[string]string{tx: moved[0], order: moved[1]}})
	}
	if ev.TransactionID != ev.OrderID {
		changes = append(changes, ptopChange{"transaction_id and order_id exchanged", map[string]string{tx: ev.OrderID, order: ev.TransactionID}})
	}
	for _, c := range changes {
		other := m
		other.Body = v.rewritten(m.Body, fields, c.values)
		if text, _, err := v.read(other); err == nil && text == signed {
			return c.what
		}
	}
	return ""
}

// ptopMoves returns the pairs of ids that result when one character moves across
// the border between a and b. The signed text may have either id first.
func ptopMoves(a, b string) (out [][2]string) {
	cut := func(x, y string) (moved [][2]string) {
		if _, n := utf8.DecodeLastRuneInString(x); n > 0 {
			moved = append(moved, [2]string{x[:len(x)-n], x[len(x)-n:] + y})
		}
		if _, n := utf8.DecodeRuneInString(y); n > 0 {
			moved = append(moved, [2]string{x + y[:n], y[n:]})
		}
		return moved
	}
	out = cut(a, b)
	for _, m := range cut(b, a) {
		out = append(out, [2]string{m[1], m[0]})
	}
	return out
}

// ptopBorders returns the other pairs of ids that join to the same signed text
// because an id contains the separator: for example, TX-100 and ORD-7 joined by a
// hyphen give the same text as TX and 100-ORD-7.
func ptopBorders(a, b, signed string) (out [][2]string) {
	const longest = 8
	split := func(x, y string) (moved [][2]string) {
		_, rest, found := strings.Cut(signed, x)
		separator, _, after := strings.Cut(rest, y)
		if !found || !after || separator == "" || len(separator) > longest {
			return nil
		}
		if head, tail, found := strings.Cut(x, separator); found {
			moved = append(moved, [2]string{head, tail + separator + y})
		}
		if head, tail, found := strings.Cut(y, separator); found {
			moved = append(moved, [2]string{x + separator + head, tail})
		}
		return moved
	}
	if a == "" || b == "" {
		return nil
	}
	out = split(a, b)
	for _, m := range split(b, a) {
		out = append(out, [2]string{m[1], m[0]})
	}
	return out
}

// rewritten returns the body with other values. For success it ignores the given
// value, and writes the opposite of the value in the body.
func (v *Ptop) rewritten(body string, fields []strict.Field, values map[string]string) string {
	var b strings.Builder
	at := 0
	for i := range fields {
		f := &fields[i]
		text, changed := values[f.Name]
		if !changed {
			continue
		}
		b.WriteString(body[at:f.ValueStart])
		b.WriteString(v.literal(f, text))
		at = f.End
	}
	return b.String() + body[at:]
}

// literal spells the new text of a member as the body's format does. A number stays a
// number if the new text is one. For success, literal ignores the new text and spells
// the opposite of the value in the body.
func (v *Ptop) literal(f *strict.Field, text string) string {
	switch {
	case f.Name == "success" && (f.Kind == strict.True || f.Text == "true"):
		return "false"
	case f.Name == "success" && (f.Kind == strict.False || f.Text == "false"):
		return "true"
	case f.Name == "success" && f.Text == "1":
		return "0"
	case f.Name == "success":
		return "1"
	case v.body == BodyForm:
		return url.QueryEscape(text)
	case f.Kind == strict.Number && text != "" && text[0] != '0' && strings.Trim(text, "0123456789") == "":
		return text
	}
	return string(strict.AppendQuote(nil, text))
}
