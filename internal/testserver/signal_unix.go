//go:build unix

package testserver

import "syscall"

const (
	pauseSignal    = syscall.SIGSTOP
	continueSignal = syscall.SIGCONT
)

func send(pid int, sig syscall.Signal) { _ = syscall.Kill(pid, sig) }

// attributes returns the attributes of a server's process. The server is in a
// process group of its own, so that an interrupt from the keyboard reaches only
// the tests.
func attributes(by *owner) *syscall.SysProcAttr {
	a := Child()
	a.Setpgid = true
	if by != nil {
		a.Credential = &syscall.Credential{Uid: uint32(by.uid), Gid: uint32(by.gid)}
	}
	return a
}
