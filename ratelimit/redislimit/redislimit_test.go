package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/ratelimittest"
	"github.com/payack/payack/ratelimit/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var budget = ratelimit.Config{PerSecond: 1.0 / 3600, Burst: 3}

func TestConforms(t *testing.T) {
	opts := anyServer(t)
	ratelimittest.RunRealTime(t, func(t *testing.T, cfg ratelimit.Config) ratelimit.Limiter {
		l := newPatient(t, opts, redislimit.Config{Budget: cfg})
		t.Cleanup(func() { assert.Zero(t, l.Stats().Local, "Redis decided every call") })
		return l
	}, 5*time.Millisecond)
}

// The local limiter, which answers without Redis, must pass the conformance suite.
func TestConformsWithoutRedis(t *testing.T) {
	ratelimittest.Run(t, func(t *testing.T, cfg ratelimit.Config) ratelimit.Limiter {
		return newPatient(t, &redis.Options{Dialer: refuse}, redislimit.Config{Budget: cfg})
	})
}

// A provider's own address is never refused for failures, with and without Redis.
func TestOwnKeysAreNeverRefusedForFailures(t *testing.T) {
	cfg := redislimit.Config{Budget: ratelimit.Config{PerSecond: 1.0 / 3600, Burst: 1, Own: []string{"provider"}}}
	for name, opts := range map[string]*redis.Options{"Redis": anyServer(t), "without": {Dialer: refuse}} {
		t.Run(name, func(t *testing.T) {
			l := newPatient(t, opts, cfg)
			for _, key := range []string{"provider", "stranger"} {
				for range 2 {
					_, _ = ratelimit.ChargeFailures.Failed(t.Context(), l, key)
				}
				d, _ := ratelimit.ChargeFailures.Gate(t.Context(), l, key)
				assert.Equal(t, key == "provider", d.Allowed, key)
			}
			d, _ := ratelimit.ChargeAll.Gate(t.Context(), l, "provider")
			assert.False(t, d.Allowed, "the plain limit counts for everybody")
		})
	}
}

func refuse(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}

// The script's own count of remaining calls is sometimes one too low, by rounding
// errors. The decision's Remaining must be exact.
func TestRemainingIsExact(t *testing.T) {
	opts := anyServer(t)
	for _, burst := range []int{1, 2, 3, 5, 10, 30, 100} {
		for _, perSecond := range []float64{0.003, 0.007, 0.01, 0.03} {
			l := newPatient(t, opts, redislimit.Config{Budget: ratelimit.Config{PerSecond: perSecond, Burst: burst}})
			for i := range burst {
				d := allow(t, l, "k")
				require.True(t, d.Allowed)
				require.Equal(t, burst-1-i, d.Remaining, "call %d of %d at %v per second", i+1, burst, perSecond)
			}
		}
	}
}

func TestReplicasShareAndBudgetsDont(t *testing.T) {
	opts := anyServer(t)
	prefix := freshPrefix()
	a := newPatient(t, opts, redislimit.Config{Budget: budget, Prefix: prefix})
	b := newPatient(t, opts, redislimit.Config{Budget: budget, Prefix: prefix})
	allow(t, a, "k")
	allow(t, b, "k")
	assert.Equal(t, 1, peek(t, a, "k").Remaining)
	assert.Equal(t, 1, peek(t, b, "k").Remaining)

	wider := budget
	wider.Burst = 30
	c := newPatient(t, opts, redislimit.Config{Budget: wider, Prefix: prefix})
	assert.Equal(t, 30, peek(t, c, "k").Remaining, "another budget")
	d := newPatient(t, opts, redislimit.Config{Budget: budget})
	assert.Equal(t, 3, peek(t, d, "k").Remaining, "another prefix")
}

func TestKeysExpireWhenTheirBucketIsFull(t *testing.T) {
	opts := anyServer(t)
	prefix := freshPrefix()
	l := newPatient(t, opts, redislimit.Config{Budget: ratelimit.Config{PerSecond: 0.1, Burst: 2}, Prefix: prefix})
	allow(t, l, "k")
	allow(t, l, strings.Repeat("long", 10_000))
	c := redis.NewClient(opts)
	defer c.Close()
	keys, err := c.Keys(context.Background(), "rate:"+prefix+":*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 2)
	for _, key := range keys {
		ttl, err := c.TTL(context.Background(), key).Result()
		require.NoError(t, err)
		assert.Positive(t, ttl)
		assert.LessOrEqual(t, ttl, 10*time.Second)
		assert.Less(t, len(key), 300, "long keys are cut down")
	}
	peek(t, l, "never charged")
	keys, err = c.Keys(context.Background(), "rate:"+prefix+":*").Result()
	require.NoError(t, err)
	assert.Len(t, keys, 2, "a look stores nothing")
}

// After a server's clock is put back, a bucket seems to need more time to fill than an
// empty one.
func TestServerClockThatWasPutBackDoesNotRefuse(t *testing.T) {
	opts := anyServer(t)
	prefix := freshPrefix()
	l := newPatient(t, opts, redislimit.Config{
		Budget: ratelimit.Config{PerSecond: 0.01, Burst: 2}, Prefix: prefix,
		OnChange: func(c redislimit.Change) { t.Errorf("the server answers: %+v", c) },
	})
	allow(t, l, "k")
	c := redis.NewClient(opts)
	defer c.Close()
	ctx := context.Background()
	keys, err := c.Keys(ctx, "rate:"+prefix+":*k").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	ahead := float64(time.Now().Add(time.Hour).Unix() - 1483228800) // the epoch of the script
	require.NoError(t, c.Set(ctx, keys[0], ahead, time.Hour).Err())
	assert.True(t, allow(t, l, "k").Allowed)
	assert.EqualValues(t, 1, l.Stats().Local, "answered locally")
	assert.Equal(t, 1, allow(t, l, "k").Remaining, "and by a fresh bucket from then on")
	assert.EqualValues(t, 1, l.Stats().Local)
}

// gate is a dialer that refuses every connection and counts its calls. If hang is set,
// it waits for that channel before it refuses.
type gate struct {
	dials atomic.Int64
	hang  chan struct{}
}

func (g *gate) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	g.dials.Add(1)
	if g.hang != nil {
		<-g.hang // ignoring the context
	}
	return nil, errors.New("connection refused")
}

// changes collects the calls of OnChange.
type changes struct {
	mu   sync.Mutex
	list []redislimit.Change
}

func (c *changes) add(ch redislimit.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, ch)
}

func (c *changes) all() []redislimit.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]redislimit.Change(nil), c.list...)
}

func TestBreaker(t *testing.T) {
	var g gate
	var told changes
	var ns atomic.Int64
	cfg := budget
	cfg.Burst = 1000
	cfg.Now = func() time.Time { return time.Unix(1_800_000_000, ns.Load()) }
	l := newPatient(t, &redis.Options{Dialer: g.dial, PoolSize: 1000}, redislimit.Config{
		Budget: cfg, Failures: 3, CoolDown: time.Minute, OnChange: told.add,
	})
	for i := range 100 {
		require.Equal(t, 999-i, allow(t, l, "k").Remaining, "answered locally from the first call on")
	}
	assert.EqualValues(t, 3, g.dials.Load(), "then Redis is left alone")
	require.Len(t, told.all(), 1)
	assert.True(t, told.all()[0].Local)
	assert.ErrorContains(t, told.all()[0].Err, "connection refused")
	assert.Equal(t, redislimit.Stats{Local: 100, Open: true}, l.Stats())

	// One probe after each cool-down, for any number of calls.
	for i := range 3 {
		ns.Add(int64(time.Minute))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { peek(t, l, "k") })
		}
		wg.Wait()
		assert.EqualValues(t, 4+i, g.dials.Load())
	}
	assert.Len(t, told.all(), 1, "nothing changed")
}

func TestHungDialerAndHooksDontHoldACall(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	g := gate{hang: hang}
	for name, opts := range map[string]*redis.Options{
		"dialer": {Dialer: g.dial, DialTimeout: time.Minute},
		"credentials": {
			DialTimeout: time.Minute,
			Dialer:      func(context.Context, string, string) (net.Conn, error) { return silent(t), nil },
			CredentialsProvider: func() (string, string) {
				<-hang
				return "", ""
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var told changes
			l := newLimiter(t, opts, redislimit.Config{Budget: budget, OnChange: told.add, CoolDown: time.Hour})
			start, quickest := time.Now(), time.Hour
			for i := range 10 {
				began := time.Now()
				require.Equal(t, i < 3, allow(t, l, "k").Allowed)
				if i < 3 { // these three wait 50 ms each
					quickest = min(quickest, time.Since(began))
				}
			}
			assert.Less(t, quickest, time.Second, "a busy machine does not delay all of them")
			assert.Less(t, time.Since(start), 20*time.Second)
			require.Len(t, told.all(), 1)
			assert.True(t, told.all()[0].Local)
			assert.ErrorContains(t, told.all()[0].Err, "within 50ms")
		})
	}
}

// silent returns a connection that never answers.
func silent(t *testing.T) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	go func() {
		buf := make([]byte, 1024)
		for {
			if _, err := b.Read(buf); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a
}

// The server on the port may not be a Redis.
func TestNonsenseAnswers(t *testing.T) {
	for _, answer := range []string{"+OK\r\n", ":7\r\n", "*1\r\n:1\r\n", "*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n", "-ERR no\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x00"} {
		t.Run(fmt.Sprintf("%q", answer), func(t *testing.T) {
			var told changes
			l := newLimiter(t, &redis.Options{
				Protocol: 2, DisableIdentity: true,
				Dialer: func(context.Context, string, string) (net.Conn, error) {
					a, b := net.Pipe()
					go func() {
						buf := make([]byte, 8192)
						for {
							if _, err := b.Read(buf); err != nil {
								return
							}
							if _, err := b.Write([]byte(answer)); err != nil {
								return
							}
						}
					}()
					t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
					return a, nil
				},
			}, redislimit.Config{Budget: budget, OnChange: told.add, CoolDown: time.Hour})
			for i := range 10 {
				require.Equal(t, i < 3, allow(t, l, "k").Allowed)
			}
			require.Len(t, told.all(), 1)
			assert.Error(t, told.all()[0].Err)
		})
	}
}

func TestAfterClose(t *testing.T) {
	l := newLimiter(t, anyServer(t), redislimit.Config{Budget: budget})
	connect(t, l)
	require.NoError(t, l.Close())
	for i := range 10 {
		require.Equal(t, i < 3, allow(t, l, "k").Allowed)
	}
}

func TestNewNamesTheMemberAndTheFix(t *testing.T) {
	opts := &redis.Options{Dialer: refuse}
	for _, c := range []struct {
		spoil       func(*redislimit.Config)
		member, fix string
	}{
		{func(c *redislimit.Config) { c.Budget.Burst = 0 }, "Config.Budget", "at least 1"},
		{func(c *redislimit.Config) { c.Budget.PerSecond = math.NaN() }, "Config.Budget", "above 0"},
		{func(c *redislimit.Config) { c.Budget.PerSecond = 100_001 }, "Config.Budget.PerSecond", "at most 100000"},
		{func(c *redislimit.Config) { c.Timeout = 51 * time.Millisecond }, "Config.Timeout", "at most 50ms"},
		{func(c *redislimit.Config) { c.Timeout = -1 }, "Config.Timeout", "or 0"},
		{func(c *redislimit.Config) { c.Failures = -1 }, "Config.Failures", "or 0"},
		{func(c *redislimit.Config) { c.CoolDown = -1 }, "Config.CoolDown", "or 0"},
	} {
		cfg := redislimit.Config{Budget: budget}
		c.spoil(&cfg)
		l, err := redislimit.New(opts, cfg)
		assert.Nil(t, l)
		assert.ErrorContains(t, err, c.member)
		assert.ErrorContains(t, err, c.fix)
	}
	_, err := redislimit.New(nil, redislimit.Config{Budget: budget})
	assert.ErrorContains(t, err, "redis.Options")
}

func TestNewLeavesTheOptionsAlone(t *testing.T) {
	opts := &redis.Options{Addr: "127.0.0.1:1"}
	newLimiter(t, opts, redislimit.Config{Budget: budget})
	assert.Equal(t, &redis.Options{Addr: "127.0.0.1:1"}, opts)
}

func TestOpenDoesNotRepeatTheURL(t *testing.T) {
	for _, url := range []string{"redis://u:hunter2@[::1", "http://u:hunter2@h", "redis://u:hunter2@h:6379/hunter2", "redis://u:%zzhunter2@h", "redis://u:hunter2@h?db=hunter2"} {
		_, err := redislimit.Open(url, redislimit.Config{Budget: budget})
		require.Error(t, err, url)
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), "hunter2")
		assert.ErrorContains(t, err, "redis://user:password@host:port/db")
	}
}

func TestOpen(t *testing.T) {
	l, err := redislimit.Open(anyURL(t), redislimit.Config{Budget: budget, Prefix: freshPrefix()})
	require.NoError(t, err)
	defer l.Close()
	connect(t, l)
	assert.True(t, allow(t, l, "k").Allowed)
}

// One key floods. Another key gets the same decisions as without the flood.
func TestFairness(t *testing.T) {
	l := newPatient(t, anyServer(t), redislimit.Config{Budget: ratelimit.Config{PerSecond: 0.01, Burst: 10}})
	for range 1000 { // a hundred times the budget
		allow(t, l, "flooder")
	}
	for i := range 10 {
		require.Equal(t, 9-i, allow(t, l, "other").Remaining)
	}
}
