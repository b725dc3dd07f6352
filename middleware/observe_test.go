package middleware_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

func TestOneLineForEachDelivery(t *testing.T) {
	for _, tc := range []struct {
		name   string
		set    func(*middleware.Options)
		fn     ptopFunc
		change func(*http.Request)
		level  string
		fields map[string]any
		absent []string
	}{
		{name: "accepted", level: "INFO",
			fields: map[string]any{"msg": "payack: callback accepted", "outcome": "accepted", "status": 200.0, "scheme": "header",
				"event_id": ptopID("T1"), "client": "192.0.2.1", "bytes": float64(len(ptopBody("T1")))},
			absent: []string{"reason", "error", "stack", "content_type", "method"}},
		{name: "failed", fn: func(context.Context, *payack.PtopEvent) error { return errors.New("first\nsecond") }, level: "ERROR",
			fields: map[string]any{"msg": "payack: callback failed", "outcome": "failed", "reason": "callback", "status": 500.0,
				"error": "payack: ptop: callback: your function failed: first; second"},
			absent: []string{"stack"}},
		{name: "panic", fn: func(context.Context, *payack.PtopEvent) error { panic("slip") }, level: "ERROR",
			fields: map[string]any{"reason": "panic"}},
		{name: "rejected", change: func(r *http.Request) { r.Header.Set("X-Signature", strings.Repeat("0", 64)) }, level: "WARN",
			fields: map[string]any{"msg": "payack: callback rejected", "outcome": "rejected", "reason": "signature", "status": 403.0},
			absent: []string{"event_id", "scheme", "stack"}},
		{name: "refused", change: func(r *http.Request) { r.Method = "PUT" }, level: "WARN",
			fields: map[string]any{"msg": "payack: callback refused", "outcome": "refused", "reason": "method", "method": "PUT", "status": 405.0, "bytes": 0.0},
			absent: []string{"event_id", "content_type"}},
		{name: "content type", change: func(r *http.Request) { r.Header.Set("Content-Type", "text/html; charset=\"x\ny\"") }, level: "WARN",
			fields: map[string]any{"reason": "content_type", "content_type": "text/html; charset=\"x\ny\""}, absent: []string{"method"}},
		{name: "a long content type", change: func(r *http.Request) { r.Header.Set("Content-Type", strings.Repeat("x", 100_000)) }, level: "WARN",
			fields: map[string]any{"reason": "content_type", "content_type": strings.Repeat("x", 128) + "…"}},
		{name: "a long method", change: func(r *http.Request) { r.Method = strings.Repeat("X", 100_000) }, level: "WARN",
			fields: map[string]any{"reason": "method", "method": strings.Repeat("X", 128) + "…"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWatch()
			o := w.options()
			if tc.set != nil {
				tc.set(&o)
			}
			if tc.fn == nil {
				tc.fn = acceptAll
			}
			r := ptopRequest(t, "T1")
			if tc.change != nil {
				tc.change(r)
			}
			serve(ptopHandler(t, o, tc.fn), r)
			lines := w.deliveries(t)
			require.Len(t, lines, 1)
			line := lines[0]
			assert.Equal(t, tc.level, line["level"])
			assert.Equal(t, "ptop", line["provider"])
			assert.Contains(t, line, "took")
			for name, want := range tc.fields {
				assert.Equal(t, want, line[name], name)
			}
			for _, name := range tc.absent {
				assert.NotContains(t, line, name)
			}
			for name, value := range line {
				text, _ := value.(string)
				if name != "stack" {
					assert.LessOrEqual(t, len(text), 300, "%s is not bounded", name)
				}
				assert.NotContains(t, text, ptopKey)
				assert.NotContains(t, text, "Payment done")
			}
		})
	}
}

// An identity has a bounded length, and people search the log for it, so it is not
// cut.
func TestLongIDsAreNotCutInTheLog(t *testing.T) {
	w := newWatch()
	long := strings.Repeat("é", 200)
	serve(ptopHandler(t, w.options(), acceptAll), ptopRequest(t, long))
	assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
	assert.Equal(t, ptopID(long), w.seen[0].EventID, "the observer gets all of it")
	assert.Equal(t, ptopID(long), w.deliveries(t)[0]["event_id"])
}

func TestSchemeIsAdvisedOnceUnlessPinned(t *testing.T) {
	advice := func(c middleware.PtopConfig) (schemes []any) {
		w := newWatch()
		c.SigningKeys, c.ConfirmInCallback, c.Options = payack.Secrets(ptopKey), true, w.options()
		h, err := middleware.Handle(ptopConfigured(t, c), acceptAll)
		require.NoError(t, err)
		for _, id := range []string{"T1", "T1", "T2"} {
			serve(h, ptopRequest(t, id))
		}
		for _, line := range w.lines(t) {
			if strings.Contains(line["msg"].(string), "pin it") {
				assert.Equal(t, "INFO", line["level"])
				assert.Contains(t, line["msg"], `set Schemes to []payack.Scheme{"header"}`)
				schemes = append(schemes, line["scheme"])
			}
		}
		return schemes
	}
	assert.Equal(t, []any{"header"}, advice(middleware.PtopConfig{}))
	assert.Equal(t, []any{"header"}, advice(middleware.PtopConfig{Schemes: []payack.Scheme{payack.SchemeHeader, payack.SchemeSpliced}}))
	assert.Empty(t, advice(middleware.PtopConfig{Schemes: []payack.Scheme{payack.SchemeHeader}}))
}

func TestDefaultLoggerIsSlogsOwn(t *testing.T) {
	w := newWatch()
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(w, nil)))
	defer slog.SetDefault(before)
	rc, err := middleware.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true})
	require.NoError(t, err)
	h, err := middleware.Handle(rc, acceptAll)
	require.NoError(t, err)
	serve(h, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Len(t, w.deliveries(t), 1)
}

// A line whose level is disabled is not written.
func TestQuietLogger(t *testing.T) {
	w := newWatch()
	o := w.options()
	o.Logger = slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h := ptopHandler(t, o, acceptAll)
	serve(h, ptopRequest(t, "T1"))
	assert.Empty(t, w.deliveries(t))
	serve(h, httptest.NewRequest(http.MethodGet, "/", nil))
	assert.Len(t, w.deliveries(t), 1)
	assert.Equal(t, 2, w.count(), "the observer is told all the same")
}

// Logging a configuration, a receiver or a list of keys shows no key.
func TestPrintingAReceiverShowsNoKey(t *testing.T) {
	c := middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Options: middleware.Options{Logger: slog.New(slog.DiscardHandler)}}
	rc, err := middleware.NewPtop(c)
	require.NoError(t, err)
	w := newWatch()
	logger := slog.New(slog.NewTextHandler(io.MultiWriter(w), nil))
	logger.Info("set up", "config", c, "receiver", rc)
	logger = slog.New(slog.NewJSONHandler(w, nil))
	logger.Info("set up", "keys", c.SigningKeys)
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.NotEmpty(t, w.log.String())
	assert.NotContains(t, w.log.String(), ptopKey)
}
