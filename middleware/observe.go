package middleware

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/payack/payack"
)

// maxLogged bounds, in bytes, what a sender can put into one attribute of a log
// line.
const maxLogged = 128

// tell logs an observation and hands it to the observer. It recovers from an
// observer's panic.
func (rc *receiver) tell(ctx context.Context, o *payack.Observation) {
	level := levelOf(o)
	if rc.options.Logger.Enabled(ctx, level) {
		logObservation(ctx, rc.options.Logger, level, o)
	}
	if rc.options.Observer == nil {
		return
	}
	defer rc.observerPanicked()
	rc.options.Observer.Observe(ctx, o)
}

// startAttempt calls StartAttempt of an observer that is an AttemptTracer. The
// caller calls end when the attempt is over.
func (rc *receiver) startAttempt(ctx context.Context, d *payack.Delivery) (traced context.Context, end func(*payack.Observation)) {
	traced, end = ctx, func(*payack.Observation) {}
	tracer, ok := rc.options.Observer.(payack.AttemptTracer)
	if !ok {
		return traced, end
	}
	defer rc.observerPanicked()
	ctx, ended := tracer.StartAttempt(ctx, d)
	return ctx, func(o *payack.Observation) {
		defer rc.observerPanicked()
		ended(o)
	}
}

// observerPanicked recovers from a panic of the observer, and logs it. Defer it.
func (rc *receiver) observerPanicked() {
	if p := recover(); p != nil {
		rc.options.Logger.Error("payack: the observer panicked", "provider", rc.stages.provider, "stack", string(debug.Stack()))
	}
}

// observe completes a request's observation and passes it to tell. When there is no
// observer and the log's level is off, it does neither, which saves reading the
// clock.
func (rc *receiver) observe(ctx context.Context, o *payack.Observation) {
	if rc.options.Observer == nil && !rc.options.Logger.Enabled(ctx, levelOf(o)) {
		return
	}
	o.Took.Total = time.Since(o.Delivery.Received)
	rc.tell(ctx, o)
}

// levelOf returns the level at which an observation is logged.
func levelOf(o *payack.Observation) slog.Level {
	level := slog.LevelInfo
	switch o.Outcome {
	case payack.OutcomeFailed:
		level = slog.LevelError
	case payack.OutcomeRefused, payack.OutcomeRejected:
		level = slog.LevelWarn
	}
	switch o.Reason {
	case payack.ReasonSpliced, payack.ReasonUnexpected, payack.ReasonUnconfirmed, payack.ReasonConflict:
		level = slog.LevelError // verified, but contradicted: a person should look at it
	case payack.ReasonBusy, payack.ReasonBodyRead:
		level = slog.LevelWarn // any sender can cause it, so it doesn't show a fault of the merchant
	}
	if o.Err != nil && level < slog.LevelError && o.Outcome == payack.OutcomeAccepted {
		level = slog.LevelError // accepted, but not marked as done
	}
	return level
}

// logObservation logs a delivery in one line. The line holds no secret and no body.
// Of the event it holds only the id.
func logObservation(ctx context.Context, logger *slog.Logger, level slog.Level, o *payack.Observation) {
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("provider", string(o.Delivery.Provider)),
		slog.String("outcome", string(o.Outcome)),
		slog.Int("bytes", len(o.Delivery.Body)),
		slog.Duration("took", o.Took.Total),
	)
	if o.Status != 0 { // an attempt of the inbox answers nobody
		attrs = append(attrs, slog.Int("status", o.Status))
	}
	if o.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(o.Reason)))
	}
	if o.Scheme != "" {
		attrs = append(attrs, slog.String("scheme", string(o.Scheme)))
	}
	if o.EventID != "" {
		attrs = append(attrs, slog.String("event_id", o.EventID))
	}
	if o.Delivery.Client.IsValid() {
		attrs = append(attrs, slog.String("client", o.Delivery.Client.String()))
	}
	switch o.Reason {
	case payack.ReasonContentType:
		attrs = append(attrs, slog.String("content_type", cut(o.Delivery.Header.Get("Content-Type"))))
	case payack.ReasonContentEncoding:
		attrs = append(attrs, slog.String("content_encoding", cut(o.Delivery.Header.Get("Content-Encoding"))))
	case payack.ReasonUnknownTenant, payack.ReasonKeys: // omitted for other reasons, because a path may be secret
		attrs = append(attrs, slog.String("path", cut(o.Delivery.Path)))
	case payack.ReasonMethod:
		attrs = append(attrs, slog.String("method", cut(o.Delivery.Method)))
	}
	if o.Err != nil {
		var refusal *payack.Error
		if errors.As(o.Err, &refusal) {
			attrs = append(attrs, slog.String("stage", string(refusal.Stage)))
		}
		attrs = append(attrs, slog.String("error", o.Err.Error()))
	}
	if o.Stack != "" {
		attrs = append(attrs, slog.String("stack", o.Stack))
	}
	message := "payack: callback accepted" // most lines have this message, so it is a constant
	switch {
	case o.Delivery.Source != payack.SourceCallback:
		message = "payack: " + string(o.Delivery.Source) + " " + string(o.Outcome)
		if o.Age > 0 {
			attrs = append(attrs, slog.Duration("age", o.Age))
		}
	case o.Outcome != payack.OutcomeAccepted:
		message = "payack: callback " + string(o.Outcome)
	}
	logger.LogAttrs(ctx, level, message, attrs...)
}

func cut(s string) string {
	if len(s) > maxLogged {
		return s[:maxLogged] + "…"
	}
	return s
}
