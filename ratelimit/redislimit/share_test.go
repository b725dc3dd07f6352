package redislimit_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/redislimit"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Environment variables that make the test binary one of the processes that share a
// budget in TestProcessesShareOneBudget.
const (
	callerURL    = "PAYACKTEST_CALLER_URL"
	callerPrefix = "PAYACKTEST_CALLER_PREFIX"
)

var sharedBudget = ratelimit.Config{PerSecond: 200, Burst: 500}

const sharedFor = 10 * time.Second

// tally is a caller's report.
type tally struct {
	Admitted, Refused, Local int
	First, Last              time.Time // times of calls that Redis answered
}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	if url := os.Getenv(callerURL); url != "" {
		if err := call(url, os.Getenv(callerPrefix)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	testserver.StopAll()
	os.Exit(code)
}

// quiet drops go-redis's log lines about the faults that the tests cause.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// call waits for a line on standard input. Then it calls the limiter for the time
// sharedFor and prints its tally.
func call(url, prefix string) error {
	l, err := redislimit.Open(url, redislimit.Config{Budget: sharedBudget, Prefix: prefix})
	if err != nil {
		return err
	}
	defer l.Close()
	for i := 0; l.Stats().Shared == 0 && i < 200; i++ { // connect before the clock runs
		_, _ = l.Peek(context.Background(), "warm up")
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	var n tally
	end := time.Now().Add(sharedFor)
	for time.Now().Before(end) {
		local, start := l.Stats().Local, time.Now()
		d, err := l.Allow(context.Background(), "k")
		if err != nil {
			return err
		}
		switch {
		case l.Stats().Local > local:
			n.Local++
			continue
		case d.Allowed:
			n.Admitted++
		default:
			n.Refused++
		}
		if n.First.IsZero() {
			n.First = start
		}
		n.Last = time.Now()
		time.Sleep(500 * time.Microsecond)
	}
	return json.NewEncoder(os.Stdout).Encode(n)
}

func TestProcessesShareOneBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	const processes = 4
	url := anyURL(t)
	prefix := freshPrefix()
	exe, err := os.Executable()
	require.NoError(t, err)

	type caller struct {
		out  *bufio.Reader
		in   *os.File
		done func() error
	}
	var callers []caller
	for range processes {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), callerURL+"="+url, callerPrefix+"="+prefix)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		cmd.Stdin = r
		require.NoError(t, cmd.Start())
		require.NoError(t, r.Close())
		t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
		c := caller{out: bufio.NewReader(out), in: w, done: cmd.Wait}
		line, err := c.out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ready\n", line)
		callers = append(callers, c)
	}
	for _, c := range callers {
		_, err := c.in.WriteString("go\n")
		require.NoError(t, err)
	}
	var sum tally
	for i, c := range callers {
		var n tally
		require.NoError(t, json.NewDecoder(c.out).Decode(&n))
		require.NoError(t, c.done())
		require.NoError(t, c.in.Close())
		t.Logf("process %d: %d admitted, %d refused, %d answered locally", i, n.Admitted, n.Refused, n.Local)
		sum.Admitted += n.Admitted
		sum.Refused += n.Refused
		sum.Local += n.Local
		if sum.First.IsZero() || n.First.Before(sum.First) {
			sum.First = n.First
		}
		if n.Last.After(sum.Last) {
			sum.Last = n.Last
		}
	}
	span := sum.Last.Sub(sum.First)
	want := float64(sharedBudget.Burst) + sharedBudget.PerSecond*span.Seconds()
	t.Logf("%d admitted in %v, %.1f is the budget: %+.2f%%", sum.Admitted, span, want, 100*(float64(sum.Admitted)/want-1))
	require.Positive(t, sum.Refused, "together they asked for more than the budget")
	assert.LessOrEqual(t, float64(sum.Admitted), want*1.01)
	// A call that missed its deadline may have been charged all the same. So a busy
	// machine can lower the sum, but never raise it.
	assert.GreaterOrEqual(t, float64(sum.Admitted+sum.Local), want*0.99)
}
