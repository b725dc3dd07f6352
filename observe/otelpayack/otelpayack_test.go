package otelpayack_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/observe/otelpayack"
	"github.com/payack/payack/payacktest"
)

// kit is an SDK that records what it receives.
type kit struct {
	reader *metric.ManualReader
	spans  *tracetest.SpanRecorder
	tracer trace.TracerProvider
}

func observed(t testing.TB, c otelpayack.Config) (*kit, *otelpayack.Observer) {
	t.Helper()
	k := &kit{reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	k.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(k.spans))
	c.MeterProvider, c.TracerProvider = metric.NewMeterProvider(metric.WithReader(k.reader)), k.tracer
	o, err := otelpayack.New(c)
	require.NoError(t, err)
	return k, o
}

// metrics returns a line for each series: its name, unit and attributes, and its
// number of measurements or its value.
func (k *kit) metrics(t testing.TB) []string {
	t.Helper()
	var rm metricdata.ResourceMetrics
	_ = k.reader.Collect(context.Background(), &rm)
	var out []string
	for _, s := range rm.ScopeMetrics {
		for _, m := range s.Metrics {
			line := func(attributes attribute.Set, value any) {
				out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %v %s", m.Name, m.Unit, value, attributes.Encoded(attribute.DefaultEncoder()))))
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					line(p.Attributes, p.Count)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					line(p.Attributes, p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					line(p.Attributes, p.Value)
				}
			default:
				t.Errorf("%s is a %T", m.Name, m.Data)
			}
		}
	}
	slices.Sort(out)
	return out
}

func shop(t testing.TB, keys payacktest.PTSKeys, o payack.Observer, fn func(context.Context, *payack.PTSEvent) error) *middleware.Handler {
	t.Helper()
	c := keys.Config()
	c.Observer, c.Logger = o, slog.New(slog.DiscardHandler)
	h, err := handlers.NewPTS(c, fn)
	require.NoError(t, err)
	return h
}

func TestDeliveries(t *testing.T) {
	k, o := observed(t, otelpayack.Config{Stages: true})
	keys := payacktest.NewPTSKeys()
	h := shop(t, keys, o, func(_ context.Context, ev *payack.PTSEvent) error {
		if ev.OrderID == "CLOSED" {
			return errors.New("the shop is closed")
		}
		return nil
	})
	for _, order := range []string{"ORD-1", "ORD-1", "ORD-2", "CLOSED"} {
		payacktest.PTS(keys).Order(order).Callback(t).Deliver(h)
	}
	payacktest.PTS(keys).Order("FORGED").Callback(t).Tampered(t, payacktest.FlipSignature).Deliver(h)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/secret-path", nil))
	assert.Equal(t, []string{
		"payack.delivery.duration s 1 error.type=callback,payack.outcome=failed,payack.provider=pts",
		"payack.delivery.duration s 1 error.type=method,payack.outcome=refused,payack.provider=pts",
		"payack.delivery.duration s 1 error.type=signature,payack.outcome=rejected,payack.provider=pts",
		"payack.delivery.duration s 1 payack.outcome=duplicate,payack.provider=pts",
		"payack.delivery.duration s 2 payack.outcome=accepted,payack.provider=pts",
		"payack.stage.duration s 3 payack.provider=pts,payack.stage=call",
		"payack.stage.duration s 4 payack.provider=pts,payack.stage=guard",
		"payack.stage.duration s 5 payack.provider=pts,payack.stage=capture",
		"payack.stage.duration s 5 payack.provider=pts,payack.stage=verify",
	}, k.metrics(t))
	assert.Empty(t, k.spans.Ended(), "the server's span is whose it is that traces the server")
}

// A request's span gets the outcome as attributes.
func TestSpanOfARequest(t *testing.T) {
	k, o := observed(t, otelpayack.Config{})
	keys := payacktest.NewPTSKeys()
	h := shop(t, keys, o, func(context.Context, *payack.PTSEvent) error { return errors.New("the shop is closed") })
	ctx, span := k.tracer.Tracer("server").Start(t.Context(), "POST /pts")
	h.ServeHTTP(httptest.NewRecorder(), payacktest.PTS(keys).Callback(t).Request("/pts").WithContext(ctx))
	span.End()
	ended := k.spans.Ended()
	require.Len(t, ended, 1)
	set := attribute.NewSet(ended[0].Attributes()...)
	assert.Equal(t, "error.type=callback,payack.outcome=failed,payack.provider=pts", set.Encoded(attribute.DefaultEncoder()))
}

// An attempt has a span. It links to the trace that the delivery came in, and is
// the parent of the spans that the function starts.
func TestSpanOfAnAttempt(t *testing.T) {
	for _, c := range []struct {
		name, traceparent string
		linked            bool
		fails             error
	}{
		{"as it came", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, nil},
		{"it fails", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true, errors.New("the shop is closed")},
		{"untraced", "", false, nil},
		{"made up", "00-" + strings.Repeat("0", 32) + "-x-01\x00", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, o := observed(t, otelpayack.Config{})
			keys := payacktest.NewPTSKeys()
			var kept payack.Delivery
			first := shop(t, keys, nil, func(ctx context.Context, _ *payack.PTSEvent) error {
				d, _ := payack.DeliveryFrom(ctx)
				kept = *d
				return nil
			})
			r := payacktest.PTS(keys).Callback(t).Request("/pts")
			if c.traceparent != "" {
				r.Header.Set("Traceparent", c.traceparent)
			}
			first.ServeHTTP(httptest.NewRecorder(), r)

			h := shop(t, keys, o, func(ctx context.Context, _ *payack.PTSEvent) error {
				_, span := k.tracer.Tracer("sql").Start(ctx, "UPDATE orders")
				span.End()
				return c.fails
			})
			var seen payack.Observation
			err := h.Process(t.Context(), &kept, &seen)
			seen.Attempt = 2 // as an inbox sets it
			h.Observe(t.Context(), &seen)

			ended := k.spans.Ended()
			require.Len(t, ended, 2)
			child, attempt := ended[0], ended[1]
			assert.Equal(t, "process pts", attempt.Name())
			assert.Equal(t, trace.SpanKindConsumer, attempt.SpanKind())
			assert.Equal(t, attempt.SpanContext().SpanID(), child.Parent().SpanID())
			assert.False(t, attempt.Parent().IsValid())
			if c.linked {
				require.Len(t, attempt.Links(), 1)
				assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", attempt.Links()[0].SpanContext.TraceID().String())
			} else {
				assert.Empty(t, attempt.Links())
			}
			const messaging = "messaging.operation.name=process,messaging.operation.type=process,messaging.system=payack,"
			want := messaging + "payack.outcome=accepted,payack.provider=pts"
			if c.fails == nil {
				require.NoError(t, err)
				assert.Equal(t, codes.Unset, attempt.Status().Code)
			} else {
				want = "error.type=callback," + messaging + "payack.outcome=failed,payack.provider=pts"
				assert.Equal(t, sdktrace.Status{Code: codes.Error, Description: "callback"}, attempt.Status())
				assert.Len(t, attempt.Events(), 1)
			}
			set := attribute.NewSet(attempt.Attributes()...)
			assert.Equal(t, want, set.Encoded(attribute.DefaultEncoder()))
			assert.Equal(t, []string{"messaging.process.duration s 1 " + want}, k.metrics(t))
		})
	}
}

func TestFoundByAsking(t *testing.T) {
	k, o := observed(t, otelpayack.Config{})
	o.Observe(t.Context(), &payack.Observation{Delivery: &payack.Delivery{Provider: payack.PTS, Source: payack.SourceQuery}, Outcome: payack.OutcomeAccepted, Age: time.Hour})
	assert.Equal(t, []string{"payack.delivery.age s 1 payack.provider=pts", "payack.delivery.duration s 1 payack.outcome=accepted,payack.provider=pts,payack.source=query"}, k.metrics(t))
}

// inbox reports the counts that its function returns.
type inbox func() (payack.InboxStats, error)

func (f inbox) Stats(context.Context) (payack.InboxStats, error) { return f() }

func TestNilInbox(t *testing.T) {
	var none inbox
	_, err := otelpayack.New(otelpayack.Config{Inbox: none})
	require.ErrorContains(t, err, "Inbox: it is nil; leave it out")
}

func TestInbox(t *testing.T) {
	var down error
	k, o := observed(t, otelpayack.Config{Inbox: inbox(func() (payack.InboxStats, error) {
		return payack.InboxStats{Pending: 3, Running: 2, Dead: 7, Oldest: 90 * time.Second}, down
	})})
	want := []string{"payack.inbox.dead {event} 7", "payack.inbox.oldest.age s 90", "payack.inbox.pending {event} 5"}
	assert.Equal(t, want, k.metrics(t))
	down = errors.New("the database is down")
	assert.Empty(t, k.metrics(t))
	down = nil
	assert.Equal(t, want, k.metrics(t))
	require.NoError(t, o.Close())
	assert.Empty(t, k.metrics(t))
	o.Observe(t.Context(), &payack.Observation{Delivery: &payack.Delivery{Provider: payack.PTS}, Outcome: payack.OutcomeAccepted})
	assert.Len(t, k.metrics(t), 1, "deliveries are measured as before")
}

// Global providers that were never set measure nothing and cause no failure.
func TestGlobalProviders(t *testing.T) {
	o, err := otelpayack.New(otelpayack.Config{})
	require.NoError(t, err)
	keys := payacktest.NewPTSKeys()
	h := shop(t, keys, o, func(context.Context, *payack.PTSEvent) error { return nil })
	assert.Equal(t, http.StatusOK, payacktest.PTS(keys).Callback(t).Deliver(h).StatusCode)
	require.NoError(t, o.Close())
}

// Each of many concurrent measurements finds its series.
func TestManyAtOnce(t *testing.T) {
	k, o := observed(t, otelpayack.Config{})
	done := make(chan struct{})
	const workers, each = 8, 200
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range each {
				o.Observe(context.Background(), &payack.Observation{Delivery: &payack.Delivery{Provider: payack.PTS},
					Outcome: payack.OutcomeRefused, Reason: payack.Reason(fmt.Sprint("reason-", i%10))})
			}
		}()
	}
	for range workers {
		<-done
	}
	got := k.metrics(t)
	require.Len(t, got, 10)
	for _, line := range got {
		assert.Contains(t, line, "payack.delivery.duration s 160 ")
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	_, o := observed(t, otelpayack.Config{Stages: true})
	ob := &payack.Observation{Delivery: &payack.Delivery{Provider: payack.PTS}, Outcome: payack.OutcomeAccepted,
		Took: payack.Durations{Capture: 1, Verify: 1, Guard: 1, Call: 1, Total: 4}}
	assert.Zero(t, testing.AllocsPerRun(100, func() { o.Observe(context.Background(), ob) }))
}
