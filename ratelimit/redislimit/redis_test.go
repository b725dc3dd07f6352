package redislimit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// ownServer starts a server that the test may kill, pause and restart.
func ownServer(t *testing.T, settings ...string) *testserver.Server {
	t.Helper()
	return testserver.Own(t, testserver.NewRedis, "", settings...)
}

// restart starts a server that was killed.
func restart(t *testing.T, s *testserver.Server) {
	t.Helper()
	require.NoError(t, s.Start())
}

// anyServer returns the options of a server that tests must only call.
func anyServer(t *testing.T) *redis.Options {
	t.Helper()
	opts, err := redis.ParseURL(anyURL(t))
	require.NoError(t, err)
	return opts
}

// anyURL returns the URL of a server that tests must only call.
func anyURL(t *testing.T) string {
	t.Helper()
	return testserver.Redis(t).DSN
}

var prefixes atomic.Int64

// freshPrefix returns a prefix that keeps a test's keys apart from those of other
// tests and earlier runs.
func freshPrefix() string {
	return fmt.Sprintf("payacktest-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), prefixes.Add(1))
}

// newLimiter returns a limiter as users make it, with its timeout.
func newLimiter(t *testing.T, opts *redis.Options, cfg redislimit.Config) *redislimit.Limiter {
	t.Helper()
	return makeLimiter(t, redislimit.New, opts, cfg)
}

// newPatient returns a limiter without the timeout, for tests of Redis's decisions.
func newPatient(t *testing.T, opts *redis.Options, cfg redislimit.Config) *redislimit.Limiter {
	t.Helper()
	return makeLimiter(t, redislimit.NewPatient, opts, cfg)
}

func makeLimiter(t *testing.T, construct func(*redis.Options, redislimit.Config) (*redislimit.Limiter, error), opts *redis.Options, cfg redislimit.Config) *redislimit.Limiter {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = freshPrefix()
	}
	l, err := construct(opts, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
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

// answered repeats a call until it ends in time, at most for 20 seconds. On a busy
// machine a call's time can pass although nothing is wrong.
func answered(call func() error) error {
	for end := time.Now().Add(20 * time.Second); ; {
		if err := call(); !errors.Is(err, context.DeadlineExceeded) || time.Now().After(end) {
			return err
		}
	}
}

// ping pings until the ping ends in time.
func ping(l *redislimit.Limiter) error {
	return answered(func() error { return l.Ping(context.Background()) })
}

// connect calls the limiter until Redis answers.
func connect(t *testing.T, l *redislimit.Limiter) {
	t.Helper()
	before := l.Stats().Shared
	require.Eventually(t, func() bool {
		_, _ = l.Peek(context.Background(), "connect")
		return l.Stats().Shared > before
	}, 20*time.Second, 10*time.Millisecond, "Redis never answered")
}
