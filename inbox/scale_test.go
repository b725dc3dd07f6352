package inbox_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/internal/crashtest"
	"github.com/payack/payack/payacktest"
)

var scale = flag.Int("scale", 0, "how many done rows TestScale begins with, and a tenth of that due; 0 skips it")

// This test measures an inbox on PostgreSQL with many rows. The speed of leasing
// rows is compared with that of an inbox without done rows on the same server, in
// turns. The measured memory is that of this process. 16 clients keep 200
// receipts a second in all, first without pruning and then during it.
//
//	go test -run TestScale -scale 1000000 -timeout 1h -v .
func TestScale(t *testing.T) {
	if *scale == 0 {
		t.Skip("it measures, for minutes: -scale 1000000")
	}
	d := databases[1]
	// Rows are pruned only where the test says so.
	full, empty := open(t, d, forGood), open(t, d, forGood)
	began := time.Now()
	keepFor(t, full, "pts", 1000)
	full.mountSilent()
	full.drain()
	full.exec(`UPDATE payack_inbox SET received_us = 1, ended_us = 1`) // as old as possible
	fillDone(full, *scale)
	due := max(*scale/10, 5000)
	t.Logf("%d rows done, after %v", done(t, full), time.Since(began).Round(time.Second))

	t.Run("Claiming", func(t *testing.T) {
		// Run doesn't run here, so only the test leases rows of this receiver.
		for _, s := range []*shop{full, empty} {
			require.NoError(t, s.in.Mount("claimed", nopDesk{}))
		}
		keepFor(t, full, "claimed", due)
		var rates [2][]float64
		for turn := range 12 {
			keepFor(t, empty, "claimed", 320)
			for i, s := range []*shop{full, empty} {
				at, n := time.Now(), 0
				for range 20 {
					k, err := s.in.ClaimSome(t.Context(), "claimed", 16)
					require.NoError(t, err)
					n += k
				}
				if require.Equal(t, 320, n); turn > 1 { // the first turns warm up
					rates[i] = append(rates[i], float64(n)/time.Since(at).Seconds())
				}
			}
		}
		many, few := median(rates[0]), median(rates[1])
		t.Logf("claimed/s: %.0f of %d due beside %d done, %.0f of few in an empty table: ratio %.2f", many, due, *scale, few, many/few)
		assert.Greater(t, many/few, 0.5)
	})
	t.Run("Memory", func(t *testing.T) {
		full.exec(`UPDATE payack_inbox SET state = 1, receiver = 'pts' WHERE receiver = 'claimed' AND state IN (1, 2)`)
		full.exec(`DELETE FROM payack_running`)
		total, before := due, done(t, full)
		at := time.Now()
		stop := full.run()
		defer stop()
		var resident []int
		for part := 1; part <= 9; part++ {
			require.Eventually(t, func() bool { return done(t, full)-before >= total*part/10 }, 20*time.Minute, 200*time.Millisecond)
			resident = append(resident, residentMB(t))
		}
		t.Logf("%.0f processed/s; resident MB after each tenth: %v", float64(total)*0.9/time.Since(at).Seconds(), resident)
		assert.Less(t, float64(resident[8]), 1.3*float64(resident[1]))
	})
	t.Run("Pruning", func(t *testing.T) {
		pruner := d.openAt(t, full.dsn) // with the default retention
		without := paced(t, full, 10*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- pruner.in.Retain(ctx) }()
		during := paced(t, full, 20*time.Second)
		cancel()
		<-ended
		t.Logf("receipts at p99: %v, %v while %d rows were pruned", without, during, crashtest.Counts(t, full.db, "payack_inbox", "dropped")["1"])
		assert.Less(t, during-without, 50*time.Millisecond)
		assert.NotZero(t, crashtest.Counts(t, full.db, "payack_inbox", "dropped")["1"])
	})
}

func forGood(c *inbox.Config) { c.Retention = 200 * 365 * 24 * time.Hour }

type nopDesk struct{}

func (nopDesk) Process(context.Context, *payack.Delivery, *payack.Observation) error { return nil }
func (nopDesk) Observe(context.Context, *payack.Observation)                         {}

func done(t *testing.T, s *shop) int {
	t.Helper()
	return crashtest.Counts(t, s.db, "payack_inbox", "state")["3"]
}

// mountSilent mounts a receiver that records nothing.
func (s *shop) mountSilent() {
	s.t.Helper()
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = handlers.Options{Inbox: s.in, Name: "pts", Logger: quiet}
	_, err := handlers.NewPTS(pts, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(s.t, err)
}

func keepFor(t *testing.T, s *shop, receiver string, n int) {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				_, err := s.in.Keep(context.Background(), newReceipt(receiver))
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
}

// fillDone copies done rows until there are n, each with keys of its own.
func fillDone(s *shop, n int) {
	const columns = `state, slot, token, final, attempts, base, happened_us, received_us, since_us, next_us, started_us, ended_us, dropped, sender, receiver, provider, event_id, order_id, reason, error, note, trace, encoded, delivery, body`
	key := func(salt string) string { return `sha256(convert_to('` + salt + `' || g.n || ' ' || r.id, 'UTF8'))` }
	for have := 1000; have < n; {
		step := min(n-have, 100000)
		s.exec(fmt.Sprintf(`INSERT INTO payack_inbox (k, event, fingerprint, payment, %s)
SELECT %s, %s, r.fingerprint, %s, %s FROM (SELECT * FROM payack_inbox WHERE state = 3 ORDER BY id LIMIT 1000) r, generate_series(%d, %d) AS g(n)`,
			columns, key("k"), key("e"), key("p"), "r."+strings.ReplaceAll(columns, ", ", ", r."), have, have+step/1000-1))
		have += step
	}
	s.exec(`ANALYZE payack_inbox`)
}

// paced keeps receipts at a steady rate, and returns the 99th percentile of the
// durations.
func paced(t *testing.T, s *shop, d time.Duration) time.Duration {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	began := time.Now()
	for range 16 {
		all.Go(func() {
			for tick := time.NewTicker(80 * time.Millisecond); time.Since(began) < d; <-tick.C {
				at := time.Now()
				_, err := s.in.Keep(context.Background(), newReceipt("pts"))
				assert.NoError(t, err)
				mu.Lock()
				took = append(took, time.Since(at))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	return took[len(took)*99/100]
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// residentMB returns this process's resident memory.
func residentMB(t *testing.T) (mb int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	_, err = fmt.Sscan(rest, &mb)
	require.NoError(t, err)
	return mb / 1024
}
