package sqlstore_test

import (
	"context"
	"database/sql"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/dialect"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/sqlstore"
)

// txFunc is a merchant's function that breaks the rules of InTx. id names the
// effect that it has to write.
type txFunc func(t *testing.T, ctx context.Context, p *place, tx *sql.Tx, id string) error

// run executes SQL that a merchant's function must not execute, and ignores the
// error.
func run(ctx context.Context, tx *sql.Tx, statement string) { _, _ = tx.ExecContext(ctx, statement) }

// after returns a function that writes the effect, and then calls the function then,
// which breaks the rules.
func after(then func(ctx context.Context, tx *sql.Tx) error) txFunc {
	return func(_ *testing.T, ctx context.Context, p *place, tx *sql.Tx, id string) error {
		if err := p.settle(ctx, tx, id); err != nil {
			return err
		}
		return then(ctx, tx)
	}
}

// statement returns a function that writes the effect, runs the SQL in text, and
// returns err.
func statement(text string, err error) txFunc {
	return after(func(ctx context.Context, tx *sql.Tx) error { run(ctx, tx, text); return err })
}

var all = []dialect.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL}

// After each misbehaving function, the event is delivered again to a correct one.
// Whichever of the two functions settled the event, the effect is there exactly
// once, and later writes through the pool stay.
func TestFunctionsThatMisbehave(t *testing.T) {
	for _, test := range []struct {
		name string
		on   []dialect.Dialect // the databases it is tried on
		fn   txFunc
		// accepted lists the databases where fn's delivery is accepted. stands
		// lists the databases where the effect is in the table after that delivery.
		accepted, stands []dialect.Dialect
		log              string // what the store logs on the databases in stands
	}{
		{"commits tx", all, after(func(_ context.Context, tx *sql.Tx) error { return tx.Commit() }), all, all, "the function committed the transaction itself"},
		{"commits tx, then fails", all, after(func(_ context.Context, tx *sql.Tx) error { _ = tx.Commit(); return errMerchant }), nil, all, "a person has to look at it"},
		{"commits tx, then panics", all, after(func(_ context.Context, tx *sql.Tx) error { _ = tx.Commit(); panic("gone") }), nil, all, "a person has to look at it"},
		{"rolls tx back", all, after(func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() }), nil, nil, ""},
		{"rolls tx back, then fails", all, after(func(_ context.Context, tx *sql.Tx) error { _ = tx.Rollback(); return errMerchant }), nil, nil, ""},
		{"runs COMMIT", all, statement(`COMMIT`, nil), all, all, ""},
		{"runs COMMIT, then fails", all, statement(`COMMIT`, errMerchant), nil, all, "a person has to look at it"},
		{"runs ROLLBACK", all, statement(`ROLLBACK`, nil), nil, nil, ""},
		{"runs BEGIN", all, statement(`BEGIN`, nil), all, all, ""},
		{"runs BEGIN, then fails", all, statement(`BEGIN`, errMerchant), nil, []dialect.Dialect{sqlstore.MySQL}, "a person has to look at it"},
		{"runs COMMIT and BEGIN, then fails", all, after(func(ctx context.Context, tx *sql.Tx) error {
			run(ctx, tx, `COMMIT`)
			run(ctx, tx, `BEGIN`)
			run(ctx, tx, `INSERT INTO effects VALUES ('never', 1)`)
			return errMerchant
		}), nil, all, "a person has to look at it"},
		{"commits tx and leaves a transaction open on the connection", all, func(t *testing.T, ctx context.Context, p *place, tx *sql.Tx, id string) error {
			conn, _ := sqlstore.Conn(ctx)
			assert.NoError(t, p.settle(ctx, tx, id))
			assert.NoError(t, tx.Commit())
			_, err := conn.ExecContext(ctx, `BEGIN`)
			assert.NoError(t, err)
			_, err = conn.ExecContext(ctx, `INSERT INTO effects VALUES ('never', 1)`)
			assert.NoError(t, err)
			return nil
		}, all, all, "the function committed the transaction itself"},
		{"makes a table", all, statement(`CREATE TABLE made (i INTEGER)`, nil), all, all, ""},
		{"makes a table, then fails", all, statement(`CREATE TABLE made_again (i INTEGER)`, errMerchant), nil, []dialect.Dialect{sqlstore.MySQL}, "a person has to look at it"},
		{"switches autocommit on, then fails", []dialect.Dialect{sqlstore.MySQL}, statement(`SET autocommit=1`, errMerchant), nil, []dialect.Dialect{sqlstore.MySQL}, "a person has to look at it"},
		{"swallows the error of a statement", all, statement(`INSERT INTO nowhere VALUES (1)`, nil), []dialect.Dialect{sqlstore.SQLite, sqlstore.MySQL}, []dialect.Dialect{sqlstore.SQLite, sqlstore.MySQL}, ""},
		{"swallows an error that rolls back", []dialect.Dialect{sqlstore.SQLite}, statement(`INSERT OR ROLLBACK INTO payack_schema VALUES (1, 1, 'again')`, nil), nil, nil, ""},
		{"panics", all, after(func(context.Context, *sql.Tx) error { panic("gone") }), nil, nil, ""},
		{"leaves rows open", all, after(func(ctx context.Context, tx *sql.Tx) error {
			rows, err := tx.QueryContext(ctx, `SELECT id FROM effects`)
			if err == nil {
				rows.Next()
			}
			return err
		}), []dialect.Dialect{sqlstore.SQLite}, []dialect.Dialect{sqlstore.SQLite}, ""},
		{"outlives its deadline and its lease", all, after(func(context.Context, *sql.Tx) error { time.Sleep(pastLease); return nil }), all, all, ""},
		{"heeds its deadline", all, after(func(ctx context.Context, tx *sql.Tx) error {
			<-ctx.Done()
			_, err := tx.ExecContext(ctx, `INSERT INTO effects VALUES ('never', 1)`)
			return err
		}), nil, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, d := range databases {
				if !slices.Contains(test.on, d.dialect) {
					continue
				}
				t.Run(d.name, func(t *testing.T) {
					p := d.place(t)
					p.db.SetMaxOpenConns(2)
					var options []func(*middleware.PayatomConfig)
					if strings.Contains(test.name, "deadline") {
						options = append(options, quick)
					}
					s := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
						return test.fn(t, ctx, p, tx, ev.OrderID)
					}), options...)
					accepts, stands := slices.Contains(test.accepted, d.dialect), slices.Contains(test.stands, d.dialect)
					p.exec(t, `INSERT INTO effects VALUES ('before', 1)`)

					assert.Equal(t, accepts, s.receive(t, "ORD-1"), "accepted")
					if accepts {
						assert.NoError(t, s.last(t).Err, "nothing is unrecorded")
					}
					assert.Equal(t, map[bool]int{true: 1}[stands], p.count(t, "ORD-1"), "effects after it")
					assert.Zero(t, p.count(t, "never"))
					if stands && test.log != "" {
						assert.Contains(t, p.log.String(), test.log)
						assert.Contains(t, p.log.String(), "ORD-1")
					} else {
						assert.NotContains(t, p.log.String(), "a person has to look")
					}
					p.keepsWrites(t)

					again := p.settles(t)
					assert.True(t, again.receive(t, "ORD-1"), "the redelivery is accepted")
					assert.Equal(t, stands, again.last(t).Outcome == payack.OutcomeDuplicate)
					assert.Equal(t, 1, p.count(t, "ORD-1"), "effects in the end")
					p.keepsWrites(t)
				})
			}
		})
	}
}

const (
	deadline = 1500 * time.Millisecond
	lease    = deadline + deadline/10
	// pastLease is how long a function runs that outlives its deadline and its lease.
	pastLease = lease + deadline/5
)

// quick sets a deadline and a lease that end during a test. A slow machine must still
// start the function before the deadline.
func quick(c *middleware.PayatomConfig) { c.Deadline, c.Lease = deadline, lease }

// settles returns a shop whose function keeps the rules, and has the default deadline.
func (p *place) settles(t *testing.T) *shop {
	t.Helper()
	return p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
		return p.settle(ctx, tx, ev.OrderID)
	}))
}

// The function ends its goroutine with Goexit, as t.FailNow does. Its transaction
// is rolled back.
func TestGoexit(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		p.db.SetMaxOpenConns(1)
		leave := true
		s := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
			err := p.settle(ctx, tx, ev.OrderID)
			if leave {
				runtime.Goexit()
			}
			return err
		}))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.receive(t, "ORD-1")
		}()
		<-ended
		require.Zero(t, p.count(t, "ORD-1"))
		p.keepsWrites(t)
		leave = false
		require.True(t, s.receive(t, "ORD-1"))
		require.Equal(t, 1, p.count(t, "ORD-1"))
	})
}

// Nobody takes over an event from a function that outlives its lease, because its
// transaction holds the row.
func TestNobodyTakesOverFromARunningFunction(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		other := p.reopen(t, p.open(t, p.dsn))
		inside, goOn := make(chan struct{}), make(chan struct{})
		s := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
			err := p.settle(ctx, tx, ev.OrderID)
			close(inside)
			<-goOn
			return err
		}), quick)
		done := make(chan bool)
		go func() { done <- s.receive(t, "ORD-1") }()
		select {
		case <-inside:
		case <-done:
			require.Fail(t, "the function did not run")
		}
		time.Sleep(pastLease)
		id := eventID(t, "ORD-1")
		if d.dialect == sqlstore.SQLite { // one writer: other writers wait
			time.AfterFunc(deadline/5, func() { close(goOn) })
		}
		for range 3 {
			claim, err := other.Claim(t.Context(), id.id, id.fingerprint, time.Minute)
			require.NoError(t, err)
			want := payack.ClaimBusy
			if d.dialect == sqlstore.SQLite {
				want = payack.ClaimDone
			}
			require.Equal(t, want, claim.State)
		}
		if d.dialect != sqlstore.SQLite {
			close(goOn)
		}
		require.True(t, <-done, "a late result counts")
		require.Equal(t, 1, p.count(t, "ORD-1"))
	})
}

type identity struct{ id, fingerprint string }

// eventID returns the id and the fingerprint with which an order's webhook is claimed.
func eventID(t *testing.T, order string) identity {
	t.Helper()
	var out identity
	p := databases[0].place(t)
	s := p.shop(t, func(ctx context.Context, _ *payack.PayatomEvent) error {
		h, _ := payack.HeldFrom(ctx)
		out = identity{h.Claims()[0].ID, h.Claims()[0].Fingerprint}
		return nil
	})
	require.True(t, s.receive(t, order))
	return out
}

// A function that uses the pool instead of tx waits until its deadline for the
// connection that it holds itself.
func TestFunctionThatUsesAPoolOfOneConnection(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		p.db.SetMaxOpenConns(1)
		s := p.shop(t, sqlstore.InTx(func(ctx context.Context, _ *sql.Tx, _ *payack.PayatomEvent) error {
			_, err := p.db.ExecContext(ctx, `INSERT INTO effects VALUES ('never', 1)`)
			return err
		}), quick)
		require.False(t, s.receive(t, "ORD-1"))
		require.Equal(t, payack.ReasonDeadline, s.last(t).Reason)
		require.Zero(t, p.count(t, "never"))
		require.True(t, p.settles(t).receive(t, "ORD-1"))
		require.Equal(t, 1, p.count(t, "ORD-1"))
		p.keepsWrites(t)
	})
}

// On MariaDB a deadlock rolls the transaction back. What the function writes
// after the deadlock must not stay without the mark. With autocommit on, it would
// stay.
func TestSwallowedDeadlock(t *testing.T) {
	for _, d := range databases[1:] {
		t.Run(d.name, func(t *testing.T) {
			p := d.place(t)
			p.exec(t, `CREATE TABLE accounts (id INTEGER PRIMARY KEY, v INTEGER)`)
			p.exec(t, `INSERT INTO accounts VALUES (1, 0), (2, 0)`)
			p.exec(t, `CREATE TABLE others (i INTEGER)`)
			const update = `UPDATE accounts SET v = v + 1 WHERE id = `
			swallow := true
			seen := dialect.Other
			s := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
				if !swallow {
					return p.settle(ctx, tx, ev.OrderID)
				}
				run(ctx, tx, update+"2")
				other, err := p.db.BeginTx(ctx, nil)
				require.NoError(t, err)
				defer other.Rollback()
				for range 50 { // more work than ours, so that our transaction is the victim
					run(ctx, other, `INSERT INTO others VALUES (1)`)
				}
				run(ctx, other, update+"1")
				got := make(chan error, 1)
				wait := 600 * time.Millisecond
				if d.dialect == sqlstore.PostgreSQL { // PostgreSQL fails the transaction that finds the deadlock after this time
					run(ctx, tx, `SET LOCAL deadlock_timeout = '3s'`)
					run(ctx, other, `SET LOCAL deadlock_timeout = '1min'`)
					wait = 0
				}
				go func() {
					time.Sleep(wait)
					_, err := other.ExecContext(ctx, update+"2")
					got <- err
				}()
				_, mine := tx.ExecContext(ctx, update+"1")
				seen = d.dialect.Fault(mine)
				run(ctx, tx, strings.ReplaceAll(`INSERT INTO effects VALUES ('ORDER', 1)`, "ORDER", ev.OrderID)) // ignores the deadlock
				assert.NoError(t, <-got)
				return nil
			}))
			require.False(t, s.receive(t, "ORD-1"))
			require.Equal(t, dialect.Again, seen, "the function was the victim")
			require.ErrorContains(t, s.last(t).Err, "return the")
			require.Zero(t, p.count(t, "ORD-1"))
			p.keepsWrites(t)
			swallow = false
			require.True(t, s.receive(t, "ORD-1"))
			require.Equal(t, 1, p.count(t, "ORD-1"))
			p.keepsWrites(t)
		})
	}
}
