package middleware

import (
	"context"

	"github.com/payack/payack"
)

// binding ties a signature that fits several events to the first of them that
// was found to be true. It is remembered in the store, as claims of its own.
type binding struct {
	// text is what the signature covers, the same for all events that it fits.
	text string
	// event tells the events with the same text apart.
	event string
	// lock is set where only the callback can tell which event is true. The text
	// is then bound when the callback has returned nil: a forger who comes first
	// does not keep the genuine event out. Meanwhile the other events are busy.
	lock string
	// confirmed reports that the provider has confirmed the event, so that it is
	// true whatever else its text is bound to.
	confirmed bool
}

// tie takes hold of what belongs to the event: the text of its signature, and the
// digest of its unsigned details.
func (rc *receiver) tie(ctx context.Context, d *delivery, ev payack.Event) error {
	if rc.stages.binding != nil {
		if b, ok := rc.stages.binding(ev); ok {
			if err := d.hold.bind(ctx, d, b); err != nil {
				return err
			}
		}
	}
	if rc.stages.details != nil {
		if id, digest, ok := rc.stages.details(ev); ok {
			_, err := d.hold.claim(ctx, id, digest, false) // committed with the event
			return err
		}
	}
	return nil
}

// duplicate ends an event that was done before, unless err is another end. Its
// unsigned details are compared with those of the first delivery. A difference is
// a warning: the merchant's function saw only the first.
func (rc *receiver) duplicate(ctx context.Context, d *delivery, ev payack.Event, err error) error {
	if err != nil {
		return err
	}
	d.observation.Outcome = payack.OutcomeDuplicate
	if rc.stages.details == nil {
		return nil
	}
	if id, digest, ok := rc.stages.details(ev); ok {
		state, err := rc.once.lookup(ctx, id, digest)
		if err == nil && state == payack.ClaimConflict {
			rc.options.Logger.Warn("payack: an event that was processed came again with other details, which are not signed (a second partial refund has the same signed members); compare them with the provider's records",
				"provider", rc.stages.provider, "event_id", d.observation.EventID)
		}
	}
	return nil
}

// bind remembers b, or finds that its text belongs to another event.
func (h *hold) bind(ctx context.Context, d *delivery, b binding) error {
	busy := func() error {
		return d.fail(payack.StageGuard, payack.ReasonBusy, nil, "its signature is being processed with another event")
	}
	state, err := h.once.lookFormer(ctx, b.text, b.event)
	switch {
	case err != nil:
		return err
	case state == payack.ClaimConflict && !b.confirmed:
		return d.spliced()
	}
	if b.lock == "" {
		state, err = h.bindNow(ctx, b.text, b.event)
	} else {
		if !enter(h.once.home, b.lock) {
			return busy()
		}
		h.lock = b.lock
		state, err = h.claim(ctx, b.lock, "", true)
		switch {
		case err != nil:
			return err
		case state != payack.ClaimGranted:
			return busy()
		}
		state, err = h.claim(ctx, b.text, b.event, false) // committed with the event
	}
	switch {
	case err != nil:
		return err
	case b.confirmed:
		return nil
	case state == payack.ClaimConflict:
		return d.spliced()
	case state == payack.ClaimBusy: // left behind by a crash; bound to nobody until its lease ends
		return busy()
	}
	return nil
}

func (d *delivery) spliced() error {
	return d.fail(payack.StageGuard, payack.ReasonSpliced, nil, "its signature came before with another order, amount or status")
}
