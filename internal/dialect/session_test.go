package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// server is a fake database that records its statements.
type server struct {
	mu   sync.Mutex
	sent []string
	// fails has, for each statement, the results of its executions in order.
	// nil is success.
	fails map[string][]error
	// lock is what GET_LOCK returns.
	lock driver.Value
}

func (s *server) note(query string, args []driver.NamedValue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := query
	for _, a := range args {
		line += fmt.Sprintf(" [%v]", a.Value)
	}
	s.sent = append(s.sent, line)
	if errs := s.fails[query]; len(errs) > 0 {
		s.fails[query] = errs[1:]
		return errs[0]
	}
	return nil
}

// took returns the statements that were sent since the last call of took.
func (s *server) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

func (s *server) Connect(context.Context) (driver.Conn, error) { return &session{s}, nil }
func (s *server) Driver() driver.Driver                        { return nil }

// session is a connection to the server.
type session struct{ *server }

func (s *session) Prepare(string) (driver.Stmt, error) { return nil, errors.New("nothing is prepared") }
func (s *session) Begin() (driver.Tx, error)           { return nil, errors.New("use BeginTx") }
func (s *session) Close() error                        { return s.note("(closed)", nil) }
func (s *session) Commit() error                       { return s.note("(commit)", nil) }
func (s *session) Rollback() error                     { return s.note("(rollback)", nil) }

func (s *session) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return s, s.note("(begin)", nil)
}

func (s *session) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, s.note(query, args)
}

func (s *session) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return &oneRow{value: s.lock}, s.note(query, args)
}

type oneRow struct {
	value driver.Value
	read  bool
}

func (r *oneRow) Columns() []string { return []string{"lock"} }
func (r *oneRow) Close() error      { return nil }
func (r *oneRow) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, dest[0] = true, r.value
	return nil
}

// connect returns a pinned connection to a server.
func connect(t *testing.T, s *server) *sql.Conn {
	t.Helper()
	db := sql.OpenDB(s)
	conn, err := db.Conn(context.Background())
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		require.NoError(t, db.Close())
	})
	return conn
}

var (
	errServer = errors.New("the server's error")
	errFunc   = errors.New("the function's error")
)

func TestBound(t *testing.T) {
	s := &server{}
	conn, ctx := connect(t, s), t.Context()
	q := MySQL.Bound(conn)
	_, err := q.ExecContext(ctx, `DELETE FROM t WHERE k = ?`, []byte("k"))
	require.NoError(t, err)
	rows, err := q.QueryContext(ctx, `SELECT ?`, "'")
	require.NoError(t, err)
	require.NoError(t, rows.Close())
	var none any
	require.NoError(t, q.QueryRowContext(ctx, `SELECT ?`, 1).Scan(&none))
	require.Equal(t, []string{`DELETE FROM t WHERE k = x'6b'`, `SELECT _utf8mb4 x'27'`, `SELECT 1`}, s.took())

	require.Equal(t, Querier(conn), PostgreSQL.Bound(conn))
	require.Equal(t, Querier(conn), SQLite.Bound(conn))
}

func TestExclusively(t *testing.T) {
	const (
		xact    = `SELECT pg_advisory_xact_lock($1)`
		noted   = xact + " [1328982651457720158]" // FNV-1a of the name
		get     = `SELECT GET_LOCK(?, 50)`
		release = `DO RELEASE_LOCK(?)`
		begin   = `BEGIN IMMEDIATE`
		work    = `CREATE TABLE t`
	)
	free := driver.Value(int64(1))
	for _, tc := range []struct {
		name  string
		d     Dialect
		lock  driver.Value
		fails map[string][]error
		fn    error // the function's error
		sent  []string
		is    error
		says  string
	}{
		{name: "PostgreSQL", d: PostgreSQL, sent: []string{"(begin)", noted, work, "(commit)"}},
		{name: "PostgreSQL, function fails", d: PostgreSQL, fn: errFunc, sent: []string{"(begin)", noted, work, "(rollback)"}, is: errFunc},
		{name: "PostgreSQL, begin fails", d: PostgreSQL, fails: map[string][]error{"(begin)": {errServer}}, sent: []string{"(begin)"}, is: errServer},
		{name: "PostgreSQL, lock fails", d: PostgreSQL, fails: map[string][]error{xact: {errServer}}, sent: []string{"(begin)", noted, "(rollback)"}, is: errServer},
		{name: "PostgreSQL, commit fails", d: PostgreSQL, fails: map[string][]error{"(commit)": {errServer}}, sent: []string{"(begin)", noted, work, "(commit)"}, is: errServer},

		{name: "MySQL", d: MySQL, lock: free, sent: []string{get + " [payack]", work, release + " [payack]"}},
		{name: "MySQL, function fails", d: MySQL, lock: free, fn: errFunc, sent: []string{get + " [payack]", work, release + " [payack]"}, is: errFunc},
		{name: "MySQL, lock is taken", d: MySQL, lock: int64(0), sent: []string{get + " [payack]"}, says: "the lock payack was not free within 50 seconds"},
		{name: "MySQL, lock is null", d: MySQL, sent: []string{get + " [payack]"}, says: "was not free"},
		{name: "MySQL, lock fails", d: MySQL, fails: map[string][]error{get: {errServer}}, sent: []string{get + " [payack]"}, is: errServer},
		// A session that could not release its lock is closed.
		{name: "MySQL, release fails", d: MySQL, lock: free, fails: map[string][]error{release: {errServer}}, sent: []string{get + " [payack]", work, release + " [payack]", "(closed)"}},

		{name: "SQLite", d: SQLite, sent: []string{begin, work, "COMMIT"}},
		{name: "SQLite, busy twice", d: SQLite, fails: map[string][]error{begin: {codeError(5), codeError(517)}}, sent: []string{begin, begin, begin, work, "COMMIT"}},
		{name: "SQLite, begin fails", d: SQLite, fails: map[string][]error{begin: {errServer}}, sent: []string{begin}, is: errServer},
		{name: "SQLite, function fails", d: SQLite, fn: errFunc, sent: []string{begin, work, "ROLLBACK"}, is: errFunc},
		{name: "SQLite, commit fails", d: SQLite, fails: map[string][]error{"COMMIT": {errServer}}, sent: []string{begin, work, "COMMIT", "(closed)"}, is: errServer},
		{name: "SQLite, rollback fails", d: SQLite, fn: errFunc, fails: map[string][]error{"ROLLBACK": {errServer}}, sent: []string{begin, work, "ROLLBACK", "(closed)"}, is: errFunc},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{fails: tc.fails, lock: tc.lock}
			conn := connect(t, s)
			called := 0
			err := Exclusively(context.Background(), conn, tc.d, "payack", func(q Querier) error {
				called++
				_, err := q.ExecContext(context.Background(), work)
				require.NoError(t, err)
				return tc.fn
			})
			if tc.says != "" {
				assert.ErrorContains(t, err, tc.says)
			} else {
				assert.ErrorIs(t, err, tc.is)
			}
			assert.Equal(t, tc.sent, s.took())
			assert.Equal(t, slices.Contains(tc.sent, work), called == 1)
			assert.LessOrEqual(t, called, 1)
		})
	}
}

// Waiting for SQLite's write lock ends with the context.
func TestExclusivelyStopsWaiting(t *testing.T) {
	busy := make([]error, 10_000)
	for i := range busy {
		busy[i] = codeError(5)
	}
	s := &server{fails: map[string][]error{`BEGIN IMMEDIATE`: busy}}
	conn := connect(t, s)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	err := Exclusively(ctx, conn, SQLite, "payack", func(Querier) error {
		t.Error("it was called without the right to write")
		return nil
	})
	assert.Error(t, err)
	assert.Error(t, ctx.Err())
}

func TestPrepareAndRestore(t *testing.T) {
	const off, on = `SET autocommit=0`, `SET autocommit=1`
	for _, tc := range []struct {
		name     string
		d        Dialect
		ended    bool
		fails    string
		prepared []string
		restored []string
		kept     bool // the pool keeps the connection
	}{
		{name: "MySQL", d: MySQL, ended: true, prepared: []string{off}, restored: []string{on}, kept: true},
		{name: "MySQL, not ended", d: MySQL, prepared: []string{off}, restored: []string{"(closed)"}},
		{name: "MySQL, autocommit stays off", d: MySQL, ended: true, fails: on, prepared: []string{off}, restored: []string{on, "(closed)"}},
		{name: "PostgreSQL", d: PostgreSQL, ended: true, kept: true},
		{name: "PostgreSQL, not ended", d: PostgreSQL, restored: []string{"(closed)"}},
		{name: "SQLite", d: SQLite, ended: true, kept: true},
		{name: "SQLite, not ended", d: SQLite, restored: []string{"ROLLBACK"}, kept: true},
		{name: "SQLite, nothing to roll back", d: SQLite, fails: "ROLLBACK", restored: []string{"ROLLBACK"}, kept: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{fails: map[string][]error{tc.fails: {errServer}}}
			db := sql.OpenDB(s)
			defer db.Close()
			conn, err := db.Conn(context.Background())
			require.NoError(t, err)
			require.NoError(t, Prepare(context.Background(), conn, tc.d))
			assert.Equal(t, tc.prepared, s.took())
			Restore(conn, tc.d, tc.ended)
			assert.Equal(t, tc.restored, s.took())
			assert.ErrorIs(t, conn.PingContext(context.Background()), sql.ErrConnDone, "it was not given back")
			stats := db.Stats()
			assert.Zero(t, stats.InUse)
			assert.Equal(t, tc.kept, stats.Idle == 1)
		})
	}
	s := &server{fails: map[string][]error{off: {errServer}}}
	assert.ErrorIs(t, Prepare(context.Background(), connect(t, s), MySQL), errServer)
}
