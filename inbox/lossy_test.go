package inbox_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

// lossy makes connections that report a failure after a commit if lose returns
// true, like a server that is killed before it answers.
type lossy struct {
	driver driver.Driver
	dsn    string
	lose   func() bool
}

func (l *lossy) Driver() driver.Driver { return l.driver }

func (l *lossy) Connect(context.Context) (driver.Conn, error) {
	conn, err := l.driver.Open(l.dsn)
	return lossyConn{conn, l.lose}, err
}

type lossyConn struct {
	driver.Conn
	lose func() bool
}

func (c lossyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return lossyTx{tx, c.lose}, err
}

type lossyTx struct {
	driver.Tx
	lose func() bool
}

func (tx lossyTx) Commit() error {
	if err := tx.Tx.Commit(); err != nil || !tx.lose() {
		return err
	}
	return errors.New("the connection was lost")
}

// An unconfirmed commit may have been made. If it began an attempt, the row is
// due again when the lease has ended, even in the same process. If it recorded an
// attempt, the attempt is not recorded twice.
func TestCommitsThatAreNotConfirmed(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := d.openAt(t, d.dsn(t))
		dsn := s.dsn
		if d.dialect == inbox.SQLite {
			dsn = "file:" + dsn + "?_txlock=immediate&_pragma=busy_timeout(5000)"
		}
		var commits, lost atomic.Int64
		db := sql.OpenDB(&lossy{s.db.Driver(), dsn, func() bool {
			if commits.Add(1)%3 == 0 && lost.Load() < 25 {
				lost.Add(1)
				return true
			}
			return false
		}})
		db.SetMaxOpenConns(20)
		defer db.Close()
		cfg := d.quick(db, s.log)
		cfg.Lease = 300 * time.Millisecond
		in, err := inbox.Open(t.Context(), cfg)
		require.NoError(t, err)
		s.in = in
		s.inTx(s.settleIn).mountAtom()
		deliver := func(h http.Handler, cb payacktest.Callback) { // repeats until the callback is acknowledged, as a provider does
			for acknowledged := false; !acknowledged; {
				send(h, cb, "192.0.2.1")
				outcome := s.last().Outcome
				acknowledged = outcome == payack.OutcomeAccepted || outcome == payack.OutcomeDuplicate
			}
		}
		const events = 10
		for n := range events {
			deliver(s.pts, ptsCallback(t, fmt.Sprint("ORD-", n), payack.PTSSuccess))
			deliver(s.atom, atomCallback(t, fmt.Sprint("ORD-", n), "r"))
		}
		s.run()
		require.Eventually(t, func() bool {
			stats, err := in.Stats(t.Context())
			return err == nil && stats == (inbox.Stats{})
		}, 30*time.Second, 10*time.Millisecond, "%s", s.log)
		assert.Equal(t, events, s.effects(), "in a transaction exactly once")
		assert.GreaterOrEqual(t, len(s.calls()), events)
		assert.Greater(t, lost.Load(), int64(10))
		for _, o := range s.attempts() {
			assert.False(t, o.Dead)
		}
	})
}

// On SQLite, concurrent receipts share a commit.
func TestGroupCommit(t *testing.T) {
	d := databases[0]
	s := open(t, d)
	var commits atomic.Int64
	db := sql.OpenDB(&lossy{s.db.Driver(), "file:" + s.dsn + "?_txlock=immediate&_pragma=busy_timeout(5000)", func() bool {
		commits.Add(1)
		return false
	}})
	defer db.Close()
	in, err := inbox.Open(t.Context(), d.quick(db, s.log))
	require.NoError(t, err)
	commits.Store(0)
	tx, err := s.db.Begin() // so that the receipts queue up
	require.NoError(t, err)
	var all sync.WaitGroup
	keep := func() {
		r := newReceipt("pts")
		all.Go(func() {
			state, err := in.Keep(t.Context(), r)
			assert.NoError(t, err)
			assert.Equal(t, payack.ClaimGranted, state)
		})
	}
	queued := func(n int) {
		require.Eventually(t, func() bool { return in.Queued() == n }, 30*time.Second, time.Millisecond)
	}
	keep()
	queued(0) // the first waits for its transaction
	for range 99 {
		keep()
	}
	queued(99)
	require.NoError(t, tx.Rollback())
	all.Wait()
	assert.Len(t, s.items(), 100)
	assert.Equal(t, int64(2), commits.Load(), "one of the first receipt and one of the others")
}
