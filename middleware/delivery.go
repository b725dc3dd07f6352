package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/headerroom"
	"github.com/payack/payack/internal/lazycontext"
)

// delivery is the state of one callback while it is processed.
type delivery struct {
	payack.Delivery
	observation payack.Observation
	// w and r are nil for a delivery without a request. [Handler.Rehearse] answers
	// nobody, so there only w is nil.
	w http.ResponseWriter
	r *http.Request
	// lapped is when the last stage ended. It is zero for a request to a receiver
	// without an observer, which saves reading the clock.
	lapped time.Time

	deadline lazycontext.Context
	hold     hold
	limit    limited
	headers  headerroom.Room
	wrapped  *wrapped // nil unless a wrapped handler was called
}

// within starts the delivery's context, with end as its deadline, and returns it.
func (d *delivery) within(parent context.Context, end time.Time) context.Context {
	return d.deadline.Start(parent, end, d)
}

// WithValues implements [lazycontext.Valuer].
func (d *delivery) WithValues(ctx context.Context) context.Context {
	return payack.WithHeld(payack.WithDelivery(ctx, &d.Delivery), &d.hold)
}

// lap ends a stage and returns how long it took, or 0 if lapped is zero.
func (d *delivery) lap() time.Duration {
	if d.lapped.IsZero() {
		return 0
	}
	now := time.Now()
	took := now.Sub(d.lapped)
	d.lapped = now
	return took
}

// begin presets the outcome to a panic. When the merchant's code ends the
// goroutine, nothing else sets it.
func (rc *receiver) begin(d *delivery) {
	d.Provider = rc.stages.provider
	if rc.options.Observer != nil {
		d.lapped = d.Received
	}
	o := &d.observation
	o.Delivery, o.Outcome, o.Reason = &d.Delivery, payack.OutcomeFailed, payack.ReasonPanic
}

// unrecorded notes that an accepted event could not be marked as done. The event is
// still answered as accepted, because the merchant's function has settled it.
func (d *delivery) unrecorded(err error) {
	if err != nil {
		d.observation.Err = d.fail(payack.StageGuard, payack.ReasonStore, err, "the event was processed, but could not be recorded as done")
	}
}

// end records in the observation how the delivery ended.
func (d *delivery) end(err error) {
	o := &d.observation
	refusal, ok := err.(*payack.Error)
	switch {
	case ok:
		if refusal.EventID == "" && o.EventID != "" {
			refusal.EventID = o.EventID
		}
		o.Outcome, o.Reason, o.Err = refusal.Reason.Outcome(), refusal.Reason, refusal
	case err != nil: // never accept because of an unexpected error type
		o.Outcome, o.Reason, o.Err = payack.OutcomeFailed, payack.ReasonCallback, err
	case o.Outcome == payack.OutcomeDuplicate:
		o.Reason = ""
	default:
		o.Outcome, o.Reason = payack.OutcomeAccepted, ""
	}
}

// fail returns the error that ends a delivery.
func (d *delivery) fail(stage payack.Stage, reason payack.Reason, err error, detail string) error {
	return &payack.Error{Provider: d.Provider, Stage: stage, Reason: reason, Detail: detail, Err: err}
}
