// Package testserver starts PostgreSQL, MariaDB and Redis for tests, each on a free
// loopback port. [Postgres], [MariaDB] and [Redis] return a server that all tests
// of a binary share, until [StopAll]. [Own] starts a server for one test. The
// package links no driver. It also finds interpreters of other languages.
//
// A test whose server is not installed is skipped with one line that begins with
// SKIP-SERVER. If the environment variable CI is set, the test fails instead.
package testserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Server is a running server.
type Server struct {
	// Addr is the address that it listens on, as host:port.
	Addr string
	// DSN is the data source name for the usual driver: pgx for PostgreSQL,
	// go-sql-driver for MariaDB; for Redis it is a URL.
	DSN string

	start  func() *exec.Cmd
	ready  func() error
	stop   syscall.Signal // makes the server shut down gracefully
	folder string         // removed by Close; empty if the caller chose the folder

	mu   sync.Mutex
	cmd  *exec.Cmd
	died chan struct{} // closed after the process has ended
}

// sharedServer is a server that the first test starts and others share.
type sharedServer struct {
	sync.Mutex
	server *Server
	skip   string
}

var sharedPostgres, sharedMariaDB, sharedRedis sharedServer

func (s *sharedServer) get(t testing.TB, start func() (*Server, error)) *Server {
	t.Helper()
	s.Lock()
	defer s.Unlock()
	if s.server == nil && s.skip == "" {
		var err error
		s.server, err = start()
		s.skip = skipLine(err)
		if err != nil && s.skip == "" {
			t.Fatalf("testserver: %v", err)
		}
	}
	if s.skip != "" {
		skip(t, s.skip)
	}
	return s.server
}

func skip(t testing.TB, line string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(line)
	}
	t.Skip(line)
}

// skipLine returns the message to skip a test with if err says that a program is
// missing. For any other err it returns "".
func skipLine(err error) string {
	var missing missingError
	if errors.As(err, &missing) {
		return "SKIP-SERVER: " + missing.Error()
	}
	return ""
}

// Own returns a server that only this test uses and may kill. start is
// [NewPostgres], [NewMariaDB], [NewRedis] or the result of [NewSentinel].
func Own(t testing.TB, start func(folder string, settings ...string) (*Server, error), folder string, settings ...string) *Server {
	t.Helper()
	s, err := start(folder, settings...)
	if line := skipLine(err); line != "" {
		skip(t, line)
	}
	if err != nil {
		t.Fatalf("testserver: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// missingError names a program that is not installed.
type missingError string

func (e missingError) Error() string { return string(e) }

// StopAll ends the shared servers and removes their folders. TestMain calls it after
// the tests.
func StopAll() {
	for _, s := range []*sharedServer{&sharedPostgres, &sharedMariaDB, &sharedRedis} {
		s.Lock()
		if s.server != nil {
			s.server.Close()
			s.server = nil
		}
		s.Unlock()
	}
	postgresTemplate.remove()
	mariaTemplate.remove()
}

// program looks for an executable in these folders, which may be patterns, and then
// in PATH.
func program(name string, folders ...string) (string, error) {
	for _, pattern := range folders {
		found, _ := filepath.Glob(filepath.Join(pattern, name))
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", missingError(name + " is not installed")
	}
	return path, nil
}

// FreePort returns a loopback port that nothing uses. It is below the ports that Linux
// gives to outgoing connections and to listeners on port 0, and so is the port 10,000
// higher, which a node of a Redis Cluster uses as well. So hardly anything takes the
// port before the caller listens on it, or while a killed server is down.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := 15000 + rand.IntN(7000)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
