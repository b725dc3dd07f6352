package middleware

import (
	"context"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// verify calls the method check, warns of an unknown status, and logs once which
// scheme to pin.
func (rc *receiver) verify(ctx context.Context, d *delivery) (payack.Event, error) {
	ev, err := rc.check(ctx, d)
	if ev == nil || err != nil {
		return ev, err
	}
	if rc.stages.unknown != nil && rc.stages.unknown(ev) {
		rc.options.Logger.Warn("payack: the provider's documents do not name this status, so the event counts as neither paid nor final; look at the order, and tell us if the status means paid",
			"provider", rc.stages.provider, "event_id", d.observation.EventID)
	}
	if rc.stages.pin != "" && rc.schemeReported.CompareAndSwap(false, true) {
		rc.options.Logger.Info(fmt.Sprintf("payack: the first callback verified; once others have shown the same scheme, some of them with amounts like 100.50, pin it, so that no other is tried: set %s to []payack.Scheme{%q}", rc.stages.pin, d.observation.Scheme),
			"provider", rc.stages.provider, "scheme", d.observation.Scheme)
	}
	return ev, nil
}

// unlessPinned returns member, which names the member of the configuration that
// pins a scheme. It returns an empty string when a scheme is pinned already.
func unlessPinned(member string, pinned bool) string {
	if pinned {
		return ""
	}
	return member
}

// check finds the keys, verifies, and applies the merchant's own rules. When the
// event verifies but is invalid, it returns both the event and the error.
func (rc *receiver) check(ctx context.Context, d *delivery) (payack.Event, error) {
	defer func() { d.observation.Took.Verify = d.lap() }()
	ev, err := rc.stages.verify(ctx, d.r, verify.Message{ContentType: contentType(d.r), Header: d.Header, Body: d.Body})
	if ev == nil {
		return nil, err
	}
	d.has(ev)
	if err == nil {
		if broken := rc.rules.check(ev); broken != nil {
			err, d.OwnRule = d.invalid(broken.Error()), true
		}
	}
	if err != nil {
		d.Invalid = err.(*payack.Error).Detail
	}
	return ev, err
}

// has sets the delivery's event.
func (d *delivery) has(ev payack.Event) {
	d.Event = ev
	d.observation.EventID, d.observation.Scheme = ev.ID(), ev.VerifiedBy().Scheme
}

func (d *delivery) invalid(detail string) error {
	return d.fail(payack.StageVerify, payack.ReasonInvalid, nil, detail)
}
