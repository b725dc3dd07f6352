package payack

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// Provider names a payment provider, in lower case.
type Provider string

// The providers.
const (
	Ptop    Provider = "ptop"
	PTS     Provider = "pts"
	Payatom Provider = "payatom"
)

// Scheme says which reading of a provider's contradictory documents a message
// verified under. Configurations pin one or several.
type Scheme string

// Schemes of Ptop: where the signature is, and over which text.
const (
	// SchemeHeader: signature in a header, over the whole raw body.
	SchemeHeader Scheme = "header"
	// SchemeSpliced: over the raw body without the signature member and one comma.
	SchemeSpliced Scheme = "spliced"
	// SchemeReencoded: over PHP's json_encode of the body without the member.
	SchemeReencoded Scheme = "reencoded"
	// SchemeBlanked: over the raw body with the member's value emptied.
	SchemeBlanked Scheme = "blanked"
	// SchemeForm: over the raw form without the signature pair.
	SchemeForm Scheme = "form"
	// SchemeFormRebuilt: over PHP's http_build_query of the other pairs.
	SchemeFormRebuilt Scheme = "form-rebuilt"
	// SchemeCustom: over what the merchant's own reading says.
	SchemeCustom Scheme = "custom"
	// SchemeQuery: nothing is signed. Ptop was asked by payment-check, whose answer
	// is as good as the TLS connection, and the order is the merchant's own record.
	// No callback verifies under it, and no configuration can pin it.
	SchemeQuery Scheme = "query"
)

// Schemes of PTS and Payatom: which text of a number was signed.
const (
	// SchemeLiteral: the literal as sent (a string's content).
	SchemeLiteral Scheme = "literal"
	// SchemePHP: PHP's text of the decoded number, 100.5 for 100.50.
	SchemePHP Scheme = "php"
)

// Event is what all providers' events have in common.
//
// Events are made by package verify and are not changed after that, except for
// what the receiver found out by asking (Found), which is there before the
// merchant's function is called.
type Event interface {
	// Provider names the sender.
	Provider() Provider
	// ID identifies what happened, not the delivery: the same event sent again
	// has the same ID, and the next status of the same payment has another. It
	// is made of the provider, a version, the tenant and signed text only, with
	// amounts by value. It is safe as a key: valid UTF-8 without control
	// characters, at most 512 bytes.
	//
	// Keep it beside an event that is stored as JSON: that form leaves out how
	// the event was verified, and with it the tenant. [EncodeEvent] keeps all.
	ID() string
	// Fingerprint is what must be the same whenever the ID is: the signed
	// amounts by value and the currencies, or the order where no amount is
	// signed. The same ID with another fingerprint is a conflict. Unlike ID it
	// has no bound and may hold any character; where room is short, keep a
	// digest of it.
	Fingerprint() string
	// Order returns the merchant's own number of the order, as signed.
	Order() string
	// Payment identifies the payment that the event is about, within its tenant:
	// all events of one payment have the same. It is as safe a key as ID.
	Payment() string
	// Paid reports whether the event says that the merchant got money. A refund
	// and an unknown status are not paid.
	Paid() bool
	// Final reports whether the status does not change again. An unknown status
	// is not final.
	Final() bool
	// Check reports whether the event keeps the rules in its validate tags. The
	// error is [ErrInvalid] and names the member, not its value.
	Check() error
	// VerifiedBy returns how the event was verified.
	VerifiedBy() Verification
	// Found returns what the merchant's records and the provider said when they
	// were asked about the event.
	Found() Findings
	// Summary returns what a list shows of the event, and by which it is found.
	Summary() Summary

	restore(Verification) // of embedding Verification: methods can be added here
}

// Verification says how an event was verified. It is no part of its JSON form.
type Verification struct {
	// Tenant is the scope of the keys that verified it, empty for static keys
	// without one.
	Tenant string
	// Scheme is the reading of the documents that matched.
	Scheme Scheme
	// Key is the index of the key that matched, in the order configured.
	Key int
	// Signature is the text of the signature that matched, as received: sign,
	// post_hash or the hex digits of the HMAC.
	Signature string
}

// VerifiedBy returns v. Events have the method by embedding.
func (v Verification) VerifiedBy() Verification { return v }

// restore is how [DecodeEvent] reaches an event's verification.
func (v *Verification) restore(from Verification) { *v = from }

// Findings is what was found out about an event by asking. The receiver sets it
// from what the hooks Expect and Confirm return. It is no part of the event's
// JSON form.
type Findings struct {
	// Confirmed is what the provider's own query said, nil where it was not
	// asked.
	Confirmed *Confirmation
	// Expected is what the merchant's records say of the order. Found is false
	// when they were not asked. (When they know no such order the event is
	// rejected, and nobody sees it.)
	Expected Expectation
}

// Found returns f. Events have the method by embedding.
func (f Findings) Found() Findings { return f }

// Summary is what a list shows of an event and what people search by. It is for
// people: nothing is decided by it, since some of it is not signed. What the
// provider does not send is empty.
type Summary struct {
	// Status is the provider's own word or number for the state.
	Status string
	// Amount is the sum that the event is about, as signed, or as the provider
	// confirmed it where no amount is signed. Currency may be absent.
	Amount   Amount
	Currency Text
	// Transaction is the provider's own name of the payment. Payatom's, its
	// ref_code, is not signed.
	Transaction string
	// Reference is what the payer's bank calls the payment. It is not signed.
	Reference string
}

// Confirmation is what the provider answered when it was asked.
type Confirmation struct {
	// Paid reports whether the provider says that the money came in.
	Paid bool `json:"paid"`
	// Status is the provider's own word or number for it.
	Status string `json:"status"`
	// Amount is the sum that the provider names.
	Amount Amount `json:"amount,omitzero"`
	// Currency of the amount, where the provider names one.
	Currency Text `json:"currency,omitzero"`
}

// Expectation is what the merchant's own records say of an order.
type Expectation struct {
	// Found reports whether there is such an order. Without it nothing else
	// counts, and the event is rejected as unexpected.
	Found bool
	// Amount is what the order was made out for.
	Amount Amount
	// RefCode is the ref_code that Payatom answered when the payment was created,
	// empty where it was not kept. Ask the gateway by it: the webhook's own
	// ref_code is not signed, so a copy may name another.
	RefCode string
}

// AnyAmount returns true: it is the rule for PayatomConfig.Match that takes every
// amount, since people pay parts. Compare ev.ReceivedAmount with
// ev.Expected.Amount before you deliver goods. The rule is taken only together
// with Confirm, because only the gateway can then tell a genuine amount from one
// whose borders were moved.
func AnyAmount(expected, received Amount) bool { return true }

// maxID bounds an identity's length, so that it fits the index of any store.
const maxID = 512

// idVersion stands in every identity. Identities are kept in databases: when
// the rules by which they are made change, the version does, and nothing that
// was settled under the old rules is taken for new without somebody noticing.
const idVersion = "v1"

// joinID joins parts so that different parts never give the same text. It
// percent-encodes the separator, the escape character and control characters
// (C0, DEL and C1) inside a part, and every byte above ASCII of a part that is
// not UTF-8. It replaces what would be too long by its digest.
func joinID(p Provider, parts ...string) string {
	var short [128]byte // nearly all are, and then only the string is allocated
	b := append(append(append(short[:0], p...), ':'), idVersion...)
	for _, s := range parts {
		b = append(b, ':')
		if needsEscape(s) {
			b = appendEscaped(b, s)
		} else {
			b = append(b, s...)
		}
	}
	if len(b) > maxID {
		sum := sha256.Sum256(b)
		// One part instead of several, so it is no other event's identity.
		b = append(append(append(append(b[:0], p...), ':'), idVersion...), ":sha256-"...)
		b = hex.AppendEncode(b, sum[:])
	}
	return string(b)
}

func mustEscape(c byte) bool { return c == ':' || c == '%' || c < 0x20 || c == 0x7f }

// needsEscape reports whether appendEscaped has to look at a part: something in
// it must be escaped, or is not ASCII.
func needsEscape(s string) bool {
	for i := range len(s) {
		if c := s[i]; mustEscape(c) || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	valid := utf8.ValidString(s)
	for i := 0; i < len(s); i++ {
		c := s[i]
		// In UTF-8 the control characters U+0080 to U+009F are C2 80 to C2 9F.
		c1 := c == 0xC2 && i+1 < len(s) && s[i+1] < 0xA0
		if !mustEscape(c) && (c < utf8.RuneSelf || valid && !c1) {
			b = append(b, c)
			continue
		}
		b = append(b, '%', digits[c>>4], digits[c&15])
		if valid && c1 {
			i++
			b = append(b, '%', digits[s[i]>>4], digits[s[i]&15])
		}
	}
	return b
}
