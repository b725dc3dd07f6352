package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// keptConfig returns a configuration with a database and short retries.
func keptConfig(t *testing.T) object {
	return with(testConfig(), object{
		"database": filepath.Join(t.TempDir(), "payack.db"),
		"retry":    object{"first": "20ms", "max": "50ms", "give_up": "72h"},
	})
}

// freshPostgres makes an empty schema on a server, and returns its URL.
func freshPostgres(t *testing.T) string {
	address := testserver.Postgres(t).DSN
	name := fmt.Sprintf("command%d", os.Getpid())
	created(t, address, "CREATE SCHEMA "+name)
	return address + "&search_path=" + name
}

// freshMariaDB makes an empty database on a server, and returns its URL.
func freshMariaDB(t *testing.T) string {
	dsn, err := mysql.ParseDSN(testserver.MariaDB(t).DSN)
	require.NoError(t, err)
	u := url.URL{Scheme: "mysql", User: url.UserPassword(dsn.User, dsn.Passwd), Host: dsn.Addr, Path: "/" + dsn.DBName}
	name := fmt.Sprintf("command%d", os.Getpid())
	created(t, u.String(), "CREATE DATABASE "+name)
	u.Path = "/" + name
	return u.String()
}

func created(t *testing.T, database, statement string) {
	t.Helper()
	db, _, err := openDatabase(database, slog.Default(), true)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(t, err)
}

// both reads two lines in any order: the line of a request and the line of its
// attempt.
func (l *listener) both() (request, attempt logged) {
	l.t.Helper()
	request, attempt = l.line(), l.line()
	if request.Attempt > 0 {
		request, attempt = attempt, request
	}
	require.Zero(l.t, request.Attempt)
	require.False(l.t, request.Dead)
	require.Positive(l.t, attempt.Attempt)
	require.Zero(l.t, attempt.Status, "an attempt answers nobody")
	return request, attempt
}

// Events are acknowledged once they are in the database, and attempts write their
// lines.
func TestKeptEventsAreAcknowledged(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return filepath.Join(t.TempDir(), "payack.db") },
		"PostgreSQL": freshPostgres, "MariaDB": freshMariaDB,
	} {
		t.Run(name, func(t *testing.T) { testKept(t, make(t)) })
	}
}

func testKept(t *testing.T, database string) {
	c := with(keptConfig(t), object{"database": database, "pts.user_id": "77"})
	yes := map[string]string{"ptop": "", "pts": "SUCCESS", "payatom": payatomYes}
	genuine := map[string]payacktest.Callback{}
	l := startListener(t, c)
	for provider, answer := range yes {
		s := testSender(t, c, provider)
		genuine[provider] = built(t, s, tamperNothing)
		resp, body := l.do("POST", "/"+provider, genuine[provider])
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, answer, body)
		request, attempt := l.both()
		require.Equal(t, provider+" accepted", request.verdict())
		require.Equal(t, 200, request.Status)
		require.Equal(t, provider+" accepted", attempt.verdict())
		require.Equal(t, 1, attempt.Attempt)
		require.False(t, attempt.Dead)
		require.Equal(t, request.EventID, attempt.EventID)
		require.NotEmpty(t, attempt.Scheme)
		require.WithinDuration(t, request.Time, attempt.Time, time.Millisecond, "when it was received")

		_, body, line := l.post("/"+provider, genuine[provider])
		require.Equal(t, answer, body)
		require.Equal(t, provider+" duplicate", line.verdict())
		_, _, line = l.post("/"+provider, built(t, s, tamperBody))
		require.Equal(t, provider+" rejected signature", line.verdict())
	}
	_, body := l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperNothing, assignment{"user_id", "1"}))
	require.Equal(t, "SUCCESS", body, "it was kept; that it is invalid is the desk's to say")
	request, attempt := l.both()
	require.Equal(t, "pts accepted", request.verdict())
	require.Equal(t, "pts rejected invalid", attempt.verdict())
	require.True(t, attempt.Dead)
	require.NotEmpty(t, attempt.Detail)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if strings.Contains(database, "://") {
			break
		}
		info, err := os.Stat(database + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
	}
	l.end()
	require.NotContains(t, l.stderr.String(), "memory only")

	l = startListener(t, c)
	for provider, cb := range genuine {
		_, _, line := l.post("/"+provider, cb)
		require.Equal(t, provider+" duplicate", line.verdict(), "it outlives the process")
	}
	l.end()
}

func TestMemoryOnlyWarnsOnce(t *testing.T) {
	l := startListener(t, testConfig())
	l.post("/pts", built(t, testSender(t, testConfig(), "pts"), tamperNothing))
	l.end()
	require.Equal(t, 1, strings.Count(l.stderr.String(), "memory only"), l.stderr.String())
}

// The reader of standard output goes away. Kept events are acknowledged, and
// their lines are written after a restart.
func TestLinesWaitForTheNextStart(t *testing.T) {
	// After such a wait, which is random, the second attempt is hardly ever made before
	// the next process.
	c := with(keptConfig(t), object{"retry.first": "5s", "retry.max": "5s"})
	l := startListener(t, c)
	require.NoError(t, l.pipe.Close())
	for provider, answer := range map[string]string{"ptop": "", "pts": "SUCCESS", "payatom": payatomYes} {
		resp, body := l.do("POST", "/"+provider, built(t, testSender(t, c, provider), tamperNothing))
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, answer, body)
	}
	l.signal(syscall.SIGTERM)
	require.Equal(t, exitDone, l.status(), l.stderr.String())
	require.Equal(t, 1, strings.Count(l.stderr.String(), "standard output can't be written"), l.stderr.String())
	require.Contains(t, l.stderr.String(), "their lines wait for the next start")

	l = startListener(t, c)
	seen := map[string]bool{}
	for range 3 {
		line := l.line()
		require.Equal(t, line.Provider+" accepted", line.verdict())
		require.LessOrEqual(t, line.Attempt, 2)
		seen[line.Provider] = true
	}
	require.Len(t, seen, 3)
	l.end()
}

// The process is killed with SIGKILL after it has acknowledged an event that the
// application has not accepted yet. The next process forwards the event, and the
// callback is a duplicate when it is delivered again.
func TestKilled(t *testing.T) {
	t.Parallel() // waits for a lease to end
	var app applicationOf
	app.serve(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusServiceUnavailable) })
	c := with(keptConfig(t), object{"forward": object{"url": app.url, "secret": testWebhook}})
	l := startListener(t, c)
	cb := built(t, testSender(t, c, "pts"), tamperNothing)
	_, body := l.do("POST", "/pts", cb)
	require.Equal(t, "SUCCESS", body)
	require.Eventually(t, func() bool { return len(app.calls()) > 0 }, testTimeout, time.Millisecond)
	l.signal(syscall.SIGKILL)
	l.status()

	app.answers(func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusNoContent) })
	l = startListener(t, c)
	for {
		if line := l.line(); line.verdict() == "pts accepted" {
			require.Greater(t, line.Attempt, 1)
			break
		}
	}
	_, _, line := l.post("/pts", cb)
	require.Equal(t, "pts duplicate", line.verdict())
	l.end()
}

// If the process crashes in the last attempt of an event, the event is shown as
// dead.
func TestCrashOnTheLastAttempt(t *testing.T) {
	c := with(keptConfig(t), object{"retry": object{"first": "1000h", "max": "1000h"}, "forward": object{"url": "http://127.0.0.1:1", "secret": testWebhook}})
	l := startListener(t, c)
	l.do("POST", "/pts", built(t, testSender(t, c, "pts"), tamperNothing))
	_, attempt := l.both()
	require.Equal(t, "pts failed callback", attempt.verdict())
	l.signal(syscall.SIGKILL)
	l.status()

	db, _, err := openDatabase(c["database"].(string), slog.Default(), false)
	require.NoError(t, err)
	defer db.Close()
	for _, statement := range []string{ // as if retried for days
		`UPDATE payack_inbox SET state = 2, attempts = 10, since_us = 1, started_us = received_us, token = x'00'`,
		`INSERT INTO payack_running (payment, token, lease_us) SELECT payment, token, 1 FROM payack_inbox`,
	} {
		_, err = db.Exec(statement)
		require.NoError(t, err)
	}
	l = startListener(t, c)
	line := l.line()
	require.Equal(t, "pts failed inbox", line.verdict())
	require.Equal(t, 10, line.Attempt)
	require.True(t, line.Dead)
	require.Equal(t, attempt.EventID, line.EventID)
	require.Equal(t, "literal", line.Scheme)
	require.Contains(t, line.Detail, "the process ended")
	l.end()
}

// shaky is a standard output whose first writes by attempts fail.
type shaky struct {
	mu    sync.Mutex
	fails int
	cuts  bool // the last failing write writes half of the line
	out   bytes.Buffer
}

func (s *shaky) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.Contains(b, []byte(`"attempt":`)) || s.fails == 0 {
		return s.out.Write(b)
	}
	if s.fails--; s.fails == 0 && s.cuts {
		n, _ := s.out.Write(b[:len(b)/2])
		return n, errors.New("no space left")
	}
	return 0, errors.New("no space left")
}

func (s *shaky) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// An attempt fails if its line can't be written. Half a line doesn't spoil the
// next line.
func TestLineTriedAgain(t *testing.T) {
	c := parsed(t, keptConfig(t))
	w, log := &shaky{fails: 4, cuts: true}, &buffer{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- listen(ctx, stdio{nil, w, log}, c, nil) }()
	require.Eventually(t, func() bool { return strings.Contains(w.String(), "\n") }, testTimeout, time.Millisecond)
	var first struct{ Listening string }
	require.NoError(t, json.Unmarshal([]byte(w.String()), &first))
	l := &listener{process: &process{t: t}, url: first.Listening}
	l.do("POST", "/pts", built(t, testSender(t, keptConfig(t), "pts"), tamperNothing))
	accepted := func() (n int) {
		for text := range strings.Lines(w.String()) {
			var line logged
			if json.Unmarshal([]byte(text), &line) == nil && line.Attempt > 0 && line.Outcome == "accepted" {
				n++
				require.NotEmpty(t, line.Event)
				require.Greater(t, line.Attempt, 1)
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return accepted() > 0 }, testTimeout, 10*time.Millisecond, log)
	cancel()
	require.NoError(t, <-ended)
	require.Equal(t, 1, accepted(), w)
	require.Equal(t, 1, strings.Count(log.String(), "standard output can't be written"), log.String())
	require.Contains(t, log.String(), "their lines are tried again")
}

// The error about a database that can't be opened names the fix, and shows no
// password.
func TestDatabaseThatCannotBeOpened(t *testing.T) {
	noDatabase := writeFile(t, "order.txt", strings.Repeat("no database. ", 100))
	for name, tt := range map[string]struct{ database, fix string }{
		"no folder":        {"/nonexistent/payack.db", "database: open /nonexistent/payack.db: no such file or directory; give a path that this user may write to"},
		"another file":     {noDatabase, "is no SQLite database"},
		"nobody, postgres": {"postgres://shop:hunter2@127.0.0.1:1/shop?sslmode=disable", "database: "},
		"nobody, mysql":    {"mysql://shop:hunter2@127.0.0.1:1/shop", "database: "},
		"bad option":       {"postgres://shop:hunter2@127.0.0.1:1/shop?sslmode=hunter2", "database: "},
		"bad mysql option": {"mysql://shop:hunter2@127.0.0.1:1/shop?tls=nope", "database: "},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, configFile(t, with(testConfig(), object{"database": tt.database})), tt.fix, "")
		})
	}
}

func TestDatabaseDefaults(t *testing.T) {
	c := parsed(t, with(testConfig(), object{"database": nil}))
	require.Equal(t, "payack.db", *c.Database)
	require.Equal(t, retry{first: 5 * time.Second, max: time.Hour, giveUp: 72 * time.Hour}, *c.Retry)
	require.Nil(t, parsed(t, testConfig()).Retry)
	for _, name := range []string{"postgres://u:p@h/d", "postgresql://h", "postgres:///d?host=/run/postgresql&password=p", "mysql://u:p%40@h:3306/d?tls=true", "a b.db", "/var/lib/payack.db"} {
		require.Equal(t, name, *parsed(t, with(testConfig(), object{"database": name})).Database)
	}
}

// A mysql:// URL with a wrong option is refused. The password in a URL is removed
// from texts, escaped or not.
func TestMySQLURL(t *testing.T) {
	_, err := openMySQL("mysql://shop:p%40ss@db/pay%2Fments?timeout=x", nil)
	require.ErrorContains(t, err, "an option of the URL is wrong")
	c := parsed(t, with(testConfig(), object{"database": "mysql://shop:p%40ss@db/payments"}))
	require.Equal(t, "a *** and ***", c.withoutPassword("a p@ss and p%40ss"))
}

// Two processes of listen share a database. Each process handles the events that
// came to its own path, even after a restart.
func TestSharedDatabase(t *testing.T) {
	shared := filepath.Join(t.TempDir(), "payack.db")
	var payments, withdrawals applicationOf
	down := func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusServiceUnavailable) }
	up := func(http.ResponseWriter, int) {}
	configOf := func(app *applicationOf, changes object) object {
		return with(with(keptConfig(t), object{"database": shared, "forward": object{"url": app.url, "secret": testWebhook}}), changes)
	}
	payments.serve(t, up)
	withdrawals.serve(t, down)
	one := configOf(&payments, object{"pts.path": "/pts"})
	two := configOf(&withdrawals, object{"pts.path": "/withdrawals"})
	first, second := startListener(t, one), startListener(t, two)
	const n = 5
	for i := range n {
		order := assignment{"order_id", fmt.Sprint("W", i)}
		_, body := second.do("POST", "/withdrawals", built(t, testSender(t, two, "pts"), tamperNothing, order))
		require.Equal(t, "SUCCESS", body)
	}
	ids := map[string]bool{}
	for len(ids) < n {
		if line := second.line(); line.Attempt > 0 {
			require.Equal(t, "pts failed callback", line.verdict())
			ids[line.EventID] = true
		}
	}
	second.signal(syscall.SIGTERM)
	require.Equal(t, exitDone, second.status(), second.stderr.String())
	const paid = 2
	for i := range paid { // each receipt triggers a look for due events
		_, body := first.do("POST", "/pts", built(t, testSender(t, one, "pts"), tamperNothing, assignment{"order_id", fmt.Sprint("P", i)}))
		require.Equal(t, "SUCCESS", body)
		_, attempt := first.both()
		require.Equal(t, "pts accepted", attempt.verdict())
		require.False(t, ids[attempt.EventID])
	}
	require.Len(t, payments.calls(), paid)

	withdrawals.answers(up)
	second = startListener(t, two)
	for len(ids) > 0 {
		line := second.line()
		require.Equal(t, "pts accepted", line.verdict())
		delete(ids, line.EventID)
	}
	second.end()
	first.end()
	require.Len(t, payments.calls(), paid)
}

// Receivers have different names in a shared database.
func TestReceiverNames(t *testing.T) {
	withdraw := with(ptsConfirmWith("base_url", "https://pts.example"), object{"withdraw": true})
	for want, changes := range map[string]object{
		"ptop /ptop, pts /pts, payatom /payatom":          {},
		"ptop /ptop, pts /w, payatom /a b":                {"pts.path": "/w", "payatom.path": "/a b"},
		"ptop /ptop, pts /pts withdraw, payatom /payatom": {"pts.confirm": withdraw},
	} {
		var in names
		_, err := newHandler(parsed(t, with(testConfig(), changes)), middleware.Options{Inbox: &in, Logger: slog.New(slog.DiscardHandler)}, nothing, unwrapped)
		require.NoError(t, err)
		require.Equal(t, want, strings.Join(in.mounted, ", "))
	}
	for _, path := range []string{"/" + strings.Repeat("x", 150), "/\u202e"} {
		refused(t, configFile(t, with(testConfig(), object{"pts.path": path})), "pts.path", "printable")
	}
}

// names is an inbox that only records receivers' names.
type names struct {
	payack.Inbox
	mounted []string
}

func (n *names) Home() string { return "" }

func (n *names) Mount(name string, _ payack.Desk) error {
	n.mounted = append(n.mounted, name)
	return nil
}
