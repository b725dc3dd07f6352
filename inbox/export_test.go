package inbox

import (
	"context"
	"reflect"
	"time"
)

// Statements returns all statements of a dialect by name.
func Statements(d Dialect, prefix string) map[string]string {
	out := map[string]string{}
	v := reflect.ValueOf(newStatements(d, prefix))
	for i := range v.NumField() {
		out[v.Type().Field(i).Name] = v.Field(i).String()
	}
	return out
}

// Working reports whether Run runs.
func (in *Inbox) Working() bool { return in.running.Load() }

// BackOff is the wait after the nth attempt.
func BackOff(n int, first, limit time.Duration) time.Duration {
	return (&Config{RetryFirst: first, RetryMax: limit}).backoff(n)
}

// Retain drops what is no longer to be kept.
func (in *Inbox) Retain(ctx context.Context) error { return in.retain(ctx) }
