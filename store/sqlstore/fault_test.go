package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/sqlstore"
)

// load keeps delivering orders while a test disturbs the server.
type load struct {
	p    *place
	shop *shop
	stop chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	made    int
	pending []string
	acked   int
	down    time.Time // since when the server can't answer
	longest time.Duration
	late    time.Duration // the longest wait for an answer while the server was down
	soonest time.Duration // the shortest one
	again   int           // how many answers asked for a redelivery while the server was down
}

const (
	faultDeadline = time.Second
	// givingUp is the time allowed after the deadline for ending an open
	// transaction.
	givingUp = time.Second
	// slack is a margin for a busy machine.
	slack = 10 * time.Second
)

func (p *place) load(t *testing.T) *load {
	l := &load{p: p, stop: make(chan struct{})}
	l.shop = p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
		if err := p.settle(ctx, tx, ev.OrderID); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
		return nil
	}), func(c *middleware.PayatomConfig) {
		c.Deadline, c.Lease, c.Observer = faultDeadline, 3*faultDeadline/2, nil
	})
	for range 6 {
		l.wg.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(2 * time.Millisecond):
					l.deliver(t, true)
				}
			}
		})
	}
	return l
}

// deliver delivers one order, and reports whether there was one to deliver. If more is
// true, it makes a new order unless more than 20 are pending. If more is false, it
// delivers pending orders only.
func (l *load) deliver(t *testing.T, more bool) bool {
	l.mu.Lock()
	var order string
	switch n := len(l.pending); {
	case n > 20 || n > 0 && !more:
		order, l.pending = l.pending[0], l.pending[1:]
	case more:
		l.made++
		order = fmt.Sprint("ORD-", l.made)
	default:
		l.mu.Unlock()
		return false
	}
	began := time.Now()
	l.mu.Unlock()
	ok := l.shop.receive(t, order)
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = max(l.longest, took)
	if !l.down.IsZero() && began.After(l.down) {
		l.late, l.soonest = max(l.late, took), min(l.soonest, took)
		if !ok {
			l.again++
		}
	}
	if ok {
		l.acked++
	} else {
		l.pending = append(l.pending, order)
	}
	return true
}

// during disturbs the server under load: begin makes it stop answering, end makes
// it answer again.
func (l *load) during(t *testing.T, begin, end func(t *testing.T)) {
	t.Helper()
	l.accepts(t)
	begin(t)
	l.mu.Lock()
	l.down, l.longest, l.late, l.soonest, l.again = time.Now(), 0, 0, time.Hour, 0
	l.mu.Unlock()
	together(4, func(int) { l.deliver(t, true) }) // answered before end
	time.Sleep(faultDeadline)
	l.mu.Lock()
	again := l.again
	l.down = time.Time{}
	l.mu.Unlock()
	end(t)
	recovered := l.accepts(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("answered \"send again\" %d times, after %v at most when they came meanwhile and %v otherwise; accepted again %v after the end",
		again, l.late.Round(time.Millisecond), l.longest.Round(time.Millisecond), recovered.Round(time.Millisecond))
	assert.GreaterOrEqual(t, again, 4, "deliveries were answered meanwhile")
	assert.Less(t, l.soonest, faultDeadline+2*time.Second, "a busy machine does not delay all answers")
	assert.Less(t, l.late, faultDeadline+slack, "the deadline bounds the answers to what came meanwhile")
	assert.Less(t, l.longest, faultDeadline+givingUp+slack)
}

// accepts waits until deliveries are accepted, and returns how long that took.
func (l *load) accepts(t *testing.T) time.Duration {
	t.Helper()
	l.mu.Lock()
	before := l.acked
	l.mu.Unlock()
	began := time.Now()
	for time.Since(began) < 30*time.Second {
		l.mu.Lock()
		acked := l.acked
		l.mu.Unlock()
		if acked > before+10 {
			return time.Since(began)
		}
		time.Sleep(10 * time.Millisecond)
	}
	text := l.shop.log.String()
	require.Fail(t, "it does not recover by itself", text[max(0, len(text)-2000):])
	return 0
}

// finish ends the load, delivers everything that was not accepted, and asserts
// that nothing was lost or done twice.
func (l *load) finish(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	for end := time.Now().Add(30 * time.Second); l.deliver(t, false) && time.Now().Before(end); {
	}
	require.Empty(t, l.pending)
	l.p.once(t, l.made)
	require.Equal(t, l.made, l.acked)
	l.p.keepsWrites(t)
}

// ownServer starts a server that the test may kill, and returns it with a
// database on it.
func (d database) ownServer(t *testing.T, folder string, settings ...string) (*testserver.Server, database) {
	t.Helper()
	var s *testserver.Server
	if d.dialect == sqlstore.PostgreSQL {
		s = testserver.Own(t, testserver.NewPostgres, folder, settings...)
		d.dsn = func(t testing.TB) string { return postgresOn(t, s.DSN) }
	} else {
		s = testserver.Own(t, testserver.NewMariaDB, folder, settings...)
		d.dsn = func(t testing.TB) string { return mariaOn(t, s.DSN) }
	}
	return s, d
}

func TestServerFaults(t *testing.T) {
	replace(t, sqlstore.ReleasePatience, time.Second)
	few := map[string]string{"PostgreSQL": "max_connections=60", "MariaDB": "--max-connections=60"}
	for _, d := range databases[1:] {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s, d := d.ownServer(t, "", few[d.name])
			p := d.place(t)
			l := p.load(t)
			start := func(t *testing.T) { require.NoError(t, s.Start()) }
			t.Run("killed", func(t *testing.T) { l.during(t, func(*testing.T) { s.Kill() }, start) })
			t.Run("paused", func(t *testing.T) {
				l.during(t, func(*testing.T) { s.Pause() }, func(*testing.T) { s.Continue() })
			})
			t.Run("restarted", func(t *testing.T) {
				l.accepts(t)
				require.NoError(t, s.Restart())
				l.accepts(t)
			})
			t.Run("no connection left", func(t *testing.T) {
				var hog *sql.DB
				stop := make(chan struct{})
				var hogs sync.WaitGroup
				var refused atomic.Int64 // attempts to connect, in a row
				letGo := sync.OnceFunc(func() {
					close(stop)
					hogs.Wait()
					_ = hog.Close()
				})
				l.during(t, func(t *testing.T) {
					var err error
					hog, err = sql.Open(d.driver, p.dsn)
					require.NoError(t, err)
					t.Cleanup(letGo)
					for range 8 {
						hogs.Go(func() {
							for {
								select {
								case <-stop:
									return
								case <-time.After(time.Millisecond):
									if conn, err := hog.Conn(context.Background()); err == nil {
										refused.Store(0)
										defer conn.Close()
									} else {
										refused.Add(1)
									}
								}
							}
						})
					}
					times := 0
					require.Eventually(t, func() bool {
						p.db.SetMaxIdleConns(0) // so that another client takes each connection that the load gives back
						p.db.SetMaxIdleConns(32)
						times++
						return times > 200 && refused.Load() > 100
					}, time.Minute, 5*time.Millisecond, "connections are left")
				}, func(*testing.T) { letGo() })
			})
			l.finish(t)
		})
	}
}

// On a full disk the store returns an error and loses nothing that was
// acknowledged. The store works again once there is room.
func TestDiskFull(t *testing.T) {
	replace(t, sqlstore.ReleasePatience, time.Second)
	each(t, func(t *testing.T, d database) {
		t.Parallel()
		var s *testserver.Server
		var folder string
		switch d.dialect {
		case sqlstore.SQLite:
			folder = testserver.Tmpfs(t, 8)
			d.dsn = func(testing.TB) string { return sqliteDSN(filepath.Join(folder, "once.db")) }
		case sqlstore.PostgreSQL:
			folder = testserver.Tmpfs(t, 200)
			s, d = d.ownServer(t, folder, "max_wal_size=32MB", "min_wal_size=32MB")
		default:
			folder = testserver.Tmpfs(t, 400)
			s, d = d.ownServer(t, folder)
		}
		p := d.place(t)
		receiver := p.shop(t, sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
			for range 50 { // so that the disk fills up soon
				if _, err := tx.ExecContext(ctx, p.dialect.Rebind(`INSERT INTO notes VALUES (?)`), make([]byte, 4000)); err != nil {
					return err
				}
			}
			return p.settle(ctx, tx, ev.OrderID)
		}), func(c *middleware.PayatomConfig) { c.Deadline, c.Lease = 2*time.Second, 2500*time.Millisecond })
		p.exec(t, `CREATE TABLE notes (note `+d.dialect.Binary(4000)+`)`)
		require.True(t, receiver.receive(t, "ORD-0"))

		ballast := filepath.Join(folder, "ballast")
		fill(t, ballast)
		made, acked, pending := 1, 1, []string(nil)
		for len(pending) < 3 && made < 500 {
			order := fmt.Sprint("ORD-", made)
			made++
			began := time.Now()
			if receiver.receive(t, order) {
				acked++
			} else {
				pending = append(pending, order)
				t.Log(receiver.last(t).Err)
			}
			require.Less(t, time.Since(began), 2*time.Second+givingUp+slack)
		}
		require.Len(t, pending, 3, "the disk was full")
		if d.dialect == sqlstore.SQLite {
			_, err := p.store.Bind(t.Context(), "a", "f")
			clear(t, err, "the server's disk is full: free some space")
		}
		require.NoError(t, os.Remove(ballast))
		for end := time.Now().Add(30 * time.Second); len(pending) > 0 && time.Now().Before(end); {
			if s != nil && !s.Running() { // a server stops when it can't write its log
				if err := s.Start(); err != nil { // PostgreSQL refuses to while an old process is still ending
					t.Log(err)
				}
			}
			if receiver.receive(t, pending[0]) {
				acked, pending = acked+1, pending[1:]
			} else {
				time.Sleep(50 * time.Millisecond)
			}
		}
		require.Empty(t, pending, "it goes on by itself")
		require.Equal(t, made, acked)
		p.once(t, made)
		p.keepsWrites(t)
	})
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	require.True(t, errors.Is(err, syscall.ENOSPC), "%v", err)
}
