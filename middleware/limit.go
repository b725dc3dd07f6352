package middleware

import (
	"context"
	"net/http"
	"strconv"

	"github.com/payack/payack"
	"github.com/payack/payack/ratelimit"
)

// limitGate asks the limiter before anything is read. A limiter that fails lets
// the callback pass: a broken limiter must not cost a payment.
func (rc *Receiver[E]) limitGate(r *http.Request, d *delivery) error {
	o := &rc.options
	if o.Limiter == nil {
		return nil
	}
	if o.LimitKey != nil {
		d.limitKey = o.LimitKey(r, d.Client)
	} else {
		d.limitKey = ratelimit.AddrKey(string(rc.stages.provider), d.Client)
	}
	decision, err := o.Charge.Gate(r.Context(), o.Limiter, d.limitKey)
	if err != nil {
		o.Logger.Error("payack: the limiter failed; the callback passes", "provider", rc.stages.provider, "error", err)
		return nil
	}
	d.limit = decision
	if !decision.Allowed {
		return rc.refusals[payack.ReasonRate]
	}
	return nil
}

// limitHeaders tells a refused client when to come back, and others how much is
// left, if that is wanted.
func (rc *Receiver[E]) limitHeaders(w http.ResponseWriter, d *delivery) {
	switch {
	case d.limitKey == "" || d.limit.Limit == 0:
	case rc.options.LimitPolicy != "":
		ratelimit.SetHeaders(w.Header(), d.limit, rc.options.LimitPolicy)
	case !d.limit.Allowed:
		d.header(w.Header(), "Retry-After", strconv.Itoa(d.limit.RetryAfterSeconds()))
	}
}

// chargeFailure lets a delivery that did not verify pay, where only those do: a
// wrong one, one that came too slowly or not whole, and one that turned out to
// be too large. One that verifies and breaks a rule comes from the provider.
func (rc *Receiver[E]) chargeFailure(ctx context.Context, d *delivery) {
	o := &d.observation
	unverified := o.EventID == "" && o.Reason != payack.ReasonInvalid &&
		(o.Outcome == payack.OutcomeRejected || o.Reason == payack.ReasonBodyRead || o.Reason == payack.ReasonTooLarge)
	if d.limitKey == "" || !unverified {
		return
	}
	// Who hangs up pays all the same.
	if _, err := rc.options.Charge.Failed(context.WithoutCancel(ctx), rc.options.Limiter, d.limitKey); err != nil {
		rc.options.Logger.Error("payack: the limiter failed; a failed delivery was not charged", "provider", rc.stages.provider, "error", err)
	}
}
