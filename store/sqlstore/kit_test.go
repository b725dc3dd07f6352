package sqlstore_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	golog "log"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/sqlstore"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleName); role != "" {
		os.Exit(play(role))
	}
	flag.Parse()
	*sqlstore.ReleasePatience = 30 * time.Second        // longer than a release is tried, so that it is over before the next claim
	_ = mysql.SetLogger(golog.New(io.Discard, "", 0))   // no messages about connections that tests break
	if flag.Lookup("test.bench").Value.String() == "" { // not for benchmarks, which need a disk
		_ = os.Setenv("TMPDIR", testserver.InMemory())
	}
	code := m.Run()
	testserver.StopAll()
	os.Exit(code)
}

// database is a kind of database that the tests run on, with a name for subtests.
type database struct {
	name    string
	driver  string
	dialect sqlstore.Dialect
	// dsn returns the data source name of a new database.
	dsn func(t testing.TB) string
	// levels are the isolation levels that the database has. hostile are changes
	// to a data source name that alter how the driver or the session works.
	levels  []sql.IsolationLevel
	hostile []string
}

var four = []sql.IsolationLevel{sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable}

var databases = []database{
	{
		"SQLite", "sqlite", sqlstore.SQLite, func(t testing.TB) string { return sqliteDSN(filepath.Join(t.TempDir(), "once.db")) },
		[]sql.IsolationLevel{sql.LevelSerializable},
		[]string{"_txlock=immediate to _txlock=deferred", "journal_mode(WAL) to journal_mode(DELETE)"},
	},
	{
		"PostgreSQL", "pgx", sqlstore.PostgreSQL, postgresDSN, four,
		[]string{
			"&default_query_exec_mode=simple_protocol", "&default_query_exec_mode=exec", "&default_query_exec_mode=cache_describe",
			"&default_transaction_isolation=serializable", "&default_transaction_isolation=repeatable%20read", "&timezone=America/New_York",
		},
	},
	{
		"MariaDB", "mysql", sqlstore.MySQL, mariaDSN, four,
		[]string{
			"&clientFoundRows=true", "&interpolateParams=true", "&multiStatements=true", "&clientFoundRows=true&interpolateParams=true&multiStatements=true",
			"&tx_isolation='SERIALIZABLE'", "&tx_isolation='READ-UNCOMMITTED'", "&parseTime=true&loc=America%2FNew_York&time_zone='-05:00'", "&sql_mode=''",
		},
	},
}

func sqliteDSN(path string) string {
	return "file:" + path + "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
}

var made atomic.Int64

// fresh runs the statement, CREATE SCHEMA or CREATE DATABASE, with a new name, and
// returns the name.
func fresh(t testing.TB, driver, dsn, statement string) string {
	t.Helper()
	name := fmt.Sprintf("t%d_%d", os.Getpid(), made.Add(1))
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement + name)
	require.NoError(t, err)
	return name
}

// postgresOn returns the data source name of a new schema on a server, and mariaOn
// that of a new database.
func postgresOn(t testing.TB, dsn string) string {
	return dsn + "&search_path=" + fresh(t, "pgx", dsn, "CREATE SCHEMA ")
}

func mariaOn(t testing.TB, dsn string) string {
	base, query, _ := strings.Cut(dsn, "?")
	return base[:strings.LastIndexByte(base, '/')+1] + fresh(t, "mysql", dsn, "CREATE DATABASE ") + "?" + query
}

func postgresDSN(t testing.TB) string { return postgresOn(t, testserver.Postgres(t).DSN) }
func mariaDSN(t testing.TB) string    { return mariaOn(t, testserver.MariaDB(t).DSN) }

// with returns a data source name with one change applied.
func with(dsn, change string) string {
	if before, after, ok := strings.Cut(change, " to "); ok {
		i := strings.LastIndex(dsn, before)
		return dsn[:i] + after + dsn[i+len(before):]
	}
	return dsn + change
}

// each runs a test over all databases.
func each(t *testing.T, run func(t *testing.T, d database)) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) { run(t, d) })
	}
}

// open returns a pool on a data source. The pool is closed after the test.
func (d database) open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	if d.dialect == sqlstore.SQLite {
		db.SetMaxOpenConns(8)
	} else {
		db.SetMaxOpenConns(32)
		db.SetMaxIdleConns(32)
	}
	return db
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

// place is a new database with a store and a table for the merchant's function.
// The table has no unique column, so a second write shows as a second row.
type place struct {
	database
	dsn   string
	db    *sql.DB
	store *sqlstore.Store
	log   *log
}

const effects = `CREATE TABLE effects (id VARCHAR(100) NOT NULL, part INTEGER NOT NULL)`

func (d database) place(t testing.TB, change ...func(*sqlstore.Config)) *place {
	t.Helper()
	return d.placeAt(t, d.dsn(t), change...)
}

func (d database) placeAt(t testing.TB, dsn string, change ...func(*sqlstore.Config)) *place {
	t.Helper()
	p := &place{database: d, dsn: dsn, log: &log{}}
	p.db = d.open(t, dsn)
	p.exec(t, effects)
	cfg := sqlstore.Config{DB: p.db, Dialect: d.dialect, Logger: p.log.logger()}
	for _, c := range change {
		c(&cfg)
	}
	require.NoError(t, sqlstore.Migrate(context.Background(), cfg))
	var err error
	p.store, err = sqlstore.Open(context.Background(), cfg)
	require.NoError(t, err)
	return p
}

func (p *place) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := p.db.Exec(p.dialect.Rebind(statement), args...)
	require.NoError(t, err)
}

// settle is a merchant's function that keeps the rules of InTx.
func (p *place) settle(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, p.dialect.Rebind(`INSERT INTO effects (id, part) VALUES (?, 1)`), id)
	return err
}

// count returns how often an event's effect is in the table, as other connections
// see it.
func (p *place) count(t testing.TB, id string) (n int) {
	t.Helper()
	other := p.open(t, p.dsn)
	defer other.Close()
	require.NoError(t, other.QueryRow(p.dialect.Rebind(`SELECT COUNT(*) FROM effects WHERE id = ?`), id).Scan(&n))
	return n
}

// once asserts that this many events have had an effect, each exactly once.
func (p *place) once(t testing.TB, events int) {
	t.Helper()
	var rows, distinct int
	require.NoError(t, p.db.QueryRow(`SELECT COUNT(*), COUNT(DISTINCT id) FROM effects`).Scan(&rows, &distinct))
	require.Equal(t, [2]int{events, events}, [2]int{rows, distinct}, "effects, and different ones among them")
}

// held stands in for a receiver's payack.Held.
type held struct {
	store     payack.Store
	claims    []payack.HeldClaim
	committed bool
}

func (h *held) Store() payack.Store        { return h.store }
func (h *held) Claims() []payack.HeldClaim { return h.claims }
func (h *held) Committed()                 { h.committed = true }

// nothing is an event for functions that don't read it.
var nothing = &payack.PayatomEvent{}

// bounded returns the test's context with a deadline far away. Without a deadline,
// InTx ends a transaction within a second, which a busy machine may exceed.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// replace changes a variable until the test ends. No other test may run beside it.
func replace[T any](t testing.TB, variable *T, value T) {
	old := *variable
	t.Cleanup(func() { *variable = old })
	*variable = value
}

// deliver claims an event, calls fn, and commits or releases, as a receiver does.
func (p *place) deliver(ctx context.Context, id string, fn func(context.Context, *sql.Tx) error) (payack.ClaimState, error) {
	claim, err := p.store.Claim(ctx, id, "f", time.Minute)
	if err != nil || claim.State != payack.ClaimGranted {
		return claim.State, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // without one, InTx allows only a second for the commit
	defer cancel()
	h := &held{store: p.store, claims: []payack.HeldClaim{{ID: id, Fingerprint: "f", Token: claim.Token}}}
	run := sqlstore.InTx(func(ctx context.Context, tx *sql.Tx, _ *payack.PayatomEvent) error { return fn(ctx, tx) })
	err = run(payack.WithHeld(ctx, h), nothing)
	if !h.committed {
		if releaseErr := p.store.Release(ctx, id, claim.Token); releaseErr != nil && err == nil {
			err = releaseErr
		}
	}
	return claim.State, err
}

// together calls f in n concurrent goroutines.
func together(n int, f func(i int)) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// shop is a merchant's server. Its receiver of Payatom's webhooks has an Expect,
// so it binds hashes to orders.
type shop struct {
	*middleware.Handler
	mu   sync.Mutex
	seen []payack.Observation
	log  log
}

var payatomKeys = payacktest.NewPayatomKeys()

func (p *place) shop(t testing.TB, fn sqlstore.TxFunc[*payack.PayatomEvent], change ...func(*middleware.PayatomConfig)) *shop {
	t.Helper()
	s := &shop{}
	c := middleware.PayatomConfig{
		SecretKeys: []payack.Secret{payatomKeys.SecretKey},
		Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
		},
		Options: middleware.Options{Store: p.store, Logger: s.log.logger(), Observer: s},
	}
	for _, ch := range change {
		ch(&c)
	}
	h, err := handlers.NewPayatom(c, fn)
	require.NoError(t, err)
	s.Handler = h
	return s
}

// Observe implements payack.Observer.
func (s *shop) Observe(_ context.Context, o *payack.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, *o)
}

func (s *shop) last(t testing.TB) payack.Observation {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.seen)
	return s.seen[len(s.seen)-1]
}

// webhook returns the paid webhook of an order.
func webhook(t testing.TB, order string) payacktest.Callback {
	return payacktest.Payatom(payatomKeys).Order(order).Callback(t)
}

// receive delivers an order's webhook, and returns whether it was accepted.
func (s *shop) receive(t testing.TB, order string) bool {
	t.Helper()
	return accepted(t, webhook(t, order).Deliver(s))
}

func accepted(t testing.TB, res *http.Response) bool {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	_ = res.Body.Close()
	return strings.Contains(string(body), `"acknowledge":"yes"`)
}
