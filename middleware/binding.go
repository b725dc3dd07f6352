package middleware

import (
	"context"

	"github.com/payack/payack"
)

// binding ties a signature that fits several events to the first of them that was
// found to be genuine. The store keeps the binding in claims other than the event's.
type binding struct {
	// text is the signed text, which all events with this signature share.
	text string
	// event distinguishes the events that share the text.
	event string
	// lock is the key of a claim that is held while the callback runs. It is set if
	// only the callback can find out which event is genuine. The text is then bound
	// after the callback has returned nil, so that a forgery that comes first does
	// not keep the genuine event out. Until then, all other events with the text
	// fail as busy.
	lock string
	// confirmed reports that the provider has confirmed the event. The event is
	// then genuine, even if its text is bound to another event.
	confirmed bool
}

// tie claims what belongs to the event: the text that its signature covers, and the
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

// duplicate ends the delivery of an event that is done already. If err is set, the
// event is not done, and duplicate only returns err. It warns when the unsigned
// details of this delivery differ from those of the first, because the merchant's
// function saw only the first delivery.
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

// details returns the digest of an event's unsigned details, and the key under
// which the store keeps the digest.
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

// bind ties b's text to b's event. If the text is tied to another event already,
// bind fails, unless the provider has confirmed b's event.
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
	case state == payack.ClaimBusy: // held by another delivery, or left by a crash until the lease ends
		return busy()
	}
	return nil
}

func (d *delivery) spliced(b binding) error {
	var undecided error
	if b.lock != "" { // the event that came first may be the forged one
		undecided = payack.ErrUndecided
	}
	return d.fail(payack.StageGuard, payack.ReasonSpliced, undecided, "its signature came before with another order, amount or status")
}
