package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/store/redisstore"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shortTimeout is the timeout of tests in which Redis doesn't answer.
const shortTimeout = 200 * time.Millisecond

// patience bounds how long a call with shortTimeout may take, with a margin for a
// busy machine.
const patience = shortTimeout + 2*time.Second

// fails checks that a claim, a commit and a release each return an error within
// patience.
func fails(t *testing.T, s payack.Store, id string) {
	t.Helper()
	for name, call := range map[string]func() error{
		"claim": func() error {
			c, err := s.Claim(context.Background(), id, "f", lease)
			assert.Zero(t, c, "no answer besides an error")
			return err
		},
		"commit":  func() error { return s.Commit(context.Background(), id, "token") },
		"release": func() error { return s.Release(context.Background(), id, "token") },
	} {
		start := time.Now()
		err := call()
		assert.Less(t, time.Since(start), patience, name)
		assert.Error(t, err, name)
		assert.NotErrorIs(t, err, payack.ErrNotHeld, "nothing is known")
	}
}

func TestRefusedFromTheStartAndUpLater(t *testing.T) {
	server := ownServer(t)
	server.Kill()
	s := newStore(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Timeout: shortTimeout})
	for i := range 20 {
		fails(t, s, fmt.Sprint(i))
	}
	patient := newPatient(t, &redis.Options{Addr: server.Addr}, redisstore.Config{})
	_, err := patient.Claim(context.Background(), "id", "f", lease)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)

	restart(t, server)
	connect(t, s)
	token := claimed(t, patient, "id")
	require.NoError(t, patient.Commit(context.Background(), "id", token))
	assert.Equal(t, payack.ClaimDone, claim(t, patient, "id").State)
}

// workload claims and commits fresh ids until it is stopped, and records the
// answers.
type workload struct {
	mu        sync.Mutex
	committed []string // commits that returned nil
	held      []string // claims that were neither committed nor released
	failures  int
}

func (w *workload) run(t *testing.T, s payack.Store, stop <-chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	ctx := context.Background()
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprint(worker, " ", i)
				c, err := s.Claim(ctx, id, "f", lease)
				if err == nil && !assert.Equal(t, payack.ClaimGranted, c.State, "nobody else claims it") {
					return
				}
				keep := i%5 == 0
				if err == nil && !keep {
					err = s.Commit(ctx, id, c.Token)
				}
				w.mu.Lock()
				switch {
				case err != nil:
					w.failures++
				case keep:
					w.held = append(w.held, id)
				default:
					w.committed = append(w.committed, id)
				}
				w.mu.Unlock()
				if err != nil {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return &wg
}

func (w *workload) count() (committed, held, failures int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.committed), len(w.held), w.failures
}

// throughAKill runs a workload while the server is killed and restarted.
func throughAKill(t *testing.T, server *testserver.Server, prefix string) (*workload, int) {
	t.Helper()
	s := newStore(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Prefix: prefix, Timeout: shortTimeout})
	var w workload
	stop := make(chan struct{})
	wg := w.run(t, s, stop)
	require.Eventually(t, func() bool { c, h, _ := w.count(); return c > 100 && h > 20 }, 30*time.Second, time.Millisecond)
	server.Kill()
	before, _, f := w.count()
	require.Eventually(t, func() bool { _, _, failures := w.count(); return failures > f+20 }, 30*time.Second, time.Millisecond)
	restart(t, server)
	require.Eventually(t, func() bool { c, _, _ := w.count(); return c > before+100 }, 30*time.Second, time.Millisecond)
	close(stop)
	wg.Wait()
	c, h, failures := w.count()
	t.Logf("%d committed, %d of them before the kill; %d held, %d calls failed", c, before, h, failures)
	return &w, before
}

func TestKilledAndRestartedWithPersistence(t *testing.T) {
	server := ownServer(t, durable...)
	prefix := freshPrefix()
	w, _ := throughAKill(t, server, prefix)
	s := newPatient(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Prefix: prefix})
	for _, id := range w.committed {
		require.Equal(t, payack.ClaimDone, claim(t, s, id).State, "id %s", id)
	}
	for _, id := range w.held {
		require.Equal(t, payack.ClaimBusy, claim(t, s, id).State, "id %s", id)
	}
	require.NoError(t, s.Advance(lease))
	for _, id := range w.held {
		require.Equal(t, payack.ClaimGranted, claim(t, s, id).State, "free when the lease has ended: %s", id)
	}
}

// Without persistence, a killed server loses what the package's documentation
// says.
func TestKilledAndRestartedWithoutPersistence(t *testing.T) {
	server := ownServer(t)
	prefix := freshPrefix()
	s := newPatient(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Prefix: prefix})
	token := claimed(t, s, "held over the kill")
	w, before := throughAKill(t, server, prefix)
	connect(t, s)
	for _, id := range w.committed[:before] {
		require.Equal(t, payack.ClaimGranted, claim(t, s, id).State, "forgotten: %s", id)
	}
	assert.ErrorIs(t, s.Commit(context.Background(), "held over the kill", token), payack.ErrNotHeld)
	assert.ErrorIs(t, s.Release(context.Background(), "held over the kill", token), payack.ErrNotHeld)
	claimed(t, s, "held over the kill")
}

func TestPausedServer(t *testing.T) {
	server := ownServer(t)
	prefix := freshPrefix()
	s := newStore(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Prefix: prefix, Timeout: shortTimeout})
	connect(t, s)
	patient := newPatient(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Prefix: prefix})
	done := claimed(t, patient, "done")
	require.NoError(t, patient.Commit(context.Background(), "done", done))
	goOn := pause(t, server)

	longest := time.Duration(0)
	for i := range 3 {
		start := time.Now()
		fails(t, s, fmt.Sprint("alone ", i))
		longest = max(longest, time.Since(start)/3)
	}
	t.Logf("a call while Redis hangs, time-out %v: %v", shortTimeout, longest)
	// More calls at once than the pool has connections.
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() { fails(t, s, fmt.Sprint("many ", i)) })
	}
	wg.Wait()
	_, err := s.Claim(context.Background(), "done", "f", lease)
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	goOn()
	connect(t, s)
	// Redis has carried out the calls that reached it. None of these calls made
	// an event done, and every claim is free after its lease.
	assert.Equal(t, payack.ClaimDone, claim(t, patient, "done").State)
	assert.NotEqual(t, payack.ClaimDone, claim(t, patient, "alone 0").State)
	require.NoError(t, patient.Advance(lease))
	for i := range 200 {
		claimed(t, patient, fmt.Sprint("many ", i))
	}
}

// The server hangs before the first connection. The kernel accepts the
// connection, but nobody answers the client's first command.
func TestServerPausedFromTheStart(t *testing.T) {
	server := ownServer(t)
	goOn := pause(t, server)
	s := newStore(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Timeout: shortTimeout})
	for i := range 3 {
		fails(t, s, fmt.Sprint(i))
	}
	goOn()
	connect(t, s)
}

// A call returns in time even if a part of the client ignores the context.
func TestHungDialerAndHooks(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, opts := range map[string]*redis.Options{
		"dialer": {Dialer: func(context.Context, string, string) (net.Conn, error) {
			<-hang
			return nil, io.EOF
		}},
		"credentials": {
			Addr: anyServer(t).Addr,
			CredentialsProvider: func() (string, string) {
				<-hang
				return "", ""
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fails(t, newStore(t, opts, redisstore.Config{Timeout: shortTimeout}), "id")
		})
	}
}

func TestScriptFlush(t *testing.T) {
	opts := &redis.Options{Addr: ownServer(t).Addr}
	c := client(t, opts)
	s := newPatient(t, opts, redisstore.Config{})
	ctx := context.Background()
	for i := range 5 {
		id := fmt.Sprint(i)
		require.NoError(t, c.ScriptFlush(ctx).Err())
		token := claimed(t, s, id)
		require.NoError(t, c.ScriptFlush(ctx).Err())
		assert.Equal(t, payack.ClaimBusy, claim(t, s, id).State)
		require.NoError(t, c.ScriptFlush(ctx).Err())
		require.NoError(t, s.Release(ctx, id, token))
		token = claimed(t, s, id)
		require.NoError(t, c.ScriptFlush(ctx).Err())
		require.NoError(t, s.Commit(ctx, id, token))
		assert.Equal(t, payack.ClaimDone, claim(t, s, id).State)
	}
}

// A server that refuses writes: done events stay done, and nothing is claimed.
func TestServerThatRefusesWrites(t *testing.T) {
	ctx := context.Background()
	for name, spoil := range map[string]func(c *redis.Client) error{
		"a replica":  func(c *redis.Client) error { return c.ReplicaOf(ctx, "127.0.0.1", "1").Err() },
		"a full one": func(c *redis.Client) error { return c.ConfigSet(ctx, "maxmemory", "1").Err() },
	} {
		t.Run(name, func(t *testing.T) {
			opts := &redis.Options{Addr: ownServer(t).Addr}
			c := client(t, opts)
			s := newPatient(t, opts, redisstore.Config{})
			done, held := claimed(t, s, "done"), claimed(t, s, "held")
			require.NoError(t, s.Commit(ctx, "done", done))
			require.NoError(t, spoil(c))
			got, err := s.Claim(ctx, "new", "f", lease)
			assert.Error(t, err)
			assert.Zero(t, got)
			t.Log(err)
			if got, err := s.Claim(ctx, "done", "f", lease); err == nil {
				assert.Equal(t, payack.ClaimDone, got.State)
			}
			err = s.Commit(ctx, "held", held)
			assert.Error(t, err)
			assert.NotErrorIs(t, err, payack.ErrNotHeld)
		})
	}
}

// wire is a proxy between a store and Redis that can lose answers.
type wire struct {
	addr string
	lose atomic.Bool
	// scripts counts the script calls that reached Redis.
	scripts atomic.Int64
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	w := &wire{addr: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			var script atomic.Bool // the last command was a script
			go func() {
				defer out.Close()
				buf := make([]byte, 1<<16)
				for {
					n, err := in.Read(buf)
					if err != nil {
						return
					}
					if bytes.Contains(bytes.ToLower(buf[:n]), []byte("\r\nevalsha\r\n")) {
						script.Store(true)
						w.scripts.Add(1)
					}
					if _, err := out.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
			go func() {
				defer in.Close()
				buf := make([]byte, 1<<16)
				for {
					n, err := out.Read(buf)
					if err != nil || script.Load() && w.lose.Load() {
						return // Redis has run the script; the connection breaks
					}
					if _, err := in.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return w
}

func TestLostAnswers(t *testing.T) {
	server := ownServer(t)
	w := newWire(t, server.Addr)
	prefix := freshPrefix()
	direct := newPatient(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Prefix: prefix})
	s := newPatient(t, &redis.Options{Addr: w.addr}, redisstore.Config{Prefix: prefix})
	ctx := context.Background()
	token := claimed(t, s, "commit") // loads the scripts
	require.NoError(t, s.Release(ctx, "commit", token))
	token = claimed(t, s, "commit")
	require.ErrorIs(t, s.Commit(ctx, "commit", "wrong"), payack.ErrNotHeld)

	w.lose.Store(true)
	w.scripts.Store(0)
	_, err := s.Claim(ctx, "claim", "f", lease)
	require.ErrorIs(t, err, io.EOF)
	// The claim was carried out; it is released at once, not when the lease ends.
	require.Eventually(t, func() bool {
		c, err := direct.Claim(ctx, "claim", "f", lease)
		return err == nil && c.State == payack.ClaimGranted
	}, 20*time.Second, time.Millisecond)
	assert.EqualValues(t, 2, w.scripts.Load(), "the claim once, its release once")

	// The commit was carried out once, although its answer was lost.
	w.scripts.Store(0)
	err = s.Commit(ctx, "commit", token)
	require.Error(t, err)
	require.NotErrorIs(t, err, payack.ErrNotHeld)
	assert.EqualValues(t, 1, w.scripts.Load())
	assert.Equal(t, payack.ClaimDone, claim(t, direct, "commit").State)
}

// The caller cancels its context while the call waits for Redis.
func TestCancelledWhileWaiting(t *testing.T) {
	server := ownServer(t)
	prefix := freshPrefix()
	s := newPatient(t, &redis.Options{Addr: server.Addr}, redisstore.Config{Prefix: prefix})
	connect(t, s)
	goOn := pause(t, server)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		time.Sleep(50 * time.Millisecond)
		cancel()
	}()
	start := time.Now()
	_, err := s.Claim(ctx, "id", "f", lease)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Less(t, time.Since(start), patience)
	goOn()
	require.Eventually(t, func() bool {
		c, err := s.Claim(context.Background(), "id", "f", lease)
		return err == nil && c.State == payack.ClaimGranted
	}, 20*time.Second, time.Millisecond, "given up when the call has ended")
}
