package payack

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// Provider is the name of a payment provider, in lower case.
type Provider string

// The providers.
const (
	Ptop    Provider = "ptop"
	PTS     Provider = "pts"
	Payatom Provider = "payatom"
)

// Scheme identifies the reading of a provider's documents under which a message
// verified. The documents contradict one another, so several readings are possible.
// A configuration can pin one or several schemes.
type Scheme string

// Schemes of Ptop: where the signature is, and which text it covers.
const (
	// SchemeHeader: the signature is in a header and covers the whole raw body.
	SchemeHeader Scheme = "header"
	// SchemeSpliced: the signature is in the body and covers the raw body without
	// the signature member and one comma.
	SchemeSpliced Scheme = "spliced"
	// SchemeReencoded: the signature covers PHP's json_encode of the body without
	// the signature member.
	SchemeReencoded Scheme = "reencoded"
	// SchemeBlanked: the signature covers the raw body with the value of the
	// signature member emptied.
	SchemeBlanked Scheme = "blanked"
	// SchemeForm: the signature covers the raw form without the signature pair.
	SchemeForm Scheme = "form"
	// SchemeFormRebuilt: the signature covers PHP's http_build_query of all other
	// pairs.
	SchemeFormRebuilt Scheme = "form-rebuilt"
	// SchemeCustom: the merchant's own code decides what the signature covers.
	SchemeCustom Scheme = "custom"
	// SchemeQuery: nothing is signed. The event is made from the answer of Ptop's
	// payment-check and from the merchant's own record of the order. Only TLS
	// authenticates the answer. No callback verifies under this scheme, and no
	// configuration can pin it.
	SchemeQuery Scheme = "query"
)

// Schemes of PTS and Payatom: which text of a number was signed.
const (
	// SchemeLiteral: the literal as sent, or the content of a JSON string.
	SchemeLiteral Scheme = "literal"
	// SchemePHP: PHP's text of the decoded number, such as 100.5 for 100.50.
	SchemePHP Scheme = "php"
)

// Event is the interface of all providers' events. Other packages can implement
// Event only by embedding an event of this package, so later versions may add
// methods.
//
// Events come from packages verify and reconcile, and from [DecodeEvent]. Only the
// receiver changes an event afterwards: it sets the findings ([Event.Found]) before
// it calls the merchant's function.
type Event interface {
	// Provider returns the provider that sent the event.
	Provider() Provider
	// ID identifies the event, not the delivery: a redelivery has the same ID, and
	// the next status of the same payment has another ID. The ID consists of the
	// provider, a version, the tenant and signed members. Amounts in it count by
	// value: 100.50 and 100.5 give the same ID.
	//
	// The ID is safe as a key: valid UTF-8 without control characters, at most 512
	// bytes.
	//
	// If you store an event as JSON, store its ID as well. The JSON form omits how
	// the event was verified, and so omits the tenant, too. [EncodeEvent] keeps
	// both.
	ID() string
	// Fingerprint returns the part of an event that must not change while its ID
	// stays the same: the signed amounts, by value, and the signed currencies, or
	// the order if no amount is signed. Two events with the same ID and different
	// fingerprints are a conflict. Unlike the ID, the fingerprint may have any
	// length and any character; store a digest of it where space is limited.
	Fingerprint() string
	// Order returns the merchant's order number, as signed.
	Order() string
	// Payment identifies the payment that the event is about, within its tenant. It
	// is the same for all events of one payment, and as safe a key as ID.
	Payment() string
	// Paid reports whether the event says that the merchant was paid. A refund and
	// an unknown status are not paid. See the method of each event type for
	// exceptions: a PTS withdrawal that succeeded is paid, too.
	Paid() bool
	// Final reports whether the status does not change any more. An unknown status
	// is not final.
	Final() bool
	// Check returns an error that matches [ErrInvalid] if the event breaks a rule
	// in its validate tags. The error names the member, not its value.
	Check() error
	// VerifiedBy returns how the event was verified.
	VerifiedBy() Verification
	// Found returns the answers of the merchant's records and of the provider about
	// the event.
	Found() Findings
	// Summary returns the data of the event that lists show to people.
	Summary() Summary

	restore(Verification) // unexported, so that methods can be added to the interface
}

// Verification says how an event was verified. The event's JSON form omits it.
type Verification struct {
	// Tenant is the tenant of the keys that verified the event. It is empty for
	// static keys without a tenant.
	Tenant string
	// Scheme is the reading of the provider's documents under which the signature
	// matched.
	Scheme Scheme
	// Key is the index of the key that matched, in the configured order.
	Key int
	// Signature is the signature that matched, as received: sign (PTS), post_hash
	// (Payatom) or the hex digits of the HMAC (Ptop).
	Signature string
}

// VerifiedBy returns v. Events inherit the method.
func (v Verification) VerifiedBy() Verification { return v }

// restore sets an event's verification, for [DecodeEvent].
func (v *Verification) restore(from Verification) { *v = from }

// Findings are the answers of the hooks Expect and Confirm about an event. The
// receiver sets them. The event's JSON form omits them.
type Findings struct {
	// Confirmed is the provider's answer to a query, nil if the provider was not
	// asked.
	Confirmed *Confirmation
	// Expected is what the merchant's records say of the order. Expected.Found is
	// false if the records were not asked. An event whose order is unknown never
	// reaches the merchant's function, because such an event is rejected.
	Expected Expectation
}

// Found returns f. Events inherit the method.
func (f Findings) Found() Findings { return f }

// Summary is the data of an event that people see in lists and search for. Programs
// must not decide by it, since some of it is not signed. A member that the provider
// does not send is empty.
type Summary struct {
	// Status is the provider's own word or number for the state.
	Status string
	// Amount is the sum that the event is about: the signed amount. If no amount is
	// signed, it is the amount that the provider confirmed. Currency may be absent.
	Amount   Amount
	Currency Text
	// Transaction is the provider's identifier of the payment. Payatom's
	// identifier, ref_code, is not signed.
	Transaction string
	// Reference is the identifier that the payer's bank gave the payment. It is not
	// signed.
	Reference string
}

// Confirmation is the provider's answer to a query about an event.
type Confirmation struct {
	// Paid reports whether the provider says that the payment (or PTS withdrawal)
	// succeeded.
	Paid bool `json:"paid"`
	// Status is the provider's own word or number for the state.
	Status string `json:"status"`
	// Amount is the amount in the provider's answer.
	Amount Amount `json:"amount,omitzero"`
	// Currency is the currency of the amount, absent if the provider names none.
	Currency Text `json:"currency,omitzero"`
}

// Expectation is what the merchant's own records say of an order.
type Expectation struct {
	// Found reports whether the order exists. If it is false, the event is rejected
	// as unexpected and the other members don't matter.
	Found bool
	// Amount is the amount that the order is for.
	Amount Amount
	// RefCode is the ref_code that Payatom returned when the payment was created,
	// empty if it was not kept. Use this ref_code to ask the gateway: the webhook's
	// own ref_code is not signed and can be replaced.
	RefCode string
}

// AnyAmount returns true. Set as PayatomConfig.Match, it accepts every received
// amount, for merchants who allow part payments. Compare ev.ReceivedAmount with
// ev.Expected.Amount before you deliver goods.
//
// AnyAmount is allowed only together with Confirm: the hash of a webhook does not
// show where the order id ends and the amount begins, so only the gateway can
// confirm the amount.
func AnyAmount(expected, received Amount) bool { return true }

// maxID bounds the length of an identity in bytes, so that an identity fits the
// index of any store.
const maxID = 512

// idVersion is part of every identity. Databases keep identities. If the rules for
// making identities change, change idVersion, too. After such a change a settled
// event has another identity, so it could be settled again. The version makes this
// visible.
const idVersion = "v1"

// joinID joins parts so that different parts never give the same text. In each part
// it percent-encodes the separator, the escape character and control characters
// (C0, DEL and C1). In a part that is not UTF-8 it percent-encodes every byte above
// ASCII, too. A result longer than maxID is replaced by its digest.
func joinID(p Provider, parts ...string) string {
	var short [128]byte // usually long enough, so that only the string is allocated
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
		// The digest is the only part. Every other identity has at least two parts,
		// so none equals this one.
		b = append(append(append(append(b[:0], p...), ':'), idVersion...), ":sha256-"...)
		b = hex.AppendEncode(b, sum[:])
	}
	return string(b)
}

func mustEscape(c byte) bool { return c == ':' || c == '%' || c < 0x20 || c == 0x7f }

// needsEscape reports whether s has a byte that must be escaped or is not ASCII.
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
