package inbox_test

import (
	"context"
	"database/sql"
	"strings"
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
func (s *shop) inTx(fn func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error) *shop {
	s.t.Helper()
	s.exec(`CREATE TABLE IF NOT EXISTS effects (id VARCHAR(200) NOT NULL)`)
	cfg := payacktest.NewPTSKeys().Config()
	cfg.Options = s.options("pts")
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

// The effect, the mark and the row's state commit together, or not at all.
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

// If a transaction takes longer than its lease, and its process can't renew the
// lease, no other process takes the event over before the transaction has ended.
func TestInTxIsNotTakenOver(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if d.dialect == inbox.SQLite {
			t.Skip("one writer: nobody else can write while it runs")
		}
		s := open(t, d)
		other := d.openAt(t, s.dsn)
		began, goOn := make(chan struct{}), make(chan struct{})
		s.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			close(began)
			<-goOn
			return s.settleIn(ctx, tx, ev)
		})
		other.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
			t.Error("called by another process")
			return nil
		})
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.run()
		<-began
		s.exec(`UPDATE payack_running SET lease_us = 1`)
		// Another receipt of the payment does not wait for the transaction.
		before := time.Now()
		other.kept(payack.PTS, other.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		assert.Less(t, time.Since(before), time.Second)
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_ = other.in.Drain(ctx)
			cancel()
		}
		close(goOn)
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
		called := make(chan struct{})
		s.says(func(ctx context.Context, ev payack.Event) error {
			defer close(called)
			// Gives the claim to a process that no longer exists.
			_, err := s.db.ExecContext(ctx, `UPDATE payack_once SET token = `+d.bytes("ff"))
			return err
		}, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		go func() {
			<-called
			time.Sleep(time.Second) // by then, the commit has found the claim taken
			_, _ = s.db.Exec(`UPDATE payack_once SET at_us = 1 WHERE state = 1`)
		}()
		s.drain()
		assert.Equal(t, []string{"done"}, s.states())
		assert.Len(t, s.calls(), 1)
		assert.Error(t, s.attempts()[0].Err)
	})
}
