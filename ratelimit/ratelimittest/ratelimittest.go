// Package ratelimittest is the conformance suite for implementations of
// [ratelimit.Limiter]. It needs only the testing package.
package ratelimittest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
)

// Factory returns a new limiter for cfg, with full buckets: limiters of earlier
// calls must not have charged them. A Factory that can't make a limiter ends the
// test. A Factory cleans up with t.Cleanup.
type Factory func(t *testing.T, cfg ratelimit.Config) ratelimit.Limiter

// Run runs the suite on a virtual clock, which it passes as cfg.Now and advances
// itself. The suite then never waits, and its result does not depend on the
// machine.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	suite{factory: factory, clock: virtualClock}.run(t)
}

// RunRealTime runs the suite in real time, for limiters that have their own clock:
// cfg.Now is nil, and the suite sleeps for a few seconds altogether. The parameter
// slack is how far the limiter's clock may get ahead of this process's in that time;
// if both use the same clock, a millisecond is plenty.
//
// The suite does not fail because a machine is slow: its assertions hold however
// late a call comes.
func RunRealTime(t *testing.T, factory Factory, slack time.Duration) {
	t.Helper()
	suite{factory: factory, clock: realClock, slack: slack}.run(t)
}

type suite struct {
	factory Factory
	clock   func() clock
	slack   time.Duration
}

// clock is the time of the suite and of its limiter.
type clock struct {
	now     func() time.Time // passed to the limiter; nil if it has its own
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
		{"Peek reports what Allow decides", peekForetells},
		{"a refused call takes nothing", refusedTakesNothing},
		{"concurrency never admits more than the budget", concurrency},
		{"decisions are consistent", consistency},
		{"a cancelled context does not prevent the charge", cancelledContexts},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

// slow is a rate at which nothing refills while a test runs, on any machine.
const slow = 1.0 / 3600

// probe is a limiter under test with its clock. Its methods end the test when a
// call returns an error.
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

// admitted ends the test unless the decision allows the call.
func (p *probe) admitted(d ratelimit.Decision, format string, args ...any) {
	p.t.Helper()
	if !d.Allowed {
		p.t.Fatalf(format+": refused, want allowed: %+v", append(args, d)...)
	}
}

// refused ends the test unless the decision refuses the call.
func (p *probe) refused(d ratelimit.Decision, format string, args ...any) {
	p.t.Helper()
	if d.Allowed {
		p.t.Fatalf(format+": allowed, want refused: %+v", append(args, d)...)
	}
}

// drain calls Allow until a call is refused, and returns that refusal.
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
