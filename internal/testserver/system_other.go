//go:build !linux

package testserver

import (
	"errors"
	"os"
	"syscall"
)

// Child returns no attributes: this system can't end a process with its parent.
func Child() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// InMemory returns the folder for temporary files, which may be on a disk. On this
// system, no folder is known to be in memory.
func InMemory() string { return os.TempDir() }

var errNotLinux = errors.New("that is done on Linux only")

func mount(string, int) error { return errNotLinux }

func unmount(string) error { return errNotLinux }
