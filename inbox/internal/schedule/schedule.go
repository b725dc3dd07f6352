// Package schedule connects the inbox's tables with an engine that decides when a
// row is attempted, in place of the inbox's own poller. The engine may get a row
// twice or late, or may lose it. Only the row itself is the record of what
// happened.
package schedule

import (
	"context"
	"database/sql"
	"time"
)

// Row is a row that has become due.
type Row struct {
	ID       int64
	Receiver string
	// Wait is the time from now until the attempt is due.
	Wait time.Duration
	// Late means that the attempt should have begun already: the engine has lost
	// the row, or has not begun the attempt yet. The engine writes a job only if
	// it has lost the row. If a call of Due passes one late row, all rows of that
	// call are late, and belong to one receiver.
	Late bool
}

// Due passes rows to the engine. What the engine writes through tx commits
// together with the rows. If Due returns an error, both are rolled back.
type Due func(ctx context.Context, tx *sql.Tx, rows []Row) error

// Attempt attempts a row if it is due, and returns what comes next. finish is
// called in the transaction of InTx, after the event and its row are marked as
// done. An error of finish rolls everything back. Attempt uses only the values of
// ctx: the attempt's time limit is its receiver's deadline. Attempt is safe for
// concurrent use.
type Attempt func(ctx context.Context, id int64, finish Finish) Result

// Idle reports whether nothing is due for a mounted receiver and no attempt runs
// in this process.
type Idle func(ctx context.Context) (bool, error)

// Finish writes the engine's own record of a finished job, in the transaction of
// InTx in which the row is marked as done. It isn't called without InTx.
type Finish func(ctx context.Context, tx *sql.Tx) error

// Result is what comes next for a row after [Attempt].
type Result struct {
	// Again means another attempt, after Wait.
	Again bool
	Wait  time.Duration
	// Err is how the attempt failed; nil if the attempt succeeded or if none was
	// made.
	Err error
}
