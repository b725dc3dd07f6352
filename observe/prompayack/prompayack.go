// Package prompayack measures payack for Prometheus, on client_golang, without
// OpenTelemetry.
//
// [New] returns a [payack.Observer] for Options.Observer. The metrics are those
// of otelpayack under the names that OpenTelemetry's Prometheus exporter gives
// them, so that one dashboard fits both:
//
//   - payack_delivery_duration_seconds: the duration of a request, from its
//     arrival to its answer, or of settling an event that was found by asking
//     the provider
//   - payack_delivery_age_seconds: the age of an order whose payment was
//     found by asking, because its callback never came
//   - messaging_process_duration_seconds: the duration of an attempt to
//     process an event that an inbox kept
//   - payack_stage_duration_seconds, if Config.Stages is set
//   - payack_inbox_pending, payack_inbox_dead and
//     payack_inbox_oldest_age_seconds, if Config.Inbox is set
//
// The labels are payack_provider, payack_outcome, payack_stage, and
//   - error_type: the reason; empty if the event was accepted or a duplicate
//   - payack_source: query for an event found by asking; empty for callbacks
//
// Every label has few values, whatever is sent: none holds an identity, an
// address, a path or the number of an attempt.
package prompayack

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/nilness"
)

// buckets range from the duration of a refusal at the gate (before the body is read)
// to the time that providers wait for an answer.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// ages range from an order's age when package reconcile first asks the provider about
// it to its age when the package gives up, by the defaults of package reconcile.
var ages = []float64{60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 48 * 3600, 72 * 3600}

// patience bounds how long a scrape waits for the inbox.
const patience = 5 * time.Second

// Config configures an observer. The zero value measures deliveries and attempts
// in the default registry.
type Config struct {
	// Registerer is prometheus.DefaultRegisterer if nil. A registry takes one
	// observer: give the same observer to all receivers.
	Registerer prometheus.Registerer
	// Stages adds a measurement for each stage, up to four for each delivery.
	Stages bool
	// Inbox is asked for its counts at each scrape; nil if there is none.
	Inbox interface {
		Stats(context.Context) (payack.InboxStats, error)
	}
}

// Observer is a [payack.Observer] that measures. It is safe for concurrent use.
type Observer struct {
	registerer           prometheus.Registerer
	registered           []prometheus.Collector
	deliveries, attempts *prometheus.HistogramVec
	found                *prometheus.HistogramVec
	stages               *prometheus.HistogramVec // nil without Config.Stages
}

var _ payack.Observer = (*Observer)(nil)

// New returns an observer and registers its metrics. The error names what is wrong
// with the configuration. If another observer has registered its metrics already, the
// error is the registry's.
func New(c Config) (*Observer, error) {
	if c.Registerer == nil {
		c.Registerer = prometheus.DefaultRegisterer
	}
	if c.Inbox != nil && nilness.Of(c.Inbox) {
		return nil, errors.New("prompayack: Inbox: it is nil; leave it out where there is no inbox")
	}
	o := &Observer{
		registerer: c.Registerer,
		deliveries: histogram("payack_delivery_duration_seconds", "Time from the arrival of a callback to its answer.", buckets,
			"payack_provider", "payack_outcome", "error_type", "payack_source"),
		attempts: histogram("messaging_process_duration_seconds", "Time of an attempt to process an event that was kept.", buckets,
			"payack_provider", "payack_outcome", "error_type", "payack_source"),
		found: histogram("payack_delivery_age_seconds", "Age of an order when its payment was found by asking.", ages, "payack_provider"),
	}
	all := []prometheus.Collector{o.deliveries, o.attempts, o.found}
	if c.Stages {
		o.stages = histogram("payack_stage_duration_seconds", "Time of a stage of a delivery.", buckets, "payack_provider", "payack_stage")
		all = append(all, o.stages)
	}
	if c.Inbox != nil {
		all = append(all, backlog{c.Inbox.Stats})
	}
	for _, m := range all {
		if err := c.Registerer.Register(m); err != nil {
			err = fmt.Errorf("prompayack: Registerer: %w; give one observer to all receivers", err)
			return nil, errors.Join(err, o.Close())
		}
		o.registered = append(o.registered, m)
	}
	return o, nil
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Close removes the metrics from the registry.
func (o *Observer) Close() error {
	for _, m := range o.registered {
		o.registerer.Unregister(m)
	}
	return nil
}

// Observe implements [payack.Observer].
func (o *Observer) Observe(_ context.Context, ob *payack.Observation) {
	to := o.deliveries
	if ob.Attempt > 0 {
		to = o.attempts
	}
	provider := string(ob.Delivery.Provider)
	to.WithLabelValues(provider, string(ob.Outcome), string(ob.Reason), string(ob.Delivery.Source)).Observe(ob.Took.Total.Seconds())
	if ob.Age > 0 && ob.Attempt == 0 && ob.Outcome == payack.OutcomeAccepted {
		o.found.WithLabelValues(provider).Observe(ob.Age.Seconds())
	}
	if o.stages == nil {
		return
	}
	for stage, took := range ob.Took.Stages() {
		o.stages.WithLabelValues(provider, string(stage)).Observe(took.Seconds())
	}
}

// backlog asks an inbox at each scrape. If the inbox does not answer, its gauges
// are absent, which an alert can detect; the other metrics stay.
type backlog struct {
	stats func(context.Context) (payack.InboxStats, error)
}

var (
	pending = prometheus.NewDesc("payack_inbox_pending", "Events that wait or are being processed.", nil, nil)
	dead    = prometheus.NewDesc("payack_inbox_dead", "Events that are not tried again by themselves; a person has to look.", nil, nil)
	oldest  = prometheus.NewDesc("payack_inbox_oldest_age_seconds", "Age of the oldest event that waits or is being processed.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (backlog) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{pending, dead, oldest} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (b backlog) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := b.stats(ctx)
	if err != nil {
		return
	}
	to <- prometheus.MustNewConstMetric(pending, prometheus.GaugeValue, float64(s.Pending+s.Running))
	to <- prometheus.MustNewConstMetric(dead, prometheus.GaugeValue, float64(s.Dead))
	to <- prometheus.MustNewConstMetric(oldest, prometheus.GaugeValue, s.Oldest.Seconds())
}
