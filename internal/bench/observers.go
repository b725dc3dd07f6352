package main

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/observe/otelpayack"
	"github.com/payack/payack/observe/prompayack"
)

// observers are the measured observers and their names in the rows. The first one
// does nothing. Its row shows the cost of the clock readings that a receiver makes
// only for observers.
var observers = []struct {
	name string
	make func() (payack.Observer, error)
}{
	{"an idle observer", func() (payack.Observer, error) {
		return payack.ObserverFunc(func(context.Context, *payack.Observation) {}), nil
	}},
	{"otelpayack, with the SDK", func() (payack.Observer, error) {
		return otelpayack.New(otelpayack.Config{
			MeterProvider:  metric.NewMeterProvider(metric.WithReader(metric.NewManualReader())),
			TracerProvider: trace.NewTracerProvider(),
		})
	}},
	{"prompayack", func() (payack.Observer, error) {
		return prompayack.New(prompayack.Config{Registerer: prometheus.NewRegistry()})
	}},
	{"the inspector", func() (payack.Observer, error) {
		return inspector.New(inspector.Config{Logger: slog.New(slog.DiscardHandler)})
	}},
}

// withObserver returns the change that sets an observer.
func withObserver(make func() (payack.Observer, error)) change {
	return func(o *middleware.Options) (err error) {
		o.Observer, err = make()
		return err
	}
}

// observed returns a row for each observer. The base is the row without an observer.
func observed(group, base string, served func(change) func(i, n int) (worker, error)) (out []*row) {
	for _, o := range observers {
		out = append(out, &row{group: group, name: "payack, with " + o.name, base: base, worker: served(withObserver(o.make))})
	}
	return out
}
