package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// Watch records observations and log lines.
type Watch struct {
	mu   sync.Mutex
	seen []payack.Observation
	log  bytes.Buffer
}

// Observe implements [payack.Observer].
func (w *Watch) Observe(_ context.Context, o *payack.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, *o)
}

// Write keeps a line of the log.
func (w *Watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

// Options returns options whose observer and logger are the watch.
func (w *Watch) Options() middleware.Options {
	return middleware.Options{Observer: w, Logger: slog.New(slog.NewJSONHandler(w, nil))}
}

// Last returns the latest observation.
func (w *Watch) Last(t testing.TB) payack.Observation {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.seen)
	return w.seen[len(w.seen)-1]
}

// Count returns the number of observations.
func (w *Watch) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

// Lines returns the log, parsed.
func (w *Watch) Lines(t testing.TB) []map[string]any {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(w.log.String()), "\n") {
		if line == "" {
			continue
		}
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		out = append(out, fields)
	}
	return out
}
