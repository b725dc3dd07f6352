package inbox

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/payack/payack/internal/dialect"
)

// leased is a row with the lease of its attempt.
type leased struct {
	id             int64
	payment, token []byte
	receiver       string
	alone          bool // the payment has no other row
}

// opTimeout bounds one database operation of a worker.
const opTimeout = 5 * time.Second

// transaction is a database transaction in a turn to write, see
// [sqlstore.Store.Turn]. Commit and Rollback also end the turn.
type transaction struct {
	dialect.Querier
	tx  *sql.Tx
	end func()
}

func (t transaction) Commit() error {
	defer t.end()
	return t.tx.Commit()
}

func (t transaction) Rollback() error {
	defer t.end()
	return t.tx.Rollback()
}

// begin begins a transaction of the inbox's own. READ COMMITTED is enough,
// because every change is conditional. MariaDB's default level would also lock
// the gaps between rows.
func (in *Inbox) begin(ctx context.Context) (transaction, error) {
	isolation := sql.LevelReadCommitted
	if in.cfg.Dialect == SQLite {
		isolation = sql.LevelDefault
	}
	end, err := in.Turn(ctx)
	if err != nil {
		return transaction{}, err
	}
	tx, err := in.cfg.DB.BeginTx(ctx, &sql.TxOptions{Isolation: isolation})
	if err != nil {
		end()
	}
	return transaction{in.cfg.Dialect.Bound(tx), tx, end}, err
}

// exec runs a statement that is a transaction of its own.
func (in *Inbox) exec(ctx context.Context, statement string, args ...any) (sql.Result, error) {
	end, err := in.Turn(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return in.db.ExecContext(ctx, statement, args...)
}

// lease begins at most free attempts in all, and for each receiver at most as
// many as room has. The attempts are counted in the transaction that begins them.
// Unless plenty is set, lease first checks without a transaction whether anything
// is due.
func (in *Inbox) lease(ctx context.Context, free int, room map[string]int, plenty bool) ([]leased, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var able []string
	for receiver, n := range room {
		var found int
		if n <= 0 {
			continue
		}
		if plenty {
			able = append(able, receiver)
			continue
		}
		if err := in.db.QueryRowContext(ctx, in.sql.anythingDue, receiver).Scan(&found); err != nil {
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
		// Share the free workers, so that the first receiver doesn't take all of
		// them.
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

// leaseOf begins attempts of one receiver. A payment has one attempt at a time:
// only the process that inserts the payment into the table of running attempts
// may begin an attempt.
func (in *Inbox) leaseOf(ctx context.Context, tx transaction, receiver string, n int) ([]leased, error) {
	rows, err := tx.QueryContext(ctx, in.sql.due, receiver, n)
	if err != nil {
		return nil, err
	}
	payments, err := scanBytes(rows)
	if err != nil || len(payments) == 0 {
		return nil, err
	}
	// Sort the payments: two processes that insert in the same order don't
	// deadlock.
	slices.SortFunc(payments, bytes.Compare)
	payments = slices.CompactFunc(payments, bytes.Equal)
	token := newToken()
	held, err := in.hold(ctx, tx, payments, token)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	chosen, err := in.choose(ctx, tx, held, receiver)
	if err != nil {
		return nil, err
	}
	var out []leased
	ids := []any{token}
	var idle []any
	for _, payment := range held {
		c, ok := chosen[string(payment)]
		if !ok {
			idle = append(idle, payment)
			continue
		}
		out = append(out, leased{c.id, payment, token, receiver, c.alone})
		ids = append(ids, c.id)
	}
	if len(out) > 0 {
		if _, err := tx.ExecContext(ctx, in.list(in.sql.start, len(out)), ids...); err != nil {
			return nil, err
		}
	}
	if len(idle) > 0 {
		if _, err := tx.ExecContext(ctx, in.list(in.sql.letGoAll, len(idle)), append([]any{token}, idle...)...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// list completes a statement that ends in IN with a list of n placeholders.
func (in *Inbox) list(statement string, n int) string {
	return in.cfg.Dialect.Rebind(statement + " (?" + strings.Repeat(", ?", n-1) + ")")
}

// hold inserts payments into the table of running attempts, and returns the
// inserted ones.
func (in *Inbox) hold(ctx context.Context, tx transaction, payments [][]byte, token []byte) (held [][]byte, err error) {
	lease := in.cfg.Lease.Microseconds()
	if in.cfg.Dialect == MySQL { // on MySQL, a duplicate fails the whole statement
		for _, payment := range payments {
			_, err := tx.ExecContext(ctx, in.sql.hold, payment, token, lease)
			if err == nil {
				held = append(held, payment)
			} else if in.cfg.Dialect.Fault(err) != dialect.Duplicate {
				return nil, err
			}
		}
		return held, nil
	}
	one, more, _ := strings.Cut(in.sql.holdAll, "ROW")
	row := "(?, ?, NOW + ?)"
	row = strings.ReplaceAll(row, "NOW", in.cfg.Dialect.Now())
	var args []any
	for _, payment := range payments {
		args = append(args, payment, token, lease)
	}
	rows, err := tx.QueryContext(ctx, in.cfg.Dialect.Rebind(one+row+strings.Repeat(", "+row, len(payments)-1)+more), args...)
	if err != nil {
		return nil, err
	}
	return scanBytes(rows)
}

func scanBytes(rows *sql.Rows) (out [][]byte, err error) {
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

// choice is the row of a payment that is attempted next.
type choice struct {
	id int64
	// alone reports whether the payment has no other row.
	alone bool
}

// choose returns the receiver's oldest due row of each payment. It supersedes a
// row of the receiver that is not final if a newer, final row of the payment is
// done.
func (in *Inbox) choose(ctx context.Context, tx transaction, payments [][]byte, receiver string) (map[string]choice, error) {
	args := make([]any, len(payments))
	for i, payment := range payments {
		args[i] = payment
	}
	rows, err := tx.QueryContext(ctx, in.list(in.sql.ofPayments, len(args)), args...)
	if err != nil {
		return nil, err
	}
	all, err := scanOfPayments(rows)
	if err != nil {
		return nil, err
	}
	out := map[string]choice{}
	for payment, rows := range all {
		finished := -1 // index of the newest final row that is done; the oldest row comes first
		for i, r := range rows {
			if r.state == done && r.final == 1 {
				finished = i
			}
		}
		for i, r := range rows {
			switch {
			case r.state != pending || r.receiver != receiver:
			case i < finished && r.final == 0:
				if _, err := tx.ExecContext(ctx, in.sql.supersede, r.id); err != nil {
					return nil, err
				}
			case r.due && out[payment].id == 0:
				out[payment] = choice{r.id, len(rows) == 1}
			}
		}
	}
	return out, nil
}

// ofPayment is one row of a payment.
type ofPayment struct {
	id, happened int64
	state, final int
	receiver     string
	due          bool
}

// scanOfPayments returns the rows of each payment, the oldest first.
func scanOfPayments(rows *sql.Rows) (map[string][]ofPayment, error) {
	defer rows.Close()
	out := map[string][]ofPayment{}
	for rows.Next() {
		var payment []byte
		var r ofPayment
		if err := rows.Scan(&payment, &r.id, &r.state, &r.final, &r.happened, &r.receiver, &r.due); err != nil {
			return nil, err
		}
		out[string(payment)] = append(out[string(payment)], r)
	}
	for _, of := range out {
		slices.SortFunc(of, func(a, b ofPayment) int {
			return cmp.Or(cmp.Compare(a.happened, b.happened), cmp.Compare(a.id, b.id))
		})
	}
	return out, rows.Err()
}
