//go:build !unix

package testserver

import (
	"os"
	"syscall"
)

// Processes can't be paused on this system.
const pauseSignal, continueSignal = syscall.Signal(-1), syscall.Signal(-2)

func send(pid int, sig syscall.Signal) {
	if p, err := os.FindProcess(pid); err == nil && sig == syscall.SIGKILL {
		_ = p.Kill()
	}
}

func attributes(*owner) *syscall.SysProcAttr { return Child() }
