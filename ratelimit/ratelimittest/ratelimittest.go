// Package ratelimittest is the conformance suite for implementations of
// [ratelimit.Limiter]. It needs no assertion library.
package ratelimittest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
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
	for _, test := range []struct {
		name string
		run  func(*testing.T, suite)
	}{
		{"burst then refusal", bursts},
		{"refills over time", refills},
		{"waiting for RetryAfter is enough", retryAfterIsEnough},
		{"RetryAfter shrinks as time passes", retryAfterShrinks},
		{"fractions of a call per second", fractions},
		{"keys are independent", independentKeys},
		{"long keys", longKeys},
		{"Peek takes nothing", peekTakesNothing},
		{"Peek tells what Allow answers", peekForetells},
		{"a refused call takes nothing", refusedTakesNothing},
		{"concurrency never admits more than the budget", concurrency},
		{"decisions are consistent", consistency},
		{"a cancelled context spares nobody", cancelledContexts},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

// slow is a rate at which nothing refills while a test runs, on any machine.
const slow = 1.0 / 3600

// probe is a limiter in a test, and its clock. A call that returns an error ends
// the test.
type probe struct {
	t       *testing.T
	limiter ratelimit.Limiter
	clock
}

func (s suite) build(t *testing.T, perSecond float64, burst int) *probe {
	t.Helper()
	c := s.clock()
	l := s.factory(t, ratelimit.Config{PerSecond: perSecond, Burst: burst, Now: c.now})
	if l == nil {
		t.Fatal("the factory returned no limiter")
	}
	return &probe{t, l, c}
}

func (p *probe) allow(key string) ratelimit.Decision {
	p.t.Helper()
	d, err := p.limiter.Allow(context.Background(), key)
	if err != nil {
		p.t.Fatalf("Allow returned an error: %v", err)
	}
	return d
}

func (p *probe) peek(key string) ratelimit.Decision {
	p.t.Helper()
	d, err := p.limiter.Peek(context.Background(), key)
	if err != nil {
		p.t.Fatalf("Peek returned an error: %v", err)
	}
	return d
}

// admitted fails the test unless a decision allows the call.
func (p *probe) admitted(d ratelimit.Decision, format string, args ...any) {
	p.t.Helper()
	if !d.Allowed {
		p.t.Fatalf(format+": refused, want allowed: %+v", append(args, d)...)
	}
}

// refused fails the test unless a decision refuses the call.
func (p *probe) refused(d ratelimit.Decision, format string, args ...any) {
	p.t.Helper()
	if d.Allowed {
		p.t.Fatalf(format+": allowed, want refused: %+v", append(args, d)...)
	}
}

// drain calls until a call is refused, and returns that refusal.
func (p *probe) drain(key string) ratelimit.Decision {
	p.t.Helper()
	for range 100_000 {
		if d := p.allow(key); !d.Allowed {
			return d
		}
	}
	p.t.Fatal("100,000 calls and no refusal")
	return ratelimit.Decision{}
}
