package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis returns the Redis server of this test binary, or the one whose URL is in
// PAYACK_TEST_REDIS.
func Redis(t testing.TB) *Server {
	t.Helper()
	if url := os.Getenv("PAYACK_TEST_REDIS"); url != "" {
		return &Server{DSN: url}
	}
	return sharedRedis.get(t, func() (*Server, error) { return NewRedis("") })
}

// NewRedis starts a server that is not shared. The caller closes it. The server runs
// in folder, or in a temporary folder if folder is "". settings are flags of
// redis-server. Without settings, the server writes nothing to disk.
func NewRedis(folder string, settings ...string) (*Server, error) {
	return newRedis(folder, func(folder string, port int) ([]string, error) {
		flags := []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", folder, "--save", "", "--appendonly", "no"}
		return append(flags, settings...), nil
	})
}

// NewSentinel returns a function that starts a Sentinel. The Sentinel monitors the
// server at the address primary, under the name "shop".
func NewSentinel(primary string) func(folder string, settings ...string) (*Server, error) {
	return func(folder string, settings ...string) (*Server, error) {
		return newRedis(folder, func(folder string, port int) ([]string, error) {
			host, of, err := net.SplitHostPort(primary)
			if err != nil {
				return nil, err
			}
			file := filepath.Join(folder, "sentinel.conf") // the Sentinel rewrites it
			text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nsentinel monitor shop %s %s 1\n", port, folder, host, of)
			return append([]string{file, "--sentinel"}, settings...), os.WriteFile(file, []byte(text), 0o600)
		})
	}
}

func newRedis(folder string, args func(folder string, port int) ([]string, error)) (*Server, error) {
	program, err := program("redis-server")
	if err != nil {
		return nil, err
	}
	own := folder == ""
	if own {
		if folder, err = os.MkdirTemp("", "redis"); err != nil {
			return nil, err
		}
	}
	var s *Server
	var failed error
	for range 5 { // another process may take the free port first
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		flags, err := args(folder, port)
		if err != nil {
			return nil, err
		}
		s = &Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), DSN: fmt.Sprintf("redis://127.0.0.1:%d", port), stop: syscall.SIGTERM}
		if own {
			s.folder = folder
		}
		s.start = func() *exec.Cmd {
			c := exec.Command(program, flags...)
			c.SysProcAttr = attributes(nil)
			return c
		}
		s.ready = func() error { return redisReady(s.Addr) }
		if failed = s.Start(); failed == nil {
			return s, nil
		}
		s.signal(syscall.SIGKILL) // the server may still be starting
	}
	s.Close()
	return nil, failed
}

// redisReady sends PING. A server that requires a password answers with an error,
// and is ready as well.
func redisReady(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 100)
	n, err := c.Read(answer)
	if err != nil {
		return err
	}
	if text := string(answer[:n]); !strings.HasPrefix(text, "+PONG") && !strings.HasPrefix(text, "-NOAUTH") {
		return fmt.Errorf("it says %q", text)
	}
	return nil
}
