//go:build !unix

package testserver

import (
	"os"
	"syscall"
)

// No process can be paused here.
const pauseSignal, continueSignal = syscall.Signal(-1), syscall.Signal(-2)

func send(pid int, sig syscall.Signal) {
	if p, err := os.FindProcess(pid); err == nil && sig == syscall.SIGKILL {
		_ = p.Kill()
	}
}

func attributes(*owner) *syscall.SysProcAttr { return Child() }
