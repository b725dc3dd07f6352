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

// PtopReading is the merchant's own reading of Ptop's document, for the case that
// none of the readings here is what Ptop really does. It returns the text that
// was signed and the signature, 64 lower-case hex digits; the verifier compares
// that with the HMAC-SHA256 of the text under each key. An error means that the
// message has no signature under this reading, and is a wrong signature.
//
// What a reading must guarantee, because nothing else does:
//
//   - The text fixes what the message says. Two messages with the same text must
//     have the same success, transaction_id and order_id, each as a whole: values
//     that are joined need a separator that no value can hold, or ("T1", "23") and
//     ("T12", "3") have one signature. The safest text is the raw body with as
//     little taken out as possible.
//   - It reads the message as the verifier does: one JSON object without
//     duplicate names, or one form, with the members of these names at the top.
//   - Message and Extra of the event are authentic only as far as the text fixes
//     them too.
//   - It is called with whatever anybody sends, before anything is authenticated,
//     so its work must be bounded by the length of the body. It must be safe for
//     concurrent use, and change nothing of the message.
//
// The verifier finds out some readings that break the first rule: when a message
// matches, it asks again with another success, transaction_id or order_id, and
// with characters moved from one id to the other, and refuses the message when
// the text stays the same. That doesn't prove a reading right. A reading that
// panics is a wrong signature too.
type PtopReading func(m Message) (signed, signature string, err error)

// setCustom takes a reading of the merchant's own, which is tried alone.
func (v *Ptop) setCustom(o PtopOptions) error {
	switch named := slices.Contains(o.Schemes, payack.SchemeCustom); {
	case o.Custom == nil && named:
		return errors.New(`payack: Schemes: "custom" needs the reading; give it in Custom`)
	case o.Custom == nil:
		return nil
	case len(o.Schemes) > 1 || len(o.Schemes) == 1 && !named:
		return errors.New("payack: Schemes: Custom is tried alone, so that no other reading weakens it; leave Schemes out")
	case len(o.Headers) > 0:
		return errors.New("payack: Headers: Custom finds the signature itself; leave them out")
	}
	v.custom, v.schemes, v.headers = o.Custom, []payack.Scheme{payack.SchemeCustom}, nil
	return nil
}

// runCustom is what follows the decoding, under the merchant's own reading.
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
			"the custom reading's text stays the same with "+what+", so the signature fixes nothing; have it return a text that differs")
	}
	ev.Verification = payack.Verification{Tenant: k.tenant, Scheme: payack.SchemeCustom, Key: key, Signature: signature}
	if err := ev.Check(); err != nil {
		return ev, invalid(payack.Ptop, err)
	}
	return ev, nil
}

// read asks the reading, which is not ours and may panic.
func (v *Ptop) read(m Message) (signed, signature string, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it panicked")
		}
	}()
	return v.custom(m)
}

// ptopChange is another value for each member named.
type ptopChange struct {
	what   string
	values map[string]string
}

// unfixed returns a change of the message that leaves its signed text as it is,
// or nothing.
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
		changes = append(changes, ptopChange{"another border between transaction_id and order_id, which hold what the text has between them", map[string]string{tx: moved[0], order: moved[1]}})
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

// ptopMoves are the pairs that hold the same characters with another border,
// whichever of the two stands first.
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

// ptopBorders are the pairs that a separator makes ambiguous that one of the ids
// holds: TX-100 and ORD-7 joined by a hyphen are TX and 100-ORD-7, too.
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

// rewritten returns the body with other values; that of success is the other one.
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

// literal writes a value in the way of the body, a number as a number.
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
