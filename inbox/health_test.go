package inbox_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
)

// Healthy fails when a due event waits for too long, and says why: Run was not
// called, or the workers don't keep up. An event that waits for its retry doesn't
// count. Healthy of a receiver returns the same error as Healthy of its inbox.
func TestHealthy(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Late, c.Workers, c.Poll = 20*time.Millisecond, 1, time.Millisecond }).mount()
		healthy := s.pts.(interface{ Healthy(context.Context) error }).Healthy
		fails := func(why string) {
			t.Helper()
			require.Eventually(t, func() bool {
				err := s.in.Healthy(t.Context())
				return err != nil && strings.Contains(err.Error(), why)
			}, 30*time.Second, time.Millisecond)
			for _, err := range []error{s.in.Healthy(t.Context()), healthy(t.Context())} {
				require.ErrorContains(t, err, why)
				assert.NotContains(t, err.Error(), "\n")
			}
		}
		require.NoError(t, s.in.Healthy(t.Context()))
		require.NoError(t, healthy(t.Context()))
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		fails("Run is not running in this process; call it")

		var running atomic.Bool
		goOn := make(chan struct{})
		release := sync.OnceFunc(func() { close(goOn) })
		s.says(func(context.Context, payack.Event) error { running.Store(true); <-goOn; return nil }, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-2", payack.PTSSuccess))
		stop := s.run()
		t.Cleanup(release) // registered after the cleanup of s.run, so it runs first: that cleanup waits for the function
		require.Eventually(t, running.Load, 30*time.Second, time.Millisecond)
		fails("1 events for \"pts\" are due") // the other event is running
		fails("the workers don't keep up")
		release()
		require.Eventually(t, func() bool { return len(s.calls()) == 2 }, 30*time.Second, time.Millisecond)
		require.Eventually(t, func() bool { return s.in.Healthy(t.Context()) == nil }, 30*time.Second, time.Millisecond)
		stop()

		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-3", payack.PTSSuccess))
		s.exec(`UPDATE payack_inbox SET next_us = next_us + 3600000000 WHERE state = 1`)
		time.Sleep(30 * time.Millisecond)
		require.NoError(t, s.in.Healthy(t.Context()), "it is not due")
	})
}

// Healthy fails when the database does not answer, or when its tables are gone.
func TestHealthyWithoutADatabase(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.exec(`ALTER TABLE payack_inbox RENAME TO elsewhere`)
		require.ErrorContains(t, s.in.Healthy(t.Context()), "run inbox.Migrate")
		s.exec(`ALTER TABLE elsewhere RENAME TO payack_inbox`)
		require.NoError(t, s.in.Healthy(t.Context()))
		require.NoError(t, s.db.Close())
		err := s.in.Healthy(t.Context())
		require.ErrorContains(t, err, "the database does not answer")
		assert.NotContains(t, err.Error(), "\n")
	})
}
