package ratelimit_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// untouchable is a body that fails the test if it is read.
type untouchable struct{ t *testing.T }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body of a refused request was read")
	return 0, io.EOF
}
func (u untouchable) Close() error { return nil }

func wrap(t *testing.T, l ratelimit.Limiter, opts ratelimit.MiddlewareOptions, next http.Handler) http.Handler {
	t.Helper()
	mw, err := ratelimit.Middleware(l, opts)
	require.NoError(t, err)
	return mw(next)
}

func post(h http.Handler, from string, body io.Reader) *http.Response {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

func TestMiddlewareRefuses(t *testing.T) {
	c := new(manual)
	m := newMemory(t, ratelimit.Config{PerSecond: 0.4, Burst: 2, Now: c.now})
	called := 0
	h := wrap(t, m, ratelimit.MiddlewareOptions{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called++
		_, _ = io.Copy(w, r.Body)
	}))
	for range 2 {
		res := post(h, "192.0.2.1:1", strings.NewReader("hello"))
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, "hello", text(t, res))
		require.Empty(t, res.Header.Get("Retry-After"))
		require.Empty(t, res.Header.Get("RateLimit"))
		require.Empty(t, res.Header.Get("RateLimit-Policy"))
	}
	res := post(h, "192.0.2.1:2", untouchable{t})
	assert.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	assert.Equal(t, "3", res.Header.Get("Retry-After"), "2.5 s, rounded up")
	assert.Equal(t, "text/plain; charset=utf-8", res.Header.Get("Content-Type"))
	assert.Equal(t, "18", res.Header.Get("Content-Length"))
	assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
	assert.Equal(t, "too many requests\n", text(t, res))
	assert.Equal(t, 2, called)

	assert.Equal(t, http.StatusOK, post(h, "192.0.2.2:1", nil).StatusCode, "another address")
	c.advance(3 * time.Second)
	assert.Equal(t, http.StatusOK, post(h, "192.0.2.1:3", nil).StatusCode, "after Retry-After")
}

func TestMiddlewareOptions(t *testing.T) {
	c := new(manual)
	m := newMemory(t, ratelimit.Config{PerSecond: 0.5, Burst: 2, Now: c.now})
	h := wrap(t, m, ratelimit.MiddlewareOptions{
		Key:         ratelimit.SameKey("payatom"),
		Policy:      "callbacks",
		Body:        `{"HashMismatch":"no"}`,
		ContentType: "application/json",
	}, http.NotFoundHandler())
	res := post(h, "192.0.2.1:1", nil)
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
	assert.Equal(t, `"callbacks";q=2;w=4`, res.Header.Get("RateLimit-Policy"))
	assert.Equal(t, `"callbacks";r=1;t=2`, res.Header.Get("RateLimit"))
	c.advance(500 * time.Millisecond)
	res = post(h, "192.0.2.2:1", nil)
	assert.Equal(t, `"callbacks";r=0;t=2`, res.Header.Get("RateLimit"), "1.5 s, rounded up")
	res = post(h, "192.0.2.3:1", untouchable{t})
	assert.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	assert.Equal(t, "2", res.Header.Get("Retry-After"))
	assert.Equal(t, `"callbacks";r=0;t=2`, res.Header.Get("RateLimit"))
	assert.Equal(t, `"callbacks";q=2;w=4`, res.Header.Get("RateLimit-Policy"))
	assert.Equal(t, "application/json", res.Header.Get("Content-Type"))
	assert.Equal(t, `{"HashMismatch":"no"}`, text(t, res))
}

func TestSetHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		d                  ratelimit.Decision
		limit, policy, ret string
	}{
		"full bucket":  {ratelimit.Decision{Allowed: true, Limit: 5, Remaining: 5, Window: 5 * time.Second}, `"p";r=5`, `"p";q=5;w=5`, ""},
		"one taken":    {ratelimit.Decision{Allowed: true, Limit: 5, Remaining: 4, Window: 5 * time.Second, ResetAfter: time.Second}, `"p";r=4;t=1`, `"p";q=5;w=5`, ""},
		"slow bucket":  {ratelimit.Decision{Allowed: true, Limit: 2, Remaining: 0, Window: time.Hour, ResetAfter: 59 * time.Minute}, `"p";r=0;t=1740`, `"p";q=2;w=3600`, ""},
		"fast bucket":  {ratelimit.Decision{Allowed: true, Limit: 5, Remaining: 4, Window: 50 * time.Millisecond, ResetAfter: 10 * time.Millisecond}, `"p";r=4;t=1`, `"p";q=5;w=1`, ""},
		"refused":      {ratelimit.Decision{Limit: 1, Window: 90 * time.Second, ResetAfter: 61 * time.Second, RetryAfter: 60*time.Second + 1}, `"p";r=0;t=61`, `"p";q=1;w=90`, "61"},
		"other's zero": {ratelimit.Decision{Allowed: true}, `"p";r=0`, `"p";q=0;w=1`, ""},
	} {
		h := http.Header{}
		ratelimit.SetHeaders(h, c.d, "p")
		assert.Equal(t, c.limit, h.Get("RateLimit"), name)
		assert.Equal(t, c.policy, h.Get("RateLimit-Policy"), name)
		assert.Equal(t, c.ret, h.Get("Retry-After"), name)
		bare := http.Header{}
		ratelimit.SetHeaders(bare, c.d, "")
		assert.Equal(t, c.ret, bare.Get("Retry-After"), name)
		assert.Empty(t, bare.Get("RateLimit"), name)
	}
}

// net/http is stricter than httptest.ResponseRecorder, so this uses a real server
// and client.
func TestMiddlewareOnAServer(t *testing.T) {
	m := newMemory(t, ratelimit.Config{PerSecond: 1.0 / 3600, Burst: 1})
	srv := httptest.NewServer(wrap(t, m, ratelimit.MiddlewareOptions{Policy: "p"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, http.NewResponseController(w).Flush(), "the ResponseWriter is the server's own")
	})))
	defer srv.Close()
	for _, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		res, err := http.Post(srv.URL, "text/plain", strings.NewReader(strings.Repeat("x", 100<<10)))
		require.NoError(t, err)
		require.Equal(t, want, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}
}

type broken struct{}

var errBroken = errors.New("store is down")

func (broken) Allow(context.Context, string) (ratelimit.Decision, error) {
	return ratelimit.Decision{}, errBroken
}

func (broken) Peek(context.Context, string) (ratelimit.Decision, error) {
	return ratelimit.Decision{}, errBroken
}

func TestRequestPassesWhenTheLimiterFails(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	var got error
	h := wrap(t, broken{}, ratelimit.MiddlewareOptions{Policy: "p", OnError: func(r *http.Request, err error) {
		assert.NotNil(t, r)
		got = err
	}}, ok)
	res := post(h, "192.0.2.1:1", nil)
	assert.Equal(t, http.StatusNoContent, res.StatusCode)
	assert.Empty(t, res.Header, "nothing is known about the budget")
	assert.ErrorIs(t, got, errBroken)

	h = wrap(t, broken{}, ratelimit.MiddlewareOptions{}, ok)
	assert.Equal(t, http.StatusNoContent, post(h, "192.0.2.1:1", nil).StatusCode)
}

func TestMiddlewareErrors(t *testing.T) {
	_, err := ratelimit.Middleware(nil, ratelimit.MiddlewareOptions{})
	assert.ErrorContains(t, err, "make one with New")
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 1})
	for _, name := range []string{`a"b`, `a\b`, "a\nb", "ü", "\x7f"} {
		_, err = ratelimit.Middleware(m, ratelimit.MiddlewareOptions{Policy: name})
		assert.ErrorContains(t, err, "MiddlewareOptions.Policy", name)
	}
}
