package payack

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/payack/payack/internal/nilness"
)

// Observer is told of every delivery, once, when its answer has been written.
// It is called in the request's goroutine and the server sends what was written
// when that ends, so a slow one delays the answer. Implementations must be safe
// for concurrent use.
type Observer interface {
	Observe(ctx context.Context, o *Observation)
}

// ObserverFunc is a function as an [Observer].
type ObserverFunc func(ctx context.Context, o *Observation)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, o *Observation) { f(ctx, o) }

// Observers returns an observer that tells several, in this order. Where one
// panics the others are told all the same, and the panic goes on. A nil one panics
// at once, so that it is found when the program starts.
//
// It is an [AttemptTracer], for those of them that are.
func Observers(all ...Observer) Observer {
	for i, o := range all {
		if nilness.Of(o) {
			panic("payack: Observers: observer " + strconv.Itoa(i+1) + " is nil; leave it out")
		}
	}
	return observers(slices.Clone(all))
}

type observers []Observer

// Observe implements [Observer].
func (all observers) Observe(ctx context.Context, o *Observation) {
	if len(all) > 0 {
		defer all[1:].Observe(ctx, o) // when the first one panics, too
		all[0].Observe(ctx, o)
	}
}

// StartAttempt implements [AttemptTracer].
func (all observers) StartAttempt(ctx context.Context, d *Delivery) (context.Context, func(*Observation)) {
	var ends []func(*Observation)
	for _, o := range all {
		if t, ok := o.(AttemptTracer); ok {
			var end func(*Observation)
			ctx, end = t.StartAttempt(ctx, d)
			ends = append(ends, end)
		}
	}
	return ctx, func(o *Observation) {
		for _, end := range slices.Backward(ends) {
			end(o)
		}
	}
}

// AttemptTracer is implemented by an [Observer] that follows events which are
// processed without a request: those that an inbox kept, and those that were found
// by asking. StartAttempt is called before, with the delivery; what asks the
// provider and the merchant's function get the context that it returns. end is
// called when the attempt is over and before it is observed; the observation then
// lacks what the inbox adds (Attempt, Dead and Next). Requests have the context of
// whatever traces the server.
type AttemptTracer interface {
	StartAttempt(ctx context.Context, d *Delivery) (_ context.Context, end func(*Observation))
}

// Observation is what became of a delivery. It is valid during the call only.
//
// Provider, Outcome, Reason, Scheme and Status are bounded sets, fit for
// labels of metrics; EventID is not.
type Observation struct {
	Delivery *Delivery
	Outcome  Outcome
	Reason   Reason
	Scheme   Scheme
	// EventID is empty for deliveries that did not verify.
	EventID string
	// Status is the HTTP status that was answered.
	Status int
	// Err is nil for accepted and duplicate deliveries, unless the delivery
	// was accepted and could not be recorded as done.
	Err error
	// Stack is where a panic came from.
	Stack string
	// Attempt counts the attempts to process an event that an inbox keeps, from 1;
	// it is 0 for a request.
	Attempt int
	// Waits reports that an inbox keeps the event, and that it is not processed yet.
	// It is false for attempts, which have Next.
	Waits bool
	// Dead reports that no further attempt is made by itself.
	Dead bool
	// Next is when the next attempt is due, zero where none is.
	Next time.Time
	// Age is how old the order was when its event was found by asking: how late
	// the callback is, or for how long it has been lost. It is 0 for a callback and
	// for an attempt.
	Age time.Duration
	// Took says how long the stages were. A stage that was not reached is 0.
	Took Durations
}

// Durations says how long each stage of a delivery took.
type Durations struct {
	// Capture is the reading of the body.
	Capture time.Duration
	// Verify is opening, decoding, verifying and checking.
	Verify time.Duration
	// Guard is claiming the event, expectation and confirmation.
	Guard time.Duration
	// Call is the merchant's function.
	Call time.Duration
	// Total is all of it, answer included.
	Total time.Duration
}

// Stages are the stages that were reached, in their order, with how long each took.
func (d *Durations) Stages() iter.Seq2[Stage, time.Duration] {
	return func(yield func(Stage, time.Duration) bool) {
		for _, s := range [...]struct {
			stage Stage
			took  time.Duration
		}{{StageCapture, d.Capture}, {StageVerify, d.Verify}, {StageGuard, d.Guard}, {StageCall, d.Call}} {
			if s.took > 0 && !yield(s.stage, s.took) {
				return
			}
		}
	}
}
