package middleware

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/payack/payack"
)

// name returns the name under which the inbox knows the receiver.
func (rc *receiver) name() string {
	if rc.options.Name != "" {
		return rc.options.Name
	}
	return string(rc.stages.provider) + ":" + rc.stages.tenant
}

// mount registers the handler with the inbox, if there is one.
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

// variantOf returns the [payack.Receipt].Variant for an unsigned handle, such as a
// ref_code. All handles that are not printable text share one variant: no gateway
// knows such a handle, and replays with ever new ones must not fill the inbox.
func variantOf(handle string) string {
	impossible := func(r rune) bool { return r < ' ' || r == 0x7f }
	if !utf8.ValidString(handle) || strings.ContainsFunc(handle, impossible) {
		return "\x00"
	}
	return handle
}

// keep ends the first half: it commits the delivery to the inbox before the
// provider is answered. The second half decides everything else, and rejects an
// invalid event.
func (rc *receiver) keep(ctx context.Context, d *delivery, ev payack.Event) error {
	defer func() { d.observation.Took.Guard += d.lap() }()
	r := payack.Receipt{
		Receiver: rc.name(), Delivery: &d.Delivery,
		// With AllowedAddresses the gate has refused all other senders. An event that was
		// found by asking has no sender.
		Allowed: len(rc.options.AllowedAddresses) > 0 || d.Source == payack.SourceQuery,
	}
	if id, details, ok := rc.details(ev); ok {
		state, err := rc.once.lookup(ctx, id, details)
		if err != nil {
			return err
		}
		r.Details, r.Differs = details, state == payack.ClaimConflict
	}
	if former := rc.once.former; former != nil {
		// Only a done event ends here; the second half decides about a conflict.
		state, err := former.Lookup(ctx, d.observation.EventID, ev.Fingerprint())
		switch {
		case err != nil:
			return d.fail(payack.StageKeep, payack.ReasonStore, err, "the former store (Options.Store) failed")
		case state == payack.ClaimDone && !r.Differs:
			return rc.duplicate(ctx, d, ev, nil)
		}
	}
	if rc.stages.variant != nil {
		r.Variant = variantOf(rc.stages.variant(ev))
	}
	state, err := rc.options.Inbox.Keep(ctx, &r)
	switch {
	case err != nil:
		return d.fail(payack.StageKeep, payack.ReasonInbox, err, "the inbox could not keep the event")
	case state == payack.ClaimGranted:
		d.observation.Waits = true
		return nil
	case state == payack.ClaimWaits, state == payack.ClaimDone:
		d.observation.Waits = state == payack.ClaimWaits
		return rc.duplicate(ctx, d, ev, nil)
	case state == payack.ClaimConflict:
		d.observation.Outcome = payack.OutcomeDuplicate
		rc.otherDetails(d)
		return nil
	}
	return d.fail(payack.StageKeep, payack.ReasonBusy, nil, "too many copies of this event with other unsigned handles are waiting")
}
