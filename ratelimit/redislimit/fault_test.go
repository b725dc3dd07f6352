package redislimit_test

import (
	"context"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience is the longest time that a call may take in these tests: the promised
// 50 ms, and time for a busy machine. With go-redis's defaults a call would take five
// seconds.
const patience = 4 * time.Second

// timed makes a call. It fails the test if the call took too long or returned an
// error.
func timed(t *testing.T, l ratelimit.Limiter, key string) (ratelimit.Decision, time.Duration) {
	t.Helper()
	start := time.Now()
	d, err := l.Allow(context.Background(), key)
	took := time.Since(start)
	assert.NoError(t, err)
	assert.Less(t, took, patience)
	return d, took
}

// awaitShared calls the limiter until Redis answers again, and checks that the breaker
// is closed.
func awaitShared(t *testing.T, l *redislimit.Limiter) {
	t.Helper()
	connect(t, l)
	assert.False(t, l.Stats().Open)
}

func TestRefusedFromTheStart(t *testing.T) {
	var told changes
	s := ownServer(t)
	s.Kill() // nothing listens there now
	cfg := redislimit.Config{Budget: budget, OnChange: told.add, CoolDown: 100 * time.Millisecond}
	l := newLimiter(t, &redis.Options{Addr: s.Addr}, cfg)
	for i := range 20 {
		d, _ := timed(t, l, "k")
		require.Equal(t, i < 3, d.Allowed, "the local budget holds")
	}
	require.Len(t, told.all(), 1)
	assert.True(t, told.all()[0].Local)

	// On a busy machine, 50 ms can pass before a connection is refused. So a patient
	// limiter must report the cause.
	cfg.Failures = 1
	allow(t, newPatient(t, &redis.Options{Addr: s.Addr}, cfg), "k")
	require.Len(t, told.all(), 2)
	assert.True(t, told.all()[1].Local)
	assert.ErrorIs(t, told.all()[1].Err, syscall.ECONNREFUSED)
}

func TestServerThatComesUpLater(t *testing.T) {
	s := ownServer(t)
	s.Kill()
	var told changes
	l := newLimiter(t, &redis.Options{Addr: s.Addr}, redislimit.Config{
		Budget: budget, OnChange: told.add, CoolDown: 50 * time.Millisecond,
	})
	for range 5 {
		timed(t, l, "k")
	}
	restart(t, s)
	awaitShared(t, l)
	list := told.all()
	require.Len(t, list, 2)
	assert.True(t, list[0].Local)
	assert.Equal(t, redislimit.Change{}, list[1])
}

func TestKilledAndRestartedInTheMiddle(t *testing.T) {
	s := ownServer(t)
	var told changes
	l := newLimiter(t, &redis.Options{Addr: s.Addr}, redislimit.Config{
		Budget: ratelimit.Config{PerSecond: 1, Burst: 1 << 20}, OnChange: told.add, CoolDown: 50 * time.Millisecond,
	})
	connect(t, l)

	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				d, _ := timed(t, l, strconv.Itoa(i%50))
				assert.True(t, d.Allowed, "nobody is refused because Redis is away")
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	s.Kill()
	require.Eventually(t, func() bool { return l.Stats().Open }, 20*time.Second, 5*time.Millisecond)
	restart(t, s)
	shared := l.Stats().Shared
	require.Eventually(t, func() bool { return !l.Stats().Open && l.Stats().Shared > shared+100 }, 20*time.Second, 5*time.Millisecond)
	close(stop)
	callers.Wait()
	assert.True(t, told.all()[0].Local)
	assert.Error(t, told.all()[0].Err)
}

func TestPaused(t *testing.T) {
	s := ownServer(t)
	var told changes
	l := newLimiter(t, &redis.Options{Addr: s.Addr}, redislimit.Config{
		Budget: ratelimit.Config{PerSecond: 1, Burst: 1 << 20}, OnChange: told.add, CoolDown: 50 * time.Millisecond,
	})
	connect(t, l)
	before := len(told.all()) // slow calls may have opened the breaker for a while
	s.Pause()
	t.Cleanup(s.Continue) // does no harm if the server runs already

	// Sequential calls: the first few and the probes wait for their deadline.
	longest := time.Duration(0)
	for i := range 50 {
		d, took := timed(t, l, strconv.Itoa(i))
		require.True(t, d.Allowed)
		longest = max(longest, took)
	}
	t.Logf("longest call while Redis hangs: %v", longest)
	require.Len(t, told.all(), before+1)
	assert.True(t, told.all()[before].Local)

	// More concurrent calls than the pool has connections.
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			for i := range 10 {
				d, _ := timed(t, l, strconv.Itoa(i))
				assert.True(t, d.Allowed)
			}
		})
	}
	wg.Wait()

	s.Continue()
	awaitShared(t, l)
	assert.False(t, told.all()[len(told.all())-1].Local)
}

// The server hangs before there is any connection. Dialling works, because the
// kernel accepts, but the greeting is never answered.
func TestPausedFromTheStart(t *testing.T) {
	s := ownServer(t)
	s.Pause()
	t.Cleanup(s.Continue)
	l := newLimiter(t, &redis.Options{Addr: s.Addr}, redislimit.Config{Budget: budget, CoolDown: 50 * time.Millisecond})
	for i := range 20 {
		d, _ := timed(t, l, "k")
		require.Equal(t, i < 3, d.Allowed)
	}
	s.Continue()
	awaitShared(t, l)
}

func TestScriptFlush(t *testing.T) {
	s := ownServer(t)
	l := newPatient(t, &redis.Options{Addr: s.Addr}, redislimit.Config{
		Budget:   budget,
		OnChange: func(c redislimit.Change) { t.Errorf("a flushed script is no failure: %+v", c) },
	})
	c := redis.NewClient(&redis.Options{Addr: s.Addr})
	defer c.Close()
	for i := range 5 {
		require.NoError(t, c.ScriptFlush(context.Background()).Err())
		d, _ := timed(t, l, "k")
		require.Equal(t, i < 3, d.Allowed, "the bucket outlives the script")
	}
	assert.Equal(t, redislimit.Stats{Shared: 5}, l.Stats(), "Redis answered every call")
}

func TestReadOnlyServer(t *testing.T) {
	s := ownServer(t)
	c := redis.NewClient(&redis.Options{Addr: s.Addr})
	defer c.Close()
	// A replica refuses writes, as a server that is out of memory does.
	require.NoError(t, c.Do(context.Background(), "REPLICAOF", "127.0.0.1", "1").Err())
	var told changes
	l := newLimiter(t, &redis.Options{Addr: s.Addr}, redislimit.Config{Budget: budget, OnChange: told.add, CoolDown: time.Hour})
	for i := range 20 {
		d, _ := timed(t, l, "k")
		require.Equal(t, i < 3, d.Allowed)
	}
	require.Len(t, told.all(), 1)
}
