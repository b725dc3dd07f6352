package payack

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/payack/payack/internal/nilness"
)

// Observer is called once for every callback, after the answer was written. For an
// event that is processed without a request, it is called after each attempt. It
// must be safe for concurrent use.
//
// For a callback it runs in the request's goroutine. The server may send the answer
// only after the request's handler has returned, so a slow observer delays the
// answer.
type Observer interface {
	Observe(ctx context.Context, o *Observation)
}

// ObserverFunc is a function that implements [Observer].
type ObserverFunc func(ctx context.Context, o *Observation)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, o *Observation) { f(ctx, o) }

// Observers returns an observer that calls all of these, in this order. If an
// observer panics, the others are still called, and then the panic continues. The
// result is also an [AttemptTracer]: it calls StartAttempt of those observers that
// are AttemptTracers.
//
// Observers panics if an observer is nil, so that the mistake shows when the
// program starts.
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
		defer all[1:].Observe(ctx, o) // deferred, because the first may panic
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

// AttemptTracer is an [Observer] that also traces events which are processed
// without a request: events that an inbox kept, and events that were found by
// asking the provider.
//
// StartAttempt is called before the attempt. Confirm, Expect and the merchant's
// function get the context that StartAttempt returns. end is called after the
// attempt and before Observe; the observation then lacks what the inbox adds
// (Attempt, Dead and Next). StartAttempt is not called for requests, whose context
// comes from the server's own tracing.
type AttemptTracer interface {
	StartAttempt(ctx context.Context, d *Delivery) (_ context.Context, end func(*Observation))
}

// Observation describes one delivery and its outcome. Use it only during the call
// that passes it.
//
// Provider, Outcome, Reason, Scheme and Status have bounded sets of values and can
// label metrics. EventID can't.
type Observation struct {
	Delivery *Delivery
	Outcome  Outcome
	Reason   Reason
	Scheme   Scheme
	// EventID is empty for a delivery that did not verify.
	EventID string
	// Status is the HTTP status of the answer.
	Status int
	// Err is nil for accepted and duplicate deliveries. The exception is an
	// accepted delivery that could not be recorded as done.
	Err error
	// Stack is the stack of a panic in the merchant's code.
	Stack string
	// Attempt is the number of the attempt to process an event that an inbox keeps;
	// the first is 1. It is 0 for a request.
	Attempt int
	// Waits reports that an inbox keeps the event and has not processed it yet. It
	// is false for attempts of an inbox; see Next for those.
	Waits bool
	// Dead reports that no further attempt is made, unless a person retries the
	// event or it is delivered again.
	Dead bool
	// Next is when the next attempt is due, zero if no attempt is due.
	Next time.Time
	// Age is the age of the order when its event was found by asking the provider.
	// The callback of the order is late or lost. Age is 0 for a callback and for an
	// attempt of an inbox.
	Age time.Duration
	// Took has the duration of each stage; a stage that was not reached is 0.
	Took Durations
}

// Durations are the times that the stages of a delivery took.
type Durations struct {
	// Capture is the time for reading the body.
	Capture time.Duration
	// Verify is the time for opening, decoding, verifying and checking.
	Verify time.Duration
	// Guard is the time for Expect, for Confirm and for claiming the event. For a
	// request whose event goes to an inbox, it is the time for keeping the event.
	Guard time.Duration
	// Call is the time in the merchant's function.
	Call time.Duration
	// Total is the whole time. For a request it counts from the arrival until the
	// answer was written.
	Total time.Duration
}

// Stages yields the stages that were reached, in order, with their durations.
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
