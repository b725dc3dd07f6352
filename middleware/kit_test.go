package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
)

// Keys are throwaway texts.
const (
	ptopKey    = e2e.PtopKey
	payatomKey = e2e.PayatomKey
)

var errMerchant = errors.New("the merchant's own error")

type ptopFunc = func(ctx context.Context, ev *payack.PtopEvent) error

func acceptAll(context.Context, *payack.PtopEvent) error { return nil }

func ptopReceiver(t testing.TB, o middleware.Options) *middleware.Receiver[*payack.PtopEvent] {
	t.Helper()
	return ptopConfigured(t, middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Options: o})
}

func ptopConfigured(t testing.TB, c middleware.PtopConfig) *middleware.Receiver[*payack.PtopEvent] {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	rc, err := middleware.NewPtop(c)
	require.NoError(t, err)
	return rc
}

func ptopHandler(t testing.TB, o middleware.Options, fn ptopFunc) http.Handler {
	t.Helper()
	h, err := middleware.Handle(ptopReceiver(t, o), fn)
	require.NoError(t, err)
	return h
}

// ptopBody returns the body of a callback about a transaction.
func ptopBody(transaction string) string {
	return `{"success":true,"transaction_id":"` + transaction + `","order_id":"ORD1","message":"Payment done"}`
}

// ptopID returns the identity of ptopBody's event.
func ptopID(transaction string) string { return "ptop:v1::" + transaction + ":true" }

func ptopSignature(t testing.TB, body string) string {
	t.Helper()
	return e2e.PtopMessage(t, body).Header.Get("X-Signature")
}

// ptopRequest returns a genuine callback about a transaction.
func ptopRequest(t testing.TB, transaction string) *http.Request {
	t.Helper()
	body := ptopBody(transaction)
	r := httptest.NewRequest(http.MethodPost, "/ptop", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Signature", ptopSignature(t, body))
	return r
}

// ptopRaw returns the callback of ptopRequest as raw HTTP, with additional header
// lines.
func ptopRaw(t testing.TB, transaction string, lines ...string) (head, body string) {
	t.Helper()
	body = ptopBody(transaction)
	head = "POST /ptop HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nX-Signature: " + ptopSignature(t, body) + "\r\n"
	for _, line := range lines {
		head += line + "\r\n"
	}
	return head + "\r\n", body
}

// serve delivers a request and returns the answer.
func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// replica is a store as seen from another process: it shares the claims, but not
// what is in flight.
type replica struct{ payack.Store }

func (r replica) Home() string { return "replica of " + r.Store.Home() }

// watch records observations and log lines.
type watch struct {
	mu   sync.Mutex
	seen []payack.Observation
	log  bytes.Buffer
	told chan struct{} // receives a value for each observation
}

func newWatch() *watch { return &watch{told: make(chan struct{}, 100_000)} }

func (w *watch) Observe(_ context.Context, o *payack.Observation) {
	w.mu.Lock()
	w.seen = append(w.seen, *o)
	w.mu.Unlock()
	w.told <- struct{}{}
}

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *watch) options() middleware.Options {
	return middleware.Options{Observer: w, Logger: slog.New(slog.NewJSONHandler(w, nil))}
}

// last returns the newest observation. Each call waits for one observation that no
// earlier call has waited for.
func (w *watch) last(t testing.TB) payack.Observation {
	t.Helper()
	<-w.told
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[len(w.seen)-1]
}

func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

// lines returns the parsed lines of the log.
func (w *watch) lines(t testing.TB) []map[string]any {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []map[string]any
	dec := json.NewDecoder(strings.NewReader(w.log.String()))
	for {
		var fields map[string]any
		err := dec.Decode(&fields)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, fields)
	}
}

// deliveries returns the log lines about deliveries.
func (w *watch) deliveries(t testing.TB) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, line := range w.lines(t) {
		if strings.HasPrefix(fmt.Sprint(line["msg"]), "payack: callback ") {
			out = append(out, line)
		}
	}
	return out
}

// counter is a callback that counts its calls.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

func (c *counter) get() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *counter) accept(context.Context, *payack.PtopEvent) error {
	c.add()
	return nil
}

// payatomRequest returns a genuine webhook.
func payatomRequest(t testing.TB, orderID, amount, status string) *http.Request {
	t.Helper()
	return payatomSigned(t, orderID, orderID, amount, status)
}

// payatomSigned returns a genuine webhook. written is the order id with JSON
// escapes, but without quotation marks.
func payatomSigned(t testing.TB, written, orderID, amount, status string) *http.Request {
	t.Helper()
	return e2e.PayatomMessage(t, `"`+written+`"`, `"`+amount+`"`, `"`+status+`"`, orderID+amount+status).To("/payatom").Request()
}

// openBucket is a limiter that allows everything.
type openBucket struct{}

func (openBucket) Allow(context.Context, string) (ratelimit.Decision, error) {
	return ratelimit.Decision{Allowed: true, Limit: 2, Remaining: 1, Window: time.Second}, nil
}

func (b openBucket) Peek(ctx context.Context, key string) (ratelimit.Decision, error) {
	return b.Allow(ctx, key)
}

func limitKeyFunc(before func()) func(*http.Request, netip.Addr) string {
	return func(_ *http.Request, client netip.Addr) string {
		before()
		return client.String()
	}
}

// logCatcher keeps what a server logs.
type logCatcher struct{ watch }

func (l *logCatcher) logger() *log.Logger { return log.New(l, "", 0) }

func (l *logCatcher) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

// bodyOf returns a request's body and puts it back.
func bodyOf(t testing.TB, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	setBody(r, string(b))
	return string(b)
}

func setBody(r *http.Request, body string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}
