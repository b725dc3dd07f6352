// Package schedule is the seam between the inbox's tables and an engine that says
// when a row is attempted, in place of the inbox's own poller. The row stays the
// record: what an engine is told may come twice, late, or be lost.
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
	// Wait is how long from now it is to be attempted.
	Wait time.Duration
	// Late reports that it should have begun before, so that the engine may have
	// lost it, or not have come to it yet: it writes only what it has lost. All rows
	// of one call are late then, and of one receiver.
	Late bool
}

// Due tells the engine of rows. What it writes through tx commits with that they
// are due; an error undoes both.
type Due func(ctx context.Context, tx *sql.Tx, rows []Row) error

// Attempt makes an attempt of a row if it is due, and says what is next. Finish is
// called in the transaction of a function that runs in one, after the marks; its
// error rolls all back. Ctx gives values only: the attempt ends with its receiver's
// deadline. It may be called by any number of goroutines.
type Attempt func(ctx context.Context, id int64, finish Finish) Result

// Idle reports whether nothing is due for a mounted receiver, and no attempt runs in
// this process.
type Idle func(ctx context.Context) (bool, error)

// Finish writes in the transaction in which the row is marked as done.
type Finish func(ctx context.Context, tx *sql.Tx) error

// Result is what becomes of a row after [Attempt].
type Result struct {
	// Again reports that it is to be attempted again, after Wait.
	Again bool
	Wait  time.Duration
	// Err says how the attempt failed. It is nil for one that succeeded, and where
	// none was made.
	Err error
}
