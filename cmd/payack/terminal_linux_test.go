package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// pty opens a pseudo-terminal. What is written to theirs is read from ours.
func pty(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close() })
	var unlocked, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &number} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, ours.Fd(), request, uintptr(unsafe.Pointer(value)))
		require.Zero(t, errno)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// On a terminal, listen prints lines for a person.
func TestTerminal(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	c := with(testConfig(), object{"pts": nil, "ptop.path": "/x"})
	for _, tt := range []struct {
		args, env     []string
		first, answer string
	}{
		{nil, nil, "^payack listens at (http://127.0.0.1:[0-9]+)\r\n$", "\x1b\\[32maccepted \x1b\\[0m 200        ORD1000001, paid\r\n$"},
		{nil, []string{"NO_COLOR=1"}, "^payack listens at (http://127.0.0.1:[0-9]+)\r\n$", "accepted  200        ORD1000001, paid\r\n$"},
		{[]string{"-json"}, nil, `^{"listening":"(http://127.0.0.1:[0-9]+)"}` + "\r\n$", `^{"time":.*"outcome":"accepted".*` + "\r\n$"},
	} {
		ours, theirs := pty(t)
		cmd := exec.Command(program, append([]string{"listen", "-config", configFile(t, c)}, tt.args...)...)
		cmd.Env = append(append(os.Environ(), asCommand+"=1", "NO_COLOR=", "TERM=xterm"), tt.env...)
		cmd.Stdout, cmd.Stderr = theirs, theirs
		require.NoError(t, cmd.Start())
		p := &process{t: t, cmd: cmd, stdout: bufio.NewReader(ours), exited: make(chan error, 1)}
		go func() { p.exited <- cmd.Wait() }()
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		next := func() string {
			for {
				line := p.readLine() + "\n"
				if !strings.HasPrefix(line, "time=") { // skip lines of the log
					return line
				}
			}
		}
		first := next()
		require.Regexp(t, tt.first, first)
		url := strings.Trim(first[strings.Index(first, "http"):], "\"}\r\n")
		if tt.args == nil {
			require.Equal(t, "events are printed, and not kept\r\n", next())
			require.Equal(t, "  ptop     "+url+"/x\r\n", next())
			require.Equal(t, "  payatom  "+url+"/payatom\r\n", next())
		}
		l := &listener{process: p, url: url}
		l.do("POST", "/payatom", built(t, testSender(t, c, "payatom"), tamperNothing))
		require.Regexp(t, tt.answer, next())
		p.signal(syscall.SIGTERM)
		require.Equal(t, exitDone, p.status())
	}
}
