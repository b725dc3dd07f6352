//go:build unix

package testserver

import "syscall"

const (
	pauseSignal    = syscall.SIGSTOP
	continueSignal = syscall.SIGCONT
)

func send(pid int, sig syscall.Signal) { _ = syscall.Kill(pid, sig) }

// attributes are those of a server's process: it is in a group of its own, so
// that a key that ends the tests doesn't reach it, and ends with this one.
func attributes(by *owner) *syscall.SysProcAttr {
	a := Child()
	a.Setpgid = true
	if by != nil {
		a.Credential = &syscall.Credential{Uid: uint32(by.uid), Gid: uint32(by.gid)}
	}
	return a
}
