// Package otelpayack measures and traces payack through the API of OpenTelemetry.
// Your SDK decides where the data goes.
//
// [New] returns a [payack.Observer] for Options.Observer. The metrics:
//
//   - payack.delivery.duration (s): the duration of a request, from its
//     arrival to its answer, or of settling an event that was found by asking
//     the provider
//   - payack.delivery.age (s): the age of an order whose payment was found by
//     asking, because its callback never came
//   - messaging.process.duration (s): the duration of an attempt to process
//     an event that an inbox kept
//   - payack.stage.duration (s), if Config.Stages is set: the duration of
//     each stage of requests and attempts
//   - payack.inbox.pending, payack.inbox.dead and payack.inbox.oldest.age
//     (s), if Config.Inbox is set
//
// The attributes are payack.provider, payack.outcome, payack.stage, and
//   - error.type: the reason; absent if the event was accepted or a duplicate
//   - payack.source: query for an event found by asking; absent for callbacks
//   - messaging.system, messaging.operation.name and
//     messaging.operation.type: for attempts
//
// Every attribute has few values, whatever is sent: none holds an identity, an
// address, a path or the number of an attempt.
//
// The span of a request is the one that your server's tracing makes (otelhttp);
// it gets the outcome as attributes. An attempt has a span of its own, linked to
// the trace that the delivery came in. Calls that your function makes with its
// context are children of the request's or the attempt's span, and so are
// payack's requests to the provider.
package otelpayack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/nilness"
)

const scope = "github.com/payack/payack/observe/otelpayack"

// buckets range from the duration of a refusal at the gate (before the body is read)
// to the time that providers wait for an answer.
var buckets = metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)

// ages range from an order's age when package reconcile first asks the provider about
// it to its age when the package gives up, by the defaults of package reconcile.
var ages = metric.WithExplicitBucketBoundaries(60, 300, 900, 3600, 4*3600, 12*3600, 24*3600, 48*3600, 72*3600)

// Config configures an observer. The zero value measures deliveries and attempts
// with the global providers.
type Config struct {
	// MeterProvider and TracerProvider are the global ones if nil.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
	// Stages adds a measurement for each stage, up to four for each delivery.
	Stages bool
	// Inbox is asked for its counts at each collection of metrics; nil if there
	// is none.
	Inbox interface {
		Stats(context.Context) (payack.InboxStats, error)
	}
}

// Observer is a [payack.Observer] that measures and traces. It is safe for
// concurrent use.
type Observer struct {
	tracer                      trace.Tracer
	deliveries, attempts, found metric.Float64Histogram
	stages                      metric.Float64Histogram // nil without Config.Stages
	byDelivery, byPart          cache
	registration                metric.Registration // nil without an inbox
}

var _ interface {
	payack.Observer
	payack.AttemptTracer
} = (*Observer)(nil)

// New returns an observer. The error names what is wrong with the configuration,
// or is the meter's.
func New(c Config) (*Observer, error) {
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	meter := c.MeterProvider.Meter(scope)
	o := &Observer{tracer: c.TracerProvider.Tracer(scope)}
	if c.Inbox != nil && nilness.Of(c.Inbox) {
		return nil, errors.New("otelpayack: Inbox: it is nil; leave it out where there is no inbox")
	}
	var failed error
	histogram := func(name string, within metric.HistogramOption, about string) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), within, metric.WithDescription(about))
		failed = errors.Join(failed, err)
		return h
	}
	o.deliveries = histogram("payack.delivery.duration", buckets, "Time from the arrival of a callback to its answer.")
	o.attempts = histogram("messaging.process.duration", buckets, "Time of an attempt to process an event that was kept.")
	o.found = histogram("payack.delivery.age", ages, "Age of an order when its payment was found by asking.")
	if c.Stages {
		o.stages = histogram("payack.stage.duration", buckets, "Time of a stage of a delivery.")
	}
	if c.Inbox != nil {
		failed = errors.Join(failed, o.watch(meter, c.Inbox.Stats))
	}
	if failed != nil {
		return nil, fmt.Errorf("otelpayack: %w", failed)
	}
	return o, nil
}

// watch registers a callback that asks the inbox at each collection.
func (o *Observer) watch(meter metric.Meter, stats func(context.Context) (payack.InboxStats, error)) error {
	waiting, err := meter.Int64ObservableGauge("payack.inbox.pending", metric.WithUnit("{event}"),
		metric.WithDescription("Events that wait or are being processed."))
	if err != nil {
		return err
	}
	dead, err := meter.Int64ObservableGauge("payack.inbox.dead", metric.WithUnit("{event}"),
		metric.WithDescription("Events that are not tried again by themselves; a person has to look."))
	if err != nil {
		return err
	}
	oldest, err := meter.Float64ObservableGauge("payack.inbox.oldest.age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest event that waits or is being processed."))
	if err != nil {
		return err
	}
	o.registration, err = meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		s, err := stats(ctx)
		if err != nil {
			return err
		}
		to.ObserveInt64(waiting, int64(s.Pending+s.Running))
		to.ObserveInt64(dead, int64(s.Dead))
		to.ObserveFloat64(oldest, s.Oldest.Seconds())
		return nil
	}, waiting, dead, oldest)
	return err
}

// Close stops measuring the inbox. Deliveries are still measured.
func (o *Observer) Close() error {
	if o.registration == nil {
		return nil
	}
	return o.registration.Unregister()
}

// Observe implements [payack.Observer].
func (o *Observer) Observe(ctx context.Context, ob *payack.Observation) {
	d := ob.Delivery
	k := labels{provider: d.Provider, outcome: ob.Outcome, reason: ob.Reason, source: d.Source, attempt: ob.Attempt > 0}
	if k.attempt {
		o.attempts.Record(ctx, ob.Took.Total.Seconds(), o.byDelivery.of(k)...)
	} else {
		o.deliveries.Record(ctx, ob.Took.Total.Seconds(), o.byDelivery.of(k)...)
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.SetAttributes(k.attributes()...)
		}
	}
	if ob.Age > 0 && ob.Attempt == 0 && ob.Outcome == payack.OutcomeAccepted {
		o.found.Record(ctx, ob.Age.Seconds(), o.byPart.of(labels{provider: d.Provider})...)
	}
	if o.stages == nil {
		return
	}
	for stage, took := range ob.Took.Stages() {
		o.stages.Record(ctx, took.Seconds(), o.byPart.of(labels{provider: d.Provider, stage: stage})...)
	}
}

// labels identify a series.
type labels struct {
	provider payack.Provider
	outcome  payack.Outcome
	reason   payack.Reason
	stage    payack.Stage
	source   payack.Source
	attempt  bool
}

func (k labels) attributes() []attribute.KeyValue {
	out := []attribute.KeyValue{attribute.String("payack.provider", string(k.provider))}
	switch {
	case k.stage != "":
		return append(out, attribute.String("payack.stage", string(k.stage)))
	case k.outcome == "":
		return out
	}
	out = append(out, attribute.String("payack.outcome", string(k.outcome)))
	if k.reason != "" {
		out = append(out, attribute.String("error.type", string(k.reason)))
	}
	if k.source != payack.SourceCallback {
		out = append(out, attribute.String("payack.source", string(k.source)))
	}
	if k.attempt {
		out = append(out, attribute.String("messaging.system", "payack"),
			attribute.String("messaging.operation.name", "process"), attribute.String("messaging.operation.type", "process"))
	}
	return out
}

// cache holds the options of each series: building a set of attributes costs more
// than recording with it. The map is replaced and never changed, so reading needs
// no lock.
type cache struct {
	made atomic.Pointer[map[labels][]metric.RecordOption]
	mu   sync.Mutex // held while adding a series
}

func (c *cache) of(k labels) []metric.RecordOption {
	if made := c.made.Load(); made != nil {
		if options, ok := (*made)[k]; ok {
			return options
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	more := map[labels][]metric.RecordOption{k: {metric.WithAttributeSet(attribute.NewSet(k.attributes()...))}}
	if made := c.made.Load(); made != nil {
		for other, options := range *made {
			more[other] = options
		}
	}
	c.made.Store(&more)
	return more[k]
}
