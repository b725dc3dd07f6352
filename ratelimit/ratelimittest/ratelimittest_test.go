package ratelimittest_test

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/ratelimittest"
)

// faultName is the environment variable that chooses the fault of TestFaulty's
// limiter.
const faultName = "PAYACKTEST_LIMITER_FAULT"

func factory(fault string) ratelimittest.Factory {
	return func(_ *testing.T, cfg ratelimit.Config) ratelimit.Limiter { return newFaulty(cfg, fault) }
}

func TestFaultless(t *testing.T) {
	t.Run("own clock", func(t *testing.T) { ratelimittest.Run(t, factory("")) })
	t.Run("real time", func(t *testing.T) { ratelimittest.RunRealTime(t, factory(""), time.Millisecond) })
}

// TestFaulty is meant to fail, in the processes that TestFindsFaults starts.
func TestFaulty(t *testing.T) {
	fault := os.Getenv(faultName)
	if fault == "" {
		t.Skip("runs in processes of TestFindsFaults")
	}
	if fault == "no limiter" {
		ratelimittest.Run(t, func(*testing.T, ratelimit.Config) ratelimit.Limiter { return nil })
	}
	ratelimittest.Run(t, factory(fault))
}

func TestFindsFaults(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, exe, "-test.v", "-test.run=^TestFaulty$")
			cmd.Env = append(os.Environ(), faultName+"="+f.name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
				t.Fatalf("%v: %.2000s", err, out)
			}
			test := "--- FAIL: TestFaulty/" + strings.ReplaceAll(f.test, " ", "_") + " "
			if err == nil || !strings.Contains(string(out), test) || !strings.Contains(string(out), f.says) {
				t.Errorf("want %q and %q: %.2000s", test, f.says, out)
			}
		})
	}
}

// faults lists each fault, the test that must find it, and a part of its message.
var faults = []struct{ name, test, says string }{
	{"no limiter", "burst then refusal", "the factory returned no limiter"},
	{"fails", "burst then refusal", "Allow returned an error: out of order"},
	{"peek fails", "Peek takes nothing", "Peek returned an error: out of order"},
	{"never refuses", "burst then refusal", "past a burst of 1: allowed, want refused"},
	{"never refuses", "waiting for RetryAfter is enough", "100,000 calls and no refusal"},
	{"burst less one", "burst then refusal", "call 1 of a burst of 1: refused, want allowed"},
	{"burst and one", "burst then refusal", "call 1 of a burst of 1: Remaining is 1, want 0"},
	{"remaining before the call", "burst then refusal", "Remaining is 1, want 0"},
	{"never refills", "refills over time", "one call comes back after 50 ms"},
	{"refills without end", "refills over time", "want 2"},
	{"refills twice as fast", "concurrency never admits more than the budget", "calls were allowed in"},
	{"starts empty", "burst then refusal", "refused, want allowed"},
	{"RetryAfter too short", "waiting for RetryAfter is enough", "after RetryAfter"},
	{"RetryAfter too long", "waiting for RetryAfter is enough", "one call is back by then"},
	{"RetryAfter constant", "RetryAfter shrinks as time passes", "want at most"},
	{"RetryAfter of an hour at most a minute", "RetryAfter shrinks as time passes", "want more than 50 minutes"},
	{"RetryAfter in whole seconds", "fractions of a call per second", "want at most 3.334s"},
	{"window of a second", "fractions of a call per second", "Window is 1s"},
	{"one bucket for all", "keys are independent", "after key \"a\" was drained"},
	{"keys without case", "keys are independent", `the first call of key "A"`},
	{"keys trimmed", "keys are independent", `the first call of key "a "`},
	{"keys as C strings", "keys are independent", `the first call of key "a\x00"`},
	{"keys with hash tags", "keys are independent", `the first call of key "{a}"`},
	{"keys cut", "long keys", "the first call of another long key"},
	{"long keys free", "long keys", "the second call of a long key"},
	{"peek takes", "Peek takes nothing", "Remaining is 2, want 3"},
	{"peek allows", "Peek takes nothing", "Peek at an empty bucket: allowed"},
	{"peek refuses", "Peek takes nothing", "Peek at a full bucket: refused"},
	{"peek of a call", "Peek takes nothing", "Remaining is 2, want 3"},
	{"peek allows too early", "Peek reports what Allow decides", "Allow after a Peek that said allowed: refused"},
	{"peek's RetryAfter too short", "Peek reports what Allow decides", "which is longer"},
	{"refused calls pay", "a refused call takes nothing", "and 100 refused calls"},
	{"race", "concurrency never admits more than the budget", "calls were allowed in"},
	{"refuses when busy", "concurrency never admits more than the budget", "want at least 80"},
	{"limit is what remains", "decisions are consistent", "Limit is"},
	{"remaining below zero", "decisions are consistent", "Remaining is -"},
	{"ResetAfter is zero", "decisions are consistent", "want at least RetryAfter"},
	{"ResetAfter too long", "decisions are consistent", "ResetAfter is"},
	{"RetryAfter when allowed", "decisions are consistent", "RetryAfter of an allowed call"},
	{"remaining when refused", "decisions are consistent", "Remaining of a refused call is 1"},
	{"no RetryAfter", "decisions are consistent", "RetryAfter of a refused call is 0s"},
	{"error of the context", "a cancelled context does not prevent the charge", "Allow with a cancelled context returned an error"},
	{"error of the context in Peek", "a cancelled context does not prevent the charge", "Peek with a cancelled context returned an error"},
	{"cancelled is free", "a cancelled context does not prevent the charge", "call 3 of a burst of 2 with a cancelled context"},
	{"cancelled is refused", "a cancelled context does not prevent the charge", "call 1 of a burst of 2 with a cancelled context"},
	{"cancelled is refunded", "a cancelled context does not prevent the charge", "which are charged"},
}

// bucket is a key's token bucket. The field tokens is its content at the time in the
// field at.
type bucket struct {
	tokens float64
	at     time.Time
	free   float64 // tokens that cancelled calls took and that a fault gives back
}

// faulty is a simple limiter with one fault or none.
type faulty struct {
	mu      sync.Mutex
	cfg     ratelimit.Config
	fault   string
	buckets map[string]bucket
	busy    int
}

func newFaulty(cfg ratelimit.Config, fault string) *faulty {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &faulty{cfg: cfg, fault: fault, buckets: map[string]bucket{}}
}

func (f *faulty) is(fault string) bool { return f.fault == fault }

func (f *faulty) keyOf(key string) string {
	switch f.fault {
	case "one bucket for all":
		return ""
	case "keys without case":
		return strings.ToLower(key)
	case "keys trimmed":
		return strings.TrimSpace(key)
	case "keys as C strings":
		key, _, _ = strings.Cut(key, "\x00")
	case "keys with hash tags":
		return strings.Trim(key, "{}")
	case "keys cut":
		return key[:min(len(key), 1000)]
	}
	return key
}

// bucket returns a key's bucket as it is now.
func (f *faulty) bucket(key string) bucket {
	burst, perSecond := float64(f.cfg.Burst), f.cfg.PerSecond
	switch f.fault {
	case "burst less one":
		burst--
	case "burst and one":
		burst++
	case "never refills":
		perSecond = 0
	case "refills twice as fast":
		perSecond *= 2
	}
	now := f.cfg.Now()
	b, known := f.buckets[f.keyOf(key)]
	switch {
	case !known && f.is("starts empty"):
		return bucket{at: now}
	case !known:
		return bucket{tokens: burst, at: now}
	}
	b.tokens += perSecond * now.Sub(b.at).Seconds()
	if !f.is("refills without end") {
		b.tokens = min(b.tokens, burst)
	}
	b.at = now
	return b
}

// nearly is one token, less an allowance for rounding errors of floats.
const nearly = 1 - 1e-7

func (f *faulty) Allow(ctx context.Context, key string) (ratelimit.Decision, error) {
	if f.is("fails") {
		return ratelimit.Decision{}, errors.New("out of order")
	}
	if f.is("error of the context") && ctx.Err() != nil {
		return ratelimit.Decision{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy++; f.is("refuses when busy") && f.busy > 60 {
		return f.decision(false, 0), nil
	}
	b := f.bucket(key)
	if f.is("race") {
		f.mu.Unlock()
		for range 10 {
			runtime.Gosched()
		}
		f.mu.Lock()
	}
	before := b.tokens
	allowed := b.tokens >= nearly
	switch {
	case f.is("never refuses"), f.is("long keys free") && len(key) > 1000:
		allowed = true
	case f.is("cancelled is refused") && ctx.Err() != nil:
		allowed = false
	}
	if allowed || f.is("refused calls pay") {
		b.tokens--
	}
	if f.is("cancelled is free") && ctx.Err() != nil {
		b.tokens = before
	}
	if f.is("cancelled is refunded") {
		if ctx.Err() == nil && b.free > 0 {
			b.tokens, b.free, allowed = b.tokens+b.free, 0, true
		} else if ctx.Err() != nil && allowed {
			b.free++
		}
	}
	f.buckets[f.keyOf(key)] = b
	d := f.decision(allowed, b.tokens)
	if f.is("remaining before the call") {
		d.Remaining = int(before)
	}
	return d, nil
}

func (f *faulty) Peek(ctx context.Context, key string) (ratelimit.Decision, error) {
	switch f.fault {
	case "peek takes":
		return f.Allow(ctx, key)
	case "peek fails":
		return ratelimit.Decision{}, errors.New("out of order")
	case "error of the context in Peek":
		if ctx.Err() != nil {
			return ratelimit.Decision{}, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.bucket(key)
	allowed := b.tokens >= nearly
	switch f.fault {
	case "peek allows":
		allowed = true
	case "peek refuses":
		allowed = false
	case "peek allows too early":
		allowed = b.tokens >= 0.5
	case "peek of a call":
		b.tokens--
	case "peek's RetryAfter too short":
		d := f.decision(allowed, b.tokens)
		d.RetryAfter /= 2
		return d, nil
	}
	return f.decision(allowed, b.tokens), nil
}

func (f *faulty) decision(allowed bool, tokens float64) ratelimit.Decision {
	last := func(tokens float64) time.Duration {
		return time.Duration(math.Ceil(tokens / f.cfg.PerSecond * float64(time.Second)))
	}
	d := ratelimit.Decision{
		Allowed: allowed, Limit: f.cfg.Burst, Window: last(float64(f.cfg.Burst)),
		Remaining: int(tokens + 1 - nearly), ResetAfter: last(max(0, float64(f.cfg.Burst)-tokens)),
	}
	if !allowed {
		d.Remaining, d.RetryAfter = 0, last(1-tokens)
	}
	switch f.fault {
	case "RetryAfter too short":
		d.RetryAfter /= 2
	case "RetryAfter too long":
		d.RetryAfter *= 3
	case "RetryAfter constant":
		d.RetryAfter = last(1)
	case "RetryAfter of an hour at most a minute":
		d.RetryAfter = min(d.RetryAfter, time.Minute)
	case "RetryAfter in whole seconds":
		d.RetryAfter = (d.RetryAfter + time.Second - 1).Truncate(time.Second)
	case "window of a second":
		d.Window = time.Second
	case "limit is what remains":
		d.Limit = d.Remaining
	case "remaining below zero":
		d.Remaining = int(tokens) - 1
	case "ResetAfter is zero":
		d.ResetAfter = 0
	case "ResetAfter too long":
		d.ResetAfter = 2 * d.Window
	case "RetryAfter when allowed":
		d.RetryAfter = last(1)
		d.ResetAfter = max(d.ResetAfter, d.RetryAfter)
	case "remaining when refused":
		d.Remaining = max(d.Remaining, 1)
	case "no RetryAfter":
		d.RetryAfter = 0
	}
	return d
}
