package otelpayack

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/payack/payack"
)

// StartAttempt implements [payack.AttemptTracer].
func (o *Observer) StartAttempt(ctx context.Context, d *payack.Delivery) (context.Context, func(*payack.Observation)) {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer)}
	if from := cameIn(d); from.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: from}))
	}
	ctx, span := o.tracer.Start(ctx, "process "+string(d.Provider), options...)
	return ctx, func(ob *payack.Observation) {
		span.SetAttributes(labels{provider: d.Provider, outcome: ob.Outcome, reason: ob.Reason, source: d.Source, attempt: true}.attributes()...)
		if ob.Err != nil {
			span.RecordError(ob.Err)
		}
		if ob.Reason != "" {
			span.SetStatus(codes.Error, string(ob.Reason))
		}
		span.End()
	}
}

// cameIn returns the span named by a delivery's headers. The sender wrote the headers,
// so the span becomes a link and not the parent.
func cameIn(d *payack.Delivery) trace.SpanContext {
	carrier := propagation.HeaderCarrier(http.Header(d.Header))
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}
