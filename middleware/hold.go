package middleware

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/payack/payack"
)

// storeTimeout is the least time allowed for commit and release; the deadline
// may have passed by then.
const storeTimeout = 5 * time.Second

// hold has the claims of a delivery while the merchant's function runs. It claims
// the event in this process and in the store. It also claims the keys that bind the
// event's signature to the event.
//
// It is used like a transaction: release is deferred. After commit, release only
// gives up the lock.
type hold struct {
	once *once
	// id is the key of the event, and lock is the key of its signature. Each is
	// empty unless it is in flight in this process.
	id, lock string
	claims   []payack.HeldClaim
	room     [1]payack.HeldClaim // first backing array of claims; most events need only one claim
	// settled is set by commit, or earlier by Committed. From then on only the claim of
	// the lock is given up. A claim that could not be marked done stays busy until
	// its lease ends.
	settled bool
}

// locks reports whether c is the lock, which is never committed.
func (h *hold) locks(c payack.HeldClaim) bool { return h.lock != "" && c.ID == h.lock }

// take claims an event, and the binding of its signature. done reports that the
// event is done already. d.hold has the claims that were made, also when take
// returns an error.
func (rc *receiver) take(ctx context.Context, d *delivery, ev payack.Event, fingerprint string) (done bool, err error) {
	defer func() { d.observation.Took.Guard += d.lap() }()
	h, id := &d.hold, d.observation.EventID
	h.once = &rc.once
	if !enter(rc.once.home, id) {
		return false, d.fail(payack.StageGuard, payack.ReasonBusy, nil, "the same event is being processed in this process")
	}
	h.id, h.claims = id, h.room[:0]
	switch state, err := rc.once.lookFormer(ctx, id, fingerprint); {
	case err != nil:
		return false, err
	case state != payack.ClaimUnknown:
		return d.known(state)
	}
	switch state, err := h.claim(ctx, id, fingerprint); {
	case err != nil:
		return false, err
	case state != payack.ClaimGranted:
		return d.known(state)
	}
	return false, rc.tie(ctx, d, ev)
}

// known returns the result for an event that is done, busy or in conflict.
func (d *delivery) known(state payack.ClaimState) (done bool, err error) {
	switch state {
	case payack.ClaimDone:
		return true, nil
	case payack.ClaimConflict:
		return false, d.fail(payack.StageGuard, payack.ReasonConflict, nil, "the same event came before with another fingerprint (other amounts, currencies or order)")
	}
	return false, d.fail(payack.StageGuard, payack.ReasonBusy, nil, "the same event is being processed elsewhere")
}

// claim claims id in the store and records the claim. When the store fails under
// InsecureProcessWithoutStore, claim returns ClaimGranted and records nothing.
func (h *hold) claim(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	got, err := h.once.store.Claim(ctx, id, fingerprint, h.once.lease)
	switch {
	case err != nil:
		return payack.ClaimGranted, h.once.failed(ctx, h.id, err)
	case got.State == payack.ClaimGranted:
		h.claims = append(h.claims, payack.HeldClaim{ID: id, Fingerprint: fingerprint, Token: got.Token})
	}
	return got.State, nil
}

// bindNow marks id done with this fingerprint, whatever happens to the event. It
// returns ClaimDone if id is bound to the fingerprint, by this call or an earlier
// one.
func (h *hold) bindNow(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	if h.once.binder != nil {
		state, err := h.once.binder.Bind(ctx, id, fingerprint)
		if err != nil {
			return payack.ClaimDone, h.once.failed(ctx, h.id, err)
		}
		return state, nil
	}
	held := len(h.claims)
	state, err := h.claim(ctx, id, fingerprint)
	if err != nil || len(h.claims) == held {
		return state, err
	}
	switch err := h.once.commit(ctx, h.claims[held]); {
	case err == nil:
		h.claims = h.claims[:held]
	case !h.once.withoutStore:
		return 0, h.once.failed(ctx, h.id, err)
	}
	return payack.ClaimDone, nil // h.commit retries a claim that could not be committed here
}

// commit marks all claims done except that of the lock. It does nothing when they
// have been marked already ([payack.Held]).
func (h *hold) commit(ctx context.Context) (err error) {
	if h.settled {
		return nil
	}
	h.settled = true
	ctx, stop := atLeast(ctx, storeTimeout)
	defer stop()
	// Commit the event last, so that the signature of an event that is done is bound.
	for _, c := range slices.Backward(h.claims) {
		if !h.locks(c) {
			err = errors.Join(err, h.once.commit(ctx, c))
		}
	}
	return err
}

// release gives up the claims, newest first, so that the lock of a signature is
// given up after the claim of its text. Of a settled event it gives up only the
// lock. When release returns, the event is no longer in flight, and this process
// accepts other deliveries of it.
func (h *hold) release(ctx context.Context) {
	if h.id == "" {
		return
	}
	// Deferred, because the logger may panic.
	defer leave(h.once.home, h.id)
	if h.lock != "" {
		defer leave(h.once.home, h.lock)
	}
	if h.settled && h.lock == "" {
		return // saves reading the clock
	}
	ctx, stop := atLeast(ctx, storeTimeout) // shared by all claims
	defer stop()
	for _, c := range slices.Backward(h.claims) {
		if h.settled && !h.locks(c) {
			continue
		}
		err := h.once.release(ctx, c)
		if err != nil && !errors.Is(err, payack.ErrNotHeld) {
			h.once.logger.Warn("payack: a claim could not be given up; the event stays busy until the lease ends",
				"provider", h.once.provider, "event_id", h.id, "error", err)
		}
	}
}

// Store implements [payack.Held].
func (h *hold) Store() payack.Store { return h.once.store }

// Claims implements [payack.Held].
func (h *hold) Claims() []payack.HeldClaim {
	var out []payack.HeldClaim
	for _, c := range h.claims {
		if !h.locks(c) {
			out = append(out, c)
		}
	}
	return out
}

// Committed implements [payack.Held].
func (h *hold) Committed() { h.settled = true }

// atLeast returns ctx, or a context that lasts d if the deadline of ctx is nearer
// than that.
func atLeast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	// ctx is a delivery's context, which is never cancelled before its deadline.
	if end, ok := ctx.Deadline(); ok && time.Until(end) >= d {
		return ctx, func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}
