package prompayack_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/observe/prompayack"
	"github.com/payack/payack/payacktest"
)

// inbox reports the counts that its function returns.
type inbox func() (payack.InboxStats, error)

func (f inbox) Stats(context.Context) (payack.InboxStats, error) { return f() }

// scrape returns the text that Prometheus would read.
func scrape(t testing.TB, r *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	return w.Body.String()
}

// shop is an observed receiver of PTS.
func shop(t testing.TB, keys payacktest.PTSKeys, o payack.Observer, fn func(context.Context, *payack.PTSEvent) error) *middleware.Handler {
	t.Helper()
	c := keys.Config()
	c.Observer = o
	c.Logger = slog.New(slog.DiscardHandler)
	h, err := handlers.NewPTS(c, fn)
	require.NoError(t, err)
	return h
}

// has asserts that a text contains a line.
func has(t testing.TB, text, line string) {
	t.Helper()
	assert.True(t, strings.Contains(text, "\n"+line+"\n"), "there is no line %q", line)
}

func TestDeliveries(t *testing.T) {
	r := prometheus.NewRegistry()
	o, err := prompayack.New(prompayack.Config{Registerer: r, Stages: true})
	require.NoError(t, err)
	keys := payacktest.NewPTSKeys()
	slip := errors.New("the shop is closed")
	h := shop(t, keys, o, func(_ context.Context, ev *payack.PTSEvent) error {
		if ev.OrderID == "CLOSED" {
			return slip
		}
		return nil
	})
	for _, order := range []string{"ORD-1", "ORD-1", "ORD-2", "CLOSED"} {
		payacktest.PTS(keys).Order(order).Callback(t).Deliver(h)
	}
	payacktest.PTS(keys).Order("FORGED").Callback(t).Tampered(t, payacktest.FlipSignature).Deliver(h)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/secret-path", nil))

	text := scrape(t, r)
	for labels, count := range map[string]string{
		`error_type="",payack_outcome="accepted",payack_provider="pts",payack_source=""`:          "2",
		`error_type="",payack_outcome="duplicate",payack_provider="pts",payack_source=""`:         "1",
		`error_type="callback",payack_outcome="failed",payack_provider="pts",payack_source=""`:    "1",
		`error_type="signature",payack_outcome="rejected",payack_provider="pts",payack_source=""`: "1",
		`error_type="method",payack_outcome="refused",payack_provider="pts",payack_source=""`:     "1",
	} {
		has(t, text, "payack_delivery_duration_seconds_count{"+labels+"} "+count)
	}
	for stage, count := range map[string]string{"capture": "5", "verify": "5", "call": "3"} {
		has(t, text, `payack_stage_duration_seconds_count{payack_provider="pts",payack_stage="`+stage+`"} `+count)
	}
	for _, hidden := range []string{"ORD-1", "secret-path", "FORGED", "closed"} {
		assert.NotContains(t, text, hidden)
	}
}

// The age of a payment found by asking is counted once. The attempts of an inbox do
// not count it again.
func TestAgeOfWhatWasFound(t *testing.T) {
	r := prometheus.NewRegistry()
	o, err := prompayack.New(prompayack.Config{Registerer: r})
	require.NoError(t, err)
	found := &payack.Delivery{Provider: payack.PTS, Source: payack.SourceQuery}
	for _, ob := range []payack.Observation{
		{Delivery: found, Outcome: payack.OutcomeAccepted, Age: 10 * time.Minute},
		{Delivery: found, Outcome: payack.OutcomeAccepted, Age: 10 * time.Minute, Attempt: 1},
		{Delivery: found, Outcome: payack.OutcomeDuplicate, Age: time.Hour},
		{Delivery: &payack.Delivery{Provider: payack.PTS}, Outcome: payack.OutcomeAccepted},
	} {
		o.Observe(t.Context(), &ob)
	}
	text := scrape(t, r)
	has(t, text, `payack_delivery_age_seconds_count{payack_provider="pts"} 1`)
	has(t, text, `payack_delivery_age_seconds_sum{payack_provider="pts"} 600`)
}

func TestAttempts(t *testing.T) {
	r := prometheus.NewRegistry()
	o, err := prompayack.New(prompayack.Config{Registerer: r})
	require.NoError(t, err)
	for attempt := range 3 {
		o.Observe(t.Context(), &payack.Observation{Delivery: &payack.Delivery{Provider: payack.Payatom}, Attempt: attempt,
			Outcome: payack.OutcomeFailed, Reason: payack.ReasonUnreachable, Took: payack.Durations{Total: 2 * time.Second, Call: time.Second}})
	}
	o.Observe(t.Context(), &payack.Observation{Delivery: &payack.Delivery{Provider: payack.Payatom, Source: payack.SourceQuery},
		Outcome: payack.OutcomeFailed, Reason: payack.ReasonUnreachable})
	text := scrape(t, r)
	const labels = `{error_type="unreachable",payack_outcome="failed",payack_provider="payatom"`
	has(t, text, "messaging_process_duration_seconds_count"+labels+`,payack_source=""} 2`)
	has(t, text, "messaging_process_duration_seconds_sum"+labels+`,payack_source=""} 4`)
	has(t, text, "messaging_process_duration_seconds_bucket"+labels+`,payack_source="",le="1"} 0`)
	has(t, text, "payack_delivery_duration_seconds_count"+labels+`,payack_source="query"} 1`)
	has(t, text, "payack_delivery_duration_seconds_count"+labels+`,payack_source=""} 1`)
	assert.NotContains(t, text, "payack_stage", "nobody asked for it")
	assert.NotContains(t, text, "payack_inbox", "there is none")
}

func TestNilInbox(t *testing.T) {
	var none inbox
	_, err := prompayack.New(prompayack.Config{Inbox: none})
	require.ErrorContains(t, err, "Inbox: it is nil; leave it out")
}

func TestInbox(t *testing.T) {
	r := prometheus.NewRegistry()
	var down error
	o, err := prompayack.New(prompayack.Config{Registerer: r, Inbox: inbox(func() (payack.InboxStats, error) {
		return payack.InboxStats{Pending: 3, Running: 2, Dead: 7, Oldest: 90 * time.Second}, down
	})})
	require.NoError(t, err)
	o.Observe(t.Context(), &payack.Observation{Delivery: &payack.Delivery{Provider: payack.PTS}, Outcome: payack.OutcomeAccepted})
	text := scrape(t, r)
	for _, line := range []string{"payack_inbox_pending 5", "payack_inbox_dead 7", "payack_inbox_oldest_age_seconds 90"} {
		has(t, text, line)
	}
	down = errors.New("the database is down")
	text = scrape(t, r)
	assert.NotContains(t, text, "payack_inbox")
	assert.Contains(t, text, "payack_delivery_duration_seconds", "the others stay")
}

func TestOneObserverForARegistry(t *testing.T) {
	r := prometheus.NewRegistry()
	c := prompayack.Config{Registerer: r, Inbox: inbox(func() (payack.InboxStats, error) { return payack.InboxStats{}, nil })}
	first, err := prompayack.New(c)
	require.NoError(t, err)
	_, err = prompayack.New(c)
	require.ErrorContains(t, err, "give one observer to all receivers")
	require.ErrorAs(t, err, new(prometheus.AlreadyRegisteredError))
	assert.Contains(t, scrape(t, r), "payack_inbox_pending", "those of the first one stay")
	require.NoError(t, first.Close())
	assert.Empty(t, scrape(t, r))
	_, err = prompayack.New(c)
	require.NoError(t, err)
}

// Without a Registerer the metrics are in the default registry.
func TestDefaultRegistry(t *testing.T) {
	o, err := prompayack.New(prompayack.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = o.Close() })
	o.Observe(t.Context(), &payack.Observation{Delivery: &payack.Delivery{Provider: payack.PTS}, Outcome: payack.OutcomeAccepted})
	families, err := prometheus.DefaultGatherer.Gather()
	require.NoError(t, err)
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	assert.Contains(t, strings.Join(names, " "), "payack_delivery_duration_seconds")
}
