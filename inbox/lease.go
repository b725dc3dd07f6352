package inbox

import (
	"bytes"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/payack/payack/internal/dialect"
)

// leased is a row whose attempt this process has begun.
type leased struct {
	id             int64
	payment, token []byte
	receiver       string
}

// opTimeout bounds one step of a worker with the database.
const opTimeout = 5 * time.Second

// begin begins a transaction of the inbox's own. Read committed, because every
// change is conditional, and because MariaDB would lock the gaps between rows.
func (in *Inbox) begin(ctx context.Context) (*sql.Tx, error) {
	if in.cfg.Dialect == SQLite {
		return in.cfg.DB.BeginTx(ctx, nil)
	}
	return in.cfg.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
}

// lease begins attempts: at most free, and of each receiver no more than room
// says. An attempt is counted when this commits.
func (in *Inbox) lease(ctx context.Context, free int, room map[string]int) ([]leased, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var able []string
	for receiver, n := range room {
		var found int
		if n <= 0 {
			continue
		}
		if err := in.cfg.DB.QueryRowContext(ctx, in.sql.anythingDue, receiver).Scan(&found); err != nil {
			return nil, err
		}
		if found > 0 {
			able = append(able, receiver)
		}
	}
	if len(able) == 0 {
		return nil, nil
	}
	slices.Sort(able)
	tx, err := in.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var out []leased
	for i, receiver := range able {
		// What is left is shared, so that the first doesn't take all of it.
		share := max(1, (free-len(out))/(len(able)-i))
		n := min(share, room[receiver], free-len(out))
		if n <= 0 {
			continue
		}
		got, err := in.leaseOf(ctx, tx, receiver, n)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, tx.Commit()
}

// leaseOf begins attempts of one receiver. A payment has one at a time: whoever
// writes its row in the table of what runs may begin one.
func (in *Inbox) leaseOf(ctx context.Context, tx *sql.Tx, receiver string, n int) (out []leased, err error) {
	rows, err := tx.QueryContext(ctx, in.sql.due, receiver, n)
	if err != nil {
		return nil, err
	}
	var payments [][]byte
	for rows.Next() {
		var id int64
		var payment []byte
		if err := rows.Scan(&id, &payment); err != nil {
			rows.Close()
			return nil, err
		}
		payments = append(payments, payment)
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	// In one order, so that two processes don't wait for each other.
	slices.SortFunc(payments, bytes.Compare)
	payments = slices.CompactFunc(payments, bytes.Equal)
	for _, payment := range payments {
		token := newToken()
		held, err := changed(tx.ExecContext(ctx, in.sql.hold, payment, token, in.owner, in.cfg.Lease.Microseconds()))
		switch {
		case err != nil && in.cfg.Dialect.Fault(err) == dialect.Duplicate, err == nil && !held:
			continue
		case err != nil:
			return nil, err
		}
		id, err := in.choose(ctx, tx, payment, receiver)
		if err != nil {
			return nil, err
		}
		if id != 0 {
			started, err := changed(tx.ExecContext(ctx, in.sql.start, token, id))
			if err != nil {
				return nil, err
			}
			if started {
				out = append(out, leased{id, payment, token, receiver})
				continue
			}
		}
		if _, err := tx.ExecContext(ctx, in.sql.letGo, payment, token); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// choose returns the oldest row of a payment that is due, 0 where there is none.
// What is older than a finished final event and not itself final is superseded.
func (in *Inbox) choose(ctx context.Context, tx *sql.Tx, payment []byte, receiver string) (int64, error) {
	rows, err := tx.QueryContext(ctx, in.sql.ofPayment, payment)
	if err != nil {
		return 0, err
	}
	type row struct {
		id, happened int64
		state, final int
		receiver     string
		due          bool
	}
	var all []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.state, &r.final, &r.happened, &r.receiver, &r.due); err != nil {
			rows.Close()
			return 0, err
		}
		all = append(all, r)
	}
	if err := rows.Close(); err != nil {
		return 0, err
	}
	finished := -1 // the newest final event that is done; all are in order
	for i, r := range all {
		if r.state == done && r.final == 1 {
			finished = i
		}
	}
	var chosen int64
	for i, r := range all {
		switch {
		case r.state != pending || r.receiver != receiver:
		case i < finished && r.final == 0:
			if _, err := tx.ExecContext(ctx, in.sql.supersede, r.id); err != nil {
				return 0, err
			}
		case r.due && chosen == 0:
			chosen = r.id
		}
	}
	return chosen, nil
}

// renew keeps the leases of the attempts that run in this process.
func (in *Inbox) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(opTimeout, in.cfg.Lease/2))
	defer cancel()
	_, err := in.cfg.DB.ExecContext(ctx, in.sql.renew, in.cfg.Lease.Microseconds(), in.owner)
	return err
}

// recoverCrashed makes rows due again whose attempt has ended without a word: the
// process crashed, or can't reach the database. A row in a transaction of InTx is
// still at work, and is left alone.
func (in *Inbox) recoverCrashed(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var found int
	const farOff = 10 * time.Minute
	if err := in.cfg.DB.QueryRowContext(ctx, in.sql.anyExpired, in.owner, farOff.Microseconds()).Scan(&found); err != nil || found == 0 {
		return 0, err
	}
	tx, err := in.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, in.sql.expired, in.owner, farOff.Microseconds())
	if err != nil {
		return 0, err
	}
	var ended []leased
	for rows.Next() {
		var l leased
		if err := rows.Scan(&l.payment, &l.token); err != nil {
			rows.Close()
			return 0, err
		}
		ended = append(ended, l)
	}
	if err := rows.Close(); err != nil {
		return 0, err
	}
	for _, l := range ended {
		if err := in.recoverOne(ctx, tx, l); err != nil {
			return 0, err
		}
	}
	return len(ended), tx.Commit()
}

func (in *Inbox) recoverOne(ctx context.Context, tx *sql.Tx, l leased) error {
	var there int
	if err := tx.QueryRowContext(ctx, in.sql.stillRuns, l.payment, l.token).Scan(&there); err != nil {
		return err
	}
	if there > 0 {
		var a tries
		err := tx.QueryRowContext(ctx, in.sql.crashedRow, l.payment, l.token).Scan(&l.id, &a.attempts, &a.base, &a.since, &a.started, &a.now)
		switch {
		case err == sql.ErrNoRows: // locked
			return nil
		case err != nil:
			return err
		}
		if err := in.write(ctx, tx, l, a, in.cfg.afterCrash(a)); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, in.sql.letGo, l.payment, l.token)
	return err
}
