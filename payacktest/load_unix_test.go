//go:build unix

package payacktest_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/payack/payack/payacktest"
)

// Opening a pipe that nobody writes to would block for ever.
func TestLoadDoesNotWaitForPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err := Load(pipe)
	assert.ErrorContains(t, err, "no regular file")
}
