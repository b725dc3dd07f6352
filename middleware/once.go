package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
)

// once makes sure that an event is processed only once. Within this process it uses
// the set of events in flight (see inflight.go); across processes it uses claims in
// a store.
type once struct {
	provider     payack.Provider
	store        payack.Store
	former       payack.Store  // the store that was used before the inbox; only read; may be nil
	binder       payack.Binder // the store, if it is a Binder
	home         string
	lease        time.Duration
	withoutStore bool
	logger       *slog.Logger
}

func newOnce(p payack.Provider, o *Options) once {
	store, former := o.Store, payack.Store(nil)
	if o.Inbox != nil {
		store, former = o.Inbox, o.Store
	}
	home := store.Home()
	if home == "" { // an unnamed home is shared with nobody
		home = "receiver " + strconv.FormatUint(homeless.Add(1), 10)
	}
	binder, _ := store.(payack.Binder)
	return once{
		provider: p, store: store, former: former, binder: binder, home: home,
		lease: o.Lease, withoutStore: o.InsecureProcessWithoutStore, logger: o.Logger,
	}
}

var homeless atomic.Uint64

// lookup reports what is known of an event, and claims nothing.
func (o *once) lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	state, err := o.lookFormer(ctx, id, fingerprint)
	if err != nil || state != payack.ClaimUnknown {
		return state, err
	}
	if state, err = o.store.Lookup(ctx, id, fingerprint); err != nil {
		return payack.ClaimUnknown, o.failed(ctx, id, err)
	}
	return state, nil
}

// lookFormer reports what the former store knows of an event.
func (o *once) lookFormer(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	if o.former == nil {
		return payack.ClaimUnknown, nil
	}
	state, err := o.former.Lookup(ctx, id, fingerprint)
	if err != nil {
		return payack.ClaimUnknown, o.failed(ctx, id, err)
	}
	return state, nil
}

// failed returns the error for a store that failed. Under
// InsecureProcessWithoutStore it returns nil, and the event is processed as if the
// store knew nothing of it. When ctx has ended, the cause is the deadline and not
// the store. failed then returns an error in any case.
func (o *once) failed(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil {
		return &payack.Error{Provider: o.provider, Stage: payack.StageGuard, Reason: payack.ReasonDeadline, Err: err, Detail: "the deadline passed before the store answered"}
	}
	if !o.withoutStore {
		return &payack.Error{Provider: o.provider, Stage: payack.StageGuard, Reason: payack.ReasonStore, Err: err, Detail: "the store failed"}
	}
	o.logger.Error("payack: the store failed; the event is processed without it, perhaps not for the first time",
		"provider", o.provider, "event_id", id, "error", err)
	return nil
}

// commit marks a claim done. If the claim's lease has ended, commit claims the same
// key again first. So the callback's result counts, unless another delivery has
// claimed the key since.
func (o *once) commit(ctx context.Context, c payack.HeldClaim) (err error) {
	defer storePanicked(&err)
	err = o.store.Commit(ctx, c.ID, c.Token)
	if !errors.Is(err, payack.ErrNotHeld) {
		return err
	}
	again, claimErr := o.store.Claim(ctx, c.ID, c.Fingerprint, o.lease)
	switch {
	case claimErr == nil && again.State == payack.ClaimDone:
		return fmt.Errorf("its lease had ended and the event was processed elsewhere, too; check whether it was settled twice: %w", err)
	case claimErr != nil || again.State != payack.ClaimGranted:
		return err
	}
	return o.store.Commit(ctx, c.ID, again.Token)
}

func (o *once) release(ctx context.Context, c payack.HeldClaim) (err error) {
	defer storePanicked(&err)
	return o.store.Release(ctx, c.ID, c.Token)
}

// storePanicked turns a panic of the store into an error. Once the callback has
// returned, a panic of the store must not change the outcome.
func storePanicked(err *error) {
	if p := recover(); p != nil {
		*err = errors.New("the store panicked")
	}
}
