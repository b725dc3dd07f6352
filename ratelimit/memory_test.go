package ratelimit_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/ratelimittest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newMemory(tb testing.TB, cfg ratelimit.Config) *ratelimit.Memory {
	tb.Helper()
	m, err := ratelimit.New(cfg)
	require.NoError(tb, err)
	return m
}

func allow(tb testing.TB, l ratelimit.Limiter, key string) ratelimit.Decision {
	tb.Helper()
	d, err := l.Allow(context.Background(), key)
	require.NoError(tb, err)
	return d
}

func peek(tb testing.TB, l ratelimit.Limiter, key string) ratelimit.Decision {
	tb.Helper()
	d, err := l.Peek(context.Background(), key)
	require.NoError(tb, err)
	return d
}

// manual is a clock that tests advance.
type manual struct{ ns atomic.Int64 }

func (c *manual) now() time.Time          { return time.Unix(1_800_000_000, c.ns.Load()) }
func (c *manual) advance(d time.Duration) { c.ns.Add(int64(d)) }

func TestMemoryConforms(t *testing.T) {
	t.Run("many shards", func(t *testing.T) {
		ratelimittest.Run(t, func(t *testing.T, cfg ratelimit.Config) ratelimit.Limiter {
			return newMemory(t, cfg)
		})
	})
	t.Run("one shard", func(t *testing.T) {
		ratelimittest.Run(t, func(t *testing.T, cfg ratelimit.Config) ratelimit.Limiter {
			cfg.MaxKeys = 20
			return newMemory(t, cfg)
		})
	})
	t.Run("shared bucket", func(t *testing.T) {
		// Beyond the cap, a single key is served as if it had its own bucket. The suite
		// can't run here, because its test of several keys can't pass.
		c := new(manual)
		m := newMemory(t, ratelimit.Config{PerSecond: 10, Burst: 2, MaxKeys: 1, Now: c.now})
		allow(t, m, "holder")
		assert.Equal(t, 1, allow(t, m, "k").Remaining)
		assert.Equal(t, 0, allow(t, m, "k").Remaining)
		d := allow(t, m, "k")
		require.False(t, d.Allowed)
		c.advance(d.RetryAfter)
		assert.True(t, allow(t, m, "k").Allowed)
	})
	t.Run("real time", func(t *testing.T) {
		if testing.Short() {
			t.Skip("sleeps for seconds")
		}
		ratelimittest.RunRealTime(t, func(t *testing.T, cfg ratelimit.Config) ratelimit.Limiter {
			return newMemory(t, cfg)
		}, time.Millisecond)
	})
}

func TestDefaultClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, ratelimit.Config{PerSecond: 0.1, Burst: 1})
		require.True(t, allow(t, m, "k").Allowed)
		d := allow(t, m, "k")
		require.False(t, d.Allowed)
		require.Equal(t, 10, d.RetryAfterSeconds())
		time.Sleep(d.RetryAfter)
		require.True(t, allow(t, m, "k").Allowed)
	})
}

func TestNewNamesTheMemberAndTheFix(t *testing.T) {
	good := ratelimit.Config{PerSecond: 1, Burst: 1}
	require.NoError(t, good.Validate())
	for _, c := range []struct {
		spoil       func(*ratelimit.Config)
		member, fix string
	}{
		{func(c *ratelimit.Config) { c.PerSecond = 0 }, "Config.PerSecond", "above 0"},
		{func(c *ratelimit.Config) { c.PerSecond = -1 }, "Config.PerSecond", "above 0"},
		{func(c *ratelimit.Config) { c.PerSecond = math.NaN() }, "Config.PerSecond", "above 0"},
		{func(c *ratelimit.Config) { c.PerSecond = math.Inf(1) }, "Config.PerSecond", "at most 1e9"},
		{func(c *ratelimit.Config) { c.Burst = 0 }, "Config.Burst", "at least 1"},
		{func(c *ratelimit.Config) { c.Burst = math.MaxInt }, "Config.Burst", "at most"},
		{func(c *ratelimit.Config) { c.PerSecond = 1e-9 }, "Config.Burst", "raise PerSecond"},
		{func(c *ratelimit.Config) { c.MaxKeys = -1 }, "Config.MaxKeys", "or 0"},
		{func(c *ratelimit.Config) { c.IdleAfter = -1 }, "Config.IdleAfter", "or 0"},
	} {
		cfg := good
		c.spoil(&cfg)
		m, err := ratelimit.New(cfg)
		assert.Nil(t, m)
		assert.ErrorContains(t, err, c.member)
		assert.ErrorContains(t, err, c.fix)
	}
}

func TestExtremeBudgets(t *testing.T) {
	for _, cfg := range []ratelimit.Config{
		{PerSecond: 1e9, Burst: 1},
		{PerSecond: 1e9, Burst: 1 << 30},
		{PerSecond: 1 / ratelimit.MaxWindow.Seconds(), Burst: 1},
		{PerSecond: 1.0 / 3, Burst: 1_000_000},
	} {
		c := new(manual)
		cfg.Now = c.now
		m := newMemory(t, cfg)
		d := allow(t, m, "k")
		require.True(t, d.Allowed, "%+v", d)
		require.Equal(t, cfg.Burst-1, d.Remaining)
		if cfg.Burst > 1 {
			continue
		}
		d = allow(t, m, "k")
		require.False(t, d.Allowed)
		require.InDelta(t, d.Window.Seconds(), d.RetryAfter.Seconds(), 1e-6)
		c.advance(d.RetryAfter)
		require.True(t, allow(t, m, "k").Allowed, "after %v", d.RetryAfter)
	}
}

func TestPeekAndAllowAgreeToTheNanosecond(t *testing.T) {
	for _, perSecond := range []float64{0.3, 1, 3, 7.7, 1000, 123_456.789} {
		c := new(manual)
		m := newMemory(t, ratelimit.Config{PerSecond: perSecond, Burst: 3, Now: c.now})
		step := time.Duration(float64(time.Second) / perSecond / 7)
		for i := range 2000 {
			p, a := peek(t, m, "k"), allow(t, m, "k")
			require.Equal(t, p.Allowed, a.Allowed, "at %v per second, call %d", perSecond, i)
			if a.Allowed {
				require.Equal(t, p.Remaining-1, a.Remaining)
				c.advance(step)
				continue
			}
			c.advance(a.RetryAfter)
			require.True(t, peek(t, m, "k").Allowed, "at %v per second, after %v", perSecond, a.RetryAfter)
		}
	}
}

func TestClockThatGoesBackRefillsOnce(t *testing.T) {
	c := new(manual)
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 5, Now: c.now})
	for range 5 {
		require.True(t, allow(t, m, "k").Allowed)
	}
	// The clock passes the same second several times. The bucket must refill for that
	// second only once.
	admitted := 0
	for range 20 {
		c.advance(time.Second)
		if allow(t, m, "k").Allowed {
			admitted++
		}
		c.advance(-time.Second)
		if allow(t, m, "k").Allowed {
			admitted++
		}
	}
	assert.Equal(t, 1, admitted)
	// A time long before the limiter was made: full buckets stay full.
	c.advance(-1000 * time.Hour)
	assert.Equal(t, 4, allow(t, m, "another").Remaining)
}

func TestChargeFailuresLetsAGenuineBurstPass(t *testing.T) {
	c := new(manual)
	m := newMemory(t, ratelimit.Config{PerSecond: 1.0 / 60, Burst: 5, Now: c.now})
	ctx := context.Background()
	charge := ratelimit.ChargeFailures
	for range 1000 {
		d, err := charge.Gate(ctx, m, "provider")
		require.NoError(t, err)
		require.True(t, d.Allowed)
	}
	assert.Zero(t, m.Len(), "who never fails takes no memory")

	verified := 0
	for range 1000 {
		d, err := charge.Gate(ctx, m, "forger")
		require.NoError(t, err)
		if !d.Allowed {
			require.Positive(t, d.RetryAfter)
			continue
		}
		verified++
		_, err = charge.Failed(ctx, m, "forger")
		require.NoError(t, err)
	}
	assert.Equal(t, 5, verified, "forgeries that got as far as the cryptography")
	assert.True(t, peek(t, m, "provider").Allowed)
}

func TestChargeAllChargesAtTheGateOnly(t *testing.T) {
	c := new(manual)
	for _, charge := range []ratelimit.Charge{ratelimit.ChargeAll} {
		m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 5, Now: c.now})
		d, err := charge.Gate(context.Background(), m, "k")
		require.NoError(t, err)
		require.Equal(t, 4, d.Remaining)
		d, err = charge.Failed(context.Background(), m, "k")
		require.NoError(t, err)
		require.True(t, d.Allowed)
		require.Equal(t, 4, peek(t, m, "k").Remaining)
		require.NoError(t, charge.Validate())
	}
	require.NoError(t, ratelimit.ChargeFailures.Validate())
	assert.ErrorContains(t, ratelimit.Charge("some").Validate(), `use "all" or "failures"`)
}

// One address sends at a hundred times its budget. Every decision about another
// address must be the same as without the flood.
func TestFairness(t *testing.T) {
	const perSecond, burst = 10, 5
	play := func(flood bool) (decisions []ratelimit.Decision, flooded int) {
		c := new(manual)
		m := newMemory(t, ratelimit.Config{PerSecond: perSecond, Burst: burst, Now: c.now})
		for tick := range 5000 { // five seconds, a tick per millisecond
			if flood && allow(t, m, "flooder").Allowed { // 1,000 a second
				flooded++
			}
			if tick%90 == 0 { // a little over its rate, so that it meets the limit
				decisions = append(decisions, allow(t, m, "other"))
			}
			c.advance(time.Millisecond)
		}
		return decisions, flooded
	}
	alone, _ := play(false)
	beside, flooded := play(true)
	assert.Equal(t, alone, beside)
	assert.InDelta(t, burst+5*perSecond, flooded, 1, "and the flooder got its own budget")
}

func TestFairnessInParallel(t *testing.T) {
	c := new(manual)
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 1000, Now: c.now})
	var flooders sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		flooders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = m.Allow(context.Background(), "flooder")
				}
			}
		})
	}
	for i := range 1000 {
		d := allow(t, m, "other")
		require.True(t, d.Allowed)
		require.Equal(t, 999-i, d.Remaining)
	}
	close(stop)
	flooders.Wait()
}

func TestCapAndSharedBucket(t *testing.T) {
	c := new(manual)
	m := newMemory(t, ratelimit.Config{
		PerSecond: 1, Burst: 2, MaxKeys: 3, IdleAfter: time.Minute, Now: c.now, Own: []string{"known", "known"},
	})
	for _, key := range []string{"a", "b", "c"} {
		require.Equal(t, 1, allow(t, m, key).Remaining)
	}
	require.Equal(t, 3, m.Len())

	// New keys share one bucket, and Peek reports it.
	require.Equal(t, 2, peek(t, m, "d").Remaining)
	require.Equal(t, 1, allow(t, m, "d").Remaining)
	require.Equal(t, 0, allow(t, m, "e").Remaining)
	require.False(t, peek(t, m, "f").Allowed)
	require.False(t, allow(t, m, "g").Allowed)

	// Known keys keep their buckets, and a key of Config.Own has a bucket of its own.
	require.Equal(t, 0, allow(t, m, "a").Remaining)
	require.Equal(t, 1, allow(t, m, "known").Remaining)
	require.Equal(t, 0, allow(t, m, "known").Remaining)
	require.False(t, allow(t, m, "known").Allowed)
	require.Equal(t, 3, m.Len(), "the known one doesn't count")

	// After a minute the keys "b" and "c" are idle, and the key "a" is not.
	c.advance(40 * time.Second)
	allow(t, m, "a")
	c.advance(20 * time.Second)
	require.Equal(t, 1, allow(t, m, "x").Remaining, "a bucket of its own again")
	require.Equal(t, 1, allow(t, m, "y").Remaining)
	require.Equal(t, 3, m.Len())

	// A key of Config.Own is never evicted, however long it is unused.
	c.advance(1000 * time.Hour)
	for i := range 100 {
		allow(t, m, "z"+strconv.Itoa(i))
	}
	require.Equal(t, 1, allow(t, m, "known").Remaining)
	require.LessOrEqual(t, m.Len(), 3)
}

func TestIdleKeysOfOtherShardsMakeRoom(t *testing.T) {
	c := new(manual)
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 1, MaxKeys: 2000, IdleAfter: time.Minute, Now: c.now})
	for i := range 3000 {
		allow(t, m, "old"+strconv.Itoa(i))
	}
	require.Equal(t, 2000, m.Len())
	c.advance(time.Minute)
	// The idle keys are spread over all shards, while a new key sweeps two shards
	// only. The first 2,000 new keys must still reclaim most of the cap. Later keys
	// must reclaim the rest.
	own := 0
	for i := range 2000 {
		if allow(t, m, "new"+strconv.Itoa(i)).Allowed {
			own++
		}
	}
	assert.Greater(t, own, 1600)
	for i := range 20_000 {
		allow(t, m, "later"+strconv.Itoa(i))
	}
	assert.Equal(t, 2000, m.Len())
	for i := range 1600 {
		assert.False(t, allow(t, m, "new"+strconv.Itoa(i)).Allowed, "who has a bucket keeps it")
	}
}

func TestEvictionGivesNoKeyAFreshBudget(t *testing.T) {
	c := new(manual)
	// IdleAfter is far below the hundred seconds in which the bucket fills.
	m := newMemory(t, ratelimit.Config{PerSecond: 0.1, Burst: 10, IdleAfter: time.Second, Now: c.now})
	for range 10 {
		require.True(t, allow(t, m, "k").Allowed)
	}
	c.advance(15 * time.Second)
	for i := range 10_000 {
		allow(t, m, "other"+strconv.Itoa(i))
	}
	assert.Equal(t, 1, peek(t, m, "k").Remaining, "15 seconds at one in ten")
}

func TestMemoryShrinksWhenOnlyKnownKeysCall(t *testing.T) {
	c := new(manual)
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 1, MaxKeys: 100, IdleAfter: time.Minute, Now: c.now})
	for i := range 100 {
		allow(t, m, strconv.Itoa(i))
	}
	require.Equal(t, 100, m.Len())
	for range 5000 {
		c.advance(time.Second)
		allow(t, m, "7")
	}
	assert.Equal(t, 1, m.Len())
}

func TestAMillionKeysStayAtTheCap(t *testing.T) {
	const limit = 100_000
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 5, MaxKeys: limit})
	var buf [32]byte
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	flood := func(from, to int) {
		for i := from; i < to; i++ {
			_, _ = m.Allow(context.Background(), string(strconv.AppendInt(buf[:0], int64(i), 10)))
		}
	}
	before := heap()
	flood(0, limit)
	atCap := heap() - before
	require.Equal(t, limit, m.Len())
	flood(limit, 1_000_000)
	after := heap() - before
	assert.Equal(t, limit, m.Len())
	// The keys beyond the cap must take no memory. The tenth is for the runtime.
	assert.LessOrEqual(t, after, atCap+atCap/10)
	runtime.KeepAlive(m)
}

func TestLongKeysDontTakeTheirLengthInMemory(t *testing.T) {
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 5, MaxKeys: 2000})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 1000 {
		allow(t, m, strings.Repeat("x", 10_000)+strconv.Itoa(i))
		// A key that is a piece of a long string must not keep the whole string alive.
		allow(t, m, (strings.Repeat("y", 10_000) + strconv.Itoa(i))[9_990:])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Equal(t, 2000, m.Len())
	assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(2_000_000), "20 MB came in")
	runtime.KeepAlive(m)
}

func TestConcurrentUseOfEverything(t *testing.T) {
	m := newMemory(t, ratelimit.Config{PerSecond: 1e6, Burst: 1, MaxKeys: 1500, IdleAfter: time.Nanosecond})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				key := strconv.Itoa((i*7 + g*13) % 3000)
				d, err := m.Allow(context.Background(), key)
				if err != nil || d.Limit != 1 {
					t.Errorf("Allow: %+v, %v", d, err)
				}
				if d, err := m.Peek(context.Background(), key); err != nil || d.Limit != 1 {
					t.Errorf("Peek: %+v, %v", d, err)
				}
				if n := m.Len(); n < 0 || n > 1500 {
					t.Errorf("Len is %d", n)
				}
			}
		})
	}
	wg.Wait()
}

func TestNoAllocations(t *testing.T) {
	c := new(manual)
	ctx := context.Background()
	m := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 1 << 20, MaxKeys: 10, Own: []string{"own"}, Now: c.now})
	tight := newMemory(t, ratelimit.Config{PerSecond: 1, Burst: 1, MaxKeys: 1, Now: c.now})
	allow(t, m, "k")
	allow(t, tight, "k")
	allow(t, tight, "newcomer")
	for name, call := range map[string]func() (ratelimit.Decision, error){
		"allowed":           func() (ratelimit.Decision, error) { return m.Allow(ctx, "k") },
		"allowed, own":      func() (ratelimit.Decision, error) { return m.Allow(ctx, "own") },
		"refused":           func() (ratelimit.Decision, error) { return tight.Allow(ctx, "k") },
		"refused, shared":   func() (ratelimit.Decision, error) { return tight.Allow(ctx, "newcomer") },
		"looked at":         func() (ratelimit.Decision, error) { return m.Peek(ctx, "k") },
		"looked at, new":    func() (ratelimit.Decision, error) { return m.Peek(ctx, "unknown") },
		"looked at, shared": func() (ratelimit.Decision, error) { return tight.Peek(ctx, "newcomer") },
	} {
		t.Run(name, func(t *testing.T) {
			want := !strings.HasPrefix(name, "refused") && name != "looked at, shared"
			d, err := call()
			require.NoError(t, err)
			require.Equal(t, want, d.Allowed)
			assert.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = call() }))
		})
	}
}

func TestRetryAfterSeconds(t *testing.T) {
	for _, c := range []struct {
		d    ratelimit.Decision
		want int
	}{
		{ratelimit.Decision{Allowed: true}, 0},
		{ratelimit.Decision{RetryAfter: 1}, 1},
		{ratelimit.Decision{RetryAfter: time.Second}, 1},
		{ratelimit.Decision{RetryAfter: time.Second + 1}, 2},
		{ratelimit.Decision{RetryAfter: 90 * time.Second}, 90},
		{ratelimit.Decision{}, 1}, // refused without a duration
		{ratelimit.Decision{RetryAfter: math.MaxInt64}, math.MaxInt64/int(time.Second) + 1},
	} {
		assert.Equal(t, c.want, c.d.RetryAfterSeconds(), "%+v", c.d)
	}
}

func ExampleNew() {
	limiter, err := ratelimit.New(ratelimit.Config{PerSecond: 0.5, Burst: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		d, _ := limiter.Allow(context.Background(), "ptop 192.0.2.1")
		fmt.Println(d.Allowed, d.Remaining, d.RetryAfterSeconds())
	}
	// Output:
	// true 1 0
	// true 0 0
	// false 0 2
}

// Another merchant of the same provider can direct callbacks here, from the
// provider's own address. Their failures must not make us refuse the provider's
// genuine callbacks.
func TestOwnKeysAreNeverRefusedForFailures(t *testing.T) {
	ctx := t.Context()
	l, err := ratelimit.New(ratelimit.Config{PerSecond: 1, Burst: 1, Own: []string{"provider"}})
	require.NoError(t, err)
	for _, charge := range []ratelimit.Charge{"", ratelimit.ChargeFailures} {
		for range 3 {
			for _, key := range []string{"provider", "stranger"} {
				_, err := charge.Failed(ctx, l, key)
				require.NoError(t, err)
			}
		}
		d, err := charge.Gate(ctx, l, "provider")
		require.NoError(t, err)
		assert.True(t, d.Allowed)
		assert.Zero(t, d.RetryAfter)
		assert.Zero(t, d.RetryAfterSeconds())
		d, err = charge.Gate(ctx, l, "stranger")
		require.NoError(t, err)
		assert.False(t, d.Allowed)
	}
	d, err := ratelimit.ChargeAll.Gate(ctx, l, "provider")
	require.NoError(t, err)
	assert.False(t, d.Allowed, "the plain limit counts for everybody")
}
