package crashtest

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/payacktest"
)

// Load records what clients post: the number of callbacks, the orders of
// acknowledged callbacks, and the time of the slowest answer.
type Load struct {
	mu    sync.Mutex
	url   string
	acked map[string]bool // by order
	slow  time.Duration
	sent  atomic.Int64
}

// Begin starts clients that post callbacks of PTS and Payatom. They repeat each
// callback until it is acknowledged; end stops the clients. Loads with the same
// prefix post the same callbacks.
func Begin(t testing.TB, url, prefix string, clients int) (l *Load, end func()) {
	l = &Load{url: url, acked: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() { l.client(ctx, t, fmt.Sprint(prefix, c)) })
	}
	return l, func() { cancel(); all.Wait() }
}

// At sends the clients to another URL.
func (l *Load) At(url string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.url = url
}

func (l *Load) where() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.url
}

// Acknowledge records that an order was acknowledged.
func (l *Load) Acknowledge(order string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[order] = true
}

// Acknowledged returns the orders that were acknowledged.
func (l *Load) Acknowledged() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.acked))
}

// Slowest returns the longest time that an answer took.
func (l *Load) Slowest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slow
}

func (l *Load) client(ctx context.Context, t testing.TB, prefix string) {
	client := &http.Client{Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		order := fmt.Sprint(prefix, "-", n)
		path, cb := "/pts", payacktest.Callback{}
		if n%2 == 0 {
			cb = payacktest.PTS(payacktest.NewPTSKeys()).Order(order).Callback(t)
		} else {
			path, cb = "/payatom", payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Callback(t)
		}
		for ctx.Err() == nil { // repeats until the callback is acknowledged, as a provider does
			yes := l.post(ctx, client, path, cb)
			if yes {
				l.Acknowledge(order)
			}
			time.Sleep(10 * time.Millisecond) // so that processing keeps up
			if yes {
				break
			}
		}
	}
}

// post reports whether a callback was acknowledged.
func (l *Load) post(ctx context.Context, client *http.Client, path string, cb payacktest.Callback) bool {
	l.sent.Add(1)
	began := time.Now()
	res, err := cb.Post(context.WithoutCancel(ctx), client, l.where()+path)
	if err != nil {
		return false
	}
	var body [200]byte
	k, _ := res.Body.Read(body[:])
	answer := string(body[:k])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow = max(l.slow, time.Since(began))
	return res.StatusCode == 200 && (answer == "SUCCESS" || strings.Contains(answer, `"yes"`))
}

// Counts returns how many rows a table has for each value of a column.
func Counts(t testing.TB, db *sql.DB, table, by string) map[string]int {
	t.Helper()
	rows, err := db.Query(`SELECT ` + by + `, COUNT(*) FROM ` + table + ` GROUP BY ` + by)
	if err != nil {
		return nil // the file may be locked
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var value string
		var n int
		require.NoError(t, rows.Scan(&value, &n))
		out[value] = n
	}
	return out
}

// SettledAll asserts that every acknowledged event is processed, and exactly once
// if its function runs in a transaction. It fails when no further event is
// processed within the given time.
func SettledAll(t testing.TB, db *sql.DB, l *Load, within time.Duration) {
	t.Helper()
	var effects, mails map[string]int
	missing := func() (n int) {
		effects, mails = Counts(t, db, "effects", "id"), Counts(t, db, "mails", "id")
		for _, order := range l.Acknowledged() {
			if effects[order]+mails[order] == 0 {
				n++
			}
		}
		return n
	}
	// While the number of missing events shrinks, they are only slow. When it no
	// longer shrinks, they are lost.
	left := missing()
	for end := time.Now().Add(within); left > 0 && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
		if now := missing(); now < left {
			left, end = now, time.Now().Add(within)
		}
	}
	if !assert.Zero(t, left, "acknowledged and never processed") {
		t.Log("rows by state:", Counts(t, db, "payack_inbox", "state"))
	}
	for id, n := range effects {
		assert.Equal(t, 1, n, "processed more than once in a transaction: %s", id)
	}
	twice := 0
	for _, n := range mails {
		if n > 1 {
			twice++
		}
	}
	t.Logf("%d sent, %d acknowledged, %d effects in transactions, %d without (%d of them more than once), slowest answer %v",
		l.sent.Load(), len(l.Acknowledged()), len(effects), len(mails), twice, l.Slowest().Round(time.Millisecond))
}

// Works asserts that callbacks of the loads are still acknowledged, and that
// their events are still processed.
func Works(t testing.TB, db *sql.DB, what string, loads ...*Load) {
	t.Helper()
	processed := func() int {
		return len(Counts(t, db, "effects", "id")) + len(Counts(t, db, "mails", "id"))
	}
	began, before := time.Now(), processed()
	acked := make([]int, len(loads))
	for i, l := range loads {
		acked[i] = len(l.Acknowledged())
	}
	require.Eventually(t, func() bool {
		for i, l := range loads {
			if len(l.Acknowledged()) < acked[i]+5 {
				return false
			}
		}
		return processed() >= before+10
	}, time.Minute, 20*time.Millisecond, "no work is done: %s", what)
	t.Log(time.Since(began).Round(time.Millisecond), what)
}
