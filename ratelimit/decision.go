package ratelimit

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Decision is the limiter's answer, apart from any transport.
type Decision struct {
	// Allowed reports whether the call is within its budget.
	Allowed bool
	// Limit is the size of the bucket: how many calls can be made at once.
	Limit int
	// Remaining is how many whole calls are left now, after this one if it was
	// taken; between 0 and Limit, and 0 when refused.
	Remaining int
	// RetryAfter is how long the caller has to wait until one call is allowed
	// again, if nobody else takes it first. Zero when allowed, above zero when not.
	RetryAfter time.Duration
	// ResetAfter is how long until the bucket is full again without further
	// calls. Zero when it is full; never shorter than RetryAfter.
	ResetAfter time.Duration
	// Window is how long an empty bucket takes to be full: Limit calls per
	// Window is the sustained rate.
	Window time.Duration
}

// RetryAfterSeconds returns RetryAfter in whole seconds, rounded up, as the
// Retry-After header wants it: at least 1 when refused, 0 when allowed. Who
// waits so long has waited long enough.
func (d Decision) RetryAfterSeconds() int {
	if d.Allowed {
		return 0
	}
	return max(1, wholeSeconds(d.RetryAfter))
}

// wholeSeconds rounds up; a negative duration is none.
func wholeSeconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	// Not (d+second-1)/second: that overflows near the longest duration.
	s := int(d / time.Second)
	if d%time.Second != 0 {
		s++
	}
	return s
}

// Limiter decides. Implementations are safe for use by several goroutines.
//
// An error is never by itself a reason to refuse a callback: callers let the
// call pass and report the error. What the Decision holds beside an error has
// no meaning.
//
// A context that was cancelled spares nobody the charge: a client that hangs up
// early must not call for free.
type Limiter interface {
	// Allow takes one call from key's budget and reports whether there was one.
	// A refused call takes nothing.
	Allow(ctx context.Context, key string) (Decision, error)
	// Peek tells what Allow would answer now, and takes nothing; its Remaining
	// and ResetAfter are those of the bucket as it is.
	Peek(ctx context.Context, key string) (Decision, error)
}

// Charge says which calls are taken from the budget.
type Charge string

// The two ways to charge. The empty Charge is ChargeFailures, which never refuses
// a provider's genuine burst.
const (
	// ChargeAll takes every request.
	ChargeAll Charge = "all"
	// ChargeFailures takes only requests that turned out to be bad. As many bad
	// requests as are being verified at the same moment can pass the gate before
	// the first of them has paid, so the overshoot is bounded by concurrency.
	ChargeFailures Charge = "failures"
)

// Validate returns an error when c is none of the known ways.
func (c Charge) Validate() error {
	switch c {
	case "", ChargeAll, ChargeFailures:
		return nil
	}
	return fmt.Errorf("ratelimit: Charge is %q: use %q or %q", string(c), ChargeAll, ChargeFailures)
}

// Gate asks l before the request is looked at: Allow for ChargeAll, Peek for
// ChargeFailures.
//
// Under ChargeFailures a key that is the caller's own (see [Owner]) is never
// refused: whoever else can make the provider call this URL, with callbacks that
// don't verify, could otherwise use up the provider's budget.
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

// Owner is a [Limiter] that knows which keys are those of the providers
// themselves, such as [Memory] with [Config].Own.
type Owner interface {
	Owns(key string) bool
}

// Failed lets a request that turned out to be bad pay: Allow for
// ChargeFailures, and nothing for ChargeAll, where it has paid at the gate. The
// decision is for logs, and for ChargeAll holds nothing but Allowed: this request
// was let in, and the next one meets the empty bucket at the gate.
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

// decision builds the answer from the tokens that are in the bucket (after the
// taking, if any was taken).
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

// nanoseconds rounds so that waiting exactly this long is enough: rate.Limiter
// forgives less than a nanosecond, half of which is kept for float arithmetic on
// both sides. Rounding up instead would make 11 seconds of ten and a trillionth.
func nanoseconds(seconds float64) time.Duration {
	const slack = 1 + 8*0x1p-52 // counts for waits of weeks, in which a float can't tell nanoseconds
	return time.Duration(math.Ceil(seconds*float64(time.Second)*slack - 0.5))
}

// whole returns the number of calls that tokens are good for. A token that is
// less than a nanosecond from being complete counts, as it does for rate.Limiter.
func (b *budget) whole(tokens float64) int {
	n := math.Floor(tokens)
	if b.due(n + 1 - tokens) {
		n++
	}
	return min(max(int(n), 0), b.burst)
}

// due reports whether missing tokens come within less than a nanosecond; the
// arithmetic is rate.Limiter's, so that Peek and Allow never differ.
func (b *budget) due(missing float64) bool {
	return time.Duration(missing/b.rate*float64(time.Second)) <= 0
}
