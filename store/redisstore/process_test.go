package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/store/redisstore"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// If these environment variables are set, the test binary runs claimAll instead of
// the tests.
const (
	claimerURL    = "PAYACKTEST_CLAIMER_URL"
	claimerPrefix = "PAYACKTEST_CLAIMER_PREFIX"
)

const (
	sharedIDs        = 1000
	claimerProcesses = 2
	claimerWorkers   = 16
)

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	if url := os.Getenv(claimerURL); url != "" {
		if err := claimAll(url, os.Getenv(claimerPrefix)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	testserver.StopAll()
	os.Exit(code)
}

// quiet hides go-redis's reports of the faults that the tests cause.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// claimAll waits for a line, claims every id from several goroutines, commits the
// claims it is granted, and prints how often each id was granted.
func claimAll(url, prefix string) error {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	s := redisstore.NewPatient(opts, redisstore.Config{Prefix: prefix})
	defer s.Close()
	if _, err := s.Claim(context.Background(), "connect", "f", lease); err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	var mu sync.Mutex
	won := make([]int, sharedIDs)
	var failed error
	var wg sync.WaitGroup
	for range claimerWorkers {
		wg.Go(func() {
			for i := range sharedIDs {
				id := fmt.Sprint(i)
				c, err := s.Claim(context.Background(), id, "f", lease)
				if err == nil && c.State == payack.ClaimGranted {
					err = s.Commit(context.Background(), id, c.Token)
				}
				mu.Lock()
				if err != nil {
					failed = err
				}
				if c.State == payack.ClaimGranted {
					won[i]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	return json.NewEncoder(os.Stdout).Encode(won)
}

func TestProcessesClaimEachIDOnce(t *testing.T) {
	url := anyURL(t)
	prefix := freshPrefix()
	opts, err := redis.ParseURL(url)
	require.NoError(t, err)
	s := newPatient(t, opts, redisstore.Config{Prefix: prefix}) // deletes the keys afterwards
	exe, err := os.Executable()
	require.NoError(t, err)

	type claimer struct {
		out  *bufio.Reader
		in   *os.File
		done func() error
	}
	var claimers []claimer
	for range claimerProcesses {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), claimerURL+"="+url, claimerPrefix+"="+prefix)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		cmd.Stdin = r
		require.NoError(t, cmd.Start())
		require.NoError(t, r.Close())
		t.Cleanup(func() { _ = cmd.Process.Kill() }) // an error means that the process has ended
		c := claimer{out: bufio.NewReader(out), in: w, done: cmd.Wait}
		line, err := c.out.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ready\n", line)
		claimers = append(claimers, c)
	}
	for _, c := range claimers {
		_, err := c.in.WriteString("go\n")
		require.NoError(t, err)
	}
	sum := make([]int, sharedIDs)
	for i, c := range claimers {
		var won []int
		require.NoError(t, json.NewDecoder(c.out).Decode(&won))
		require.NoError(t, c.done())
		require.NoError(t, c.in.Close())
		n := 0
		for id := range sum {
			sum[id] += won[id]
			n += won[id]
		}
		t.Logf("process %d claimed %d of %d", i, n, sharedIDs)
	}
	for id, n := range sum {
		require.Equal(t, 1, n, "id %d", id)
		assert.Equal(t, payack.ClaimDone, claim(t, s, fmt.Sprint(id)).State)
	}
}
