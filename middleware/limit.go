package middleware

import (
	"context"
	"strconv"

	"github.com/payack/payack"
	"github.com/payack/payack/ratelimit"
)

// limited is whose budget a delivery is taken from, and what the limiter said.
type limited struct {
	key      string
	decision ratelimit.Decision
}

// limitGate asks the limiter before anything is read. A limiter that fails lets
// the callback pass: a broken limiter must not cost a payment.
func (rc *receiver) limitGate(d *delivery) error {
	o := &rc.options
	if o.Limiter == nil {
		return nil
	}
	// Whoever is allowed by address is never refused for failures: another
	// merchant of the same provider could have his callbacks sent to us, and fail
	// with them from the provider's own address.
	if o.Charge != ratelimit.ChargeAll && len(o.AllowedAddresses) > 0 {
		return nil
	}
	if o.LimitKey != nil {
		d.limit.key = o.LimitKey(d.r, d.Client)
	} else {
		d.limit.key = ratelimit.AddrKey(string(rc.stages.provider), d.Client)
	}
	decision, err := o.Charge.Gate(d.r.Context(), o.Limiter, d.limit.key)
	if err != nil {
		o.Logger.Error("payack: the limiter failed; the callback passes", "provider", rc.stages.provider, "error", err)
		return nil
	}
	d.limit.decision = decision
	if !decision.Allowed {
		return rc.refusals[payack.ReasonRate]
	}
	return nil
}

// limitHeaders tells a refused client when to come back, and others how much is
// left, if that is wanted.
func (rc *receiver) limitHeaders(d *delivery) {
	decision := &d.limit.decision
	switch {
	case d.limit.key == "" || decision.Limit == 0:
	case rc.options.LimitPolicy != "":
		ratelimit.SetHeaders(d.w.Header(), *decision, rc.options.LimitPolicy)
	case !decision.Allowed:
		d.headers.Set(d.w.Header(), "Retry-After", strconv.Itoa(decision.RetryAfterSeconds()))
	}
}

// chargeFailure charges a bad delivery to its sender, where only those are
// charged. Bad is what did not verify, what did not come whole or in time, and
// what verified and was found not to be true: whoever replays a copied webhook
// causes the asking. What breaks a rule or contradicts what was done comes from
// the provider, and a provider that can't be asked is nobody's fault. Neither is
// charged. With an inbox, what is found at the desk is not charged.
func (rc *receiver) chargeFailure(ctx context.Context, d *delivery) {
	if d.limit.key == "" {
		return
	}
	o := &d.observation
	switch {
	case o.Reason == payack.ReasonInvalid, o.Reason == payack.ReasonConflict:
		return
	case o.Outcome == payack.OutcomeRejected, o.Reason == payack.ReasonBodyRead, o.Reason == payack.ReasonTooLarge:
	default:
		return
	}
	// Who hangs up pays all the same.
	if _, err := rc.options.Charge.Failed(context.WithoutCancel(ctx), rc.options.Limiter, d.limit.key); err != nil {
		rc.options.Logger.Error("payack: the limiter failed; a failed delivery was not charged", "provider", rc.stages.provider, "error", err)
	}
}
