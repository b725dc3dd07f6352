package testserver

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// Tmpfs mounts a file system in memory of the given size, and returns its folder.
// It unmounts the file system after the test. It skips the test if mounting is not
// allowed.
func Tmpfs(t testing.TB, megabytes int) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "full")
	if err != nil {
		t.Fatal(err)
	}
	if err := mount(folder, megabytes); err != nil {
		skip(t, fmt.Sprintf("SKIP-SERVER: no small file system can be mounted: %v", err))
	}
	t.Cleanup(func() {
		for range 50 { // a server may still be shutting down
			if unmount(folder) == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		_ = os.Remove(folder)
	})
	return folder
}
