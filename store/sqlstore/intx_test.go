package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/store/sqlstore"
)

var errMerchant = errors.New("the merchant's function failed")

// Of 64 concurrent deliveries of an event, only one runs the function.
func TestOneOfManyDeliveriesRuns(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		t.Parallel()
		p := d.place(t)
		ids := 1000
		if race || testing.Short() {
			ids = 100
		}
		for n := range ids {
			id := fmt.Sprint("event ", n)
			var ran, failed atomic.Int64
			together(64, func(int) {
				_, err := p.deliver(t.Context(), id, func(ctx context.Context, tx *sql.Tx) error {
					ran.Add(1)
					return p.settle(ctx, tx, id)
				})
				if err != nil {
					failed.Add(1)
					t.Error(err)
				}
			})
			require.Equal(t, [2]int64{1, 0}, [2]int64{ran.Load(), failed.Load()}, "of 64, ran and failed")
		}
		p.once(t, ids)
		require.Empty(t, p.log.String())
	})
}

// exactlyOnce delivers events from many goroutines until they are done. The
// function fails after its write in its first two runs for each event.
func (p *place) exactlyOnce(t *testing.T) {
	t.Helper()
	const events, deliveries = 10, 16
	for n := range events {
		id := fmt.Sprint("event ", n)
		var mu sync.Mutex
		fails := 0
		fn := func(ctx context.Context, tx *sql.Tx) error {
			if err := p.settle(ctx, tx, id); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if fails < 2 {
				fails++
				return errMerchant
			}
			return nil
		}
		together(deliveries, func(int) {
			for {
				state, err := p.deliver(t.Context(), id, fn)
				switch {
				case err == nil && (state == payack.ClaimDone || state == payack.ClaimGranted):
					return
				case err == nil:
					assert.Equal(t, payack.ClaimBusy, state)
					time.Sleep(time.Millisecond)
				case !errors.Is(err, errMerchant) && !strings.Contains(err.Error(), "tried again"):
					assert.NoError(t, err)
					return
				}
				if t.Context().Err() != nil {
					return
				}
			}
		})
		require.Equal(t, 2, fails)
	}
	p.once(t, events)
	p.keepsWrites(t)
}

// keepsWrites asserts that every connection of the pool commits what is written
// through it.
func (p *place) keepsWrites(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	id := fmt.Sprint("kept ", made.Add(1))
	var conns []*sql.Conn
	for range p.db.Stats().OpenConnections { // all are held at the same time, so that each is a different one
		conn, err := p.db.Conn(ctx)
		require.NoError(t, err)
		conns = append(conns, conn)
		_, err = conn.ExecContext(ctx, p.dialect.Rebind(`INSERT INTO effects (id, part) VALUES (?, 2)`), id)
		require.NoError(t, err)
	}
	require.Equal(t, len(conns), p.count(t, id), "what each connection of the pool wrote stays")
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	p.exec(t, `DELETE FROM effects WHERE id = ?`, id)
}

func TestFunctionThatFailsTwice(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		levels, flags := append([]sql.IsolationLevel{sql.LevelDefault}, d.levels...), d.hostile
		if testing.Short() {
			levels, flags = levels[:1], flags[:1]
		}
		for _, level := range levels {
			t.Run(level.String(), func(t *testing.T) {
				d.place(t, func(c *sqlstore.Config) { c.Isolation = level }).exactlyOnce(t)
			})
		}
		for _, flag := range flags {
			t.Run(flag, func(t *testing.T) { d.placeAt(t, with(d.dsn(t), flag)).exactlyOnce(t) })
		}
	})
}

// The suite of package storetest passes with the DSN changes that affect sessions most.
func TestConformsWithHostileFlags(t *testing.T) {
	if testing.Short() || race {
		t.Skip("minutes; TestFunctionThatFailsTwice has all flags")
	}
	each(t, func(t *testing.T, d database) {
		for _, flag := range map[string][]string{
			"SQLite":     {"journal_mode(WAL) to journal_mode(DELETE)"},
			"PostgreSQL": {"&default_query_exec_mode=simple_protocol", "&default_transaction_isolation=serializable"},
			"MariaDB":    {"&clientFoundRows=true&interpolateParams=true&multiStatements=true", "&tx_isolation='SERIALIZABLE'"},
		}[d.name] {
			t.Run(flag, func(t *testing.T) {
				t.Parallel()
				conform(t, d.placeAt(t, with(d.dsn(t), flag)))
			})
		}
	})
}

// A receiver accepts an event once and then reports a duplicate; no claim stays
// open.
func TestReceiverAcceptsOnce(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		t.Run("Payatom", func(t *testing.T) {
			fails := 0
			s := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
				if err := p.settle(ctx, tx, ev.OrderID); err != nil {
					return err
				}
				if fails++; fails <= 2 {
					return errMerchant
				}
				return nil
			}))
			for range 2 {
				require.False(t, s.receive(t, "ORD-1"))
				require.Equal(t, payack.ReasonCallback, s.last(t).Reason)
				require.Zero(t, p.count(t, "ORD-1"))
			}
			for _, want := range []payack.Outcome{payack.OutcomeAccepted, payack.OutcomeDuplicate, payack.OutcomeDuplicate} {
				require.True(t, s.receive(t, "ORD-1"))
				require.Equal(t, want, s.last(t).Outcome)
				require.NoError(t, s.last(t).Err)
				require.Equal(t, 1, p.count(t, "ORD-1"))
			}
			require.NotContains(t, s.log.String(), "recorded")
			require.NotContains(t, s.log.String(), "given up")
			require.Empty(t, p.log.String())
		})
		t.Run("PTS", func(t *testing.T) {
			keys := payacktest.NewPTSKeys()
			var last payack.Observation
			c := keys.Config()
			c.Options = middleware.Options{Store: p.store, Observer: payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { last = *o })}
			h, err := handlers.NewPTS(c, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
				return p.settle(ctx, tx, ev.TransactionID)
			}))
			require.NoError(t, err)
			callback := payacktest.PTS(keys).Callback(t)
			for _, want := range []payack.Outcome{payack.OutcomeAccepted, payack.OutcomeDuplicate} {
				payacktest.Accepted(t, payack.PTS, callback.Deliver(h))
				require.Equal(t, want, last.Outcome)
				require.NoError(t, last.Err)
			}
			require.Equal(t, 1, p.count(t, "T1000001"))
			require.NoError(t, h.Healthy(t.Context()), "by the store's Ping")
		})
	})
}

// A hash stays bound to its order once Expect has passed, even when the function
// fails: the binding is not part of the rollback. So a webhook with the same
// hash, but with a moved border between order and amount, is refused.
func TestHashStaysBoundWhenTheFunctionFails(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		fail := true
		s := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
			if err := p.settle(ctx, tx, ev.OrderID); err != nil {
				return err
			}
			if fail {
				return errMerchant
			}
			return nil
		}), func(c *middleware.PayatomConfig) {
			c.Expect = func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
				return payack.Expectation{Found: true, Amount: ev.ReceivedAmount}, nil
			}
		})
		genuine := payacktest.Payatom(payatomKeys).Order("user-11").Amount("500").Callback(t)
		moved := payacktest.Payatom(payatomKeys).Order("user-1").Amount("1500").Callback(t)
		require.False(t, accepted(t, genuine.Deliver(s)))
		require.False(t, accepted(t, moved.Deliver(s)))
		require.Equal(t, payack.ReasonSpliced, s.last(t).Reason)
		fail = false
		require.True(t, accepted(t, genuine.Deliver(s)))
		require.False(t, accepted(t, moved.Deliver(s)))
		require.Equal(t, payack.ReasonSpliced, s.last(t).Reason)
		require.Equal(t, 1, p.count(t, "user-11"))
		require.Zero(t, p.count(t, "user-1"))
	})
}

// If the receiver has no Expect, and the function itself compares order and
// amount, the hash is bound in the transaction, together with the event's mark.
func TestAllClaimsAreMarkedTogether(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		fail := true
		s := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
			held, _ := payack.HeldFrom(ctx)
			require.Len(t, held.Claims(), 2)
			if err := p.settle(ctx, tx, ev.OrderID); err != nil || !fail {
				return err
			}
			return errMerchant
		}), func(c *middleware.PayatomConfig) { c.Expect, c.ExpectInCallback = nil, true })
		require.False(t, s.receive(t, "user-11"))
		fail = false
		// Nothing of the delivery for user-11 is left. So the webhook for user-1,
		// which has the same signed text, is accepted.
		require.True(t, accepted(t, payacktest.Payatom(payatomKeys).Order("user-1").Amount("1500").Callback(t).Deliver(s)))
		require.False(t, s.receive(t, "user-11"))
		require.Equal(t, payack.ReasonSpliced, s.last(t).Reason)
		require.Equal(t, [2]int{1, 0}, [2]int{p.count(t, "user-1"), p.count(t, "user-11")})
	})
}

// If InTx made a receiver's function, the constructor accepts only a sqlstore.Store, or
// a store that embeds one.
func TestAnotherStoreIsRefused(t *testing.T) {
	p := databases[0].place(t)
	fn := sqlstore.InTx(func(context.Context, *sql.Tx, *payack.PTSEvent) error { return nil })
	for name, store := range map[string]payack.Store{"none": nil, "in memory": memstore.New(0), "nil": (*sqlstore.Store)(nil)} {
		t.Run(name, func(t *testing.T) {
			c := payacktest.NewPTSKeys().Config()
			c.Store = store
			_, err := handlers.NewPTS(c, fn)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n")
			if name != "nil" {
				require.ErrorContains(t, err, "set it to the store that sqlstore.Open returned")
			}
		})
	}
	t.Run("embedded", func(t *testing.T) { // by a decorator, say
		c := payacktest.NewPTSKeys().Config()
		c.Store = struct{ *sqlstore.Store }{p.store}
		_, err := handlers.NewPTS(c, fn)
		require.NoError(t, err)
	})
	t.Run("no function", func(t *testing.T) {
		c := payacktest.NewPTSKeys().Config()
		c.Store = p.store
		_, err := handlers.NewPTS(c, sqlstore.InTx[*payack.PTSEvent](nil))
		require.ErrorContains(t, err, "the callback is nil")
	})
	t.Run("refused at the first event", func(t *testing.T) { // the constructor doesn't see the type of a wrapped function
		c := payacktest.NewPTSKeys().Config()
		var last payack.Observation
		c.Observer = payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { last = *o })
		h, err := handlers.NewPTS(c, func(ctx context.Context, ev *payack.PTSEvent) error { return fn(ctx, ev) })
		require.NoError(t, err)
		payacktest.Failed(t, payack.PTS, payacktest.PTS(payacktest.NewPTSKeys()).Callback(t).Deliver(h))
		require.ErrorContains(t, last.Err, "Options.Store is a *memstore.Store")
	})
	t.Run("outside of a receiver", func(t *testing.T) {
		require.ErrorContains(t, fn(t.Context(), &payack.PTSEvent{}), "pass the function to a constructor of package handlers")
		require.ErrorContains(t, fn(payack.WithHeld(t.Context(), &held{store: p.store}), &payack.PTSEvent{}), "without InsecureProcessWithoutStore")
		foreign := &held{store: p.store, claims: []payack.HeldClaim{{ID: "a", Token: "made up"}}}
		require.ErrorIs(t, fn(payack.WithHeld(t.Context(), foreign), &payack.PTSEvent{}), payack.ErrNotHeld)
	})
}

// A function does not run for a claim that another process has taken over.
func TestLostClaimDoesNotRun(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		claim, err := p.store.Claim(t.Context(), "a", "f", time.Millisecond)
		require.NoError(t, err)
		time.Sleep(20 * time.Millisecond)
		_, err = p.store.Claim(t.Context(), "a", "f", time.Minute)
		require.NoError(t, err)
		h := &held{store: p.store, claims: []payack.HeldClaim{{ID: "a", Token: claim.Token}}}
		fn := sqlstore.InTx(func(context.Context, *sql.Tx, *payack.PayatomEvent) error { panic("it ran") })
		require.ErrorIs(t, fn(payack.WithHeld(t.Context(), h), nothing), payack.ErrNotHeld)
		require.False(t, h.committed)
		p.keepsWrites(t)
	})
}

// Conn reaches the driver's own connection in the transaction.
func TestConn(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		for _, fail := range []bool{true, false} {
			_, err := p.deliver(t.Context(), "a", func(ctx context.Context, tx *sql.Tx) error {
				conn, ok := sqlstore.Conn(ctx)
				require.True(t, ok)
				if d.dialect == sqlstore.PostgreSQL {
					require.NoError(t, conn.Raw(func(driver any) error {
						_, err := driver.(*stdlib.Conn).Conn().Exec(ctx, `INSERT INTO effects VALUES ('a', 1)`)
						return err
					}))
				} else {
					_, err := conn.ExecContext(ctx, `INSERT INTO effects VALUES ('a', 1)`)
					require.NoError(t, err)
				}
				if fail {
					return errMerchant
				}
				return nil
			})
			if fail {
				require.ErrorIs(t, err, errMerchant)
				require.Zero(t, p.count(t, "a"))
			} else {
				require.NoError(t, err)
			}
		}
		require.Equal(t, 1, p.count(t, "a"))
		_, ok := sqlstore.Conn(t.Context())
		require.False(t, ok)
	})
}

// Without InTx no connection is held while the function runs.
func TestNothingIsHeldWhileAPlainFunctionRuns(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		p.db.SetMaxOpenConns(1)
		c := payacktest.NewPTSKeys().Config()
		c.Store = p.store
		h, err := handlers.NewPTS(c, func(ctx context.Context, ev *payack.PTSEvent) error {
			assert.Zero(t, p.db.Stats().InUse)
			_, err := p.db.ExecContext(ctx, p.dialect.Rebind(`INSERT INTO effects (id, part) VALUES (?, 1)`), ev.OrderID)
			return err
		})
		require.NoError(t, err)
		for range 2 {
			payacktest.Accepted(t, payack.PTS, payacktest.PTS(payacktest.NewPTSKeys()).Callback(t).Deliver(h))
		}
		require.Equal(t, 1, p.count(t, "ORD1000001"))
	})
}

// A redelivery does not wait for the function whose transaction holds the row.
func TestRedeliveryIsBusyAtOnce(t *testing.T) {
	const most = 200 * time.Millisecond
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		inside, goOn := make(chan struct{}), make(chan struct{})
		s := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
			if err := p.settle(ctx, tx, ev.OrderID); err != nil {
				return err
			}
			close(inside)
			select {
			case <-goOn:
			case <-time.After(20 * time.Second): // so that a redelivery that waits fails the test
			}
			return nil
		}))
		// other stands for another process, so it has a pool and a home of its
		// own.
		q := *p
		q.db = p.open(t, p.dsn)
		other := q.shop(t, sqlstore.InTx(func(context.Context, *sql.Tx, *payack.PayatomEvent) error { panic("it ran twice") }),
			func(c *middleware.PayatomConfig) { c.Store = elsewhere{p.reopen(t, q.db)} })
		require.NoError(t, q.db.Ping())
		redelivery := webhook(t, "ORD-1")
		require.NoError(t, other.Healthy(t.Context()))

		done := make(chan bool, 1)
		go func() { done <- s.receive(t, "ORD-1") }()
		select {
		case <-inside:
		case <-done:
			require.Fail(t, "the function did not run")
		}
		quickest := time.Hour
		for try := 0; try < 20 && quickest >= most; try++ { // repeated, because a busy machine may delay some answers
			sent := time.Now()
			require.False(t, accepted(t, redelivery.Deliver(other)))
			quickest = min(quickest, time.Since(sent))
			require.Equal(t, payack.ReasonBusy, other.last(t).Reason)
		}
		close(goOn)
		require.True(t, <-done)
		require.Less(t, quickest, most, "not one was answered at once")
		t.Logf("busy after %v", quickest)
		require.True(t, accepted(t, redelivery.Deliver(other)))
		require.Equal(t, payack.OutcomeDuplicate, other.last(t).Outcome)
		require.Equal(t, 1, p.count(t, "ORD-1"))
	})
}

// elsewhere is a store with a home of its own, so that this process treats it as
// another process's store.
type elsewhere struct{ *sqlstore.Store }

func (elsewhere) Home() string { return "another process" }

// reopen returns another store on the same tables.
func (p *place) reopen(t testing.TB, db *sql.DB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db, Dialect: p.dialect, Logger: p.log.logger()})
	require.NoError(t, err)
	return s
}

func noEffect(context.Context, *sql.Tx, *payack.PayatomEvent) error { return nil }

// A second call of InTx's callback for the same claim, after the first call has
// committed, writes nothing and returns ErrNotHeld.
func TestSecondTransactionOfAnEvent(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		claim, err := p.store.Claim(t.Context(), "a", "f", time.Minute)
		require.NoError(t, err)
		h := &held{store: p.store, claims: []payack.HeldClaim{{ID: "a", Fingerprint: "f", Token: claim.Token}}}
		run := sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, _ *payack.PayatomEvent) error { return p.settle(ctx, tx, "a") })
		require.NoError(t, run(payack.WithHeld(bounded(t), h), nothing))
		require.ErrorIs(t, run(payack.WithHeld(bounded(t), h), nothing), payack.ErrNotHeld)
		p.once(t, 1)
	})
}
