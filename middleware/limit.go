package middleware

import (
	"context"
	"strconv"

	"github.com/payack/payack"
	"github.com/payack/payack/ratelimit"
)

// limited is the key of a delivery's budget, and what the limiter decided.
type limited struct {
	key      string
	decision ratelimit.Decision
}

// limitGate asks the limiter before the body is read. When the limiter fails, the
// callback passes: a broken limiter must not cost a payment.
func (rc *receiver) limitGate(d *delivery) error {
	o := &rc.options
	if o.Limiter == nil {
		return nil
	}
	// Allowed addresses are never refused for failures. Otherwise another merchant
	// could make the provider send callbacks here that don't verify, and the
	// provider's own address would be refused.
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

// limitHeaders sets Retry-After on rate refusals, or the RateLimit headers on all
// answers if LimitPolicy is set.
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

// chargeFailure charges a bad delivery to its sender, under ChargeFailures. It
// charges deliveries that do not verify, that are too large, or that don't arrive
// whole and in time. It also charges deliveries that verify but turn out to be
// untrue, since each replay of a copied webhook makes Confirm ask the provider.
//
// It does not charge events that break a rule or conflict with an earlier one,
// since they come from the provider. Nor does it charge failures on the merchant's
// side, such as those of the store or the callback. With an inbox, it does not
// charge what the second half finds.
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
	// A sender who hangs up is charged, too.
	if _, err := rc.options.Charge.Failed(context.WithoutCancel(ctx), rc.options.Limiter, d.limit.key); err != nil {
		rc.options.Logger.Error("payack: the limiter failed; a failed delivery was not charged", "provider", rc.stages.provider, "error", err)
	}
}
