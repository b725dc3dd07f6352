// Package model holds a model of the inbox's protocol, inbox.pml, and lets Spin
// check every run of it. README.md says what that proves.
package model

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/testserver"
)

// check runs Spin on the model with some defines, and returns the verifier's
// output. If loops is set, the verifier searches for endless runs instead of
// failed assertions.
func check(t *testing.T, loops bool, defines ...string) string {
	t.Helper()
	spin, gcc := testserver.Program(t, "spin"), testserver.Program(t, "gcc")
	source, err := filepath.Abs("inbox.pml")
	require.NoError(t, err)
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		c := exec.Command(name, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s %v: %s", name, args, out)
		return string(out)
	}
	run(spin, append(defines, "-a", source)...)
	how, args := "-DSAFETY", []string{"-m10000"}
	if loops {
		how, args = "-DNP", append(args, "-l")
	}
	run(gcc, "-O1", "-w", how, "-DMEMLIM=1500", "-o", "pan", "pan.c")
	return run(filepath.Join(dir, "pan"), args...)
}

var errorsFound = regexp.MustCompile(`errors: (\d+)`)

// holds asserts that every run was checked and none failed.
func holds(t *testing.T, out string) {
	t.Helper()
	found := errorsFound.FindStringSubmatch(out)
	require.NotNil(t, found, out)
	assert.Equal(t, "0", found[1], out)
	assert.NotContains(t, out, "max search depth too small")
	assert.NotContains(t, out, "Search not completed")
}

// No acknowledged event is lost, and none has two effects.
func TestPropertiesHold(t *testing.T) {
	t.Parallel()
	for name, defines := range map[string][]string{
		"crashes": {"-DPAUSES=0", "-DCRASHES=2"},
		"River":   {"-DPAUSES=0", "-DRIVER"},
		"pauses":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && defines == nil {
				t.Skip("six million states")
			}
			holds(t, check(t, false, defines...))
		})
	}
}

// Every run ends; the model's monitor relies on this.
func TestEveryRunEnds(t *testing.T) {
	t.Parallel()
	holds(t, check(t, true, "-DPAUSES=0"))
}

// If any one safeguard is left out, an assertion fails. So the model shows what
// each safeguard prevents.
func TestEachSafeguardIsNeeded(t *testing.T) {
	t.Parallel()
	const (
		lost   = `!(acked[0])||(effects==1)`
		kept   = `assertion violated acked[0]`
		twice  = `(effects<=1)`
		two    = `(held==0)|| !(live[held])`
		undone = `(state[v]!=3)`
	)
	for _, c := range []struct {
		without, pauses, fails string
	}{
		{"ACKNOWLEDGED_FIRST", "0", lost},
		{"ONE_ROW", "0", lost},
		{"NO_GIVING_WAY", "0", kept},
		{"NO_HOLD", "0", two},
		{"NO_TOKENS", "1", undone},
		{"NO_TAKING_OVER", "0", kept},
		{"NO_TRANSACTION", "0", twice},
		{"NO_MARK", "0", twice},
		{"NO_RECOVERY", "0", kept},
		{"NO_REMINDER", "0", kept},
	} {
		t.Run(c.without, func(t *testing.T) {
			t.Parallel()
			defines := []string{"-D" + c.without, "-DPAUSES=" + c.pauses}
			if c.without == "NO_REMINDER" {
				defines = append(defines, "-DRIVER")
			}
			out := check(t, false, defines...)
			assert.Contains(t, out, c.fails)
			assert.Contains(t, out, "errors: 1")
		})
	}
}
