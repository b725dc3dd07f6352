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
)

// Schemes of PTS and Payatom: which text of a number was signed.
const (
	// SchemeLiteral: the literal as sent (a string's content).
	SchemeLiteral Scheme = "literal"
	// SchemePHP: PHP's text of the decoded number, 100.5 for 100.50.
	SchemePHP Scheme = "php"
)

// Event is what all providers' events have in common.
type Event interface {
	// Provider names the sender.
	Provider() Provider
	// ID identifies what happened, not the delivery: the same event sent again
	// has the same ID, a next status of the same payment has another. It is
	// made of the provider, the tenant and signed text only, and safe as a key:
	// valid UTF-8 without control characters, at most 512 bytes.
	//
	// Keep it beside an event that is stored as JSON: that form leaves out how
	// the event was verified, and with it the tenant.
	ID() string
	// Fingerprint is the signed amounts and currencies: the same ID with
	// another fingerprint is a conflict.
	Fingerprint() string
	// Paid tells whether the event says that the merchant got money. A refund
	// and an unknown status are not paid.
	Paid() bool
	// Final tells whether no further event is to be expected for the payment.
	// An unknown status is not final.
	Final() bool
	// Check tells whether the event keeps the rules in its validate tags. The
	// error is [ErrInvalid] and names the member, not its value.
	Check() error
	// Verified returns how it was verified; changes through the pointer stay.
	Verified() *Verification
}

// Verification says how an event was verified. It is no part of its JSON form.
type Verification struct {
	// Tenant is the scope of the keys that verified it, empty for static keys.
	Tenant string
	// Scheme is the reading of the documents that matched.
	Scheme Scheme
	// Key is the index of the key that matched, in the order configured.
	Key int
	// Signature is the text of the signature that matched, as received: sign,
	// post_hash or the hex digits of the HMAC.
	Signature string
	// Confirmed is what the provider's own query said, if one was made.
	Confirmed *Confirmation
}

// Verified returns v itself; events have it by embedding.
func (v *Verification) Verified() *Verification { return v }

// Confirmation is what the provider answered when it was asked.
type Confirmation struct {
	// Paid says that the provider confirms the money.
	Paid bool `json:"paid"`
	// Status is the provider's own word or number for it.
	Status string `json:"status"`
	// Amount is the sum that the provider names.
	Amount Amount `json:"amount,omitzero"`
	// Currency of the amount, where the provider names one.
	Currency Text `json:"currency,omitzero"`
}

// maxID bounds an identity's length, so that it fits the index of any store.
const maxID = 512

// joinID joins parts so that different parts never give the same text: a
// separator, an escape character and control characters inside a part are
// percent-encoded, as is every byte of a part that is no UTF-8. What would be
// too long is replaced by its digest.
func joinID(p Provider, parts ...string) string {
	var short [128]byte // nearly all are, and then only the string is allocated
	b := append(short[:0], p...)
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
		b = append(append(b[:0], p...), ":sha256-"...)
		b = hex.AppendEncode(b, sum[:])
	}
	return string(b)
}

func mustEscape(c byte) bool { return c == ':' || c == '%' || c < 0x20 || c == 0x7f }

// needsEscape is false for a part that may stand as it is; what is not ASCII,
// appendEscaped looks at.
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
	for i := range len(s) {
		if c := s[i]; mustEscape(c) || c >= utf8.RuneSelf && !valid {
			b = append(b, '%', digits[c>>4], digits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}
