package inbox

import (
	"context"
	"database/sql"
	"time"
)

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
