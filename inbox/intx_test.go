package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/memstore"
)

// inTx mounts a receiver of PTS whose function writes in the transaction that
// marks the event as done.
func (s *shop) inTx(fn func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error, change ...func(*handlers.Options)) *shop {
	s.t.Helper()
	s.exec(`CREATE TABLE IF NOT EXISTS effects (id VARCHAR(200) NOT NULL)`)
	cfg := payacktest.NewPTSKeys().Config()
	cfg.Options = s.options("pts")
	for _, c := range change {
		c(&cfg.Options)
	}
	h, err := handlers.NewPTS(cfg, inbox.InTx(fn))
	require.NoError(s.t, err)
	s.pts = h
	return s
}

func (s *shop) settleIn(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
	_, err := tx.ExecContext(ctx, s.d.dialect.Rebind(`INSERT INTO effects (id) VALUES (?)`), ev.ID())
	return err
}

func (s *shop) effects() (n int) {
	s.t.Helper()
	require.NoError(s.t, s.db.QueryRow(`SELECT COUNT(*) FROM effects`).Scan(&n))
	return n
}

// What the function writes, the mark that the event is done, and the row's state
// commit together, or not at all.
func TestInTx(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d)
		n := 0
		s.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			var state int
			if err := tx.QueryRowContext(ctx, `SELECT state FROM payack_inbox`).Scan(&state); err != nil {
				return err
			}
			assert.Equal(t, 3, state, "marked first")
			if err := s.settleIn(ctx, tx, ev); err != nil {
				return err
			}
			switch n++; n {
			case 1:
				return errShop
			case 2:
				panic("a slip")
			}
			return nil
		})
		cb := ptsCallback(t, "ORD-1", payack.PTSSuccess)
		s.kept(payack.PTS, s.pts, cb)
		s.until("done", func() bool { return s.states()[0] == "done" })
		assert.Equal(t, 1, s.effects())
		record, err := s.in.Get(t.Context(), s.items()[0].ID)
		require.NoError(t, err)
		assert.Len(t, record.Log, 3)
		s.kept(payack.PTS, s.pts, cb)
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome)
	})
}

// If a function ends the transaction and then fails, the event is a dead letter,
// because part of its work is committed. The function is not called again.
func TestInTxThatEndsItsTransaction(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d)
		called := 0
		s.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			called++
			if err := s.settleIn(ctx, tx, ev); err != nil {
				return err
			}
			if err := tx.Commit(); err != nil {
				return err
			}
			return errShop
		})
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.drain()
		assert.Equal(t, []string{"dead callback"}, s.states())
		assert.Contains(t, s.items()[0].Error, "part of what it wrote stands")
		assert.True(t, s.attempts()[0].Dead)
		require.ErrorIs(t, s.in.Retry(t.Context(), s.items()[0].ID), inbox.ErrDone)
		s.drain()
		assert.Equal(t, 1, called)
		assert.Equal(t, 1, s.effects())
	})
}

// Events that were leased together have their own marks: one that is done marks no
// other as done.
func TestInTxMarksItsOwnRow(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.RetryFirst, c.RetryMax = time.Hour, time.Hour })
		called := atomic.Int64{}
		s.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			if called.Add(1) > 1 {
				return errShop
			}
			return s.settleIn(ctx, tx, ev)
		})
		for _, order := range []string{"ORD-1", "ORD-2"} {
			s.kept(payack.PTS, s.pts, ptsCallback(t, order, payack.PTSSuccess))
		}
		s.until("both tried", func() bool { return called.Load() > 1 && !slices.Contains(s.states(), "running") })
		states := s.states()
		slices.Sort(states)
		assert.Equal(t, "done", states[0])
		assert.Contains(t, states[1], "pending")
		assert.Equal(t, 1, s.effects())
		assert.Len(t, s.attempts(), 2, "each at its first attempt")
	})
}

// An attempt whose event another process has taken over, or made due again, does
// not mark it. The function is not called.
func TestInTxAfterItsEventWasTakenOver(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		for name, change := range map[string]string{
			"running elsewhere": `token = ` + d.bytes("ff"),
			"due again":         fmt.Sprintf(`state = 1, next_us = next_us + %d`, decade),
		} {
			t.Run(name, func(t *testing.T) {
				s := open(t, d)
				s.exec(`CREATE TABLE effects (id VARCHAR(200) NOT NULL)`)
				cfg := payacktest.NewPTSKeys().Config()
				cfg.Options = s.options("pts")
				cfg.Confirm = func(_ context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
					s.exec(`UPDATE payack_inbox SET ` + change)
					return &payack.Confirmation{Paid: true, Status: "2000", Amount: ev.AcceptAmount, Currency: ev.AcceptCurrency}, nil
				}
				h, err := handlers.NewPTS(cfg, inbox.InTx(s.settleIn))
				require.NoError(t, err)
				s.kept(payack.PTS, h, ptsCallback(t, "ORD-1", payack.PTSSuccess))
				stop := s.run()
				require.Eventually(t, func() bool { return len(s.attempts()) == 1 }, 30*time.Second, time.Millisecond)
				stop()
				assert.ErrorIs(t, s.attempts()[0].Err, payack.ErrNotHeld)
				assert.NotEqual(t, []string{"done"}, s.states())
				assert.Equal(t, 0, s.effects())
			})
		}
	})
}

// If a function ends its transaction and then fails, Record.Log says how this
// attempt failed. The log's entries of earlier attempts, and the logs of other
// events, are unchanged.
func TestLogOfInTxThatEndsItsTransaction(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d)
		tries := map[string]int{}
		const long = 50 * time.Millisecond
		s.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			tries[ev.OrderID]++
			switch {
			case tries[ev.OrderID] == 1:
				return errors.New("first of " + ev.OrderID)
			case ev.OrderID == "ORD-1":
				return s.settleIn(ctx, tx, ev)
			}
			time.Sleep(long)
			return errors.Join(s.settleIn(ctx, tx, ev), tx.Commit(), errShop)
		})
		logs := func(order string) (lines []string, took time.Duration) {
			items, err := s.in.List(t.Context(), inbox.Filter{OrderID: order}, 0, 1)
			require.NoError(t, err)
			record, err := s.in.Get(t.Context(), items[0].ID)
			require.NoError(t, err)
			for _, attempt := range record.Log {
				lines = append(lines, fmt.Sprint(attempt.Number, " ", attempt.Reason, " ", attempt.Error))
			}
			return lines, record.Log[0].Took
		}
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.until("done", func() bool { return s.states()[0] == "done" })
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-2", payack.PTSSuccess))
		s.until("dead", func() bool { return s.states()[1] == "dead callback" })
		done, _ := logs("ORD-1")
		assert.Equal(t, "2  ", done[0])
		assert.Regexp(t, "^1 callback .*first of ORD-1", done[1])
		dead, took := logs("ORD-2")
		assert.Regexp(t, "^2 callback .*part of what it wrote stands", dead[0])
		assert.Regexp(t, "^1 callback .*first of ORD-2", dead[1])
		assert.GreaterOrEqual(t, took, long)
	})
}

// A final event that InTx has marked supersedes an older one, as with a plain
// function.
func TestSupersededAfterInTx(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d)
		s.inTx(s.settleIn)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess, "timestamp", "1700000200"))
		s.until("paid", func() bool { return s.states()[0] == "done" })
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSWaiting, "timestamp", "1700000000"))
		s.until("ended", func() bool { return !slices.Contains(s.states(), "pending") })
		assert.Equal(t, []string{"done", "superseded"}, s.states())
		assert.Equal(t, 1, s.effects())
	})
}

// If a transaction takes longer than its lease, and its process can't renew the
// lease, no other process takes the event over before the transaction has ended.
func TestInTxIsNotTakenOver(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == inbox.SQLite {
			t.Skip("one writer: nobody else can write while it runs")
		}
		s := open(t, d)
		other := d.openAt(t, s.dsn)
		began := make(chan struct{})
		waiting, goOn := context.WithCancel(t.Context())
		s.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			close(began)
			<-waiting.Done()
			return s.settleIn(ctx, tx, ev)
		})
		other.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			t.Error("called by another process")
			return nil
		})
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.run()
		<-began
		// Another receipt of the payment does not wait for the transaction.
		before := time.Now()
		other.kept(payack.PTS, other.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		assert.Less(t, time.Since(before), 5*time.Second)
		for lease := 0; lease != 1; { // until no renewal came in between
			s.exec(`UPDATE payack_running SET lease_us = 1`)
			other.drain()
			require.NoError(t, s.db.QueryRow(`SELECT lease_us FROM payack_running`).Scan(&lease))
			if lease != 1 {
				time.Sleep(time.Second) // ended leases are looked for once a second
			}
		}
		goOn()
		require.Eventually(t, func() bool { return s.states()[0] == "done" }, 30*time.Second, 5*time.Millisecond)
		assert.Equal(t, 1, s.effects())
	})
}

// A constructor refuses InTx without an inbox of this package or a store of
// package sqlstore.
func TestInTxNeedsTheInbox(t *testing.T) {
	cfg := payacktest.NewPTSKeys().Config()
	cfg.Store = memstore.New(0)
	_, err := handlers.NewPTS(cfg, inbox.InTx(func(context.Context, *sql.Tx, *payack.PTSEvent) error { return nil }))
	require.ErrorContains(t, err, "InTx")
	assert.False(t, strings.Contains(err.Error(), "\n"))
}

// If the store fails after the function has returned nil, that result is not
// lost: the event is not processed again.
func TestAcceptedAndUnrecorded(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.says(func(ctx context.Context, ev payack.Event) error {
			// Gives the claim to a process that no longer exists.
			_, err := s.db.ExecContext(ctx, `UPDATE payack_once SET token = `+d.bytes("ff"))
			return err
		}, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.drain()
		assert.Equal(t, []string{"done"}, s.states())
		assert.Len(t, s.calls(), 1)
		assert.Error(t, s.attempts()[0].Err)
	})
}
