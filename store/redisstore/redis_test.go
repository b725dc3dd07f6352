package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/store/redisstore"
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

var (
	forgetful = []string{"--save", "", "--appendonly", "no"}
	durable   = []string{"--save", "", "--appendonly", "yes", "--appendfsync", "always"}
)

// ownServer starts a redis-server, or skips the test if there is none.
func ownServer(t *testing.T, args []string) *server {
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
	s.cmd = exec.Command(path, append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir}, s.args...)...)
	require.NoError(t, s.cmd.Start())
	c := redis.NewClient(&redis.Options{Addr: s.addr, DialerRetries: 1, MaxRetries: -1, Password: s.password()})
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

// password returns what the server was started with.
func (s *server) password() string {
	if i := slices.Index(s.args, "--requirepass"); i >= 0 {
		return s.args[i+1]
	}
	return ""
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

// pause stops the server; it goes on with the function returned, or at the end
// of the test.
func (s *server) pause(t *testing.T) (goOn func()) {
	t.Helper()
	process := s.cmd.Process
	require.NoError(t, process.Signal(syscall.SIGSTOP))
	goOn = func() { _ = process.Signal(syscall.SIGCONT) } // it may have been killed since
	t.Cleanup(goOn)
	return goOn
}

// client returns a client of the test's own.
func client(t *testing.T, opts *redis.Options) *redis.Client {
	t.Helper()
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
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
	return &redis.Options{Addr: ownServer(t, forgetful).addr}
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

// newStore makes one as users do, with its time-out.
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

// newPatient makes one that waits, for tests of what Redis decides. Its keys are
// deleted in the end, since the server may be somebody's.
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
