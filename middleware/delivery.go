package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/headerroom"
	"github.com/payack/payack/internal/lazycontext"
)

// delivery is a callback on its way.
type delivery struct {
	payack.Delivery
	observation payack.Observation
	// w and r are nil for a delivery that is processed after its answer.
	w http.ResponseWriter
	r *http.Request
	// lapped is when the last stage ended. It is zero without an observer, so that
	// the clock is left alone.
	lapped time.Time

	deadline lazycontext.Context
	hold     hold
	limit    limited
	headers  headerroom.Room
	wrapped  *wrapped // nil unless a wrapped handler has the response in hand
}

// within gives the delivery its context, which ends at end, and returns it.
func (d *delivery) within(parent context.Context, end time.Time) context.Context {
	return d.deadline.Start(parent, end, d)
}

// WithValues implements [lazycontext.Valuer].
func (d *delivery) WithValues(ctx context.Context) context.Context {
	return payack.WithHeld(payack.WithDelivery(ctx, &d.Delivery), &d.hold)
}

// lap returns what has passed since the last stage ended.
func (d *delivery) lap() time.Duration {
	if d.lapped.IsZero() {
		return 0
	}
	now := time.Now()
	took := now.Sub(d.lapped)
	d.lapped = now
	return took
}

// begin presets the outcome to a panic. It stays so when the merchant's code ends
// the goroutine, because then nothing else is written.
func (rc *receiver) begin(d *delivery) {
	d.Provider = rc.stages.provider
	if rc.options.Observer != nil {
		d.lapped = d.Received
	}
	o := &d.observation
	o.Delivery, o.Outcome, o.Reason = &d.Delivery, payack.OutcomeFailed, payack.ReasonPanic
}

// unrecorded notes that an accepted event could not be recorded as done. The
// work is done, so the provider is told so.
func (d *delivery) unrecorded(err error) {
	if err != nil {
		d.observation.Err = d.fail(payack.StageGuard, payack.ReasonStore, err, "the event was processed and could not be recorded as done")
	}
}

// end writes into the observation how the delivery ended.
func (d *delivery) end(err error) {
	o := &d.observation
	refusal, ok := err.(*payack.Error)
	switch {
	case ok:
		if refusal.EventID == "" && o.EventID != "" {
			refusal.EventID = o.EventID
		}
		o.Outcome, o.Reason, o.Err = refusal.Reason.Outcome(), refusal.Reason, refusal
	case err != nil: // nothing is accepted by an oversight
		o.Outcome, o.Reason, o.Err = payack.OutcomeFailed, payack.ReasonCallback, err
	case o.Outcome == payack.OutcomeDuplicate:
		o.Reason = ""
	default:
		o.Outcome, o.Reason = payack.OutcomeAccepted, ""
	}
}

// fail returns the error of a delivery that ends here.
func (d *delivery) fail(stage payack.Stage, reason payack.Reason, err error, detail string) error {
	return &payack.Error{Provider: d.Provider, Stage: stage, Reason: reason, Detail: detail, Err: err}
}
