package inbox_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
)

// switched opens connections, read-only ones while its field on is set.
type switched struct {
	driver   driver.Driver
	dsn      string
	readOnly string // appended to dsn
	on       atomic.Bool
}

func (s *switched) Driver() driver.Driver { return s.driver }

func (s *switched) Connect(context.Context) (driver.Conn, error) {
	if s.on.Load() {
		return s.driver.Open(s.dsn + s.readOnly)
	}
	return s.driver.Open(s.dsn)
}

// A database is read-only for a while, like a server that has become a replica.
// Meanwhile nothing is acknowledged. An attempt that ends meanwhile is recorded
// when the database can be written again. From then on, events are kept and
// processed again.
func TestReadOnlyForAWhile(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		plain := d.pool(t, dsn)
		c := &switched{driver: plain.Driver(), dsn: dsn}
		switch d.dialect {
		case inbox.SQLite:
			c.dsn, c.readOnly = "file:"+dsn+"?_txlock=immediate&_pragma=busy_timeout(5000)", "&_pragma=query_only(1)"
		case inbox.PostgreSQL:
			c.readOnly = "&default_transaction_read_only=on"
		default:
			c.readOnly = "?tx_read_only=1"
			if strings.Contains(dsn, "?") {
				c.readOnly = "&tx_read_only=1"
			}
		}
		db := sql.OpenDB(c)
		defer db.Close()
		db.SetMaxIdleConns(0) // every use opens a new connection
		s := &shop{t: t, d: d, dsn: dsn, db: plain, log: &log{}}
		var err error
		s.in, err = inbox.Open(t.Context(), d.quick(db, s.log))
		require.NoError(t, err)
		t.Cleanup(func() { s.in.Close() })
		s.mount()
		began, goOn := make(chan struct{}), make(chan struct{})
		s.says(func(_ context.Context, ev payack.Event) error {
			if ev.Order() == "RUNS" {
				close(began)
				<-goOn
			}
			return nil
		}, nil)
		s.run()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "RUNS", payack.PTSSuccess))
		<-began

		c.on.Store(true)
		payacktest.Failed(t, payack.PTS, send(s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess), "192.0.2.1"))
		assert.Equal(t, payack.ReasonInbox, s.last().Reason)
		assert.ErrorContains(t, s.last().Err, "the database is read-only: give the primary")
		close(goOn)
		require.Eventually(t, func() bool { return strings.Contains(s.log.String(), "recording an attempt") }, 30*time.Second, time.Millisecond)
		items, err := s.in.List(t.Context(), inbox.Filter{}, 0, 0)
		require.NoError(t, err, "it can be read")
		require.Len(t, items, 1)
		assert.Equal(t, inbox.Running, items[0].State)

		c.on.Store(false)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		require.Eventually(t, func() bool {
			return assert.ObjectsAreEqual([]string{"done", "done"}, s.states())
		}, 30*time.Second, 5*time.Millisecond, "%s", s.log)
		assert.Len(t, s.calls(), 2)
	})
}
