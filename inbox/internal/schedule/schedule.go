// Package schedule connects the inbox's tables with an engine that decides when a
// row is attempted, in place of the inbox's own poller. The row stays the record:
// what the engine is told may come twice, late, or be lost.
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
	// Wait is how long from now the attempt is due.
	Wait time.Duration
	// Late means that the attempt should have begun before: the engine has lost
	// the row, or has not come to it yet. The engine writes only what it has
	// lost. All rows of one call are late then, and of one receiver.
	Late bool
}

// Due passes rows to the engine. What it writes through tx commits together with
// the rows; an error undoes both.
type Due func(ctx context.Context, tx *sql.Tx, rows []Row) error

// Attempt attempts a row if it is due, and returns what comes next. finish is
// called in the transaction of InTx, after the marks; its error rolls everything
// back. ctx only supplies values: the attempt ends with its receiver's deadline.
// Attempt is safe for concurrent use.
type Attempt func(ctx context.Context, id int64, finish Finish) Result

// Idle reports whether nothing is due for a mounted receiver and no attempt runs
// in this process.
type Idle func(ctx context.Context) (bool, error)

// Finish writes in the transaction in which the row is marked as done.
type Finish func(ctx context.Context, tx *sql.Tx) error

// Result is what comes next for a row after [Attempt].
type Result struct {
	// Again means another attempt, after Wait.
	Again bool
	Wait  time.Duration
	// Err is how the attempt failed; nil if it succeeded or if none was made.
	Err error
}
