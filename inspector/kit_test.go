package inspector_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/sqlite"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/payacktest"
)

const token = "the token of this test"

var quiet = slog.New(slog.DiscardHandler)

// shop is a merchant with receivers and the page.
type shop struct {
	t    testing.TB
	db   *sql.DB
	in   *inbox.Inbox
	page *inspector.Inspector
	pts  http.Handler
	ptop http.Handler
	atom http.Handler
	url  string

	server *httptest.Server

	mu sync.Mutex
	// fails maps orders to the error that the merchant's function returns for them.
	fails map[string]error
}

var errLedger = errors.New("the ledger is locked by the night's closing")

// never is a back-off so long that no event is due again during a test. The wait is
// random, between 0 and the back-off.
const never = 10_000 * time.Hour

// open makes a shop with an inbox in a file, and its page. change may change the
// configuration.
func open(t testing.TB, change ...func(*inspector.Config)) *shop {
	t.Helper()
	db, err := sqlite.OpenFile(filepath.Join(t.TempDir(), "payack.db"))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	in, err := inbox.Open(t.Context(), inbox.Config{DB: db, Dialect: sqlite.Dialect, Logger: quiet, RetryFirst: never, RetryMax: never, Grace: time.Nanosecond})
	require.NoError(t, err)
	t.Cleanup(func() { in.Close() })
	s := &shop{t: t, db: db, in: in}
	s.mount(change...)
	return s
}

// waitsForLocks makes each connection of the pool wait for a locked database for as
// long as a test may take.
func (s *shop) waitsForLocks() {
	for range s.db.Stats().MaxOpenConnections {
		c, err := s.db.Conn(s.t.Context())
		require.NoError(s.t, err)
		defer c.Close() // the next one is another one
		_, err = c.ExecContext(s.t.Context(), `PRAGMA busy_timeout = 240000`)
		require.NoError(s.t, err)
	}
}

// withoutInbox makes a shop without an inbox.
func withoutInbox(t testing.TB, change ...func(*inspector.Config)) *shop {
	t.Helper()
	s := &shop{t: t}
	s.mount(change...)
	return s
}

func (s *shop) mount(change ...func(*inspector.Config)) {
	s.t.Helper()
	s.fails = map[string]error{}
	cfg := inspector.Config{Inbox: s.in, Token: payack.NewSecret(token), ShowBodies: true, Logger: quiet}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	s.page, err = inspector.New(cfg)
	require.NoError(s.t, err)
	o := handlers.Options{Logger: quiet, Observer: s.page}
	if s.in != nil {
		o.Inbox = s.in
	}
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = o
	h, err := handlers.NewPTS(pts, func(_ context.Context, ev *payack.PTSEvent) error { return s.settle(ev.OrderID) })
	require.NoError(s.t, err)
	ptop := payacktest.NewPtopKeys().Config()
	ptop.Options, ptop.Schemes = o, []payack.Scheme{payack.SchemeHeader}
	hp, err := handlers.NewPtop(ptop, func(_ context.Context, ev *payack.PtopEvent) error { return s.settle(ev.OrderID) })
	require.NoError(s.t, err)
	atom := payacktest.NewPayatomKeys().Config()
	atom.Options = o
	ha, err := handlers.NewPayatom(atom, func(_ context.Context, ev *payack.PayatomEvent) error { return s.settle(ev.OrderID) })
	require.NoError(s.t, err)
	s.pts, s.ptop, s.atom = h, hp, ha
	require.NoError(s.t, s.page.Add(h, hp, ha))
	mux := http.NewServeMux()
	prefix := strings.TrimSuffix(cfg.Prefix, "/")
	mux.Handle(prefix+"/", s.page)
	s.serve(mux)
	s.url += prefix
}

// serve starts a server and sets the shop's address to it.
func (s *shop) serve(h http.Handler) {
	server := httptest.NewServer(h)
	s.t.Cleanup(func() {
		server.CloseClientConnections() // streams have no end
		server.Close()
	})
	s.server, s.url = server, server.URL
}

func (s *shop) settle(order string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fails[order]
}

// fail makes the merchant's function return err for an order. A nil err makes the
// function succeed again.
func (s *shop) fail(order string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[order] = err
}

// work processes the events that are due.
func (s *shop) work() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(s.t, s.in.Drain(ctx))
}

// run processes events until the test ends.
func (s *shop) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.in.Run(ctx)
	}()
	s.t.Cleanup(func() { cancel(); <-ended })
}

// post delivers a body that no payacktest builder makes.
func post(h http.Handler, body string) {
	r := httptest.NewRequest("POST", "/callbacks", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(httptest.NewRecorder(), r)
}

func deliver(h http.Handler, cb payacktest.Callback) *http.Response {
	r := cb.Request("/callbacks")
	r.RemoteAddr = "192.0.2.7:1234"
	r.Header.Set("Authorization", "Bearer a-proxy's")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func paid(t testing.TB, order string, more ...string) payacktest.Callback {
	b := payacktest.PTS(payacktest.NewPTSKeys()).Order(order).Set("transaction_id", "TX-"+order)
	for i := 0; i+1 < len(more); i += 2 {
		b = b.Set(more[i], more[i+1])
	}
	return b.Callback(t)
}

// dead makes a dead event for each order: after the order's event is done, a
// callback for the order comes with another amount.
func (s *shop) dead(orders ...string) {
	s.t.Helper()
	for _, o := range orders {
		deliver(s.pts, paid(s.t, o))
	}
	s.work()
	for _, o := range orders {
		deliver(s.pts, paid(s.t, o, "accept_amount", "7777"))
	}
	s.work()
}

// answer is the page's answer.
type answer struct {
	*http.Response
	text string
}

// into decodes the answer's JSON.
func (a answer) into(t testing.TB, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.text), v), a.text)
}

// client follows no redirects and keeps no cookies.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func do(t testing.TB, r *http.Request) answer {
	t.Helper()
	res, err := client.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res, string(b)}
}

// ask sends a request with the token. form is its body.
func (s *shop) ask(method, path, form string, change ...func(*http.Request)) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(form))
	require.NoError(s.t, err)
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for _, c := range change {
		c(r)
	}
	return do(s.t, r)
}

func asJSON(r *http.Request) { r.Header.Set("Accept", "application/json") }

// entries lists deliveries.
func (s *shop) entries(query string) (out []inspector.Entry, older string) {
	s.t.Helper()
	a := s.ask("GET", "/?"+query, "", asJSON)
	require.Equal(s.t, http.StatusOK, a.StatusCode, a.text)
	var l struct {
		Deliveries []inspector.Entry
		Older      string
	}
	a.into(s.t, &l)
	return l.Deliveries, l.Older
}

// orders lists the orders that a query finds.
func (s *shop) orders(query string) (out []string) {
	s.t.Helper()
	all, _ := s.entries(query)
	for _, e := range all {
		out = append(out, e.Order+" "+e.Outcome)
	}
	return out
}
