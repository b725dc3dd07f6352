package middleware_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// replay is a request that can be served repeatedly without allocating.
type replay struct {
	request *http.Request
	body    []byte
	reader  bytes.Reader
}

func newReplay(t testing.TB, r *http.Request) *replay {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	p := &replay{request: r, body: body}
	r.Body = p
	return p
}

func (p *replay) Read(b []byte) (int, error) { return p.reader.Read(b) }
func (p *replay) Close() error               { return nil }

func (p *replay) serve(h http.Handler, w *discardWriter) {
	p.reader.Reset(p.body)
	clear(w.header)
	h.ServeHTTP(w, p.request)
}

// discardWriter keeps only the status. It supports read deadlines, as a server's
// writer does.
type discardWriter struct {
	header http.Header
	status int
}

func (d *discardWriter) Header() http.Header             { return d.header }
func (d *discardWriter) WriteHeader(status int)          { d.status = status }
func (d *discardWriter) Write(p []byte) (int, error)     { return len(p), nil }
func (d *discardWriter) SetReadDeadline(time.Time) error { return nil }

// everClaimed grants every claim, so a test can deliver one callback many times and
// each delivery is accepted.
type everClaimed struct{}

func (everClaimed) Claim(context.Context, string, string, time.Duration) (payack.Claim, error) {
	return payack.Claim{State: payack.ClaimGranted, Token: "1"}, nil
}
func (everClaimed) Lookup(context.Context, string, string) (payack.ClaimState, error) {
	return payack.ClaimUnknown, nil
}
func (everClaimed) Home() string                                  { return "" }
func (everClaimed) Commit(context.Context, string, string) error  { return nil }
func (everClaimed) Release(context.Context, string, string) error { return nil }

var quiet = slog.New(slog.DiscardHandler)

// underRace reports whether the race detector runs. The race detector allocates by
// itself.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Each ceiling is two allocations above what Go 1.26 needs. The ceilings keep the
// steps before the cryptography cheap, and show when a callback becomes more
// expensive.
func TestAllocations(t *testing.T) {
	if underRace() {
		t.Skip("the race detector allocates")
	}
	refusedBy := func(change func(*http.Request)) *http.Request {
		r := ptopRequest(t, "T1")
		change(r)
		return r
	}
	ptop := ptopHandler(t, middleware.Options{Store: everClaimed{}}, acceptAll)
	ptopDone := ptopHandler(t, middleware.Options{}, acceptAll)
	serve(ptopDone, ptopRequest(t, "T1"))
	pts := ptsHandler(t, middleware.Options{Store: everClaimed{}, Logger: quiet}, func(context.Context, *payack.PTSEvent) error { return nil })
	rc, err := middleware.NewPayatom(middleware.PayatomConfig{
		SecretKeys: payack.Secrets(payatomKey), Options: middleware.Options{Store: everClaimed{}, Logger: quiet},
		Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
		},
	})
	require.NoError(t, err)
	payatom, err := middleware.Handle(rc, func(context.Context, *payack.PayatomEvent) error { return nil })
	require.NoError(t, err)

	for _, tc := range []struct {
		name    string
		h       http.Handler
		r       *http.Request
		status  int
		ceiling float64
	}{
		{"refused: method", ptop, refusedBy(func(r *http.Request) { r.Method = "PUT" }), 405, 3},
		{"refused: content type", ptop, refusedBy(func(r *http.Request) { r.Header.Set("Content-Type", "text/html") }), 415, 3},
		{"refused: too large", ptop, refusedBy(func(r *http.Request) { r.ContentLength = 1 << 20 }), 413, 3},
		{"rejected: signature", ptop, refusedBy(func(r *http.Request) { r.Header.Set("X-Signature", strings.Repeat("0", 64)) }), 403, 6},
		{"duplicate: ptop", ptopDone, ptopRequest(t, "T1"), 200, 6},
		{"accepted: ptop", ptop, ptopRequest(t, "T1"), 200, 6},
		{"accepted: pts", pts, ptsDelivery(t, nil), 200, 17},
		{"accepted: payatom", payatom, payatomRequest(t, "ORD1", "500", "Approved"), 200, 10},
	} {
		p, w := newReplay(t, tc.r), &discardWriter{header: http.Header{}}
		p.serve(tc.h, w)
		require.Equal(t, tc.status, w.status, tc.name)
		defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would empty the pools
		got := testing.AllocsPerRun(200, func() { p.serve(tc.h, w) })
		t.Logf("%s: %v allocations", tc.name, got)
		if got > tc.ceiling {
			t.Errorf("%s: %v allocations, the ceiling is %v", tc.name, got, tc.ceiling)
		}
	}
}
