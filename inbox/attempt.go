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
	"github.com/payack/payack/internal/dialect"
	"github.com/payack/payack/store/sqlstore"
)

// attend makes an attempt, and gives its place back however it ends.
func (in *Inbox) attend(ctx context.Context, l leased) {
	ctx = context.WithoutCancel(ctx)
	defer in.ends(l)
	a := attempt{leased: l}
	if err := in.insist(ctx, func(ctx context.Context) error { return in.load(ctx, &a) }); err != nil {
		return // it is due again when its lease has ended
	}
	if !a.ours { // somebody else has taken it over, or closed it, since it was leased
		_ = in.insist(ctx, func(ctx context.Context) error {
			_, err := in.cfg.DB.ExecContext(ctx, in.sql.letGo, l.payment, l.token)
			return err
		})
		return
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
	e := in.settle(ctx, &a, o)
	o.Attempt, o.Dead = a.tries.attempts, e.state == dead
	if e.state == pending {
		o.Next = time.Now().Add(e.wait)
	}
	in.observe(ctx, desk, o)
}

// attempt is a row at work.
type attempt struct {
	leased
	tries
	event, fingerprint []byte
	provider, eventID  string
	delivery           *payack.Delivery
	// broken says why the row can't be processed.
	broken error
	ours   bool
}

func (in *Inbox) load(ctx context.Context, a *attempt) error {
	var encoded, delivery, body []byte
	err := in.cfg.DB.QueryRowContext(ctx, in.sql.load, a.id, a.token).Scan(&a.event, &a.fingerprint, &a.attempts, &a.base, &a.since, &a.started, &a.now, &a.provider, &a.eventID, &encoded, &delivery, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // somebody took it over
	}
	if err != nil {
		return err
	}
	a.ours = true
	a.delivery, a.broken = decodeDelivery(encoded, delivery, body)
	if a.broken == nil {
		ev := a.delivery.Event
		if !bytes.Equal(eventKey(ev.ID(), a.delivery.Invalid != ""), a.event) || !bytes.Equal(digest(ev.Fingerprint()), a.fingerprint) {
			a.broken = fmt.Errorf("the row's event has another identity than the row: %w", payack.ErrMalformed)
		}
	}
	if a.broken != nil {
		a.delivery = &payack.Delivery{Provider: payack.Provider(a.provider), Body: string(body)}
	}
	return nil
}

// broken says how an attempt ends whose row can't be read: for good, unless a newer
// version of this module wrote it, which may run in another process.
func (in *Inbox) broken(a *attempt) (payack.Outcome, payack.Reason, error) {
	if errors.Is(a.broken, payack.ErrNewer) {
		return payack.OutcomeFailed, payack.ReasonInbox, a.broken
	}
	return payack.OutcomeRejected, payack.ReasonMalformed, a.broken
}

// process has the receiver process the event, in a goroutine of its own, which the
// merchant's function may end.
func (in *Inbox) process(ctx context.Context, desk payack.Desk, a *attempt, o *payack.Observation) {
	ctx = sqlstore.WithHook(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ours, err := changed(tx.ExecContext(ctx, in.sql.markDone, a.id, a.token))
		switch {
		case err != nil:
			return explain(in.cfg.Dialect, "InTx", err)
		case !ours:
			return fmt.Errorf("inbox: InTx: another process has taken the event over: %w", payack.ErrNotHeld)
		}
		_, err = tx.ExecContext(ctx, in.sql.attempt, a.id, a.attempts, a.started, a.now-a.started, "", "")
		return err
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			if p := recover(); p != nil {
				o.Outcome, o.Reason, o.Stack = payack.OutcomeFailed, payack.ReasonPanic, debug.Stack()
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

// settle records how an attempt ended. It tries until the database takes it.
func (in *Inbox) settle(ctx context.Context, a *attempt, o *payack.Observation) (e ending) {
	_ = in.insist(ctx, func(ctx context.Context) error {
		unrecorded := o.Outcome == payack.OutcomeAccepted && o.Err != nil
		if unrecorded { // accepted, and the mark failed: it must not run again
			if _, err := in.Store.Bind(ctx, a.delivery.Event.ID(), a.delivery.Event.Fingerprint()); err != nil {
				return err
			}
		}
		var err error
		e, err = in.settleOnce(ctx, a, o)
		return err
	})
	return e
}

func (in *Inbox) settleOnce(ctx context.Context, a *attempt, o *payack.Observation) (ending, error) {
	tx, err := in.begin(ctx)
	if err != nil {
		return ending{}, err
	}
	defer tx.Rollback()
	if o.Err == nil && (o.Outcome == payack.OutcomeAccepted || o.Outcome == payack.OutcomeDuplicate) {
		if e, ok, err := in.settleDone(ctx, tx, a); ok || err != nil {
			return e, err
		}
	}
	var state int
	t := a.tries
	err = tx.QueryRowContext(ctx, in.sql.stateNow, a.id, a.token).Scan(&state, &t.now)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ending{state: pending}, nil // it was taken over; whoever has it says what becomes of it
	case err != nil:
		return ending{}, err
	case state != running && state != done:
		return ending{state: state}, nil // recorded before, by a commit that was not confirmed
	}
	e, err := in.judgeEnd(ctx, tx, a, t, o, state == done)
	if err != nil {
		return ending{}, err
	}
	if state == running {
		err = in.write(ctx, tx, a.leased, t, e)
	} else {
		_, err = tx.ExecContext(ctx, in.sql.finishAnyway, e.state, string(e.reason), e.error, e.final, a.id, a.token)
		if err == nil {
			_, err = tx.ExecContext(ctx, in.sql.amend, t.now-t.started, string(e.reason), e.error, a.id, t.attempts)
		}
	}
	if err != nil {
		return ending{}, err
	}
	return in.letGo(ctx, tx, a, e)
}

// settleDone is the usual end, in few statements. It reports false when the row is
// not running, as after a transaction of InTx.
func (in *Inbox) settleDone(ctx context.Context, tx *sql.Tx, a *attempt) (e ending, ok bool, err error) {
	e.state = done
	if a.delivery.Event.Final() {
		e.final = 1
	}
	ok, err = changed(tx.ExecContext(ctx, in.sql.finish, done, "", "", e.final, a.id, a.token))
	if err != nil || !ok {
		return ending{}, false, err
	}
	if _, err := tx.ExecContext(ctx, in.sql.record, a.id); err != nil {
		return ending{}, false, err
	}
	e, err = in.letGo(ctx, tx, a, e)
	return e, true, err
}

// letGo ends a transaction that settles: others may begin with the payment.
func (in *Inbox) letGo(ctx context.Context, tx *sql.Tx, a *attempt, e ending) (ending, error) {
	if e.state == done && !a.alone {
		if _, err := tx.ExecContext(ctx, in.sql.giveWay, a.payment, a.event, a.fingerprint); err != nil {
			return ending{}, err
		}
	}
	if _, err := tx.ExecContext(ctx, in.sql.letGo, a.payment, a.token); err != nil {
		return ending{}, err
	}
	return e, tx.Commit()
}

// judgeEnd says what becomes of the row. Committed says that a transaction of InTx
// stands.
func (in *Inbox) judgeEnd(ctx context.Context, q dialect.Querier, a *attempt, t tries, o *payack.Observation, committed bool) (ending, error) {
	e := in.cfg.after(t, o.Outcome, o.Reason, o.Err)
	if a.delivery.Event != nil && a.delivery.Event.Final() {
		e.final = 1
	}
	switch {
	case e.state == done:
		if o.Err == nil {
			e.error = ""
		}
	case committed:
		// The function ended its transaction and then failed: part of its work stands,
		// and the event counts as done. A person has to look.
		e.state = dead
		e.error = readable("the function failed after it had ended the transaction, so part of what it wrote stands: "+e.error, 1000)
	case o.Reason == payack.ReasonConflict:
		// Only what is done is another version of the event; what was merely held
		// may be given up.
		var there int
		if err := q.QueryRowContext(ctx, in.sql.doneAtAll, a.event).Scan(&there); err != nil {
			return e, err
		}
		if there == 0 {
			e.state, e.wait = pending, min(time.Second, in.cfg.RetryFirst)
		}
	case o.Reason == payack.ReasonUnconfirmed:
		var others int
		if err := q.QueryRowContext(ctx, in.sql.siblings, a.payment, a.event, a.fingerprint, a.id).Scan(&others); err != nil {
			return e, err
		}
		if others > 0 {
			e.state = refuted
		}
	}
	return e, nil
}

// insist tries until the database takes it. After the inbox was closed, or Run's
// context ended, it gives up in a while: the lease then ends the attempt.
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

// observe has an attempt logged and observed. What the merchant's logger does must
// not take the process with it.
func (in *Inbox) observe(ctx context.Context, desk payack.Desk, o *payack.Observation) {
	defer func() {
		if p := recover(); p != nil {
			in.cfg.Logger.Error("inbox: an observer panicked", "stack", string(debug.Stack()))
		}
	}()
	desk.Observe(ctx, o)
}
