package testserver

import (
	"fmt"
	"os"
	"syscall"
)

// Child returns the attributes of a child process that is killed when this
// process ends.
func Child() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// InMemory returns a folder in memory if there is room, or else the folder for
// temporary files. A test that only kills processes needs no disk, and is
// faster in memory.
func InMemory() string {
	const folder, room = "/dev/shm", 4 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil || uint64(fs.Bsize)*fs.Bavail < room {
		return os.TempDir()
	}
	return folder
}

func mount(folder string, megabytes int) error {
	return syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=777", megabytes))
}

func unmount(folder string) error { return syscall.Unmount(folder, 0) }
