package inbox

import (
	"context"
	"database/sql"
	"errors"

	"github.com/payack/payack/inbox/internal/schedule"
)

// maxReminders bounds how many rows of one receiver are passed to the engine at
// once.
const maxReminders = 500

// reminded is the last late row of a receiver that was passed to the engine.
type reminded struct{ next, id int64 }

// remind passes late rows to the engine: rows that have been due for longer than
// half of Config.Lease, although no attempt of their payment runs. The engine may
// have lost the job of such a row, because the job was deleted or the job's
// process was killed. A row that was kept without an engine never had a job. Each
// call passes the next maxReminders late rows of each receiver, so that many late
// rows with jobs don't hide a row that has lost its job.
func (in *Inbox) remind(ctx context.Context) error {
	var failed []error
	for receiver := range in.room() {
		failed = append(failed, in.remindOf(ctx, receiver))
	}
	return errors.Join(failed...)
}

func (in *Inbox) remindOf(ctx context.Context, receiver string) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	from := in.reminded[receiver]
	rows, err := in.db.QueryContext(ctx, in.sql.forgotten, receiver, (in.cfg.Lease / 2).Microseconds(), from.next, from.next, from.id, maxReminders)
	if err != nil {
		return err
	}
	late, last, err := scanForgotten(rows, receiver)
	if err != nil {
		return err
	}
	if len(late) < maxReminders { // these were the last late rows
		last = reminded{}
	}
	in.reminded[receiver] = last
	if len(late) == 0 {
		return nil
	}
	tx, err := in.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := in.due(ctx, tx.tx, late); err != nil {
		return err
	}
	return tx.Commit()
}

func scanForgotten(rows *sql.Rows, receiver string) (out []schedule.Row, last reminded, err error) {
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&last.id, &last.next); err != nil {
			return nil, last, err
		}
		out = append(out, schedule.Row{ID: last.id, Receiver: receiver, Late: true})
	}
	return out, last, rows.Err()
}
