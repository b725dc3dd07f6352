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

// Redis returns the Redis server of this test binary, or that of
// PAYACK_TEST_REDIS, a URL.
func Redis(t testing.TB) *Server {
	t.Helper()
	if url := os.Getenv("PAYACK_TEST_REDIS"); url != "" {
		return &Server{DSN: url}
	}
	return sharedRedis.get(t, func() (*Server, error) { return NewRedis("") })
}

// NewRedis starts a server of its own, in folder if that is not empty, to be
// closed by the caller. It writes nothing to its disk unless settings, which are
// flags of redis-server, say so.
func NewRedis(folder string, settings ...string) (*Server, error) {
	return newRedis(folder, func(folder string, port int) ([]string, error) {
		flags := []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", folder, "--save", "", "--appendonly", "no"}
		return append(flags, settings...), nil
	})
}

// NewSentinel returns what starts a Sentinel that names the server at an address
// as the primary "shop".
func NewSentinel(primary string) func(folder string, settings ...string) (*Server, error) {
	return func(folder string, settings ...string) (*Server, error) {
		return newRedis(folder, func(folder string, port int) ([]string, error) {
			host, of, err := net.SplitHostPort(primary)
			if err != nil {
				return nil, err
			}
			file := filepath.Join(folder, "sentinel.conf") // which it writes to
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
	for range 5 { // the free port may be taken before the server has it
		port, err := freePort()
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
		s.signal(syscall.SIGKILL) // one that only takes too long
	}
	s.Close()
	return nil, failed
}

// redisReady asks for a sign of life. A server that wants a password gives one.
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
