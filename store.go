package payack

import (
	"context"
	"errors"
	"time"
)

// ErrNotHeld means that a token does not hold its claim any more: the lease has
// ended, or the claim was released. Commit and Release of a [Store] return it.
var ErrNotHeld = errors.New("payack: the claim is not held with this token; its lease has ended or it was given up")

// ClaimState is what a store knows of an event.
type ClaimState int

// The states.
const (
	// ClaimUnknown: the event was not processed, and nobody is processing it. Only
	// [Store.Lookup] returns it.
	ClaimUnknown ClaimState = iota
	// ClaimGranted: only the caller may process the event, until the lease ends.
	// [Store.Lookup] never returns it. [Inbox.Keep] returns it for a receipt that
	// it has kept.
	ClaimGranted
	// ClaimDone: the event was processed and committed before.
	ClaimDone
	// ClaimBusy: somebody else is processing the event.
	ClaimBusy
	// ClaimConflict: the identity is known with another fingerprint.
	ClaimConflict
	// ClaimWaits: an inbox keeps the event already and has not processed it yet.
	// Only [Inbox.Keep] returns it.
	ClaimWaits
)

// String returns the name in lower case.
func (s ClaimState) String() string {
	switch s {
	case ClaimGranted:
		return "granted"
	case ClaimDone:
		return "done"
	case ClaimBusy:
		return "busy"
	case ClaimConflict:
		return "conflict"
	case ClaimWaits:
		return "waits"
	}
	return "unknown"
}

// Claim is the result of [Store.Claim]. Token is set when State is [ClaimGranted].
type Claim struct {
	State ClaimState
	Token string
}

// Store remembers which events were processed, so that each is processed only once.
// All methods are safe for concurrent use and atomic: of concurrent claims for a
// free id exactly one is [ClaimGranted]. Package storetest tests whether an
// implementation obeys these rules.
//
// A claim is not done until it is committed. If it is released, the id is free
// again, and the store forgets the claim and its fingerprint. The same happens when
// the lease ends before a commit or a release, for example after a crash.
//
// An error means that the state is unknown. The provider is then asked to send
// again.
type Store interface {
	// Lookup reports what is known of id, and changes nothing: [ClaimUnknown],
	// [ClaimDone], [ClaimBusy], or [ClaimConflict] if id is held or done with
	// another fingerprint. The receiver calls Lookup before it asks the provider or
	// the merchant about an event, because it claims the event only after the
	// answers.
	Lookup(ctx context.Context, id, fingerprint string) (ClaimState, error)
	// Claim asks to hold id for the time of lease, which is above 0. The result is
	// [ClaimGranted] with a token, [ClaimDone] or [ClaimBusy]. The result is
	// [ClaimConflict] whenever id is held or done with another fingerprint.
	//
	// Claim returns an error if ctx is over, because nobody would release the
	// claim.
	Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (Claim, error)
	// Commit marks id done. token must be the token of the claim that holds id now.
	// If another claim or no claim holds id, or if the lease has ended, Commit
	// changes nothing and returns an error that matches [ErrNotHeld].
	Commit(ctx context.Context, id, token string) error
	// Release gives id up, so that it can be claimed again. The condition for token
	// and the error are those of Commit.
	Release(ctx context.Context, id, token string) error
	// Home names the place where the store keeps its memory. Stores that share the
	// memory have the same home. If the stores of two receivers in one process have
	// the same home, the receivers never process the same event at the same time, even
	// if a lease has ended. The name is not empty and never changes. Home makes no
	// request.
	Home() string
}

// InMemory is implemented by a [Store] that may keep its memory in this process
// only: a restart loses it, and replicas don't share it. If a store wraps another
// store, its InMemory returns the result of the wrapped store.
type InMemory interface {
	// InMemory reports whether the memory is in this process only.
	InMemory() bool
}

// Binder is a [Store] that can claim and commit in one step. For a Payatom webhook,
// the receiver also marks the signed text done, and Bind saves it round trips. A store
// need not have Bind.
type Binder interface {
	// Bind marks id done with this fingerprint and returns [ClaimDone]. It also
	// returns ClaimDone if id was done with this fingerprint before. It returns
	// [ClaimBusy] and [ClaimConflict] in the same cases as [Store.Claim], and then
	// changes nothing.
	Bind(ctx context.Context, id, fingerprint string) (ClaimState, error)
}
