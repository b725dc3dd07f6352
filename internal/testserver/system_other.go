//go:build !linux

package testserver

import (
	"errors"
	"os"
	"syscall"
)

// Child returns the attributes of a process that ends with this one, on the
// systems that can do that.
func Child() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// InMemory returns the folder for temporary files: only on Linux is there one
// that is known to be in memory.
func InMemory() string { return os.TempDir() }

var errNotLinux = errors.New("that is done on Linux only")

func mount(string, int) error { return errNotLinux }

func unmount(string) error { return errNotLinux }
