package testserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Start starts the process of a server that is not running, and waits until the
// server accepts connections.
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

// Kill kills the server and all of its processes without letting them shut down, and
// waits until they have ended, at most a minute. PostgreSQL refuses to start while one
// of them is left. Kill does nothing if the server's own process has ended already.
func (s *Server) Kill() {
	killed, died := s.signal(syscall.SIGKILL)
	if len(killed) == 0 {
		return
	}
	<-died
	for range 3000 {
		if !slices.ContainsFunc(killed, alive) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Restart shuts the server down gracefully and starts it again.
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

// Running reports whether the server's process is still running.
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

// Pause suspends the server with all of its processes, so that it answers nothing.
func (s *Server) Pause() { s.signal(pauseSignal) }

// Continue ends a pause.
func (s *Server) Continue() { s.signal(continueSignal) }

// Close kills the server. It removes the server's folder unless the caller chose it.
func (s *Server) Close() {
	s.Continue()
	s.Kill()
	if s.folder != "" {
		_ = os.RemoveAll(s.folder)
	}
}

// signal sends a signal to the server and to all processes that it has started, and
// returns their ids, and a channel that is closed when the server's own has ended. A
// signal to the process group would not reach them: each process of PostgreSQL is in a
// group of its own.
func (s *Server) signal(sig syscall.Signal) (pids []int, died <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil || s.cmd.Process == nil {
		return nil, nil
	}
	select {
	case <-s.died: // its process id may belong to another process now
		return nil, nil
	default:
	}
	// Pause the server first, so that it starts no process between the listing of its
	// processes and the signal. A process that is started in between would survive. It
	// might wait for ever for the killed processes, and keep the server from starting
	// again.
	send(s.cmd.Process.Pid, pauseSignal)
	all := append(descendants(s.cmd.Process.Pid), s.cmd.Process.Pid)
	for _, pid := range all {
		send(pid, sig)
	}
	return all, s.died
}

// descendants returns the children of a process and their descendants.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if _, parent := stat(child); parent != 0 {
			children[parent] = append(children[parent], child)
		}
	}
	var out []int
	for _, child := range children[pid] {
		out = append(append(out, child), descendants(child)...)
	}
	return out
}

// stat returns the state and the parent of a process, or nothing if it is gone.
func stat(pid int) (state string, parent int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The text begins with the process id, the command's name in brackets, the
	// state and the parent's id. The name may contain spaces.
	_, rest, _ := strings.Cut(string(text), ") ")
	words := strings.Fields(rest)
	if len(words) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(words[1])
	return words[0], parent
}

// alive reports whether a process has not ended. A zombie has ended, and keeps nothing
// but its id.
func alive(pid int) bool {
	state, _ := stat(pid)
	return state != "" && state != "Z" && state != "X"
}
