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
	if id, digest, ok := rc.details(ev); ok {
		_, err := d.hold.claim(ctx, id, digest) // committed with the event
		return err
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
	if id, digest, ok := rc.details(ev); ok {
		state, err := rc.once.lookup(ctx, id, digest)
		if err == nil && state == payack.ClaimConflict {
			rc.otherDetails(d)
		}
	}
	return nil
}

// details returns what tells an event apart from one with the same signed members.
func (rc *receiver) details(ev payack.Event) (id, digest string, ok bool) {
	if rc.stages.details == nil {
		return "", "", false
	}
	return rc.stages.details(ev)
}

func (rc *receiver) otherDetails(d *delivery) {
	rc.options.Logger.Warn("payack: an event came again with other details, which are not signed (a second partial refund has the same signed members); compare them with the provider's records",
		"provider", rc.stages.provider, "event_id", d.observation.EventID)
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
		return d.spliced(b)
	}
	if b.lock == "" {
		state, err = h.bindNow(ctx, b.text, b.event)
	} else {
		if !enter(h.once.home, b.lock) {
			return busy()
		}
		h.lock = b.lock
		state, err = h.claim(ctx, b.lock, "")
		switch {
		case err != nil:
			return err
		case state != payack.ClaimGranted:
			return busy()
		}
		state, err = h.claim(ctx, b.text, b.event) // committed with the event
	}
	switch {
	case err != nil:
		return err
	case b.confirmed:
		return nil
	case state == payack.ClaimConflict:
		return d.spliced(b)
	case state == payack.ClaimBusy: // left behind by a crash; bound to nobody until its lease ends
		return busy()
	}
	return nil
}

func (d *delivery) spliced(b binding) error {
	var undecided error
	if b.lock != "" { // only the callback can tell, and whoever came first may have forged it
		undecided = payack.ErrUndecided
	}
	return d.fail(payack.StageGuard, payack.ReasonSpliced, undecided, "its signature came before with another order, amount or status")
}
