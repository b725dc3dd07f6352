package prompayack_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/observe/prompayack"
)

// everything returns the names of all metrics and labels. It scrapes an observer that
// has every metric.
func everything(t *testing.T) (names, labels []string) {
	t.Helper()
	r := prometheus.NewRegistry()
	o, err := prompayack.New(prompayack.Config{Registerer: r, Stages: true, Inbox: inbox(func() (payack.InboxStats, error) { return payack.InboxStats{}, nil })})
	require.NoError(t, err)
	for attempt := range 2 {
		o.Observe(t.Context(), &payack.Observation{Delivery: &payack.Delivery{Provider: payack.PTS}, Attempt: attempt,
			Outcome: payack.OutcomeAccepted, Age: 1, Took: payack.Durations{Call: 1}})
	}
	families, err := r.Gather()
	require.NoError(t, err)
	for _, f := range families {
		names = append(names, f.GetName())
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
		}
	}
	return names, labels
}

// The documents name no metric or label that doesn't exist. The dashboard and
// observability.md name every metric; the alerts need not.
func TestDocumentsNameWhatExists(t *testing.T) {
	names, labels := everything(t)
	word := regexp.MustCompile(`\b(?:payack|messaging|error)_[a-z_]+`)
	suffix := regexp.MustCompile(`_(count|bucket|sum)$`)
	for file, all := range map[string]bool{"alerts.yml": false, "dashboard.json": true, "observability.md": true} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("..", "..", "docs", file))
			if errors.Is(err, fs.ErrNotExist) {
				t.Skip("the documents are not here: this is the module alone")
			}
			require.NoError(t, err)
			var seen []string
			for _, w := range word.FindAllString(string(text), -1) {
				w = suffix.ReplaceAllString(w, "")
				seen = append(seen, w)
				assert.True(t, slices.Contains(names, w) || slices.Contains(labels, w), "nothing is named %s", w)
			}
			require.NotEmpty(t, seen)
			for _, name := range names {
				assert.True(t, !all || slices.Contains(seen, name), "%s is left out", name)
			}
		})
	}
}

func TestDashboardIsJSON(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "dashboard.json"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the documents are not here: this is the module alone")
	}
	require.NoError(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &board))
	require.NotEmpty(t, board.Panels)
	for _, p := range board.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			assert.NotEmpty(t, target.Expr, p.Title)
		}
	}
}
