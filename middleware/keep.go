package middleware

import (
	"context"
	"fmt"
	"strings"

	"github.com/payack/payack"
)

// name is what the inbox knows the receiver by.
func (rc *receiver) name() string {
	if rc.options.Name != "" {
		return rc.options.Name
	}
	return string(rc.stages.provider) + ":" + rc.stages.tenant
}

// mount makes the handler known to the inbox.
func (h *Handler) mount() error {
	inbox := h.engine.options.Inbox
	if inbox == nil {
		return nil
	}
	if err := inbox.Mount(h.engine.name(), h); err != nil {
		return fmt.Errorf("payack: %s: Inbox: %w", h.Provider(), err)
	}
	return nil
}

// keep ends the first half: the delivery is safe before the provider is told.
// What becomes of it, of an invalid one too, is found at the desk.
func (rc *receiver) keep(ctx context.Context, d *delivery, ev payack.Event) error {
	defer func() { d.observation.Took.Guard = d.lap() }()
	if done, err := rc.formerlyDone(ctx, d, ev); done || err != nil {
		return rc.duplicate(ctx, d, ev, err)
	}
	r := payack.Receipt{Receiver: rc.name(), Delivery: &d.Delivery, Allowed: len(rc.options.AllowedAddresses) > 0}
	if rc.stages.variant != nil {
		r.Variant = rc.stages.variant(ev)
	}
	state, err := rc.options.Inbox.Keep(ctx, &r)
	switch {
	case err != nil:
		return d.fail(payack.StageKeep, payack.ReasonInbox, err, "the inbox could not keep the event")
	case state == payack.ClaimGranted:
		return nil
	case state == payack.ClaimDone:
		return rc.duplicate(ctx, d, ev, nil)
	}
	return d.fail(payack.StageKeep, payack.ReasonBusy, nil, "too many copies of this event with other handles are waiting")
}

// formerlyDone looks an event up in the store that was there before the inbox.
func (rc *receiver) formerlyDone(ctx context.Context, d *delivery, ev payack.Event) (bool, error) {
	if rc.options.Inbox == nil || rc.options.Store == nil {
		return false, nil
	}
	state, err := rc.options.Store.Lookup(ctx, d.observation.EventID, ev.Fingerprint())
	if err != nil {
		return false, rc.once.failed(d.observation.EventID, err)
	}
	return state == payack.ClaimDone, nil
}

// check finds out at the desk what a request without an inbox finds at the door.
func (rc *receiver) check(d *delivery) error {
	if err := d.Event.Check(); err != nil {
		// The reason says already what the end of the text says.
		text := strings.TrimSuffix(err.Error(), ": "+payack.ErrInvalid.Error())
		return d.fail(payack.StageVerify, payack.ReasonInvalid, nil, strings.TrimPrefix(text, "payack: "))
	}
	if err := rc.rules.check(d.Event); err != nil {
		return d.fail(payack.StageVerify, payack.ReasonInvalid, nil, err.Error())
	}
	return nil
}
