package inbox

import (
	"context"
	"database/sql"
	"errors"

	"github.com/payack/payack/inbox/internal/schedule"
)

// maxReminders bounds how many rows of a receiver the engine is reminded of at once.
const maxReminders = 500

// reminded is how far a receiver's late rows have been gone through.
type reminded struct{ next, id int64 }

// remind tells the engine of rows that should have begun long ago: those of a
// process that ended before it could say when to try again, of an inbox that had
// no engine, and of jobs that somebody has deleted. Each receiver's are gone through
// in turn, so that those that wait for their turn don't hide one that is lost.
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
	rows, err := in.cfg.DB.QueryContext(ctx, in.sql.forgotten, receiver, (in.cfg.Lease / 2).Microseconds(), from.next, from.next, from.id, maxReminders)
	if err != nil {
		return err
	}
	late, last, err := scanForgotten(rows, receiver)
	if err != nil {
		return err
	}
	if len(late) < maxReminders { // all of them: from the start again
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
	if err := in.due(ctx, tx.Tx, late); err != nil {
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
