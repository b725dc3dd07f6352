// Package testserver starts database servers for tests: each in a temporary
// folder, on a free loopback port, for as long as the test binary runs. It links
// no driver.
//
// A test whose server is not installed is skipped with one line that begins with
// SKIP-SERVER. Where the environment has CI it fails instead.
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
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running database server.
type Server struct {
	// Addr is where it listens.
	Addr string
	// DSN is the data source name for the usual driver: pgx for PostgreSQL,
	// go-sql-driver for MariaDB.
	DSN string

	start  func() *exec.Cmd
	ready  func() error
	stop   syscall.Signal // makes it shut down in order
	folder string         // removed in the end

	mu   sync.Mutex
	cmd  *exec.Cmd
	died chan struct{} // closed when it has ended
}

// sharedServer is started by the first test that asks for it.
type sharedServer struct {
	sync.Mutex
	server *Server
	skip   string
}

var sharedPostgres, sharedMariaDB sharedServer

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

// skipLine returns the line that a test is skipped with because of err, and
// nothing when it is no reason to skip one.
func skipLine(err error) string {
	var missing missingError
	if errors.As(err, &missing) {
		return "SKIP-SERVER: " + missing.Error()
	}
	return ""
}

// Own returns a server that the test has for itself, and may kill. start is
// [NewPostgres] or [NewMariaDB].
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

// InMemory returns a folder whose files are kept in memory, where there is room,
// and else that for temporary files. What is tested by ending processes needs no
// disk, and is quicker without.
func InMemory() string {
	const folder, room = "/dev/shm", 4 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil || uint64(fs.Bsize)*fs.Bavail < room {
		return os.TempDir()
	}
	return folder
}

// missingError says which program is not installed.
type missingError string

func (e missingError) Error() string { return string(e) }

// StopAll ends the servers that tests have shared, and removes their folders.
// TestMain calls it last.
func StopAll() {
	for _, s := range []*sharedServer{&sharedPostgres, &sharedMariaDB} {
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

// program finds an executable in PATH, or where Debian keeps it.
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

// template is a server's data as it is when it was just made, for the servers of
// one test binary to be copied from: making it takes seconds.
type template struct {
	sync.Mutex
	folder string
}

var postgresTemplate, mariaTemplate template

func (t *template) copyTo(data string, create func(to string) *exec.Cmd) error {
	t.Lock()
	defer t.Unlock()
	if t.folder == "" {
		folder, err := os.MkdirTemp("", "db")
		if err != nil {
			return err
		}
		c := create(filepath.Join(folder, "data"))
		if out, err := c.CombinedOutput(); err != nil {
			_ = os.RemoveAll(folder)
			return fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, out)
		}
		t.folder = folder
	}
	if out, err := exec.Command("cp", "-a", filepath.Join(t.folder, "data"), data).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}

func (t *template) remove() {
	t.Lock()
	defer t.Unlock()
	if t.folder != "" {
		_ = os.RemoveAll(t.folder)
		t.folder = ""
	}
}

// Tmpfs mounts a file system in memory of so many megabytes, for as long as the
// test runs, and returns its folder. The test is skipped where that is not allowed.
func Tmpfs(t testing.TB, megabytes int) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "full")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=777", megabytes)); err != nil {
		skip(t, fmt.Sprintf("SKIP-SERVER: no small file system can be mounted: %v", err))
	}
	t.Cleanup(func() {
		for range 50 { // a server may be at its end
			if syscall.Unmount(folder, 0) == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = os.Remove(folder)
	})
	return folder
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Postgres returns the PostgreSQL server of this test binary, or that of
// PAYACK_TEST_POSTGRES, a data source name.
func Postgres(t testing.TB) *Server {
	t.Helper()
	if dsn := os.Getenv("PAYACK_TEST_POSTGRES"); dsn != "" {
		return &Server{DSN: dsn}
	}
	return sharedPostgres.get(t, func() (*Server, error) { return NewPostgres("") })
}

// NewPostgres starts a server of its own, in folder if that is not empty, to be
// closed by the caller.
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
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	own := folder == ""
	if own {
		if folder, err = os.MkdirTemp("", "pg"); err != nil {
			return nil, err
		}
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 { // which PostgreSQL refuses
		uid, gid, err := unprivileged("postgres", "nobody")
		if err != nil {
			return nil, err
		}
		if err := os.Chown(folder, int(uid), int(gid)); err != nil {
			return nil, err
		}
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	data := filepath.Join(folder, "data")
	err = postgresTemplate.copyTo(data, func(to string) *exec.Cmd {
		if attr.Credential != nil {
			_ = os.Chown(filepath.Dir(to), int(attr.Credential.Uid), int(attr.Credential.Gid))
		}
		c := exec.Command(initdb, "-D", to, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
		c.SysProcAttr, c.Dir = attr, filepath.Dir(to)
		return c
	})
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
		c.SysProcAttr, c.Dir = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: attr.Credential, Setpgid: true}, folder
		return c
	}
	s.ready = func() error { return postgresReady(s.Addr) }
	return s, s.Start()
}

// postgresReady asks for a session as the protocol has it: a server that is still
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

func unprivileged(names ...string) (uid, gid uint32, err error) {
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return uint32(uid), uint32(gid), nil
	}
	return 0, 0, fmt.Errorf("none of the users %s exists", strings.Join(names, ", "))
}

// MariaDB returns the MariaDB server of this test binary, or that of
// PAYACK_TEST_MYSQL, a data source name.
func MariaDB(t testing.TB) *Server {
	t.Helper()
	if dsn := os.Getenv("PAYACK_TEST_MYSQL"); dsn != "" {
		return &Server{DSN: dsn}
	}
	return sharedMariaDB.get(t, func() (*Server, error) { return NewMariaDB("") })
}

// NewMariaDB starts a server of its own, in folder if that is not empty, to be
// closed by the caller.
func NewMariaDB(folder string, settings ...string) (*Server, error) {
	const debian = "/usr/sbin"
	install, err := program("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	mariadbd, err := program("mariadbd", debian)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	own := folder == ""
	if own {
		if folder, err = os.MkdirTemp("", "my"); err != nil {
			return nil, err
		}
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(folder, "data")
	err = mariaTemplate.copyTo(data, func(to string) *exec.Cmd {
		return exec.Command(install, "--no-defaults", "--datadir="+to, "--auth-root-authentication-method=normal", "--skip-test-db",
			"--innodb-log-file-size=64M", "--user="+me.Username)
	})
	if err != nil {
		return nil, err
	}
	s := &Server{
		Addr:   fmt.Sprintf("127.0.0.1:%d", port),
		DSN:    fmt.Sprintf("root@tcp(127.0.0.1:%d)/mysql", port),
		folder: folder,
		stop:   syscall.SIGTERM,
	}
	if !own {
		s.folder = ""
	}
	s.start = func() *exec.Cmd {
		args := []string{"--no-defaults", "--user=" + me.Username, "--datadir=" + data, "--port=" + strconv.Itoa(port), "--bind-address=127.0.0.1",
			"--socket=" + filepath.Join(folder, "s"), "--pid-file=" + filepath.Join(folder, "pid"), "--max-connections=300", "--innodb-buffer-pool-size=64M",
			"--innodb-log-file-size=64M", "--skip-name-resolve", "--log-warnings=0"}
		c := exec.Command(mariadbd, append(args, settings...)...)
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
		return c
	}
	s.ready = func() error {
		c, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		greeting := make([]byte, 5)
		if _, err := c.Read(greeting); err != nil {
			return err
		}
		if greeting[4] != 10 {
			return errors.New("it does not greet as a server")
		}
		return nil
	}
	return s, s.Start()
}

// Start starts a server that was killed, and waits until it takes connections.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start == nil {
		return errors.New("the server is not this test's own")
	}
	s.cmd = s.start()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	died := make(chan struct{})
	s.died = died
	go func(c *exec.Cmd) {
		_ = c.Wait()
		close(died)
	}(s.cmd)
	var last error
	for range 1200 {
		select {
		case <-died:
			return fmt.Errorf("it ended while starting: %v", s.cmd.ProcessState)
		case <-time.After(50 * time.Millisecond):
		}
		if last = s.ready(); last == nil {
			return nil
		}
	}
	return fmt.Errorf("it did not start within a minute: %w", last)
}

// Kill ends the server and all of its processes at once, like a power failure.
func (s *Server) Kill() {
	s.signal(syscall.SIGKILL)
	s.wait()
}

// Restart shuts the server down in order and starts it again.
func (s *Server) Restart() error {
	s.mu.Lock()
	_ = s.cmd.Process.Signal(s.stop)
	died := s.died
	s.mu.Unlock()
	select {
	case <-died:
	case <-time.After(time.Minute):
		return errors.New("it did not shut down within a minute")
	}
	return s.Start()
}

// Running reports whether the server has not ended.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.died:
		return false
	default:
		return true
	}
}

// Pause stops the server and all of its processes, so that nothing is answered.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Continue ends a pause.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

// Close ends the server and removes its folder.
func (s *Server) Close() {
	s.signal(syscall.SIGCONT)
	s.Kill()
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
}

// signal sends a signal to the server and all processes that it has started.
// PostgreSQL's are each in a group of their own.
func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	// It must start no process between the look at them and the signal: one that is
	// left may wait for ever for those that were killed, and keep the server from
	// starting again.
	_ = syscall.Kill(s.cmd.Process.Pid, syscall.SIGSTOP)
	all := append(descendants(s.cmd.Process.Pid), s.cmd.Process.Pid)
	for _, pid := range all {
		_ = syscall.Kill(pid, sig)
	}
}

// descendants returns the children of a process, and theirs.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name in brackets may hold anything; the parent is the second word
		// after it.
		_, rest, _ := strings.Cut(string(text), ") ")
		words := strings.Fields(rest)
		if len(words) < 2 {
			continue
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(words[1])
		children[parent] = append(children[parent], child)
	}
	var out []int
	for _, child := range children[pid] {
		out = append(append(out, child), descendants(child)...)
	}
	return out
}

// wait waits until nothing listens any more.
func (s *Server) wait() {
	for range 200 {
		c, err := net.DialTimeout("tcp", s.Addr, 100*time.Millisecond)
		if err != nil {
			return
		}
		c.Close()
		time.Sleep(20 * time.Millisecond)
	}
}
