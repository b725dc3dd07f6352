package payack

import (
	"errors"
	"strings"
)

// The kinds of refusal, for errors.Is. Each [Error] is one of them, or none
// when the failure lies on the merchant's side (a callback that returned an
// error, a store that is down).
var (
	// ErrSignature: no key and no reading of the documents verifies it.
	ErrSignature = errors.New("payack: signature does not verify")
	// ErrEnvelope: what arrived is not an envelope of this key.
	ErrEnvelope = errors.New("payack: envelope does not open")
	// ErrMalformed: it is not a message of this provider, or is an ambiguous one.
	ErrMalformed = errors.New("payack: malformed message")
	// ErrInvalid: it verifies, but its contents break a rule of the provider.
	ErrInvalid = errors.New("payack: verified but invalid")
	// ErrTooLarge: the body is over the limit.
	ErrTooLarge = errors.New("payack: body over the limit")
	// ErrRefused: turned away at the gate, before anything was read.
	ErrRefused = errors.New("payack: refused at the gate")
	// ErrUnknownTenant: there are no keys for the tenant that the request names.
	// A KeyFunc returns it, and it is answered like a wrong signature.
	ErrUnknownTenant = errors.New("payack: no keys for this tenant")
	// ErrSpliced: a signature that belongs to another message.
	ErrSpliced = errors.New("payack: signature was seen with another message")
	// ErrUndecided is beside [ErrSpliced] where only the merchant's function can tell
	// which of the messages is genuine, so that the other one may be the forgery. An
	// inbox tries it again for a while.
	ErrUndecided = errors.New("payack: the other message may be the forged one")
	// ErrUnexpected: the merchant knows no such order, or expects another amount.
	ErrUnexpected = errors.New("payack: not what the merchant expects")
	// ErrUnconfirmed: the provider, when asked, said something else.
	// A Confirm hook returns it for a final contradiction only.
	ErrUnconfirmed = errors.New("payack: the provider does not confirm it")
	// ErrConflict: the same identity came before with another fingerprint.
	ErrConflict = errors.New("payack: same event with other amounts")
	// ErrBusy: the same event is being processed at this moment.
	ErrBusy = errors.New("payack: event is being processed")
)

// Reason says in one word why a delivery was not accepted. The set is closed,
// so a reason fits a metric's label.
type Reason string

// The reasons. The empty one is an accepted delivery, or a duplicate of one.
const (
	// Refused at the gate.
	ReasonMethod          Reason = "method"
	ReasonContentType     Reason = "content_type"
	ReasonContentEncoding Reason = "content_encoding"
	ReasonTooLarge        Reason = "too_large"
	ReasonAddress         Reason = "address"
	ReasonRate            Reason = "rate"

	// Rejected: sending it again will not help.
	ReasonEnvelope      Reason = "envelope"
	ReasonMalformed     Reason = "malformed"
	ReasonSignature     Reason = "signature"
	ReasonInvalid       Reason = "invalid"
	ReasonUnknownTenant Reason = "unknown_tenant"
	ReasonSpliced       Reason = "spliced"
	ReasonUnexpected    Reason = "unexpected"
	ReasonUnconfirmed   Reason = "unconfirmed"
	ReasonConflict      Reason = "conflict"

	// Failed: the provider is asked to send it again.
	ReasonCallback     Reason = "callback"
	ReasonPanic        Reason = "panic"
	ReasonDeadline     Reason = "deadline"
	ReasonBusy         Reason = "busy"
	ReasonUnreachable  Reason = "unreachable"
	ReasonExpectation  Reason = "expectation"
	ReasonKeys         Reason = "keys"
	ReasonStore        Reason = "store"
	ReasonInbox        Reason = "inbox"
	ReasonBodyConsumed Reason = "body_consumed"
	ReasonBodyRead     Reason = "body_read"
)

// Outcome is what became of a delivery.
type Outcome string

// The outcomes.
const (
	// OutcomeAccepted: verified, and the merchant's function returned nil.
	OutcomeAccepted Outcome = "accepted"
	// OutcomeDuplicate: accepted before; answered as success without calling anything.
	OutcomeDuplicate Outcome = "duplicate"
	// OutcomeFailed: not processed; the answer asks the provider to send it again.
	OutcomeFailed Outcome = "failed"
	// OutcomeRejected: not authentic, or not what it should be.
	OutcomeRejected Outcome = "rejected"
	// OutcomeRefused: turned away at the gate.
	OutcomeRefused Outcome = "refused"
)

// AfterVerified reports whether a delivery that is rejected for this reason was
// verified first. Its sender then knows a key, or has a copy of what was signed
// with one, so the answer may say that the signature matched. It is false for
// reasons that reject nothing.
func (r Reason) AfterVerified() bool {
	switch r {
	case ReasonInvalid, ReasonSpliced, ReasonUnexpected, ReasonUnconfirmed, ReasonConflict:
		return true
	}
	return false
}

// Outcome returns the outcome that goes with a reason.
func (r Reason) Outcome() Outcome {
	switch r {
	case "":
		return OutcomeAccepted
	case ReasonMethod, ReasonContentType, ReasonContentEncoding, ReasonTooLarge, ReasonAddress, ReasonRate:
		return OutcomeRefused
	case ReasonEnvelope, ReasonMalformed, ReasonSignature, ReasonInvalid, ReasonUnknownTenant,
		ReasonSpliced, ReasonUnexpected, ReasonUnconfirmed, ReasonConflict:
		return OutcomeRejected
	default:
		return OutcomeFailed
	}
}

// kind returns the sentinel that goes with a reason, or nil.
func (r Reason) kind() error {
	switch r {
	case ReasonMethod, ReasonContentType, ReasonContentEncoding, ReasonAddress, ReasonRate:
		return ErrRefused
	case ReasonTooLarge:
		return ErrTooLarge
	case ReasonEnvelope:
		return ErrEnvelope
	case ReasonMalformed:
		return ErrMalformed
	case ReasonSignature:
		return ErrSignature
	case ReasonInvalid:
		return ErrInvalid
	case ReasonUnknownTenant:
		return ErrUnknownTenant
	case ReasonSpliced:
		return ErrSpliced
	case ReasonUnexpected:
		return ErrUnexpected
	case ReasonUnconfirmed:
		return ErrUnconfirmed
	case ReasonConflict:
		return ErrConflict
	case ReasonBusy:
		return ErrBusy
	}
	return nil
}

// Stage is the step at which a request ended.
type Stage string

// The stages, in order.
const (
	StageGate    Stage = "gate"
	StageCapture Stage = "capture"
	StageKeys    Stage = "keys"
	StageVerify  Stage = "verify"
	StageKeep    Stage = "keep"
	StageGuard   Stage = "guard"
	StageCall    Stage = "call"
)

// Error says why a delivery was not accepted. It never holds a secret, an
// expected signature, a header or a part of the body. errors.Is matches it
// with the sentinel of its reason, and with what Err wraps.
type Error struct {
	Provider Provider
	Stage    Stage
	Reason   Reason
	// EventID is the event's identity, empty before it is verified.
	EventID string
	// Detail says more, and names the fix where there is one. It holds nothing
	// that was sent, but may hold an offset into it.
	Detail string
	// Err is what the merchant's own side returned (callback, store, key
	// source, expectation, confirmation), nil otherwise.
	Err error
}

var oneLine = strings.NewReplacer("\r\n", "; ", "\n", "; ", "\r", "; ")

// Error returns one line, whatever Err says.
func (e *Error) Error() string {
	s := "payack: " + string(e.Provider) + ": " + string(e.Reason)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + oneLine.Replace(textOf(e.Err))
	}
	return s
}

// textOf returns an error's text. The error is the merchant's own, and a nil
// pointer in it may panic when it is asked.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "an error whose Error method panics"
		}
	}()
	return err.Error()
}

// Is reports whether target is the sentinel of the error's reason.
func (e *Error) Is(target error) bool {
	kind := e.Reason.kind()
	return kind != nil && target == kind || target == ErrRefused && e.Reason.Outcome() == OutcomeRefused
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
