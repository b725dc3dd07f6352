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
)

func bursts(t *testing.T, s suite) {
	for _, burst := range []int{1, 2, 3, 7, 10, 100} {
		l := s.build(t, slow, burst)
		for i := range burst {
			d := l.allow("k")
			l.admitted(d, "call %d of a burst of %d", i+1, burst)
			if want := burst - 1 - i; d.Remaining != want {
				t.Fatalf("call %d of a burst of %d: Remaining is %d, want %d", i+1, burst, d.Remaining, want)
			}
		}
		for i := range 3 {
			l.refused(l.allow("k"), "call %d past a burst of %d", i+1, burst)
		}
	}
}

func refills(t *testing.T, s suite) {
	l := s.build(t, 20, 2)
	l.drain("k")
	l.sleep(55 * time.Millisecond)
	l.admitted(l.allow("k"), "one call comes back after 50 ms at 20 a second")
	l.sleep(200 * time.Millisecond)
	if d := l.peek("k"); d.Remaining != 2 || d.ResetAfter != 0 {
		t.Errorf("after a while the bucket is full, and not fuller: Remaining is %d, want 2; ResetAfter is %v, want 0", d.Remaining, d.ResetAfter)
	}
}

func retryAfterIsEnough(t *testing.T, s suite) {
	for _, c := range []struct {
		perSecond float64
		burst     int
	}{{40, 1}, {33.3, 3}, {7, 1}, {2.5, 2}} {
		l := s.build(t, c.perSecond, c.burst)
		for range 2 {
			d := l.drain("k")
			longest := time.Duration(math.Ceil(float64(time.Second)/c.perSecond)) + time.Millisecond
			if d.RetryAfter > longest {
				t.Fatalf("RetryAfter is %v at %v per second, want at most %v: one call is back by then", d.RetryAfter, c.perSecond, longest)
			}
			l.sleep(d.RetryAfter)
			l.admitted(l.allow("k"), "after RetryAfter %v at %v per second", d.RetryAfter, c.perSecond)
		}
	}
}

func retryAfterShrinks(t *testing.T, s suite) {
	l := s.build(t, slow, 1)
	before := l.drain("k").RetryAfter
	l.sleep(30 * time.Millisecond)
	after := l.allow("k").RetryAfter
	if longest := before - 30*time.Millisecond + s.slack + time.Microsecond; after > longest {
		t.Errorf("30 ms after RetryAfter %v it is %v, want at most %v", before, after, longest)
	}
	if before <= 50*time.Minute {
		t.Errorf("RetryAfter is %v at one call an hour, want more than 50 minutes", before)
	}
}

func fractions(t *testing.T, s suite) {
	l := s.build(t, 0.3, 2)
	d := l.drain("k")
	wantSeconds(t, d.Window, 2/0.3)
	// Draining may have taken a moment, in which the bucket refilled a little.
	if d.RetryAfter > 3334*time.Millisecond {
		t.Errorf("RetryAfter is %v at 0.3 calls a second, want at most 3.334s", d.RetryAfter)
	}
}

func wantSeconds(t *testing.T, window time.Duration, want float64) {
	t.Helper()
	if math.Abs(window.Seconds()-want) > 1e-6 {
		t.Fatalf("Window is %v, want %v seconds", window, want)
	}
}

func independentKeys(t *testing.T, s suite) {
	l := s.build(t, slow, 2)
	l.drain("a")
	for _, key := range []string{"b", "", "A", "a ", " a", "a\x00", "{a}", "ключ", "a:b"} {
		d := l.allow(key)
		l.admitted(d, "the first call of key %q, after key \"a\" was drained", key)
		if d.Remaining != 1 {
			t.Errorf("the first call of key %q: Remaining is %d, want 1", key, d.Remaining)
		}
	}
	l.refused(l.allow("a"), "a call of key \"a\", which was drained")
}

func longKeys(t *testing.T, s suite) {
	l := s.build(t, slow, 1)
	long := strings.Repeat("x", 100_000)
	l.admitted(l.allow(long), "the first call of a long key")
	l.refused(l.allow(long), "the second call of a long key")
	l.admitted(l.allow(long+"y"), "the first call of another long key")
}

func peekTakesNothing(t *testing.T, s suite) {
	l := s.build(t, slow, 3)
	for range 10 {
		d := l.peek("k")
		l.admitted(d, "Peek at a full bucket")
		if d.Remaining != 3 || d.ResetAfter != 0 {
			t.Fatalf("Peek at a full bucket: Remaining is %d, want 3; ResetAfter is %v, want 0", d.Remaining, d.ResetAfter)
		}
	}
	if d := l.allow("k"); d.Remaining != 2 {
		t.Fatalf("the first call after ten looks: Remaining is %d, want 2", d.Remaining)
	}
	for range 10 {
		if d := l.peek("k"); d.Remaining != 2 {
			t.Fatalf("Peek after one call of three: Remaining is %d, want 2", d.Remaining)
		}
	}
	l.drain("k")
	for range 10 {
		l.refused(l.peek("k"), "Peek at an empty bucket")
	}
}

func peekForetells(t *testing.T, s suite) {
	l := s.build(t, 25, 2)
	for range 30 {
		p, a := l.peek("k"), l.allow("k")
		// Time that passes between the two calls only adds tokens.
		if p.Allowed {
			l.admitted(a, "Allow after a Peek that said allowed")
		} else if p.RetryAfter < a.RetryAfter {
			t.Fatalf("Peek said RetryAfter %v, and Allow after it %v, which is longer", p.RetryAfter, a.RetryAfter)
		}
		l.sleep(7 * time.Millisecond)
	}
	d := l.drain("k")
	l.sleep(d.RetryAfter)
	l.admitted(l.peek("k"), "Peek after RetryAfter %v", d.RetryAfter)
	l.admitted(l.allow("k"), "Allow after a Peek that said allowed")
}

func refusedTakesNothing(t *testing.T, s suite) {
	l := s.build(t, 10, 1)
	d := l.drain("k")
	for range 100 {
		l.allow("k")
	}
	l.sleep(d.RetryAfter)
	l.admitted(l.allow("k"), "after RetryAfter %v and 100 refused calls", d.RetryAfter)
}

func concurrency(t *testing.T, s suite) {
	const perSecond, burst = 200, 50
	l := s.build(t, perSecond, burst)
	var admitted atomic.Int64
	for range 4 {
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 40 {
					d, err := l.limiter.Allow(context.Background(), "k")
					if err != nil {
						t.Errorf("Allow returned an error: %v", err)
					} else if d.Allowed {
						admitted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		l.sleep(50 * time.Millisecond)
	}
	// The clock started before the limiter's first call.
	passed := l.elapsed() + s.slack
	if most := burst + perSecond*passed.Seconds(); float64(admitted.Load()) > most {
		t.Errorf("%d calls were allowed in %v, want at most %.1f: a burst of %d and %d a second", admitted.Load(), passed, most, burst, perSecond)
	}
	if least := int64(burst + 3*10); admitted.Load() < least {
		t.Errorf("%d calls were allowed, want at least %d: the burst, and what came back in 3 × 50 ms", admitted.Load(), least)
	}
}

func consistency(t *testing.T, s suite) {
	const perSecond, burst = 50, 5
	l := s.build(t, perSecond, burst)
	check := func(d ratelimit.Decision) {
		t.Helper()
		wantSeconds(t, d.Window, 0.1)
		switch longest := d.Window + s.slack + time.Microsecond; {
		case d.Limit != burst:
			t.Fatalf("Limit is %d, want %d", d.Limit, burst)
		case d.Remaining < 0 || d.Remaining > d.Limit:
			t.Fatalf("Remaining is %d, want 0 to %d", d.Remaining, d.Limit)
		case d.ResetAfter < d.RetryAfter:
			t.Fatalf("ResetAfter is %v, want at least RetryAfter, %v", d.ResetAfter, d.RetryAfter)
		case d.ResetAfter > longest:
			t.Fatalf("ResetAfter is %v, want at most %v", d.ResetAfter, longest)
		case d.Allowed && d.RetryAfter != 0:
			t.Fatalf("RetryAfter of an allowed call is %v, want 0", d.RetryAfter)
		case !d.Allowed && d.Remaining != 0:
			t.Fatalf("Remaining of a refused call is %d, want 0", d.Remaining)
		case !d.Allowed && d.RetryAfter <= 0:
			t.Fatalf("RetryAfter of a refused call is %v, want above 0", d.RetryAfter)
		}
	}
	for i := range 60 {
		check(l.peek("k"))
		check(l.allow("k"))
		if i%4 == 3 {
			l.sleep(3 * time.Millisecond)
		}
	}
}

func cancelledContexts(t *testing.T, s suite) {
	l := s.build(t, slow, 2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for i := range 3 {
		p, err := l.limiter.Peek(ctx, "k")
		if err != nil {
			t.Fatalf("Peek with a cancelled context returned an error: %v", err)
		}
		d, err := l.limiter.Allow(ctx, "k")
		if err != nil {
			t.Fatalf("Allow with a cancelled context returned an error: %v", err)
		}
		if want := i < 2; d.Allowed != want || p.Allowed != want {
			t.Fatalf("call %d of a burst of 2 with a cancelled context: Peek allowed %t and Allow %t, want %t", i+1, p.Allowed, d.Allowed, want)
		}
	}
	l.refused(l.allow("k"), "a call after two with a cancelled context, which are charged")
}
