package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

// stalled is a standard output that blocks until the channel read is closed.
type stalled struct {
	buffer
	read chan struct{}
}

func (s *stalled) Write(b []byte) (int, error) {
	<-s.read
	return s.buffer.Write(b)
}

// If the reader stops, lines are dropped and counted, and callers don't block.
func TestStalledReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := &stalled{read: make(chan struct{})}, new(buffer)
		l := newLines(w, slog.New(slog.NewTextHandler(log, nil)))
		refused := &payack.Observation{Delivery: &payack.Delivery{Provider: "x"}, Outcome: payack.OutcomeRefused, Reason: payack.ReasonMethod}
		l.Observe(t.Context(), refused)
		synctest.Wait() // the write is in progress
		for range maxQueued + 7 {
			l.Observe(t.Context(), refused)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		began := time.Now()
		err := l.say(ctx, "nobody waits for this")
		require.ErrorIs(t, err, errNotRead)
		require.NotErrorIs(t, err, context.DeadlineExceeded, "the reason is callback, as of any line that can't be written")
		require.Equal(t, 8*time.Second, time.Since(began))
		require.Empty(t, log.String())

		later := make(chan error, 1)
		go func() { later <- l.say(t.Context(), "somebody waits for this") }()
		synctest.Wait()
		close(w.read)
		require.NoError(t, <-later)
		l.flush(time.Minute)
		require.Equal(t, maxQueued+1, strings.Count(w.String(), `"reason":"method"`))
		require.Equal(t, 1, strings.Count(w.String(), "somebody waits"))
		require.NotContains(t, w.String(), "nobody waits")
		require.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
		require.Contains(t, log.String(), "lines were dropped\" lines=7\n")
	})
}

// If the reader never reads again, the writing still ends in time.
func TestStalledReaderForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stalled{read: make(chan struct{})}
		l := newLines(w, slog.New(slog.DiscardHandler))
		l.offer([]byte("first\n"))
		waits := make(chan error, 1)
		go func() { waits <- l.say(context.Background(), "second") }()
		synctest.Wait()
		began := time.Now()
		l.flush(shutdownTimeout)
		require.Equal(t, shutdownTimeout, time.Since(began))
		require.ErrorIs(t, <-waits, errNotRead)
		require.ErrorIs(t, l.say(context.Background(), "third"), errNotRead)
		close(w.read)
	})
}

// A log that nobody reads blocks no caller.
func TestStalledLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stalled{read: make(chan struct{})}
		l, logger := newLog(w, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) })
		logger.Info("first")
		synctest.Wait() // the write is in progress
		for range maxQueued + 7 {
			logger.Info("others")
		}
		began := time.Now()
		l.flush(logTimeout)
		require.Equal(t, logTimeout, time.Since(began))
		close(w.read)
	})
	synctest.Test(t, func(t *testing.T) {
		w := &stalled{read: make(chan struct{})}
		l, logger := newLog(w, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) })
		logger.Info("first")
		synctest.Wait()
		for range maxQueued + 7 {
			logger.Info("others")
		}
		close(w.read)
		synctest.Wait()
		l.flush(logTimeout)
		require.Equal(t, maxQueued, strings.Count(w.String(), "msg=others"))
		require.Contains(t, w.String(), "standard error was not read in time, and lines were dropped\" lines=7")
	})
}

// Nobody reads the pipe. Callbacks are answered nevertheless, verified
// callbacks are acknowledged if they are kept, and the process can end.
func TestReaderStalls(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for lines that nobody reads; TestStalledReader has the same without a process")
	}
	t.Parallel()
	for name, tt := range map[string]struct {
		config object
		answer string
	}{
		"database": {keptConfig(t), "SUCCESS"},
		"memory":   {testConfig(), "FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			genuine := built(t, testSender(t, tt.config, "pts"), tamperNothing)
			l := startListener(t, tt.config)
			for range 1000 { // more than a pipe holds
				resp, _ := l.do("GET", "/pts", payacktest.Callback{})
				require.Equal(t, 405, resp.StatusCode)
			}
			_, body := l.do("POST", "/pts", genuine)
			require.Equal(t, tt.answer, body)
			l.signal(syscall.SIGTERM)
			select {
			case <-l.exited:
			case <-time.After(6 * testTimeout): // the shutdown takes shutdownTimeout
				require.FailNow(t, "the process does not end")
			}
			require.Equal(t, exitDone, l.cmd.ProcessState.ExitCode(), l.stderr.String())

			l = startListener(t, tt.config)
			if tt.answer == "SUCCESS" {
				require.Equal(t, "pts accepted", l.line().verdict(), "its line is an attempt's that is made again")
			}
			_, _, line := l.post("/pts", genuine)
			require.Equal(t, map[string]string{"SUCCESS": "pts duplicate", "FAILED": "pts accepted"}[tt.answer], line.verdict())
			l.end()
		})
	}
}

// Queued lines are written before the process ends.
func TestLinesAreDrained(t *testing.T) {
	l := startListener(t, testConfig())
	const n = 600
	for range n {
		l.do("GET", "/pts", payacktest.Callback{})
	}
	l.signal(syscall.SIGTERM)
	for range n {
		require.Equal(t, "pts refused method", l.line().verdict())
	}
	require.Equal(t, exitDone, l.status(), l.stderr.String())
}
