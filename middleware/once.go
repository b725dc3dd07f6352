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

// once is where it is decided that an event is processed once only: in this
// process by the events in flight, beyond it by the claims of a store.
type once struct {
	provider     payack.Provider
	store        payack.Store
	former       payack.Store  // is looked into, and never claimed in; may be nil
	binder       payack.Binder // the store, where it binds in one step
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
	if home == "" { // a store that does not say is shared with nobody
		home = "receiver " + strconv.FormatUint(homeless.Add(1), 10)
	}
	binder, _ := store.(payack.Binder)
	return once{
		provider: p, store: store, former: former, binder: binder, home: home,
		lease: o.Lease, withoutStore: o.InsecureProcessWithoutStore, logger: o.Logger,
	}
}

var homeless atomic.Uint64

// lookup reports what is known of an event, and holds nothing.
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

// lookFormer reports what the store knows that was there before the inbox.
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

// failed returns the error of a store that failed. It returns nil under
// InsecureProcessWithoutStore: the event is then processed as if nothing were
// known. A store that had no time left has not failed.
func (o *once) failed(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil {
		return &payack.Error{Provider: o.provider, Stage: payack.StageGuard, Reason: payack.ReasonDeadline, Err: err, Detail: "the deadline passed before the store was asked"}
	}
	if !o.withoutStore {
		return &payack.Error{Provider: o.provider, Stage: payack.StageGuard, Reason: payack.ReasonStore, Err: err, Detail: "the store failed"}
	}
	o.logger.Error("payack: the store failed; the event is processed without it, perhaps not for the first time",
		"provider", o.provider, "event_id", id, "error", err)
	return nil
}

// commit marks a claim done. A callback that outlived its lease takes the claim
// back first: its result counts, unless somebody else has claimed it since.
func (o *once) commit(ctx context.Context, c payack.HeldClaim) (err error) {
	defer storePanicked(&err)
	err = o.store.Commit(ctx, c.ID, c.Token)
	if !errors.Is(err, payack.ErrNotHeld) {
		return err
	}
	again, claimErr := o.store.Claim(ctx, c.ID, c.Fingerprint, o.lease)
	switch {
	case claimErr == nil && again.State == payack.ClaimDone:
		return fmt.Errorf("somebody else has processed it too, since its lease had ended; look whether it was settled twice: %w", err)
	case claimErr != nil || again.State != payack.ClaimGranted:
		return err
	}
	return o.store.Commit(ctx, c.ID, again.Token)
}

func (o *once) release(ctx context.Context, c payack.HeldClaim) (err error) {
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
