// Package ratelimittest is the conformance suite for implementations of
// [ratelimit.Limiter].
package ratelimittest

import (
	"context"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Factory makes a fresh limiter with cfg; budgets that another call's limiter
// charged must be full again. It fails t when it can't, and cleans up with
// t.Cleanup.
type Factory func(t *testing.T, cfg ratelimit.Config) ratelimit.Limiter

// Run runs the suite on a clock of its own, which it passes as cfg.Now and moves
// on by itself: it takes no time and depends on none.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	suite{factory: factory, clock: virtualClock}.run(t)
}

// RunRealTime runs the suite on real time, for limiters whose clock is
// elsewhere: cfg.Now is nil, and the suite sleeps, for a few seconds in all.
// slack is by how much the limiter's clock may run ahead of this process's in
// that time; where both are one clock, a millisecond is plenty.
//
// A slow machine does not make it fail: only what holds however late a call
// comes is asserted.
func RunRealTime(t *testing.T, factory Factory, slack time.Duration) {
	t.Helper()
	suite{factory: factory, clock: realClock, slack: slack}.run(t)
}

type suite struct {
	factory Factory
	clock   func() clock
	slack   time.Duration
}

// clock is time as the suite and its limiter see it.
type clock struct {
	now     func() time.Time // for the limiter; nil: its own
	sleep   func(time.Duration)
	elapsed func() time.Duration // since the clock was made
}

func realClock() clock {
	start := time.Now()
	return clock{sleep: time.Sleep, elapsed: func() time.Duration { return time.Since(start) }}
}

func virtualClock() clock {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	var passed atomic.Int64
	elapsed := func() time.Duration { return time.Duration(passed.Load()) }
	return clock{
		now:     func() time.Time { return start.Add(elapsed()) },
		sleep:   func(d time.Duration) { passed.Add(int64(d)) },
		elapsed: elapsed,
	}
}

func (s suite) run(t *testing.T) {
	t.Helper()
	// Slow enough that nothing refills while a test runs, on any machine.
	const slow = 1.0 / 3600

	build := func(t *testing.T, perSecond float64, burst int) (ratelimit.Limiter, clock) {
		t.Helper()
		c := s.clock()
		l := s.factory(t, ratelimit.Config{PerSecond: perSecond, Burst: burst, Now: c.now})
		require.NotNil(t, l)
		return l, c
	}

	t.Run("burst then refusal", func(t *testing.T) {
		for _, burst := range []int{1, 2, 3, 7, 10, 100} {
			l, _ := build(t, slow, burst)
			for i := range burst {
				d := allow(t, l, "k")
				require.True(t, d.Allowed, "call %d of a burst of %d", i+1, burst)
				require.Equal(t, burst-1-i, d.Remaining, "call %d of a burst of %d", i+1, burst)
			}
			for range 3 {
				require.False(t, allow(t, l, "k").Allowed, "a call past a burst of %d", burst)
			}
		}
	})

	t.Run("refills over time", func(t *testing.T) {
		l, clock := build(t, 20, 2)
		drain(t, l, "k")
		clock.sleep(55 * time.Millisecond)
		assert.True(t, allow(t, l, "k").Allowed, "one call comes back after 50 ms at 20 a second")
		clock.sleep(200 * time.Millisecond)
		d := peek(t, l, "k")
		assert.Equal(t, 2, d.Remaining, "the bucket is full, and not fuller, after a while")
		assert.Zero(t, d.ResetAfter)
	})

	t.Run("waiting for RetryAfter is enough", func(t *testing.T) {
		for _, c := range []struct {
			perSecond float64
			burst     int
		}{{40, 1}, {33.3, 3}, {7, 1}, {2.5, 2}} {
			l, clock := build(t, c.perSecond, c.burst)
			for range 2 {
				d := drain(t, l, "k")
				longest := time.Duration(math.Ceil(float64(time.Second)/c.perSecond)) + time.Millisecond
				require.LessOrEqual(t, d.RetryAfter, longest, "no longer than one call takes to come back")
				clock.sleep(d.RetryAfter)
				require.True(t, allow(t, l, "k").Allowed, "after RetryAfter %v at %v per second", d.RetryAfter, c.perSecond)
			}
		}
	})

	t.Run("RetryAfter shrinks as time passes", func(t *testing.T) {
		l, clock := build(t, slow, 1)
		before := drain(t, l, "k").RetryAfter
		clock.sleep(30 * time.Millisecond)
		after := allow(t, l, "k").RetryAfter
		assert.LessOrEqual(t, after, before-30*time.Millisecond+s.slack+time.Microsecond)
		assert.Greater(t, before, 50*time.Minute, "a call an hour")
	})

	t.Run("fractions of a call per second", func(t *testing.T) {
		l, _ := build(t, 0.3, 2)
		d := drain(t, l, "k")
		assert.InDelta(t, (2 / 0.3), d.Window.Seconds(), 1e-6)
		// Draining may have taken a moment, in which the bucket refilled a little.
		assert.LessOrEqual(t, d.RetryAfter, 3334*time.Millisecond)
	})

	t.Run("keys are independent", func(t *testing.T) {
		l, _ := build(t, slow, 2)
		drain(t, l, "a")
		for _, key := range []string{"b", "", "A", "a ", " a", "a\x00", "{a}", "ключ", "a:b"} {
			d := allow(t, l, key)
			assert.True(t, d.Allowed, "key %q", key)
			assert.Equal(t, 1, d.Remaining, "key %q", key)
		}
		assert.False(t, allow(t, l, "a").Allowed)
	})

	t.Run("long keys", func(t *testing.T) {
		l, _ := build(t, slow, 1)
		long := strings.Repeat("x", 100_000)
		assert.True(t, allow(t, l, long).Allowed)
		assert.False(t, allow(t, l, long).Allowed)
		assert.True(t, allow(t, l, long+"y").Allowed, "another long key")
	})

	t.Run("Peek takes nothing", func(t *testing.T) {
		l, _ := build(t, slow, 3)
		for range 10 {
			d := peek(t, l, "k")
			require.True(t, d.Allowed)
			require.Equal(t, 3, d.Remaining)
			require.Zero(t, d.ResetAfter, "a full bucket")
		}
		require.Equal(t, 2, allow(t, l, "k").Remaining, "the first call after ten looks")
		for range 10 {
			require.Equal(t, 2, peek(t, l, "k").Remaining)
		}
		drain(t, l, "k")
		for range 10 {
			require.False(t, peek(t, l, "k").Allowed)
		}
	})

	t.Run("Peek tells what Allow answers", func(t *testing.T) {
		l, clock := build(t, 25, 2)
		for range 30 {
			p, a := peek(t, l, "k"), allow(t, l, "k")
			// Time may pass between the two, and only ever adds.
			if p.Allowed {
				require.True(t, a.Allowed)
			} else {
				require.GreaterOrEqual(t, p.RetryAfter, a.RetryAfter)
			}
			clock.sleep(7 * time.Millisecond)
		}
		d := drain(t, l, "k")
		clock.sleep(d.RetryAfter)
		require.True(t, peek(t, l, "k").Allowed, "after RetryAfter")
		require.True(t, allow(t, l, "k").Allowed, "after a Peek that said so")
	})

	t.Run("a refused call takes nothing", func(t *testing.T) {
		l, clock := build(t, 10, 1)
		d := drain(t, l, "k")
		for range 100 {
			allow(t, l, "k")
		}
		clock.sleep(d.RetryAfter)
		assert.True(t, allow(t, l, "k").Allowed, "the flood did not put the next call off")
	})

	t.Run("concurrency never admits more than the budget", func(t *testing.T) {
		const perSecond, burst = 200, 50
		l, clock := build(t, perSecond, burst)
		var admitted atomic.Int64
		for range 4 {
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for range 40 {
						d, err := l.Allow(context.Background(), "k")
						if assert.NoError(t, err) && d.Allowed {
							admitted.Add(1)
						}
					}
				})
			}
			wg.Wait()
			clock.sleep(50 * time.Millisecond)
		}
		// The clock is older than the limiter's first call.
		assert.LessOrEqual(t, float64(admitted.Load()), burst+perSecond*(clock.elapsed()+s.slack).Seconds())
		assert.GreaterOrEqual(t, admitted.Load(), int64(burst+3*10), "the burst, and what came back in 3 × 50 ms")
	})

	t.Run("decisions are consistent", func(t *testing.T) {
		const perSecond, burst = 50, 5
		l, clock := build(t, perSecond, burst)
		check := func(d ratelimit.Decision) {
			t.Helper()
			require.Equal(t, burst, d.Limit)
			require.InDelta(t, 0.1, d.Window.Seconds(), 1e-6)
			require.GreaterOrEqual(t, d.Remaining, 0)
			require.LessOrEqual(t, d.Remaining, d.Limit)
			require.GreaterOrEqual(t, d.ResetAfter, d.RetryAfter)
			require.LessOrEqual(t, d.ResetAfter, d.Window+s.slack+time.Microsecond)
			if d.Allowed {
				require.Zero(t, d.RetryAfter)
				require.Zero(t, d.RetryAfterSeconds())
			} else {
				require.Zero(t, d.Remaining)
				require.Positive(t, d.RetryAfter)
				require.GreaterOrEqual(t, d.RetryAfterSeconds(), 1)
			}
		}
		for i := range 60 {
			check(peek(t, l, "k"))
			check(allow(t, l, "k"))
			if i%4 == 3 {
				clock.sleep(3 * time.Millisecond)
			}
		}
	})

	t.Run("a cancelled context spares nobody", func(t *testing.T) {
		l, _ := build(t, slow, 2)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for i := range 3 {
			p, err := l.Peek(ctx, "k")
			require.NoError(t, err)
			d, err := l.Allow(ctx, "k")
			require.NoError(t, err)
			require.Equal(t, i < 2, d.Allowed, "call %d of a burst of 2", i+1)
			require.Equal(t, i < 2, p.Allowed)
		}
		require.False(t, allow(t, l, "k").Allowed, "the calls were charged")
	})
}

func allow(t *testing.T, l ratelimit.Limiter, key string) ratelimit.Decision {
	t.Helper()
	d, err := l.Allow(context.Background(), key)
	require.NoError(t, err)
	return d
}

func peek(t *testing.T, l ratelimit.Limiter, key string) ratelimit.Decision {
	t.Helper()
	d, err := l.Peek(context.Background(), key)
	require.NoError(t, err)
	return d
}

// drain calls until a call is refused, and returns that refusal.
func drain(t *testing.T, l ratelimit.Limiter, key string) ratelimit.Decision {
	t.Helper()
	for range 100_000 {
		if d := allow(t, l, key); !d.Allowed {
			return d
		}
	}
	require.FailNow(t, "100,000 calls and no refusal")
	return ratelimit.Decision{}
}
