package inbox

import (
	"context"
	"database/sql"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/dialect"
)

// Keep implements [payack.Inbox]. If the error is nil, the returned state is
// committed.
//
//   - ClaimGranted: the event will be processed, from a new row or from that of a
//     dead letter. A dead letter is due at the earliest Config.Revive after its
//     last attempt.
//   - ClaimWaits: an equal delivery was kept before, and is not processed yet.
//     Equal means the same event with the same [payack.Receipt].Variant and
//     Details.
//   - ClaimDone: the event is done, a later event superseded it, or a person closed
//     it.
//   - ClaimBusy: nothing is kept, because there is no room for another variant of
//     the event. See Config.MaxVariants.
//   - ClaimConflict: the event came before with other unsigned details. For
//     example, a second partial refund has the signed members of the first. This
//     delivery is kept as a dead letter for a person, unless Config.MaxVariants
//     such deliveries are kept already.
//
// Two events with the same identity and different fingerprints get a row each. If
// one of them is done when the other is processed, the other's attempt ends with a
// conflict.
//
// Keep returns when ctx ends. The receipt may be kept nevertheless; the next
// delivery is then a duplicate.
func (in *Inbox) Keep(ctx context.Context, r *payack.Receipt) (payack.ClaimState, error) {
	row, err := in.receipt(r)
	if err != nil {
		return payack.ClaimUnknown, err
	}
	select {
	case <-in.closed:
		return payack.ClaimUnknown, ErrClosed
	default:
	}
	var state payack.ClaimState
	switch {
	case in.due != nil:
		state, err = in.keepDue(ctx, row)
	case in.cfg.Dialect == SQLite:
		state, err = in.group.do(ctx, row)
	default:
		state, err = in.keepSoon(ctx, row)
	}
	if err != nil {
		return payack.ClaimUnknown, explain(in.cfg.Dialect, "Keep", err)
	}
	if state == payack.ClaimGranted {
		in.stir()
	}
	return state, nil
}

// keepSoon keeps a receipt in statements that each commit by themselves, and
// retries if another transaction held a lock.
func (in *Inbox) keepSoon(ctx context.Context, r *receipt) (payack.ClaimState, error) {
	for try := 0; ; try++ {
		state, err := in.keep(ctx, in.db, r)
		if err == nil || in.cfg.Dialect.Fault(err) != dialect.Again || !pause(ctx, try) {
			return state, err
		}
	}
}

// pause waits a moment before another try. It reports false after a few tries, or
// when ctx ends.
func pause(ctx context.Context, try int) bool {
	if try >= 6 {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(1<<try) * time.Millisecond):
		return true
	}
}

// keep looks for rows and marks of the receipt's event, and then inserts a row or
// revives one if that is needed. It neither waits for a running attempt nor
// changes one.
func (in *Inbox) keep(ctx context.Context, q dialect.Querier, r *receipt) (payack.ClaimState, error) {
	if r.kind == single {
		if kept, err := in.keepFirst(ctx, q, r); err != nil || kept {
			return payack.ClaimGranted, err
		}
	}
	var before int
	if err := q.QueryRowContext(ctx, in.sql.doneBefore, r.done, r.fingerprint).Scan(&before); err != nil {
		return 0, err
	}
	if before > 0 && r.kind != detailed {
		return payack.ClaimDone, nil
	}
	// If a concurrent receipt was inserted first, the rows have changed: look
	// again.
	for range in.cfg.MaxVariants + 3 {
		rows, err := q.QueryContext(ctx, in.sql.copies, r.payment, r.event, r.fingerprint)
		if err != nil {
			return 0, err
		}
		known, err := scanKept(rows)
		if err != nil {
			return 0, err
		}
		v := judge(r, known, in.cfg.MaxVariants)
		switch {
		case before > 0 && !v.aside && v.end != payack.ClaimConflict: // done with the same details
			return payack.ClaimDone, nil
		case v.end != 0:
			return v.end, nil
		}
		kept, err := in.place(ctx, q, r, v)
		switch {
		case err != nil:
			return 0, err
		case kept && v.aside:
			return payack.ClaimConflict, nil
		case kept:
			return payack.ClaimGranted, nil
		}
	}
	return payack.ClaimBusy, nil
}

// keepFirst keeps the receipt of an event that has no row and isn't done, which is
// the usual case. It reports false when the event came before.
func (in *Inbox) keepFirst(ctx context.Context, q dialect.Querier, r *receipt) (kept bool, err error) {
	args := []any{r.payment, r.event, r.done}
	if in.cfg.Dialect == MySQL { // there, INSERT … SELECT locks the rows that it reads
		var first bool
		if err := q.QueryRowContext(ctx, in.sql.isFirst, args...).Scan(&first); err != nil || !first {
			return false, err
		}
		return in.place(ctx, q, r, verdict{})
	}
	args = append(r.args(nil), args...)
	if tx, ok := q.(*sql.Tx); ok && in.keepNew != nil {
		return changed(tx.StmtContext(ctx, in.keepNew).ExecContext(ctx, args...))
	}
	return changed(q.ExecContext(ctx, in.sql.keepNew, args...))
}

// place writes what judge has decided. It reports false if a concurrent receipt
// was first.
func (in *Inbox) place(ctx context.Context, q dialect.Querier, r *receipt, v verdict) (kept bool, err error) {
	var slot any
	if v.slot != nil {
		slot = v.slot
	}
	switch {
	case v.revive != 0:
		wait := in.cfg.Revive.Microseconds()
		kept, err = changed(q.ExecContext(ctx, in.sql.revive, slot, wait, wait, v.revive))
	case v.aside:
		kept, err = changed(q.ExecContext(ctx, in.sql.keepAside, r.args(v.slot)...))
	default:
		kept, err = changed(q.ExecContext(ctx, in.sql.keepRow, r.args(v.slot)...))
	}
	if err != nil && in.cfg.Dialect.Fault(err) == dialect.Duplicate {
		return false, nil
	}
	if err != nil || !kept {
		return false, err
	}
	// The receipt is written. Now change dead letters that the provider refuted
	// to the state refuted, and drop the refuted rows that exceed
	// Config.MaxVariants.
	if v.giveWay {
		_, err = q.ExecContext(ctx, in.sql.giveWay, r.payment, r.event, r.fingerprint)
	}
	for _, id := range v.drop {
		if err == nil {
			_, err = q.ExecContext(ctx, in.sql.drop, id)
		}
		if err == nil {
			_, err = q.ExecContext(ctx, in.sql.dropAttempts, id)
		}
	}
	return true, err
}

func changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
