package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/payack/payack"
)

// State is the state of a row.
type State string

// States of a row.
const (
	// Pending: the row waits for an attempt.
	Pending State = "pending"
	// Running: an attempt runs.
	Running State = "running"
	// Done: the function has returned nil for the event.
	Done State = "done"
	// Dead: a dead letter. No further attempt is made until a person retries the
	// row or the event is delivered again. A person may close the row instead.
	Dead State = "dead"
	// Superseded: a newer, final event of the same payment was done first, so no
	// further attempt is made.
	Superseded State = "superseded"
	// Closed: a person closed the row, with a note.
	Closed State = "closed"
	// Refuted: the provider refuted this copy of the event, and another copy was
	// kept, with another unsigned handle (an identifier that Confirm asks by).
	Refuted State = "refuted"
)

var stateNames = []State{pending: Pending, running: Running, done: Done, dead: Dead, superseded: Superseded, closed: Closed, refuted: Refuted}

func stateNumber(s State) int {
	for i, name := range stateNames {
		if name == s && s != "" {
			return i
		}
	}
	return 0
}

// Item is a row in a list. Times are by the database's clock, and zero where they
// don't apply.
type Item struct {
	// ID identifies the row; later receipts have greater IDs.
	ID       int64
	Receiver string
	Provider payack.Provider
	EventID  string
	// OrderID is the merchant's own number, cut to 512 characters.
	OrderID  string
	State    State
	Attempts int
	Received time.Time
	// Next is when a pending row is due.
	Next time.Time
	// Ended is when the row was done, dead, superseded, closed or refuted.
	Ended time.Time
	// Reason and Error are those of the last attempt, or of a row that is dead
	// from the start. The reason "crashed" means that the attempt's process
	// ended.
	Reason payack.Reason
	Error  string
	// Note is the note of the person who closed the row.
	Note string
	// Trace is the W3C traceparent that the delivery came with.
	Trace string
	// Transaction, Reference, Amount (with its currency) and Status come from
	// [payack.Event].Summary. Transaction and Reference are cut to 512
	// characters, the others to 64. Reference, Amount and Status are dropped when
	// the event is.
	Transaction, Reference, Amount, Status string
}

// Attempt is one attempt to process a row.
type Attempt struct {
	Number  int
	Started time.Time
	Took    time.Duration
	// Reason is empty for an attempt that succeeded.
	Reason payack.Reason
	Error  string
}

// Record is a row with everything that is kept about it.
type Record struct {
	Item
	// Delivery is what arrived, with its event. Delivery is nil if it was dropped
	// after Config.Retention, or if it can't be read. Unreadable says why it
	// can't be read.
	Delivery   *payack.Delivery
	Unreadable error
	// Log holds the last attempts, the newest first, at most 1,000.
	Log []Attempt
}

// MaxPage is the greatest number of rows that List returns.
const MaxPage = 1000

// List returns the rows that match, the newest first, at most limit (100 if 0,
// and never more than [MaxPage]). For the first page, older is 0. For each
// further page, older is the ID of the previous page's last row. Pages are found
// by key, so a late page costs no more than the first.
func (in *Inbox) List(ctx context.Context, f Filter, older int64, limit int) ([]Item, error) {
	where, args, err := f.where(&in.cfg, false)
	if err != nil {
		return nil, err
	}
	if older > 0 {
		where, args = where+" AND id < ?", append(args, older)
	}
	return in.selected(ctx, "List", where, args, limit)
}

// selected returns the rows that match a condition, the newest first.
func (in *Inbox) selected(ctx context.Context, op, where string, args []any, limit int) ([]Item, error) {
	if limit <= 0 {
		limit = 100
	}
	query := in.cfg.Dialect.Rebind(`SELECT ` + itemColumns + ` FROM ` + in.cfg.Prefix + `inbox WHERE ` + where + ` ORDER BY id DESC LIMIT ?`)
	rows, err := in.db.QueryContext(ctx, query, append(args, min(limit, MaxPage))...)
	if err != nil {
		return nil, explain(in.cfg.Dialect, op, err)
	}
	defer rows.Close()
	var out []Item
	for rows.Next() {
		var item Item
		if err := item.scan(rows); err != nil {
			return nil, explain(in.cfg.Dialect, op, err)
		}
		out = append(out, item)
	}
	if err := rows.Err(); err != nil {
		return nil, explain(in.cfg.Dialect, op, err)
	}
	return out, nil
}

func (i *Item) scan(row interface{ Scan(...any) error }, more ...any) error {
	var state int
	var received, next, ended int64
	err := row.Scan(append([]any{&i.ID, &i.Receiver, &i.Provider, &i.EventID, &i.OrderID, &state, &i.Attempts, &received, &next, &ended, &i.Reason, &i.Error, &i.Note, &i.Trace,
		&i.Transaction, &i.Reference, &i.Amount, &i.Status}, more...)...)
	if err != nil {
		return err
	}
	if state > 0 && state < len(stateNames) {
		i.State = stateNames[state]
	} else {
		i.State = State(fmt.Sprint(state)) // a state of a newer version
	}
	i.Received, i.Next, i.Ended = timeOf(received), timeOf(next), timeOf(ended)
	return nil
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

// Get returns the row with this ID. The error is [ErrNotFound] if there is none.
func (in *Inbox) Get(ctx context.Context, id int64) (*Record, error) {
	var r Record
	var encoded, delivery, body []byte
	err := r.scan(in.db.QueryRowContext(ctx, in.sql.item, id), &encoded, &delivery, &body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotFound
	case err != nil:
		return nil, explain(in.cfg.Dialect, "Get", err)
	}
	if len(delivery) > 0 {
		r.Delivery, r.Unreadable = decodeDelivery(encoded, delivery, body)
	}
	rows, err := in.db.QueryContext(ctx, in.sql.log, id)
	if err != nil {
		return nil, explain(in.cfg.Dialect, "Get", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a Attempt
		var started, took int64
		if err := rows.Scan(&a.Number, &started, &took, &a.Reason, &a.Error); err != nil {
			return nil, explain(in.cfg.Dialect, "Get", err)
		}
		a.Started, a.Took = timeOf(started), time.Duration(took)*time.Microsecond
		r.Log = append(r.Log, a)
	}
	if err := rows.Err(); err != nil {
		return nil, explain(in.cfg.Dialect, "Get", err)
	}
	return &r, nil
}
