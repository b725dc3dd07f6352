package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
)

func newLimiter(t testing.TB, perSecond float64, burst int) *ratelimit.Memory {
	t.Helper()
	l, err := ratelimit.New(ratelimit.Config{PerSecond: perSecond, Burst: burst})
	require.NoError(t, err)
	return l
}

// forged returns a callback that has a wrong signature and comes from addr.
func forged(t testing.TB, addr string) *http.Request {
	t.Helper()
	return sentFrom(addr, withHeader(ptopRequest(t, "forged"), "X-Signature", strings.Repeat("0", 64)))
}

func withHeader(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

func sentFrom(addr string, r *http.Request) *http.Request {
	r.RemoteAddr = addr
	return r
}

// After an outage a provider sends many callbacks at once, from one address.
func TestGenuineBurstIsAcceptedWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		called := 0
		h := ptopHandler(t, middleware.Options{Limiter: newLimiter(t, 1, 5)}, func(context.Context, *payack.PtopEvent) error {
			called++
			return nil
		})
		for i := range 1000 {
			w := serve(h, ptopRequest(t, fmt.Sprint("tx", i)))
			require.Equal(t, http.StatusOK, w.Code, "callback %d", i)
			time.Sleep(time.Second / 1000)
		}
		require.Equal(t, 1000, called)
	})
}

// ChargeAll charges every request, so it refuses a genuine burst, too.
func TestEveryRequestIsCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := ptopHandler(t, middleware.Options{Limiter: newLimiter(t, 1, 5), Charge: ratelimit.ChargeAll}, acceptAll)
		for i := range 7 {
			w := serve(h, ptopRequest(t, fmt.Sprint("tx", i)))
			if i < 5 {
				require.Equal(t, http.StatusOK, w.Code, "callback %d", i)
			} else {
				require.Equal(t, http.StatusTooManyRequests, w.Code, "callback %d", i)
				require.Equal(t, "1", w.Header().Get("Retry-After"))
			}
		}
		time.Sleep(time.Second)
		require.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "tx5")).Code, "as Retry-After promised")
	})
}

func TestFailuresAreChargedAndThenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newWatch()
		o := seen.options()
		o.Limiter = newLimiter(t, 0.1, 5)
		h := ptopHandler(t, o, acceptAll)
		for range 5 {
			require.Equal(t, http.StatusForbidden, serve(h, forged(t, "198.51.100.7:1")).Code)
		}
		w := serve(h, forged(t, "198.51.100.7:2"))
		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.Equal(t, "10", w.Header().Get("Retry-After"))
		require.Empty(t, w.Header().Get("RateLimit"), "the RateLimit headers are an option")
		require.Equal(t, payack.ReasonRate, seen.last(t).Reason)
		require.Equal(t, http.StatusTooManyRequests, serve(h, sentFrom("198.51.100.7:3", ptopRequest(t, "late"))).Code,
			"the address has used up its budget")
		require.Equal(t, http.StatusOK, serve(h, sentFrom("192.0.2.1:1", ptopRequest(t, "other"))).Code,
			"another address doesn't notice")
	})
}

// Refusing a flood must not cost reading the bodies.
func TestFloodIsRefusedBeforeTheBodyIsRead(t *testing.T) {
	h := ptopHandler(t, middleware.Options{Limiter: newLimiter(t, 0.001, 1)}, acceptAll)
	require.Equal(t, http.StatusForbidden, serve(h, forged(t, "198.51.100.7:1")).Code)
	body := &countingBody{}
	r := httptest.NewRequest(http.MethodPost, "/ptop", body)
	r.Header.Set("Content-Type", "application/json")
	require.Equal(t, http.StatusTooManyRequests, serve(h, sentFrom("198.51.100.7:1", r)).Code)
	require.Zero(t, body.reads)
}

type countingBody struct{ reads int }

func (b *countingBody) Read([]byte) (int, error) {
	b.reads++
	return 0, io.EOF
}

func TestDeliveriesThatAreCharged(t *testing.T) {
	for name, c := range map[string]struct {
		request func(t *testing.T) *http.Request
		pays    bool
	}{
		"wrong signature": {func(t *testing.T) *http.Request { return forged(t, "192.0.2.1:1") }, true},
		"malformed":       {func(t *testing.T) *http.Request { return posted("{", "application/json") }, true},
		"half a body":     {func(t *testing.T) *http.Request { return withLength(posted("{", "application/json"), 9) }, true},
		"too large, in chunks": {func(t *testing.T) *http.Request {
			return withLength(posted(strings.Repeat(" ", 1<<17), "application/json"), -1)
		}, true},
		"genuine":            {func(t *testing.T) *http.Request { return ptopRequest(t, "tx") }, false},
		"wrong method":       {func(t *testing.T) *http.Request { return httptest.NewRequest(http.MethodGet, "/ptop", nil) }, false},
		"wrong type":         {func(t *testing.T) *http.Request { return posted("{}", "text/html") }, false},
		"read before payack": {func(t *testing.T) *http.Request { return withLength(posted("", "application/json"), 9) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLimiter(t, 0.001, 10)
			serve(ptopHandler(t, middleware.Options{Limiter: l}, acceptAll), c.request(t))
			d, err := l.Peek(context.Background(), ratelimit.AddrKey("ptop", netip.MustParseAddr("192.0.2.1")))
			require.NoError(t, err)
			require.Equal(t, c.pays, d.Remaining == 9, "remaining %d of 10", d.Remaining)
		})
	}
}

func posted(body, contentType string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/ptop", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func withLength(r *http.Request, n int64) *http.Request {
	r.ContentLength = n
	return r
}

// An IPv6 client can use any address of its /64, so the /64 is the key.
func TestKeysOfClients(t *testing.T) {
	h := ptopHandler(t, middleware.Options{Limiter: newLimiter(t, 0.001, 1)}, acceptAll)
	require.Equal(t, http.StatusForbidden, serve(h, forged(t, "[2001:db8::1]:1")).Code)
	require.Equal(t, http.StatusTooManyRequests, serve(h, forged(t, "[2001:db8::ffff:2]:1")).Code, "the same /64")
	require.Equal(t, http.StatusForbidden, serve(h, forged(t, "[2001:db8:0:1::1]:1")).Code, "the next /64")

	byTenant := ptopHandler(t, middleware.Options{
		Limiter:     newLimiter(t, 0.001, 1),
		LimitKey:    func(r *http.Request, _ netip.Addr) string { return r.Header.Get("Tenant") },
		LimitPolicy: "callbacks",
	}, acceptAll)
	require.Equal(t, http.StatusForbidden, serve(byTenant, withHeader(forged(t, "192.0.2.1:1"), "Tenant", "a")).Code)
	w := serve(byTenant, withHeader(forged(t, "192.0.2.2:1"), "Tenant", "a"))
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.NotEmpty(t, w.Header().Get("RateLimit"))
	require.Equal(t, http.StatusForbidden, serve(byTenant, withHeader(forged(t, "192.0.2.1:1"), "Tenant", "b")).Code)
	for range 3 {
		require.Equal(t, http.StatusForbidden, serve(byTenant, forged(t, "192.0.2.1:1")).Code, "an empty key is not limited")
	}
}

// A limiter that fails must not cost a payment.
func TestBrokenLimiterLetsCallbacksPass(t *testing.T) {
	seen := newWatch()
	o := seen.options()
	o.Limiter = brokenLimiter{}
	require.Equal(t, http.StatusOK, serve(ptopHandler(t, o, acceptAll), ptopRequest(t, "tx")).Code)
	require.Equal(t, payack.OutcomeAccepted, seen.last(t).Outcome)
	require.Equal(t, http.StatusForbidden, serve(ptopHandler(t, o, acceptAll), forged(t, "192.0.2.1:1")).Code)
}

type brokenLimiter struct{}

func (brokenLimiter) Allow(context.Context, string) (ratelimit.Decision, error) {
	return ratelimit.Decision{}, errors.New("gone")
}

func (brokenLimiter) Peek(context.Context, string) (ratelimit.Decision, error) {
	return ratelimit.Decision{}, errors.New("gone")
}

// BenchmarkFlood compares a refused request with an accepted one.
func BenchmarkFlood(b *testing.B) {
	quiet := slog.New(slog.DiscardHandler)
	b.Run("refused", func(b *testing.B) {
		h := ptopHandler(b, middleware.Options{Logger: quiet, Limiter: newLimiter(b, 0.001, 1)}, acceptAll)
		serve(h, forged(b, "192.0.2.1:1"))
		r := forged(b, "192.0.2.1:1")
		for b.Loop() {
			if w := serve(h, r); w.Code != http.StatusTooManyRequests {
				b.Fatal(w.Code)
			}
		}
	})
	b.Run("accepted", func(b *testing.B) {
		h := ptopHandler(b, middleware.Options{Logger: quiet, Limiter: newLimiter(b, 0.001, 1)}, acceptAll)
		requests := make([]*http.Request, b.N)
		for i := range requests {
			requests[i] = ptopRequest(b, fmt.Sprint("tx", i))
		}
		b.ResetTimer()
		for _, r := range requests {
			if w := serve(h, r); w.Code != http.StatusOK {
				b.Fatal(w.Code)
			}
		}
	})
}

// Allowed addresses are never refused for failures. ChargeAll applies to them.
func TestAllowedAddressesAreNotRefusedForFailures(t *testing.T) {
	for charge, want := range map[ratelimit.Charge]int{"": 200, ratelimit.ChargeFailures: 200, ratelimit.ChargeAll: 429} {
		l, err := ratelimit.New(ratelimit.Config{PerSecond: 0.001, Burst: 3})
		require.NoError(t, err)
		h := ptopHandler(t, middleware.Options{
			Limiter: l, Charge: charge, AllowedAddresses: prefixes("192.0.2.0/24"), // where httptest's requests come from
		}, acceptAll)
		for range 5 {
			r := ptopRequest(t, "T1")
			r.Header.Set("X-Signature", strings.Repeat("0", 64))
			serve(h, r)
		}
		assert.Equal(t, want, serve(h, ptopRequest(t, "T1")).Code, charge)
	}
}
