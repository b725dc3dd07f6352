package payack

import (
	"errors"
	"strings"
)

// Kinds of refusal, for errors.Is. An [Error] matches the kind of its Reason. An
// Error for a failure on the merchant's side, such as a merchant's function that
// returned an error or a store that is down, matches none of these kinds.
var (
	// ErrSignature: the signature verifies with none of the keys and schemes.
	ErrSignature = errors.New("payack: signature does not verify")
	// ErrEnvelope: the body is not an envelope that the key opens.
	ErrEnvelope = errors.New("payack: envelope does not open")
	// ErrMalformed: the body is not a message of this provider, or it can be read in
	// more than one way.
	ErrMalformed = errors.New("payack: malformed message")
	// ErrInvalid: the event verifies, but breaks a rule of the provider or of
	// Options.Validate.
	ErrInvalid = errors.New("payack: verified but invalid")
	// ErrTooLarge: the body is over the limit. An [Error] that matches ErrTooLarge
	// also matches ErrRefused.
	ErrTooLarge = errors.New("payack: body over the limit")
	// ErrRefused: the request was refused at the gate, because of its method,
	// headers or size, or because of the client's address or rate.
	ErrRefused = errors.New("payack: refused at the gate")
	// ErrUnknownTenant: there are no keys for the tenant that the request names. A
	// KeyFunc returns ErrUnknownTenant; the provider gets the answer for a wrong
	// signature.
	ErrUnknownTenant = errors.New("payack: no keys for this tenant")
	// ErrSpliced: the signature belongs to another event that came before.
	ErrSpliced = errors.New("payack: signature was seen with another message")
	// ErrUndecided comes together with [ErrSpliced] when only the merchant's
	// function can find out which of the two events is genuine. The earlier event
	// may be the forged one, so an inbox retries the later event for a while.
	ErrUndecided = errors.New("payack: the other message may be the forged one")
	// ErrUnexpected: the merchant knows no such order, or expects another amount. The
	// merchant's function may return ErrUnexpected to reject an event.
	ErrUnexpected = errors.New("payack: not what the merchant expects")
	// ErrUnconfirmed: the provider was asked, and its answer contradicts the event.
	// A Confirm hook returns ErrUnconfirmed only when the answer is final.
	ErrUnconfirmed = errors.New("payack: the provider does not confirm it")
	// ErrConflict: an event with the same ID but another fingerprint came before.
	ErrConflict = errors.New("payack: same event with other amounts")
	// ErrBusy: the same event, or one with the same signature, is being processed.
	ErrBusy = errors.New("payack: event is being processed")
)

// Reason says in one word why a delivery was not accepted. The set is closed, so it
// can label a metric.
type Reason string

// The reasons. An accepted delivery and a duplicate have the empty reason.
const (
	// Refused at the gate.
	ReasonMethod          Reason = "method"
	ReasonContentType     Reason = "content_type"
	ReasonContentEncoding Reason = "content_encoding"
	ReasonTooLarge        Reason = "too_large"
	ReasonAddress         Reason = "address"
	ReasonRate            Reason = "rate"

	// Rejected: sending the callback again will not help.
	ReasonEnvelope      Reason = "envelope"
	ReasonMalformed     Reason = "malformed"
	ReasonSignature     Reason = "signature"
	ReasonInvalid       Reason = "invalid"
	ReasonUnknownTenant Reason = "unknown_tenant"
	ReasonSpliced       Reason = "spliced"
	ReasonUnexpected    Reason = "unexpected"
	ReasonUnconfirmed   Reason = "unconfirmed"
	ReasonConflict      Reason = "conflict"

	// Failed: the provider is asked to send the callback again.
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

// Outcome is the result of a delivery.
type Outcome string

// The outcomes.
const (
	// OutcomeAccepted: the event verified, and the merchant's function returned
	// nil. With an inbox, it means that the event was kept.
	OutcomeAccepted Outcome = "accepted"
	// OutcomeDuplicate: the event was accepted before. It is answered as a success,
	// without a call of the merchant's function.
	OutcomeDuplicate Outcome = "duplicate"
	// OutcomeFailed: the event was not processed, and the provider is asked to send
	// the callback again.
	OutcomeFailed Outcome = "failed"
	// OutcomeRejected: the callback is not authentic, or its event is not
	// acceptable. Sending the callback again will not help.
	OutcomeRejected Outcome = "rejected"
	// OutcomeRefused: the request was refused at the gate.
	OutcomeRefused Outcome = "refused"
)

// AfterVerified reports whether the signature of a delivery that is rejected for
// this reason has matched. The sender of such a delivery knows a key or has a
// signed message, so the answer may reveal that the signature matched.
// AfterVerified is false for reasons that don't reject.
func (r Reason) AfterVerified() bool {
	switch r {
	case ReasonInvalid, ReasonSpliced, ReasonUnexpected, ReasonUnconfirmed, ReasonConflict:
		return true
	}
	return false
}

// Outcome returns the outcome that a reason leads to. The empty reason leads to
// OutcomeAccepted.
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

// kind returns the sentinel of a reason, or nil.
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

// Stage is the step of processing at which a delivery ended.
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

// Error says why a delivery was not accepted. errors.Is matches it with the
// sentinel of its Reason, and with whatever Err matches. Err may be an error of the
// merchant's code, which may hold anything. The other members never hold a secret,
// an expected signature, a header or a part of the body.
type Error struct {
	Provider Provider
	Stage    Stage
	Reason   Reason
	// EventID is the event's ID. It is empty if the delivery did not verify.
	EventID string
	// Detail explains the reason, and names the fix if there is one. It holds no
	// part of the body, but may hold an offset into the body.
	Detail string
	// Err is the cause: an error of the merchant's function, the store, the inbox,
	// KeyFunc, Expect, Confirm or a query, or [ErrUndecided]. It may be nil.
	Err error
}

var oneLine = strings.NewReplacer("\r\n", "; ", "\n", "; ", "\r", "; ")

// Error returns one line, even if the text of Err has several lines.
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

// textOf returns an error's text. It recovers, because the Error method of a nil
// pointer may panic.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "an error whose Error method panics"
		}
	}()
	return err.Error()
}

// Is reports whether target is the sentinel of the error's reason, or [ErrRefused]
// for a refusal at the gate.
func (e *Error) Is(target error) bool {
	kind := e.Reason.kind()
	return kind != nil && target == kind || target == ErrRefused && e.Reason.Outcome() == OutcomeRefused
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
