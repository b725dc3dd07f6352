package middleware

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
)

// storeTimeout is the least time allowed for commit and release; the deadline
// may have passed by then.
const storeTimeout = 5 * time.Second

// once is where it is decided that an event is processed once only: in this
// process by the events in flight, beyond it by the claims of a store.
type once struct {
	provider     payack.Provider
	store        payack.Store
	binder       payack.Binder // the store, where it binds in one step
	home         string
	lease        time.Duration
	withoutStore bool
	logger       *slog.Logger
}

func newOnce(p payack.Provider, o *Options) once {
	store := o.Store
	if o.Inbox != nil {
		store = o.Inbox
	}
	home := store.Home()
	if home == "" { // a store that does not say is shared with nobody
		home = "receiver " + strconv.FormatUint(homeless.Add(1), 10)
	}
	binder, _ := store.(payack.Binder)
	return once{
		provider: p, store: store, binder: binder, home: home,
		lease: o.Lease, withoutStore: o.InsecureProcessWithoutStore, logger: o.Logger,
	}
}

var homeless atomic.Uint64

// lookup reports what is known of an event, and holds nothing. A store that
// fails knows nothing where that is the merchant's choice.
func (o *once) lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	state, err := o.store.Lookup(ctx, id, fingerprint)
	if err != nil {
		return payack.ClaimUnknown, o.failed(id, err)
	}
	return state, nil
}

// failed returns nil when the event is processed all the same.
func (o *once) failed(id string, err error) error {
	if !o.withoutStore {
		return &payack.Error{Provider: o.provider, Stage: payack.StageGuard, Reason: payack.ReasonStore, Err: err, Detail: "the store failed"}
	}
	o.logger.Error("payack: the store failed; the event is processed without it, perhaps not for the first time",
		"provider", o.provider, "event_id", id, "error", err)
	return nil
}

// hold is what a delivery holds while the merchant's function runs: its event,
// in this process and in the store, and what ties its signature to it. It is
// used like a transaction: release is deferred, and does nothing after commit
// but let others in.
type hold struct {
	once   *once
	id     string // of the event, once it is in flight
	claims []claim
	room   [3]claim
	// committed is set when the claims were marked done, here or elsewhere.
	committed bool
}

// claim is what a store gave. A lock is never committed.
type claim struct {
	payack.HeldClaim
	lock bool
}

// take takes hold of an event and of what ties its signature to it. It reports
// whether the event is known as done. What was taken stands in d.hold, beside an
// error too.
func (rc *receiver) take(ctx context.Context, d *delivery, ev payack.Event) (done bool, err error) {
	defer func() { d.observation.Took.Guard += d.lap() }()
	h, id := &d.hold, d.observation.EventID
	h.once = &rc.once
	if !enter(rc.once.home, id) {
		return false, d.fail(payack.StageGuard, payack.ReasonBusy, nil, "the same event is being processed in this process")
	}
	h.id, h.claims = id, h.room[:0]
	state, err := h.claim(ctx, id, d.fingerprint, false)
	switch {
	case err != nil:
		return false, err
	case state != payack.ClaimGranted:
		return d.known(state)
	}
	return false, rc.tie(ctx, d, ev)
}

// known is what follows from a state other than unknown and granted.
func (d *delivery) known(state payack.ClaimState) (done bool, err error) {
	switch state {
	case payack.ClaimDone:
		return true, nil
	case payack.ClaimConflict:
		return false, d.fail(payack.StageGuard, payack.ReasonConflict, nil, "the same event came before with another fingerprint (amounts, currencies or order)")
	}
	return false, d.fail(payack.StageGuard, payack.ReasonBusy, nil, "the same event is being processed elsewhere")
}

// claim asks the store for id and keeps what it gets. Without a store, where
// that is the merchant's choice, everything is granted and nothing kept.
func (h *hold) claim(ctx context.Context, id, fingerprint string, lock bool) (payack.ClaimState, error) {
	got, err := h.once.store.Claim(ctx, id, fingerprint, h.once.lease)
	switch {
	case err != nil:
		return payack.ClaimGranted, h.once.failed(h.id, err)
	case got.State == payack.ClaimGranted:
		h.claims = append(h.claims, claim{payack.HeldClaim{ID: id, Fingerprint: fingerprint, Token: got.Token}, lock})
	}
	return got.State, nil
}

// bindNow marks id done with this fingerprint, whatever becomes of the event:
// done is the answer to the first time and to those after it.
func (h *hold) bindNow(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	if h.once.binder != nil {
		state, err := h.once.binder.Bind(ctx, id, fingerprint)
		if err != nil {
			return payack.ClaimDone, h.once.failed(h.id, err)
		}
		return state, nil
	}
	held := len(h.claims)
	state, err := h.claim(ctx, id, fingerprint, false)
	if err != nil || len(h.claims) == held {
		return state, err
	}
	switch err := h.once.commit(ctx, h.claims[held]); {
	case err == nil:
		h.claims = h.claims[:held]
	case !h.once.withoutStore:
		return 0, h.once.failed(h.id, err)
	}
	return payack.ClaimDone, nil // what could not be bound ends with the event's claim
}

// commit marks all claims done. It does nothing when that was done elsewhere.
func (h *hold) commit(ctx context.Context) (err error) {
	if h.committed {
		return nil
	}
	h.committed = true
	ctx, stop := atLeast(ctx, storeTimeout)
	defer stop()
	for _, c := range h.claims {
		if c.lock {
			continue
		}
		if e := h.once.commit(ctx, c); e != nil {
			err = e
		}
	}
	return err
}

// release lets others in, and before that gives up what was not committed, the
// newest first: a lock outlives what it guards.
func (h *hold) release(ctx context.Context) {
	if h.id == "" {
		return
	}
	defer leave(h.once.home, h.id) // deferred, because the logger may panic
	for _, c := range slices.Backward(h.claims) {
		if h.committed && !c.lock {
			continue
		}
		ctx, stop := atLeast(ctx, storeTimeout)
		err := h.once.release(ctx, c)
		stop()
		if err != nil && !errors.Is(err, payack.ErrNotHeld) {
			h.once.logger.Warn("payack: a claim could not be given up; the event is busy until its lease ends",
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
		if !c.lock {
			out = append(out, c.HeldClaim)
		}
	}
	return out
}

// Committed implements [payack.Held].
func (h *hold) Committed() { h.committed = true }

// commit marks a claim done. A callback that outlived its lease takes the claim
// back first: its result counts, unless somebody else has claimed it since.
func (o *once) commit(ctx context.Context, c claim) (err error) {
	defer storePanicked(&err)
	err = o.store.Commit(ctx, c.ID, c.Token)
	if !errors.Is(err, payack.ErrNotHeld) {
		return err
	}
	again, claimErr := o.store.Claim(ctx, c.ID, c.Fingerprint, o.lease)
	if claimErr != nil || again.State != payack.ClaimGranted {
		return err
	}
	return o.store.Commit(ctx, c.ID, again.Token)
}

func (o *once) release(ctx context.Context, c claim) (err error) {
	defer storePanicked(&err)
	return o.store.Release(ctx, c.ID, c.Token)
}

// storePanicked makes a panic of the store an error: what is answered has been
// decided by then.
func storePanicked(err *error) {
	if p := recover(); p != nil {
		*err = errors.New("the store panicked")
	}
}

// atLeast returns ctx with no less than d until its deadline.
func atLeast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) >= d && ctx.Err() == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}
