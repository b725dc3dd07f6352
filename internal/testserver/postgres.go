package testserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Postgres returns the PostgreSQL server of this test binary, or the one whose data
// source name is in PAYACK_TEST_POSTGRES.
func Postgres(t testing.TB) *Server {
	t.Helper()
	if dsn := os.Getenv("PAYACK_TEST_POSTGRES"); dsn != "" {
		return &Server{DSN: dsn}
	}
	return sharedPostgres.get(t, func() (*Server, error) { return NewPostgres("") })
}

// NewPostgres starts a server that is not shared. The caller closes it. The server
// keeps its data in folder, or in a temporary folder if folder is "". Each of
// settings is a parameter as name=value.
func NewPostgres(folder string, settings ...string) (*Server, error) {
	const debian = "/usr/lib/postgresql/*/bin"
	initdb, err := program("initdb", debian)
	if err != nil {
		return nil, err
	}
	postgres, err := program("postgres", filepath.Dir(initdb), debian)
	if err != nil {
		return nil, err
	}
	own := folder == ""
	if own {
		if folder, err = os.MkdirTemp("", "pg"); err != nil {
			return nil, err
		}
	}
	var by *owner
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		if by, err = unprivileged("postgres", "nobody"); err != nil {
			return nil, err
		}
		if err := os.Chown(folder, by.uid, by.gid); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(folder, "data")
	err = postgresTemplate.copyTo(data, func(to string) *exec.Cmd {
		if by != nil {
			_ = os.Chown(filepath.Dir(to), by.uid, by.gid)
		}
		c := exec.Command(initdb, "-D", to, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
		c.SysProcAttr, c.Dir = attributes(by), filepath.Dir(to)
		return c
	})
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Addr:   fmt.Sprintf("127.0.0.1:%d", port),
		DSN:    fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port),
		folder: folder,
		stop:   syscall.SIGINT,
	}
	if !own {
		s.folder = ""
	}
	s.start = func() *exec.Cmd {
		args := []string{"-D", data, "-k", folder, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
			"-c", "max_connections=200", "-c", "log_min_messages=panic"}
		for _, setting := range settings {
			args = append(args, "-c", setting)
		}
		c := exec.Command(postgres, args...)
		c.SysProcAttr, c.Dir = attributes(by), folder
		return c
	}
	s.ready = func() error { return postgresReady(s.Addr) }
	return s, s.Start()
}

// postgresReady requests a session by PostgreSQL's protocol. A server that is still
// starting answers with an error.
func postgresReady(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	body := "\x00\x03\x00\x00user\x00postgres\x00\x00"
	length := len(body) + 4
	if _, err := c.Write(append([]byte{0, 0, byte(length >> 8), byte(length)}, body...)); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := c.Read(answer); err != nil {
		return err
	}
	if answer[0] != 'R' {
		return errors.New("it is still starting")
	}
	return nil
}

// owner is the user that a server runs as.
type owner struct{ uid, gid int }

func unprivileged(names ...string) (*owner, error) {
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return &owner{uid, gid}, nil
	}
	return nil, fmt.Errorf("none of the users %s exists", strings.Join(names, ", "))
}
