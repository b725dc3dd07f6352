package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/internal/crashtest"
	"github.com/payack/payack/inbox/sqlite"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/payacktest"
)

func TestMain(m *testing.M) {
	if role := crashtest.Role(); len(role) > 0 {
		os.Exit(play(role))
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue { // tests mostly wait, so more can run at once
		_ = f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
	}
	code := m.Run()
	testserver.StopAll()
	os.Exit(code)
}

// database is one of the three kinds of databases, with a name for subtests.
type database struct {
	name    string
	driver  string
	dialect inbox.Dialect
	// dsn returns the data source name of a new database; SQLite's is a path.
	dsn func(t testing.TB) string
}

var databases = []database{
	{"SQLite", "sqlite", sqlite.Dialect, func(t testing.TB) string { return filepath.Join(t.TempDir(), "payack.db") }},
	{"PostgreSQL", "pgx", inbox.PostgreSQL, func(t testing.TB) string { return fresh(t, "pgx", testserver.Postgres(t).DSN) }},
	{"MariaDB", "mysql", inbox.MySQL, func(t testing.TB) string { return fresh(t, "mysql", testserver.MariaDB(t).DSN) }},
}

var made atomic.Int64

// fresh makes an empty database on a server and returns its data source name. On
// PostgreSQL it makes a schema, which is faster.
func fresh(t testing.TB, driver, dsn string) string {
	t.Helper()
	name := fmt.Sprintf("t%d_%d", os.Getpid(), made.Add(1))
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()
	if driver == "pgx" {
		_, err = db.Exec("CREATE SCHEMA " + name)
		require.NoError(t, err)
		return dsn + "&search_path=" + name
	}
	_, err = db.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	base, query, more := strings.Cut(dsn, "?")
	base = base[:strings.LastIndexByte(base, '/')+1] + name
	if more {
		base += "?" + query
	}
	return base
}

// each runs a test over all databases.
func each(t *testing.T, run func(t *testing.T, d database)) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			run(t, d)
		})
	}
}

// pool returns a pool on a data source. The end of the test closes it.
func (d database) pool(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := connect(d.driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func connect(driver, dsn string) (*sql.DB, error) {
	if driver == "sqlite" {
		return sqlite.OpenFile(dsn)
	}
	db, err := sql.Open(driver, dsn)
	if err == nil {
		db.SetMaxOpenConns(40)
		db.SetMaxIdleConns(40)
	}
	return db, err
}

// log keeps what is logged.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// quick is a configuration with short waits.
func (d database) quick(db *sql.DB, l *log) inbox.Config {
	return inbox.Config{
		DB: db, Dialect: d.dialect, Logger: l.logger(),
		RetryFirst: 10 * time.Millisecond, RetryMax: 50 * time.Millisecond, Revive: time.Millisecond,
		Poll: 20 * time.Millisecond,
	}
}

// shop is a merchant with an inbox and a receiver of each provider.
type shop struct {
	t    testing.TB
	db   *sql.DB
	in   *inbox.Inbox
	log  *log
	d    database
	dsn  string
	pts  http.Handler
	ptop http.Handler
	atom http.Handler

	mu sync.Mutex
	// settle is the merchant's function; a nil settle succeeds.
	settle func(ctx context.Context, ev payack.Event) error
	// confirm answers for Payatom's gateway, which is asked by ref_code; a nil
	// confirm confirms.
	confirm func(ref string) error
	settled []string
	asked   []string
	seen    []payack.Observation
}

var errShop = errors.New("the shop's own error")

func open(t testing.TB, d database, change ...func(*inbox.Config)) *shop {
	t.Helper()
	return d.openAt(t, d.dsn(t), change...)
}

func (d database) openAt(t testing.TB, dsn string, change ...func(*inbox.Config)) *shop {
	t.Helper()
	s := &shop{t: t, d: d, dsn: dsn, db: d.pool(t, dsn), log: &log{}}
	cfg := d.quick(s.db, s.log)
	for _, c := range change {
		c(&cfg)
	}
	var err error
	s.in, err = inbox.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { s.in.Close() })
	return s
}

func (s *shop) options(name string) handlers.Options {
	return handlers.Options{Inbox: s.in, Name: name, Logger: s.log.logger(), Observer: s}
}

// mount mounts all receivers.
func (s *shop) mount(change ...func(*handlers.Options)) *shop {
	s.t.Helper()
	with := func(name string) handlers.Options {
		o := s.options(name)
		for _, c := range change {
			c(&o)
		}
		return o
	}
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = with("pts")
	h, err := handlers.NewPTS(pts, func(ctx context.Context, ev *payack.PTSEvent) error { return s.call(ctx, ev) })
	require.NoError(s.t, err)
	s.pts = h
	ptop := payacktest.NewPtopKeys().Config()
	ptop.Options = with("ptop")
	h, err = handlers.NewPtop(ptop, func(ctx context.Context, ev *payack.PtopEvent) error { return s.call(ctx, ev) })
	require.NoError(s.t, err)
	s.ptop = h
	return s.mountAtom(change...)
}

// mountAtom mounts Payatom's receiver alone.
func (s *shop) mountAtom(change ...func(*handlers.Options)) *shop {
	s.t.Helper()
	atom := payacktest.NewPayatomKeys().Config()
	atom.ExpectInCallback = false
	atom.Confirm = s.ask
	atom.Options = s.options("payatom")
	for _, c := range change {
		c(&atom.Options)
	}
	h, err := handlers.NewPayatom(atom, func(ctx context.Context, ev *payack.PayatomEvent) error { return s.call(ctx, ev) })
	require.NoError(s.t, err)
	s.atom = h
	return s
}

func (s *shop) call(ctx context.Context, ev payack.Event) error {
	s.mu.Lock()
	fn := s.settle
	s.mu.Unlock()
	if fn != nil {
		if err := fn(ctx, ev); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = append(s.settled, ev.ID())
	return nil
}

func (s *shop) ask(_ context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := ev.Unsigned.RefCode.String()
	s.asked = append(s.asked, ref)
	if s.confirm != nil {
		if err := s.confirm(ref); err != nil {
			return nil, err
		}
	}
	return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
}

// says sets the function and the gateway's answer.
func (s *shop) says(settle func(ctx context.Context, ev payack.Event) error, confirm func(ref string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle, s.confirm = settle, confirm
}

func (s *shop) Observe(_ context.Context, o *payack.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, *o)
}

// attempts returns the observed attempts.
func (s *shop) attempts() (out []payack.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.seen {
		if o.Attempt > 0 {
			out = append(out, o)
		}
	}
	return out
}

func (s *shop) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.settled...)
}

// last returns the last observed request.
func (s *shop) last() payack.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.seen) - 1; i >= 0; i-- {
		if s.seen[i].Attempt == 0 {
			return s.seen[i]
		}
	}
	return payack.Observation{}
}

// send delivers a callback from a client address.
func send(h http.Handler, cb payacktest.Callback, from string) *http.Response {
	r := cb.Request("/callback")
	r.RemoteAddr = from + ":1234"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// kept asserts that a callback is acknowledged.
func (s *shop) kept(p payack.Provider, h http.Handler, cb payacktest.Callback, from ...string) {
	s.t.Helper()
	payacktest.Accepted(s.t, p, send(h, cb, append(from, "192.0.2.1")[0]))
}

func (s *shop) drain() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(s.t, s.in.Drain(ctx), "%s", s.log)
}

// until drains repeatedly until a condition holds.
func (s *shop) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s.drain()
		if ok() {
			return
		}
		if time.Now().After(end) {
			require.FailNow(s.t, "it did not come to this: "+what, "%v", s.states())
		}
	}
}

// states returns the states of all rows with their reasons, the oldest first;
// statesOf returns those of one order.
func (s *shop) states() []string { return s.statesOf("") }

func (s *shop) statesOf(order string) (out []string) {
	s.t.Helper()
	items, err := s.in.List(s.t.Context(), inbox.Filter{OrderID: order}, 0, 1000)
	require.NoError(s.t, err)
	for _, i := range items {
		text := string(i.State)
		if i.Reason != "" {
			text += " " + string(i.Reason)
		}
		out = append([]string{text}, out...)
	}
	return out
}

// decade is longer than any wait or lease, in the tables' microseconds.
const decade = int64(10 * 365 * 24 * time.Hour / time.Microsecond)

func (s *shop) items() []inbox.Item {
	s.t.Helper()
	items, err := s.in.List(s.t.Context(), inbox.Filter{}, 0, 1000)
	require.NoError(s.t, err)
	return items
}

// exec runs a statement that all dialects share.
func (s *shop) exec(query string) {
	s.t.Helper()
	_, err := s.db.Exec(query)
	require.NoError(s.t, err)
}

func atomCallback(t testing.TB, order, ref string) payacktest.Callback {
	return payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Set("ref_code", ref).Callback(t)
}

func ptsCallback(t testing.TB, order string, status payack.PTSStatus, more ...string) payacktest.Callback {
	b := payacktest.PTS(payacktest.NewPTSKeys()).Order(order).Status(status)
	for i := 0; i+1 < len(more); i += 2 {
		b = b.Set(more[i], more[i+1])
	}
	return b.Callback(t)
}

var quiet = slog.New(slog.DiscardHandler)
