package ratelimit

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Decision is a limiter's answer. It does not depend on HTTP.
type Decision struct {
	// Allowed reports whether the call is within its budget.
	Allowed bool
	// Limit is the size of the bucket: the number of calls that can be made at
	// once.
	Limit int
	// Remaining is the number of whole calls that are left, after the charge if there
	// was one. It is between 0 and Limit, and 0 for a refused call.
	Remaining int
	// RetryAfter is the time until one call is allowed again, unless another caller
	// takes it first. It is zero for an allowed call and above zero for a refused
	// one.
	RetryAfter time.Duration
	// ResetAfter is the time until the bucket is full, if nobody calls meanwhile.
	// It is zero for a full bucket, and never shorter than RetryAfter.
	ResetAfter time.Duration
	// Window is the time in which an empty bucket fills. The sustained rate is
	// Limit calls per Window.
	Window time.Duration
}

// RetryAfterSeconds returns RetryAfter in whole seconds, rounded up, for the
// Retry-After header: at least 1 for a refused call, 0 for an allowed one. Because
// it is rounded up, waiting that long is enough.
func (d Decision) RetryAfterSeconds() int {
	if d.Allowed {
		return 0
	}
	return max(1, wholeSeconds(d.RetryAfter))
}

// wholeSeconds rounds up to whole seconds; a negative duration gives 0.
func wholeSeconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	// Don't compute (d+second-1)/second: it overflows near the longest duration.
	s := int(d / time.Second)
	if d%time.Second != 0 {
		s++
	}
	return s
}

// Limiter decides whether a key may call. It is safe for concurrent use.
//
// An error is no reason to refuse a callback: let the call pass and report the
// error. A Decision that comes with an error has no meaning.
//
// A cancelled context does not prevent the charge. Otherwise clients could call for
// free by hanging up early.
type Limiter interface {
	// Allow charges one call to key and reports whether it was within the budget. A
	// refused call is not charged.
	Allow(ctx context.Context, key string) (Decision, error)
	// Peek reports what Allow would decide now, and charges nothing. Remaining and
	// ResetAfter describe the bucket as it is, before any further charge.
	Peek(ctx context.Context, key string) (Decision, error)
}

// Charge says which calls are charged.
type Charge string

// The two ways to charge. The empty Charge means ChargeFailures, which never
// refuses a provider's genuine burst.
const (
	// ChargeAll charges every request.
	ChargeAll Charge = "all"
	// ChargeFailures charges only requests that turned out to be bad. They are
	// charged after verification, so requests that are being verified at the same
	// time can all pass the gate. The number of concurrent requests bounds that
	// overshoot.
	ChargeFailures Charge = "failures"
)

// Validate returns an error unless c is empty or one of the constants.
func (c Charge) Validate() error {
	switch c {
	case "", ChargeAll, ChargeFailures:
		return nil
	}
	return fmt.Errorf("ratelimit: Charge is %q: use %q or %q", string(c), ChargeAll, ChargeFailures)
}

// Gate asks l at the gate, before a request is processed: Allow under ChargeAll,
// Peek under ChargeFailures. The error is the limiter's.
//
// Under ChargeFailures, Gate never refuses a key that is the provider's own (see
// [Owner]). Otherwise another customer of the provider could use up the provider's
// budget, by giving this URL as the target of callbacks that don't verify here.
func (c Charge) Gate(ctx context.Context, l Limiter, key string) (Decision, error) {
	if c == ChargeAll {
		return l.Allow(ctx, key)
	}
	d, err := l.Peek(ctx, key)
	if owner, ok := l.(Owner); ok && !d.Allowed && owner.Owns(key) {
		d.Allowed, d.Remaining, d.RetryAfter = true, 0, 0
	}
	return d, err
}

// Owner is a [Limiter] that knows which keys belong to the providers themselves,
// such as [Memory] with [Config].Own.
type Owner interface {
	Owns(key string) bool
}

// Failed charges a request that turned out to be bad: it calls Allow under
// ChargeFailures. Under ChargeAll it does nothing, because the gate has charged the
// request already.
//
// The decision is for logs only, because the gate has let the request in already.
// Under ChargeAll only the decision's Allowed is set.
func (c Charge) Failed(ctx context.Context, l Limiter, key string) (Decision, error) {
	if c == ChargeAll {
		return Decision{Allowed: true}, nil
	}
	return l.Allow(ctx, key)
}

// budget turns the tokens in a bucket into a Decision.
type budget struct {
	rate   float64
	burst  int
	window time.Duration
}

// decision returns the decision for a bucket with this many tokens, after the
// charge if there was one.
func (b *budget) decision(allowed bool, tokens float64) Decision {
	d := Decision{Allowed: allowed, Limit: b.burst, Window: b.window}
	if missing := float64(b.burst) - tokens; missing > 0 {
		d.ResetAfter = nanoseconds(missing / b.rate)
	}
	if !allowed {
		d.RetryAfter = max(1, nanoseconds((1-tokens)/b.rate))
		d.ResetAfter = max(d.ResetAfter, d.RetryAfter)
		return d
	}
	d.Remaining = b.whole(tokens)
	return d
}

// nanoseconds rounds a wait to the nearest nanosecond. A rounded wait may be too short
// by up to half a nanosecond. rate.Limiter tolerates a wait that is too short by less
// than a nanosecond, so the other half is left for rounding errors of floats.
// Rounding up instead would turn 10.000000000001 seconds into 11 in a header.
func nanoseconds(seconds float64) time.Duration {
	const slack = 1 + 8*0x1p-52 // matters for waits of weeks, where floats are too coarse for nanoseconds
	return time.Duration(math.Ceil(seconds*float64(time.Second)*slack - 0.5))
}

// whole returns the number of whole calls in the tokens. Like rate.Limiter it
// counts a token that is complete in less than a nanosecond.
func (b *budget) whole(tokens float64) int {
	n := math.Floor(tokens)
	if b.due(n + 1 - tokens) {
		n++
	}
	return min(max(int(n), 0), b.burst)
}

// due reports whether the missing tokens come in less than a nanosecond. It
// computes as rate.Limiter does, so that Peek and Allow always agree.
func (b *budget) due(missing float64) bool {
	return time.Duration(missing/b.rate*float64(time.Second)) <= 0
}
