package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox/internal/schedule"
	"github.com/payack/payack/internal/dialect"
)

// Schedule lets another engine decide when rows are attempted. The inbox calls
// due with rows that become due. The engine calls the returned functions.
// [Inbox.Run] then begins no attempt itself. It renews leases, recovers crashed
// attempts, passes late rows to the engine again, and cleans up. Schedule is for
// module inbox/riverinbox, which calls it once, before anything else.
func (in *Inbox) Schedule(due schedule.Due) (schedule.Attempt, schedule.Idle) {
	in.due = due
	return in.attemptRow, in.idle
}

// How soon an engine tries again to begin an attempt.
const (
	afterBusy   = 100 * time.Millisecond // another event of the payment is running
	afterAbsent = time.Second            // the receiver isn't mounted, or Run doesn't run
)

// attemptRow implements [schedule.Attempt].
func (in *Inbox) attemptRow(ctx context.Context, id int64, finish schedule.Finish) schedule.Result {
	ctx = context.WithoutCancel(ctx)
	if !in.enter() {
		return schedule.Result{Again: true, Wait: afterAbsent}
	}
	defer in.attempts.Done()
	l, r := in.beginRow(ctx, id)
	if l.id == 0 {
		return r
	}
	return resultOf(in.attend(ctx, l, finish))
}

// beginRow calls leaseRow for an attempt that the method enter has counted. If
// the attempt begins, beginRow counts it as running.
func (in *Inbox) beginRow(ctx context.Context, id int64) (leased, schedule.Result) {
	defer in.entered(-1)
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	l, r, err := in.leaseRow(ctx, id)
	if err != nil {
		in.complain("beginning an attempt", err)
		return leased{}, schedule.Result{Again: true, Wait: afterAbsent}
	}
	if l.id != 0 {
		in.begins(l)
	}
	return l, r
}

// resultOf translates an ending for an engine.
func resultOf(e ending) schedule.Result {
	r := schedule.Result{Wait: e.wait}
	switch e.state {
	case 0, running: // the ending was not recorded: the engine tries again and looks at the row
		return schedule.Result{Again: true, Wait: afterAbsent}
	case pending:
		r.Again = true
	}
	if e.reason != "" {
		r.Err = fmt.Errorf("%s: %s", e.reason, e.error)
	}
	return r
}

// enter counts an attempt that is about to begin, so that Run and Drain wait for
// it. It reports false if Run doesn't run, since nothing would renew the
// attempt's lease.
func (in *Inbox) enter() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.serving {
		return false
	}
	in.entering++
	in.attempts.Add(1)
	return true
}

func (in *Inbox) entered(n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.entering += n
}

// leaseRow begins an attempt of one row. If it can't begin, l.id is 0 and r says
// whether to try again.
func (in *Inbox) leaseRow(ctx context.Context, id int64) (l leased, r schedule.Result, err error) {
	var state int
	var wait int64
	err = in.db.QueryRowContext(ctx, in.sql.rowNow, id).Scan(&l.payment, &l.receiver, &state, &wait)
	again := func(d time.Duration) schedule.Result { return schedule.Result{Again: true, Wait: d} }
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && state != pending:
		// The row is gone, has ended, or is running. If a running attempt
		// crashes, recoverCrashed makes the row due again.
		return leased{}, r, nil
	case err != nil:
		return leased{}, r, err
	case !in.mounted(l.receiver):
		return leased{}, again(afterAbsent), nil
	case wait > 0:
		return leased{}, again(time.Duration(wait) * time.Microsecond), nil
	}
	tx, err := in.begin(ctx)
	if err != nil {
		return leased{}, r, err
	}
	defer tx.Rollback()
	l.token = newToken()
	held, err := in.hold(ctx, tx, [][]byte{l.payment}, l.token)
	if err != nil || len(held) == 0 {
		return leased{}, again(afterBusy + rand.N(afterBusy)), err
	}
	chosen, err := in.choose(ctx, tx, held, l.receiver)
	if err != nil {
		return leased{}, r, err
	}
	if c := chosen[string(l.payment)]; c.id == id {
		l.id, l.alone = c.id, c.alone
		_, err = tx.ExecContext(ctx, in.list(in.sql.start, 1), l.token, id)
	} else { // an older row goes first, or this one was superseded
		_, err = tx.ExecContext(ctx, in.sql.letGo, l.payment, l.token)
		r = again(afterBusy)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return leased{}, r, err
	}
	return l, r, nil
}

// keepDue keeps a receipt in the transaction in which the engine writes the
// receipt's job.
func (in *Inbox) keepDue(ctx context.Context, r *receipt) (state payack.ClaimState, err error) {
	for try := 0; ; try++ {
		state, err = in.keepDueOnce(ctx, r)
		if err == nil {
			return state, nil
		}
		switch in.cfg.Dialect.Fault(err) {
		case dialect.Again, dialect.Aborted: // a concurrent transaction was first
			if pause(ctx, try) {
				continue
			}
		}
		return 0, err
	}
}

func (in *Inbox) keepDueOnce(ctx context.Context, r *receipt) (payack.ClaimState, error) {
	tx, err := in.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	state, err := in.keep(ctx, tx.Querier, r)
	if err != nil {
		return 0, err
	}
	if state == payack.ClaimGranted {
		if err := in.tellDue(ctx, tx, in.sql.dueByKey, r.payment, r.k); err != nil {
			return 0, err
		}
	}
	return state, tx.Commit()
}

// tellDue passes to the engine the row that this transaction makes due.
func (in *Inbox) tellDue(ctx context.Context, tx transaction, statement string, args ...any) error {
	var row schedule.Row
	var wait int64
	if err := tx.QueryRowContext(ctx, statement, args...).Scan(&row.ID, &row.Receiver, &wait); err != nil {
		return err
	}
	row.Wait = max(0, time.Duration(wait)*time.Microsecond)
	return in.due(ctx, tx.tx, []schedule.Row{row})
}

// retryDue does the work of Retry if an engine schedules the attempts.
func (in *Inbox) retryDue(ctx context.Context, id int64) (bool, error) {
	tx, err := in.begin(ctx)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	ok, err := changed(tx.ExecContext(ctx, in.sql.retry, id))
	if err != nil || !ok {
		return false, err
	}
	if err := in.tellDue(ctx, tx, in.sql.dueByID, id); err != nil {
		return false, err
	}
	return true, tx.Commit()
}
