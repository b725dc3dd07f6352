package inbox

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox/internal/schedule"
	"github.com/payack/payack/internal/dialect"
	"github.com/payack/payack/store/sqlstore"
)

// attend makes an attempt, frees its worker however the attempt ends, and returns
// how it ended. The result is zero if this process no longer holds the row when
// the attempt begins, or if the database fails and Run ends meanwhile.
func (in *Inbox) attend(ctx context.Context, l leased, finish schedule.Finish) (e ending) {
	ctx = context.WithoutCancel(ctx)
	defer in.ends(l)
	a := attempt{leased: l, finish: finish}
	if err := in.insist(ctx, func(ctx context.Context) error { return in.load(ctx, &a) }); err != nil {
		return e // the row is due again when its lease has ended
	}
	if !a.ours { // another process has taken the row over since it was leased
		_ = in.insist(ctx, func(ctx context.Context) error {
			_, err := in.exec(ctx, in.sql.letGo, l.payment, l.token)
			return err
		})
		return e
	}
	in.mu.Lock()
	desk := in.desks[l.receiver]
	in.mu.Unlock()

	o := &payack.Observation{Delivery: a.delivery, Outcome: payack.OutcomeFailed, Reason: payack.ReasonInbox, EventID: a.eventID}
	if a.broken == nil {
		in.process(ctx, desk, &a, o)
	} else {
		o.Outcome, o.Reason, o.Err = in.broken(&a)
	}
	e = in.settle(ctx, &a, o)
	o.Attempt, o.Dead = a.tries.attempts, e.state == dead
	if e.state == pending {
		o.Next = time.Now().Add(e.wait)
	}
	in.observe(ctx, desk, o)
	return e
}

// attempt is a row that is being processed.
type attempt struct {
	leased
	tries
	event, fingerprint []byte
	provider, eventID  string
	delivery           *payack.Delivery
	// broken is why the row can't be decoded, nil if it can.
	broken error
	finish schedule.Finish // what an engine writes in the transaction of InTx; may be nil
	ours   bool
}

func (in *Inbox) load(ctx context.Context, a *attempt) error {
	var encoded, delivery, body []byte
	err := in.db.QueryRowContext(ctx, in.sql.load, a.id, a.token).Scan(&a.event, &a.fingerprint, &a.attempts, &a.base, &a.since, &a.started, &a.now, &a.provider, &a.eventID, &encoded, &delivery, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // taken over by another process
	}
	if err != nil {
		return err
	}
	a.ours = true
	a.delivery, a.broken = decodeDelivery(encoded, delivery, body)
	if a.broken == nil {
		ev := a.delivery.Event
		valid, invalid := bytes.Equal(eventKey(ev.ID(), false), a.event), bytes.Equal(eventKey(ev.ID(), true), a.event)
		if !invalid && (!valid || a.delivery.Invalid != "") || !bytes.Equal(digest(ev.Fingerprint()), a.fingerprint) {
			a.broken = fmt.Errorf("the row and its event have different identities: %w", payack.ErrMalformed)
		}
	}
	if a.broken != nil {
		a.delivery = &payack.Delivery{Provider: payack.Provider(a.provider), Body: string(body)}
	}
	a.delivery.Attempt = a.attempts
	return nil
}

// broken returns the outcome of an attempt whose row can't be decoded. The
// outcome is final, unless a newer version of this module wrote the row: a
// process with that version may decode it.
func (in *Inbox) broken(a *attempt) (payack.Outcome, payack.Reason, error) {
	if errors.Is(a.broken, payack.ErrNewer) {
		return payack.OutcomeFailed, payack.ReasonInbox, a.broken
	}
	return payack.OutcomeRejected, payack.ReasonMalformed, a.broken
}

// process calls the receiver in a goroutine of its own, because the merchant's
// function may end its goroutine (runtime.Goexit).
func (in *Inbox) process(ctx context.Context, desk payack.Desk, a *attempt, o *payack.Observation) {
	ctx = sqlstore.WithHook(ctx, func(ctx context.Context, tx *sql.Tx) error {
		q := in.cfg.Dialect.Bound(tx)
		ours, err := changed(q.ExecContext(ctx, in.sql.markDone, a.id, a.token))
		switch {
		case err != nil:
			return explain(in.cfg.Dialect, "InTx", err)
		case !ours:
			return fmt.Errorf("inbox: InTx: another process has taken the event over: %w", payack.ErrNotHeld)
		}
		_, err = q.ExecContext(ctx, in.sql.attempt, a.id, a.attempts, a.started, a.now-a.started, "", "")
		if err == nil && a.finish != nil {
			err = a.finish(ctx, tx)
		}
		return err
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			if p := recover(); p != nil {
				o.Outcome, o.Reason, o.Stack = payack.OutcomeFailed, payack.ReasonPanic, string(debug.Stack())
				o.Err = errors.New("inbox: the receiver panicked")
			}
		}()
		err := desk.Process(ctx, a.delivery, o)
		if o.Err == nil && err != nil {
			o.Err = err
		}
	}()
	<-ended
}

// insist repeats fn until the database accepts it. After Close, or after the end
// of Run's context, it gives up after a few tries. The attempt's row is then due
// again when its lease has ended.
func (in *Inbox) insist(ctx context.Context, fn func(context.Context) error) error {
	for try := 0; ; try++ {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, opTimeout)
			defer cancel()
			return fn(ctx)
		}()
		if err == nil {
			return nil
		}
		if in.cfg.Dialect.Fault(err) != dialect.Again {
			in.complain("recording an attempt", err)
		}
		select {
		case <-in.stopped():
			if try >= 3 {
				return err
			}
		default:
		}
		time.Sleep(min(time.Second, 5*time.Millisecond<<min(try, 10)))
	}
}

// observe passes an observation to the receiver, which logs it and hands it to
// the observer. A panic of the merchant's logger or observer must not end the
// process.
func (in *Inbox) observe(ctx context.Context, desk payack.Desk, o *payack.Observation) {
	defer func() {
		if p := recover(); p != nil {
			in.cfg.Logger.Error("inbox: an observer panicked", "stack", string(debug.Stack()))
		}
	}()
	desk.Observe(ctx, o)
}
