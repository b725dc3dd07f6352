package testserver

import (
	"fmt"
	"os"
	"syscall"
)

// Child returns the attributes of a process that ends with this one, on the
// systems that can do that.
func Child() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// InMemory returns a folder whose files are kept in memory, where there is room,
// and else that for temporary files. What is tested by ending processes needs no
// disk, and is quicker without.
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
