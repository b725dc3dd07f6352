package middleware

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// verify runs check, warns of an unknown status, and once logs the scheme to pin.
func (rc *receiver) verify(ctx context.Context, d *delivery) (payack.Event, error) {
	ev, err := rc.check(ctx, d)
	if ev == nil || err != nil {
		return ev, err
	}
	if rc.stages.unknown != nil && rc.stages.unknown(ev) {
		rc.options.Logger.Warn("payack: the status is none that the documents know, so the event is neither paid nor final; if it means paid, tell us, and look at the order",
			"provider", rc.stages.provider, "event_id", d.observation.EventID)
	}
	if !rc.stages.pinned && rc.schemeReported.CompareAndSwap(false, true) {
		rc.options.Logger.Info("payack: the first callback verified; pin its scheme in the configuration, so that no other reading of the provider's documents is tried",
			"provider", rc.stages.provider, "scheme", d.observation.Scheme)
	}
	return ev, nil
}

// check finds the keys, verifies, and applies the merchant's own rules. From
// here on the delivery has an event, an invalid one too.
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

// has makes ev the delivery's event.
func (d *delivery) has(ev payack.Event) {
	d.Event = ev
	d.observation.EventID, d.observation.Scheme = ev.ID(), ev.VerifiedBy().Scheme
}

func (d *delivery) invalid(detail string) error {
	return d.fail(payack.StageVerify, payack.ReasonInvalid, nil, detail)
}
