package payack

import (
	"context"
	"time"
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
	Stack []byte
	// Attempt counts the attempts to process an event that an inbox keeps, from 1;
	// it is 0 for a request.
	Attempt int
	// Dead reports that no further attempt is made by itself.
	Dead bool
	// Next is when the next attempt is due, zero where none is.
	Next time.Time
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
