//go:build !race

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/store/memstore"
)

// allocRuns is the number of calls in an average.
const allocRuns = 200

// prepared is one call of a handler, prepared before the measurement.
type prepared struct {
	r    *http.Request
	body bytes.Reader
	w    leanWriter
}

func (p *prepared) Read(b []byte) (int, error) { return p.body.Read(b) }
func (p *prepared) Close() error               { return nil }

// leanWriter is a ResponseWriter without allocations of its own.
type leanWriter struct {
	header http.Header
	status int
	body   []byte
}

func (w *leanWriter) Header() http.Header             { return w.header }
func (w *leanWriter) WriteHeader(status int)          { w.status = status }
func (w *leanWriter) SetReadDeadline(time.Time) error { return nil }
func (w *leanWriter) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}
func (w *leanWriter) WriteString(s string) (int, error) {
	w.body = append(w.body, s...)
	return len(s), nil
}

// allocations returns the average number of allocations for serving a message. The
// first message is not counted.
func allocations(t *testing.T, h http.Handler, status int, messages ...Message) float64 {
	t.Helper()
	calls := make([]prepared, allocRuns+1)
	for i := range calls {
		c, m := &calls[i], messages[i%len(messages)]
		c.r = m.Request()
		c.body.Reset([]byte(m.Body))
		c.r.Body = c
		if m.Header.Get("X-Announced") != "" {
			c.r.ContentLength = 1 << 20
		}
		// A map allocates when it gets its first key. In a real server, the header has a
		// key before the handler is called.
		c.w = leanWriter{header: http.Header{"Date": nil}, body: make([]byte, 0, 128)}
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would empty the pools
	at := 0
	got := testing.AllocsPerRun(allocRuns, func() {
		h.ServeHTTP(&calls[at].w, calls[at].r)
		at++
	})
	for i := range calls {
		require.Equal(t, status, calls[i].w.status)
	}
	return got
}

// The ceilings are the targets of BENCHMARKS.md, which Go 1.26 just reaches. Under
// the race detector pools drop items at random, so this test runs without it.
func TestAllocationsAccepted(t *testing.T) {
	for _, tc := range []struct {
		provider payack.Provider
		name     string
		most     float64
		message  func(i int) Message
	}{
		{payack.Ptop, "ptop", 4, func(i int) Message {
			return PtopMessage(t, fmt.Sprintf(`{"success":true,"transaction_id":"T2024%05d","order_id":"ORD1","message":%q}`,
				i, strings.Repeat("Payment done. ", 35)))
		}},
		// RSA itself makes 9 of these allocations.
		{payack.PTS, "pts plain", 14, func(i int) Message {
			return PTSMessage(t, map[string]string{"transaction_id": fmt.Sprintf(`"2024%05d"`, i)}, nil)
		}},
		{payack.PTS, "pts sealed", 16, func(i int) Message {
			m := PTSMessage(t, map[string]string{"transaction_id": fmt.Sprintf(`"2024%05d"`, i)}, nil)
			m.Body = SealPTS(t, m.Body)
			return m.With("Content-Type", "text/plain")
		}},
		{payack.Payatom, "payatom", 6, func(i int) Message {
			id := fmt.Sprintf("ORD2024%05d", i)
			return PayatomMessage(t, `"`+id+`"`, `"500"`, `"Approved"`, id+"500Approved")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := Merchant{Options: middleware.Options{Store: memstore.New(512)}, Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
				return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
			}}
			messages := make([]Message, allocRuns+1) // each message is a different event
			for i := range messages {
				messages[i] = tc.message(i)
			}
			got := allocations(t, m.Handler(t, tc.provider), http.StatusOK, messages...)
			require.LessOrEqual(t, got, tc.most)
			t.Logf("%v allocations", got)
		})
	}
}

// A refusal at the gate allocates almost nothing. A refusal for the rate also
// allocates the limiter's key and Retry-After.
func TestAllocationsRefused(t *testing.T) {
	for _, p := range providers.All {
		ok := Genuine(t, p)
		put := ok
		put.Method = http.MethodPut
		for _, tc := range []struct {
			name    string
			status  int
			most    float64
			message Message
			options func(*testing.T) middleware.Options
		}{
			{"method", http.StatusMethodNotAllowed, 1, put, nil},
			{"content type", http.StatusUnsupportedMediaType, 1, ok.With("Content-Type", "image/png"), nil},
			{"content encoding", http.StatusUnsupportedMediaType, 1, ok.With("Content-Encoding", "gzip"), nil},
			{"oversized", http.StatusRequestEntityTooLarge, 1, ok.With("X-Announced", "1"), nil},
			{"address", http.StatusForbidden, 1, ok, func(*testing.T) middleware.Options {
				return middleware.Options{AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
			}},
			{"rate", http.StatusTooManyRequests, 2, ok, func(t *testing.T) middleware.Options { return spent(t, p) }},
		} {
			t.Run(string(p)+" "+tc.name, func(t *testing.T) {
				var m Merchant
				if tc.options != nil {
					m.Options = tc.options(t)
				}
				got := allocations(t, m.Handler(t, p), tc.status, tc.message)
				require.LessOrEqual(t, got, tc.most)
				t.Logf("%v allocations", got)
			})
		}
	}
}

// spent returns options with a limiter that refuses everything.
func spent(t *testing.T, p payack.Provider) middleware.Options {
	at := time.Now()
	limiter, err := ratelimit.New(ratelimit.Config{PerSecond: 1. / 30, Burst: 1, Now: func() time.Time { return at }})
	require.NoError(t, err)
	_, err = limiter.Allow(context.Background(), ratelimit.AddrKey(string(p), netip.MustParseAddr("192.0.2.1")))
	require.NoError(t, err)
	return middleware.Options{Limiter: limiter, Charge: ratelimit.ChargeAll}
}
