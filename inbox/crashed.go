package inbox

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/payack/payack"
)

// lease identifies a running attempt of this process by payment and token.
type lease struct{ payment, token string }

func (l leased) lease() lease { return lease{string(l.payment), string(l.token)} }

// begins and ends update the set of this process's running attempts.
func (in *Inbox) begins(l leased) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.busy[l.receiver]++
	in.held[l.lease()] = true
}

func (in *Inbox) ends(l leased) {
	in.mu.Lock()
	in.busy[l.receiver]--
	delete(in.held, l.lease())
	in.mu.Unlock()
	signal(in.freed)
}

func (in *Inbox) holds(l leased) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.held[l.lease()]
}

// renew renews the leases of this process's running attempts. It does not renew a
// lease whose commit was not confirmed: that lease must end, so that its row
// becomes due again.
func (in *Inbox) renew(ctx context.Context) error {
	tokens := map[string]bool{}
	args := []any{in.cfg.Lease.Microseconds()}
	in.mu.Lock()
	for l := range in.held {
		if !tokens[l.token] {
			tokens[l.token] = true
			args = append(args, []byte(l.token))
		}
	}
	in.mu.Unlock()
	if len(tokens) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(opTimeout, in.cfg.Lease/2))
	defer cancel()
	_, err := in.exec(ctx, in.list(in.sql.renew, len(tokens)), args...)
	return err
}

// recoverCrashed makes a row due again if its attempt ended without a result: the
// process crashed, lost the database, or never learnt that the attempt had begun.
// If the row has been retried for long enough, it becomes a dead letter instead.
// A row that a transaction of InTx has locked is not changed. n is the number of
// ended leases.
func (in *Inbox) recoverCrashed(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var found int
	const farOff = 10 * time.Minute
	if err := in.db.QueryRowContext(ctx, in.sql.anyExpired, farOff.Microseconds()).Scan(&found); err != nil || found == 0 {
		return 0, err
	}
	tx, err := in.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, in.sql.expired, farOff.Microseconds(), 50+in.active())
	if err != nil {
		return 0, err
	}
	ended, err := in.scanEnded(rows)
	if err != nil {
		return 0, err
	}
	var crashes []crash
	for _, l := range ended {
		c, err := in.recoverOne(ctx, tx, l)
		switch {
		case err != nil:
			return 0, err
		case c != nil:
			crashes = append(crashes, *c)
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	if len(crashes) > 0 {
		ctx := context.WithoutCancel(ctx)
		in.attempts.Go(func() { // a hanging observer must not delay other attempts
			for _, c := range crashes {
				in.tellCrash(ctx, c)
			}
		})
	}
	return len(ended), nil
}

// crash is an attempt that ended without a result, and the new state of its row.
type crash struct {
	id int64
	tries
	ending
}

// scanEnded returns the leases that have ended. It leaves out leases of attempts
// that still run in this process: their renewal is only late.
func (in *Inbox) scanEnded(rows *sql.Rows) (ended []leased, err error) {
	defer rows.Close()
	for rows.Next() {
		var l leased
		if err := rows.Scan(&l.payment, &l.token); err != nil {
			return nil, err
		}
		if !in.holds(l) {
			ended = append(ended, l)
		}
	}
	return ended, rows.Err()
}

// recoverOne makes the row of an ended lease due again, or a dead letter. c is
// nil if the row's attempt had ended already, or if the row is locked.
func (in *Inbox) recoverOne(ctx context.Context, tx transaction, l leased) (c *crash, err error) {
	var there int
	if err := tx.QueryRowContext(ctx, in.sql.stillRuns, l.payment, l.token).Scan(&there); err != nil {
		return nil, err
	}
	if there > 0 {
		var a tries
		err := tx.QueryRowContext(ctx, in.sql.crashedRow, l.payment, l.token).Scan(&l.id, &a.attempts, &a.base, &a.since, &a.started, &a.now)
		switch {
		case errors.Is(err, sql.ErrNoRows): // locked
			return nil, nil
		case err != nil:
			return nil, err
		}
		c = &crash{l.id, a, in.cfg.afterCrash(a)}
		if err := in.write(ctx, tx, l, a, c.ending); err != nil {
			return nil, err
		}
		if in.due != nil && c.state == pending {
			if err := in.tellDue(ctx, tx, in.sql.dueByID, l.id); err != nil {
				return nil, err
			}
		}
	}
	_, err = tx.ExecContext(ctx, in.sql.letGo, l.payment, l.token)
	return c, err
}

// tellCrash logs and observes a crashed attempt, because the attempt's own
// process can't do it any more. It does nothing while the receiver isn't mounted.
func (in *Inbox) tellCrash(ctx context.Context, c crash) {
	reading, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	r, err := in.Get(reading, c.id)
	if err != nil {
		in.complain("reading what crashed", err)
		return
	}
	in.mu.Lock()
	desk := in.desks[r.Receiver]
	in.mu.Unlock()
	if desk == nil {
		return
	}
	d := r.Delivery
	if d == nil || r.Unreadable != nil {
		d = &payack.Delivery{Provider: r.Provider}
	}
	d.Attempt = c.attempts
	o := &payack.Observation{
		Delivery: d, Outcome: payack.OutcomeFailed, Reason: payack.ReasonInbox, EventID: r.EventID, Attempt: c.attempts, Dead: c.state == dead,
		Err: &payack.Error{Provider: r.Provider, Stage: payack.StageCall, Reason: payack.ReasonInbox, EventID: r.EventID, Detail: c.error},
	}
	if d.Event != nil {
		o.Scheme = d.Event.VerifiedBy().Scheme
	}
	if c.state == pending {
		o.Next = time.Now().Add(c.wait)
	}
	in.observe(ctx, desk, o)
}

// adopt makes rows due again that are marked as running without a lease. Such
// rows exist after the table of leases was emptied, or after only some tables
// were restored from a backup.
func (in *Inbox) adopt(ctx context.Context) error {
	rows, err := in.db.QueryContext(ctx, in.sql.orphans)
	if err != nil {
		return err
	}
	orphans, err := scanOrphans(rows)
	if err != nil || len(orphans) == 0 {
		return err
	}
	in.cfg.Logger.Warn("inbox: rows were marked as running without a lease; they are due again", "events", len(orphans))
	for _, l := range orphans {
		if _, err := in.exec(ctx, in.sql.again, 0, string(reasonCrashed), "nobody held the lease of the attempt", l.id, l.token); err != nil {
			return err
		}
	}
	in.stir()
	return nil
}

func scanOrphans(rows *sql.Rows) (out []leased, err error) {
	defer rows.Close()
	for rows.Next() {
		var l leased
		if err := rows.Scan(&l.id, &l.token); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, rows.Err()
}
