package inbox

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/dialect"
)

// settle records how an attempt ended. The method insist repeats it if the
// database fails.
func (in *Inbox) settle(ctx context.Context, a *attempt, o *payack.Observation) (e ending) {
	_ = in.insist(ctx, func(ctx context.Context) error {
		unrecorded := o.Outcome == payack.OutcomeAccepted && o.Err != nil
		if unrecorded { // accepted, but the mark failed: the function must not run again
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
		return ending{state: pending}, nil // the row was taken over: its new holder decides
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
	if err == nil && e.state == dead && o.Reason == payack.ReasonInvalid && a.delivery.Invalid == "" {
		err = in.setApart(ctx, tx, a)
	}
	if err != nil {
		return ending{}, err
	}
	return in.letGo(ctx, tx, a, e)
}

// setApart gives a row a key of its own. The row's event was valid when it came,
// and breaks a rule now. A later copy of the event may be valid, and must then
// get a row of its own. With the old key, that copy would make this row due again
// instead.
func (in *Inbox) setApart(ctx context.Context, tx transaction, a *attempt) error {
	event := eventKey(a.delivery.Event.ID(), true)
	k := keyOf(event, a.fingerprint, "row "+strconv.FormatInt(a.id, 10))
	_, err := tx.ExecContext(ctx, in.sql.setApart, event, k, a.id, a.token)
	return err
}

// settleDone records the usual ending in few statements. It reports false if the
// row is not running, for example because the transaction of InTx has marked it
// done.
func (in *Inbox) settleDone(ctx context.Context, tx transaction, a *attempt) (e ending, ok bool, err error) {
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

// letGo commits a transaction that settles a row. Other attempts of the payment
// may then begin.
func (in *Inbox) letGo(ctx context.Context, tx transaction, a *attempt, e ending) (ending, error) {
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

// judgeEnd returns the ending of a row. committed means that a transaction of
// InTx was committed.
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
		// The function ended its transaction and then failed. Part of its work is
		// committed, together with the mark that the event is done. Another attempt
		// would not call the function again, so a person has to look at it.
		e.state = dead
		e.error = readable("the function failed after it had ended the transaction, so part of what it wrote stands: "+e.error, 1000)
	case o.Reason == payack.ReasonConflict:
		// Another event has this identity and another fingerprint. If it is done
		// in this database, the conflict is final. If it is not, try again within
		// the grace: the other event may merely be claimed, here or in the store
		// used before the inbox, and a claim soon ends.
		var there int
		if err := q.QueryRowContext(ctx, in.sql.doneAtAll, a.event).Scan(&there); err != nil {
			return e, err
		}
		if there == 0 && t.age() < in.cfg.Grace {
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
