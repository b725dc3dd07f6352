package redislimit_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// server is a redis-server of our own, which a test may kill, pause and restart.
type server struct {
	addr string
	dir  string
	args []string
	cmd  *exec.Cmd
}

// ownServer starts a redis-server, or skips the test if there is none.
func ownServer(t *testing.T, args ...string) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("SKIP-SERVER: needs redis-server in PATH: it is killed, paused or flushed")
	}
	s := &server{dir: t.TempDir(), args: args}
	for range 5 { // the free port may be taken before the server has it
		if s.addr = freeAddr(t); s.start(t, path) {
			t.Cleanup(func() { s.kill(t) })
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (s *server) start(t *testing.T, path string) bool {
	t.Helper()
	_, port, err := net.SplitHostPort(s.addr)
	require.NoError(t, err)
	s.cmd = exec.Command(path, append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "no"}, s.args...)...)
	require.NoError(t, s.cmd.Start())
	c := redis.NewClient(&redis.Options{Addr: s.addr, DialerRetries: 1, MaxRetries: -1})
	defer c.Close()
	for range 200 {
		if c.Ping(context.Background()).Err() == nil {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.kill(t)
	return false
}

func (s *server) restart(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	require.NoError(t, err)
	require.True(t, s.start(t, path), "redis-server does not start again")
}

// kill ends the server the hard way; a second time is fine.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait() // says that it was killed
	s.cmd = nil
}

func (s *server) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(sig))
}

// anyServer returns the options of a server that is only called: the one in
// PAYACK_TEST_REDIS, or one of our own.
func anyServer(t *testing.T) *redis.Options {
	t.Helper()
	if url := os.Getenv("PAYACK_TEST_REDIS"); url != "" {
		opts, err := redis.ParseURL(url)
		require.NoError(t, err)
		return opts
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("SKIP-SERVER: needs redis-server in PATH, or the URL of one in PAYACK_TEST_REDIS")
	}
	return &redis.Options{Addr: ownServer(t).addr}
}

// anyURL is anyServer for what wants a URL.
func anyURL(t *testing.T) string {
	t.Helper()
	if url := os.Getenv("PAYACK_TEST_REDIS"); url != "" {
		return url
	}
	return "redis://" + anyServer(t).Addr
}

var prefixes atomic.Int64

// freshPrefix keeps a test's keys apart from those of others and of earlier runs.
func freshPrefix() string {
	return fmt.Sprintf("payacktest-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), prefixes.Add(1))
}

// newLimiter makes one as users do, with its deadline.
func newLimiter(t *testing.T, opts *redis.Options, cfg redislimit.Config) *redislimit.Limiter {
	t.Helper()
	return makeLimiter(t, redislimit.New, opts, cfg)
}

// newPatient makes one without, for tests of what Redis decides.
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

// connect calls until Redis answers.
func connect(t *testing.T, l *redislimit.Limiter) {
	t.Helper()
	before := l.Stats().Shared
	require.Eventually(t, func() bool {
		_, _ = l.Peek(context.Background(), "connect")
		return l.Stats().Shared > before
	}, 20*time.Second, 10*time.Millisecond, "Redis never answered")
}
