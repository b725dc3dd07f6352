package payack

import (
	"context"
	"errors"
	"time"
)

// ErrNotHeld is returned by a [Store] for a token that does not hold the claim
// now: its lease has ended, or the claim was given up.
var ErrNotHeld = errors.New("payack: the claim is not held with this token; its lease has ended or it was given up")

// ClaimState is what a store knows of an event.
type ClaimState int

// The states.
const (
	// ClaimUnknown: nobody has processed the event, and nobody is processing
	// it. Only [Store.Lookup] answers it.
	ClaimUnknown ClaimState = iota
	// ClaimGranted: the event is the caller's to process until the lease ends.
	// Only [Store.Claim] answers it.
	ClaimGranted
	// ClaimDone: it was committed before.
	ClaimDone
	// ClaimBusy: somebody else holds it.
	ClaimBusy
	// ClaimConflict: the identity is known with another fingerprint.
	ClaimConflict
	// ClaimWaits: an inbox keeps it already, and it is not processed yet. Only
	// [Inbox.Keep] answers it.
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

// Claim is the answer to a claim. Token is set when State is [ClaimGranted].
type Claim struct {
	State ClaimState
	Token string
}

// Store remembers which events were processed, so that each is processed once.
// All methods are safe for concurrent use, and atomic: of any number of
// claims of one id at the same time exactly one is [ClaimGranted]. Package
// storetest holds an implementation to all of this.
//
// A claim is never done before it is committed. It is free again when it is
// released, or when its lease ends without either (a crash); nothing of it is
// left then, its fingerprint included.
//
// An error means that nothing is known; the delivery is then answered "send
// again".
type Store interface {
	// Lookup reports what is known of id, and changes nothing: [ClaimUnknown],
	// [ClaimDone], [ClaimBusy], or [ClaimConflict] when id is held or done with
	// another fingerprint. The receiver looks before it asks a provider or the
	// merchant about an event, because nothing is held while somebody is asked.
	Lookup(ctx context.Context, id, fingerprint string) (ClaimState, error)
	// Claim asks for id. A fingerprint other than the one that id is held or
	// done with is a [ClaimConflict], whatever else is true. Only a
	// [ClaimGranted] answer has a token. The lease is above 0.
	//
	// A context that is over is an error: nobody would release the claim.
	Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (Claim, error)
	// Commit marks id done. It acts only for the token of the claim that holds
	// id at this moment; for any other, one whose lease has ended included, it
	// changes nothing and returns [ErrNotHeld].
	Commit(ctx context.Context, id, token string) error
	// Release gives id up, so that it can be claimed again. It acts under the
	// same condition as Commit.
	Release(ctx context.Context, id, token string) error
	// Home names where this store keeps what it remembers. Stores that share it
	// have the same home: receivers of one process never process one event of a
	// home at the same time, even when a lease has ended. The name does not
	// change, and Home makes no request.
	Home() string
}

// InMemory is implemented by a [Store] that may keep what it remembers in this
// process only: a restart forgets it, and replicas don't share it. A store that
// is put around another passes on what that one says.
type InMemory interface {
	// InMemory reports whether it does.
	InMemory() bool
}

// Binder is a [Store] that can claim and commit in one step. It saves the
// receiver of Payatom webhooks round trips; every store works without it.
type Binder interface {
	// Bind marks id done with this fingerprint and returns [ClaimDone], as it
	// does when id is done with it already. [ClaimBusy] and [ClaimConflict] are
	// those of [Store.Claim], and change nothing.
	Bind(ctx context.Context, id, fingerprint string) (ClaimState, error)
}
