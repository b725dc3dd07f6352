// Package crashtest kills, pauses and replaces receivers under load, and counts
// what they did. Each receiver is a process of the test binary.
package crashtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const roleName = "PAYACK_INBOX_ROLE"

// Role returns the role that the process was started with, nil for a process that
// runs tests. TestMain calls it first.
func Role() []string { return strings.Fields(os.Getenv(roleName)) }

// Process is a receiver in a process of its own.
type Process struct {
	cmd *exec.Cmd
	out io.Reader
	// URL is the receiver's address, once it is ready.
	URL string
}

// Start starts a process and waits until it is ready. The end of the test kills
// it.
func Start(t testing.TB, role ...string) *Process {
	t.Helper()
	p := Launch(t, role...)
	p.Ready(t)
	return p
}

// Launch starts a process without waiting. The process writes a line when it is
// ready.
func Launch(t testing.TB, role ...string) *Process {
	t.Helper()
	p := &Process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), roleName+"="+strings.Join(role, " "))
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	p.out, err = p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.Kill)
	return p
}

// Ready waits until the process serves.
func (p *Process) Ready(t testing.TB) {
	t.Helper()
	url, err := bufio.NewReader(p.out).ReadString('\n')
	require.NoError(t, err, "the receiver did not start")
	p.URL = strings.TrimSpace(url)
}

// Kill ends the process by SIGKILL, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// Wait returns when the process has ended.
func (p *Process) Wait() { _ = p.cmd.Wait() }

// Pause suspends the process; Continue resumes it.
func (p *Process) Pause(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
}

// Continue resumes a paused process.
func (p *Process) Continue(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
}

// Ended reports whether the process is a zombie, or gone.
func (p *Process) Ended() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}
