package inbox_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/internal/crashtest"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// patience is how long Ptop waits for an answer.
const patience = 10 * time.Second

// served is a running shop on the database of dsn, behind an HTTP server.
func (d database) served(t *testing.T, dsn string) (s *shop, url string) {
	t.Helper()
	s = d.openAt(t, dsn, func(c *inbox.Config) { c.Lease = time.Second })
	crashtest.MakeTables(t, s.db)
	assert.Less(t, middleware.DefaultDeadline, patience)
	// A slow machine has time left when an answer waited until the deadline.
	sooner := func(o *handlers.Options) { o.Deadline = 4 * time.Second }
	s.inTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		_, err := tx.ExecContext(ctx, d.dialect.Rebind(`INSERT INTO effects (id) VALUES (?)`), ev.OrderID)
		return err
	}, sooner)
	s.mountAtom(sooner)
	s.says(func(ctx context.Context, ev payack.Event) error {
		_, err := s.db.ExecContext(ctx, d.dialect.Rebind(`INSERT INTO mails (id) VALUES (?)`), ev.Order())
		return err
	}, nil)
	mux := http.NewServeMux()
	mux.Handle("/pts", s.pts)
	mux.Handle("/payatom", s.atom)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.run()
	return s, server.URL
}

// ownServer starts a database server that the test may disturb.
func (d database) ownServer(t *testing.T, folder string, settings ...string) *testserver.Server {
	t.Helper()
	start := testserver.NewPostgres
	if d.dialect == inbox.MySQL {
		start = testserver.NewMariaDB
	}
	return testserver.Own(t, start, folder, settings...)
}

// While the database server is killed, restarted, paused or out of connections,
// only kept events are acknowledged, and answers come in time. Every acknowledged
// event is processed when the database server is back.
func TestServerFaults(t *testing.T) {
	for _, d := range databases[1:] {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && d.dialect == inbox.MySQL {
				t.Skip("one server is enough for a start")
			}
			few := map[inbox.Dialect]string{inbox.PostgreSQL: "max_connections=60", inbox.MySQL: "--max-connections=60"}[d.dialect]
			server := d.ownServer(t, "", few)
			s, url := d.served(t, fresh(t, d.driver, server.DSN))
			l, end := crashtest.Begin(t, url, "C", 4)
			began := time.Now()
			progress := func(what string) {
				t.Helper()
				before := len(l.Acknowledged())
				require.Eventually(t, func() bool { return len(l.Acknowledged()) > before+5 }, 30*time.Second, 10*time.Millisecond, what)
				t.Log(time.Since(began).Round(time.Millisecond), what)
			}
			progress("at first")
			server.Kill()
			time.Sleep(300 * time.Millisecond)
			require.NoError(t, server.Start())
			t.Log(time.Since(began).Round(time.Millisecond), "restarted")
			progress("after a kill")
			require.NoError(t, server.Restart())
			progress("after a restart in order")
			server.Pause()
			time.Sleep(map[bool]time.Duration{true: 2 * time.Second, false: 11 * time.Second}[testing.Short()])
			server.Continue()
			progress("after a pause")
			hogs := hog(t, d.driver, server.DSN)
			time.Sleep(500 * time.Millisecond)
			t.Log(time.Since(began).Round(time.Millisecond), "no connection left")
			for _, h := range hogs {
				h.Close()
			}
			progress("after there was no connection left")
			end()
			crashtest.SettledAll(t, s.db, l, 90*time.Second)
			assert.Less(t, l.Slowest(), patience)
			if t.Failed() {
				s.tell(l)
			}
		})
	}
}

// tell logs the state of each acknowledged event that is not done.
func (s *shop) tell(l *crashtest.Load) {
	for _, order := range l.Acknowledged() {
		items, err := s.in.List(s.t.Context(), inbox.Filter{OrderID: order}, 0, 0)
		require.NoError(s.t, err)
		for _, i := range items {
			if record, err := s.in.Get(s.t.Context(), i.ID); i.State != inbox.Done {
				s.t.Logf("%+v %v", record.Log, err)
				s.t.Logf("%+v", i)
			}
		}
		if len(items) == 0 {
			s.t.Log(order, "has no row")
		}
	}
	var n int
	_ = s.db.QueryRow(`SELECT COUNT(*) FROM payack_running`).Scan(&n)
	s.t.Log("running:", n)
}

// hog takes all connections that a server has left.
func hog(t *testing.T, driver, dsn string) (out []*sql.DB) {
	t.Helper()
	for range 400 {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		db.SetMaxOpenConns(1)
		if db.Ping() != nil {
			db.Close()
			break
		}
		out = append(out, db)
	}
	t.Logf("%d connections taken", len(out))
	return out
}

// fill fills a file system, and returns a function that frees the space again.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	_ = f.Close()
	return func() { _ = os.Remove(path) }
}

// On a full disk the provider is asked to deliver again. Every acknowledged event
// is processed once there is room.
func TestFullDisk(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		if testing.Short() && d.dialect != inbox.SQLite {
			t.Skip("it starts a server")
		}
		var dsn, dir string
		var server *testserver.Server
		switch d.dialect {
		case inbox.SQLite:
			dir = testserver.Tmpfs(t, 8)
			dsn = filepath.Join(dir, "payack.db")
		default:
			dir = testserver.Tmpfs(t, 400)
			server = d.ownServer(t, dir)
			dsn = fresh(t, d.driver, server.DSN)
		}
		s, url := d.served(t, dsn)
		l, end := crashtest.Begin(t, url, "C", 2)
		time.Sleep(300 * time.Millisecond)
		empty := fill(t, dir)
		// A large body no longer fits, even if a small one still does.
		refused := false
		for n := 0; n < 400 && !refused; n++ {
			cb := payacktest.PTS(payacktest.NewPTSKeys()).Order(fmt.Sprint("BIG-", n)).Set("error_message", string(make([]byte, 8000))).Callback(t)
			began := time.Now()
			res, err := cb.Post(t.Context(), nil, url+"/pts")
			require.NoError(t, err)
			assert.Less(t, time.Since(began), patience)
			var body [100]byte
			k, _ := res.Body.Read(body[:])
			refused = string(body[:k]) != "SUCCESS"
			if !refused {
				l.Acknowledge(fmt.Sprint("BIG-", n))
			}
		}
		if d.dialect != inbox.MySQL { // MariaDB may still keep receipts, in free space of its files
			assert.True(t, refused, "the disk was not full")
		}
		time.Sleep(500 * time.Millisecond)
		empty()
		if server != nil {
			server.Kill()
			// PostgreSQL may have ended by itself, because it could not write its log.
			// It refuses to start while one of its old processes is still ending.
			require.Eventually(t, func() bool { return server.Start() == nil }, time.Minute, 250*time.Millisecond)
		}
		before := len(s.calls())
		require.Eventually(t, func() bool { return len(s.calls()) > before }, 60*time.Second, 20*time.Millisecond)
		end()
		crashtest.SettledAll(t, s.db, l, time.Minute)
		assert.Less(t, l.Slowest(), patience)
	})
}

// While the SQLite file is locked for a second, answers come in time. Every
// acknowledged event is processed afterwards.
func TestLockedFile(t *testing.T) {
	d := databases[0]
	s, url := d.served(t, d.dsn(t))
	l, end := crashtest.Begin(t, url, "C", 2)
	time.Sleep(100 * time.Millisecond)
	tx, err := s.db.Begin()
	require.NoError(t, err)
	time.Sleep(time.Second)
	require.NoError(t, tx.Rollback())
	time.Sleep(300 * time.Millisecond)
	end()
	crashtest.SettledAll(t, s.db, l, 20*time.Second)
	assert.Less(t, l.Slowest(), patience)
}
