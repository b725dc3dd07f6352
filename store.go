package payack

import (
	"context"
	"time"
)

// ClaimState is a store's answer to a claim.
type ClaimState int

// The answers.
const (
	// Claimed: the event is the caller's to process until the lease ends.
	Claimed ClaimState = iota + 1
	// Done: it was committed before.
	Done
	// Busy: somebody else holds it.
	Busy
	// Conflict: the identity is known with another fingerprint.
	Conflict
)

// String returns the name in lower case.
func (s ClaimState) String() string {
	switch s {
	case Claimed:
		return "claimed"
	case Done:
		return "done"
	case Busy:
		return "busy"
	case Conflict:
		return "conflict"
	}
	return "unknown"
}

// Claim is a claim's answer; the token is set when it is [Claimed].
type Claim struct {
	State ClaimState
	Token string
}

// Store remembers which events were processed, so that each is processed once.
// All methods are safe for concurrent use, and atomic: of any number of
// claims of one id at the same time exactly one is [Claimed]. Package storetest
// holds an implementation to all of this.
//
// A claim is never done before it is committed. It is free again when it is
// released, or when its lease ends without either (a crash); nothing of it is
// left then, its fingerprint included.
type Store interface {
	// Claim asks for id. A fingerprint other than the one that id is held or
	// done with is a [Conflict], whatever else is true. Only a [Claimed] answer
	// has a token. The lease is above 0.
	//
	// An error means that nothing is known; the delivery is then answered "send
	// again". A context that is over is one: nobody would come to give the
	// claim up.
	Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (Claim, error)
	// Commit marks id done. It acts only for the token of the claim that holds
	// id at this moment; for any other, one whose lease has ended included, it
	// changes nothing and returns [ErrNotHeld].
	Commit(ctx context.Context, id, token string) error
	// Release gives id up, so that it can be claimed again, under the same
	// condition.
	Release(ctx context.Context, id, token string) error
}
