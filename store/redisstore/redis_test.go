package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/store/redisstore"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// durable has the settings of a server that keeps everything it has
// acknowledged.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

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

// pause suspends a server until goOn is called or the test ends.
func pause(t *testing.T, s *testserver.Server) (goOn func()) {
	t.Helper()
	s.Pause()
	t.Cleanup(s.Continue)
	return s.Continue
}

// client returns a client of the test's own.
func client(t *testing.T, opts *redis.Options) *redis.Client {
	t.Helper()
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// anyServer returns options for the shared server, which a test must not stop or
// configure.
func anyServer(t *testing.T) *redis.Options {
	t.Helper()
	opts, err := redis.ParseURL(anyURL(t))
	require.NoError(t, err)
	return opts
}

// anyURL returns the URL of the shared server.
func anyURL(t *testing.T) string {
	t.Helper()
	return testserver.Redis(t).DSN
}

var prefixes atomic.Int64

// freshPrefix keeps a test's keys apart from those of other tests and earlier
// runs.
func freshPrefix() string {
	return fmt.Sprintf("payacktest-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), prefixes.Add(1))
}

// newStore makes a store as users do, with the timeout of cfg.
func newStore(t *testing.T, opts *redis.Options, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = freshPrefix()
	}
	s, err := redisstore.New(opts, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newPatient makes a store with a long timeout, for tests of the answers of
// Redis. It deletes the store's keys at the end of the test, since the server
// may not be the tests' own.
func newPatient(t *testing.T, opts *redis.Options, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = freshPrefix()
	}
	s := redisstore.NewPatient(opts, cfg)
	t.Cleanup(func() {
		_ = s.Advance(100 * 365 * 24 * time.Hour) // the server may be gone
		_ = s.Close()
	})
	return s
}

const lease = time.Hour

func claim(t *testing.T, s payack.Store, id string) payack.Claim {
	t.Helper()
	c, err := s.Claim(context.Background(), id, "f", lease)
	require.NoError(t, err)
	return c
}

func claimed(t *testing.T, s payack.Store, id string) (token string) {
	t.Helper()
	c := claim(t, s, id)
	require.Equal(t, payack.ClaimGranted, c.State)
	return c.Token
}

// connect claims fresh ids until Redis answers.
func connect(t *testing.T, s payack.Store) {
	t.Helper()
	ctx := context.Background()
	require.Eventually(t, func() bool {
		id := fmt.Sprint("connect ", prefixes.Add(1))
		c, err := s.Claim(ctx, id, "f", lease)
		return err == nil && s.Release(ctx, id, c.Token) == nil
	}, 30*time.Second, 10*time.Millisecond, "Redis never answered")
}
