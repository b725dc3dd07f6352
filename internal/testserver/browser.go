package testserver

import (
	"os/exec"
	"testing"
)

// Chromium returns the command of Debian's Chromium, or skips the test if it is not
// installed.
func Chromium(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		skip(t, "SKIP-SERVER: needs chromium")
	}
	return program
}
