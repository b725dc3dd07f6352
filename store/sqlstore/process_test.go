package sqlstore_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/store/sqlstore"
)

var kills = flag.Int("kills", 0, "how often TestKilledProcess kills it; 0 is 30, and 5 with -short")

// killedDeadline keeps leases under a second, so that a killed process's claims
// are free soon.
const killedDeadline = 500 * time.Millisecond

// halves returns how many events have had an effect, and how many of those had it
// more than once or only in part.
func (p *place) halves(t testing.TB) (events, wrong int) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(`SELECT COUNT(*), COUNT(CASE WHEN parts <> 2 OR kinds <> 2 THEN 1 END) FROM (
	SELECT id, COUNT(*) AS parts, COUNT(DISTINCT part) AS kinds FROM effects GROUP BY id) AS e`).Scan(&events, &wrong))
	return events, wrong
}

// present returns how many of these events have had an effect.
func (p *place) present(t testing.TB, ids []string) (n int) {
	t.Helper()
	if len(ids) > 0 {
		require.NoError(t, p.db.QueryRow(`SELECT COUNT(DISTINCT id) FROM effects WHERE id IN ('`+strings.Join(ids, "', '")+`')`).Scan(&n))
	}
	return n
}

func TestTwoProcesses(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := d.place(t)
		servers := []*process{p.process(t, 5*time.Second), p.process(t, 5*time.Second)}
		const events, deliveries = 20, 4
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: events * deliveries}}
		defer client.CloseIdleConnections()
		together(events*deliveries, func(i int) {
			order := fmt.Sprint("ORD-", i%events)
			for range 500 {
				if servers[i/events%2].post(t, client, order) {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			assert.Fail(t, "it was never accepted", order)
		})
		got, wrong := p.halves(t)
		require.Equal(t, [2]int{events, 0}, [2]int{got, wrong}, "events that had their effect, and those not once")
	})
}

// The process is killed at random moments, and orders that it has not
// acknowledged are delivered to the next process. In each round, every
// acknowledged event has had its effect, and no event has had it twice or in
// part.
//
//	go test -run TestKilledProcess -kills 1000 -timeout 90m .
func TestKilledProcess(t *testing.T) {
	rounds := *kills
	switch {
	case rounds > 0:
	case testing.Short():
		rounds = 5
	default:
		rounds = 30
	}
	each(t, func(t *testing.T, d database) {
		t.Parallel()
		p := d.place(t)
		p.exec(t, `CREATE INDEX by_id ON effects (id)`)
		const clients = 8
		var (
			mu        sync.Mutex
			made      int
			pending   []string // not acknowledged
			acked     int
			fresh     []string // acknowledged in this round
			lost      int      // committed but not acknowledged when the process was killed
			delivered int
			client    = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 5 * time.Second}
		)
		// next returns an order to deliver. If any are pending, every second
		// order is a pending one. If more is false, every order is.
		next := func(more bool) (order string, ok bool) {
			mu.Lock()
			defer mu.Unlock()
			delivered++
			if n := len(pending); n > 0 && (!more || delivered%2 == 0) {
				order, pending[0] = pending[0], pending[n-1]
				pending = pending[:n-1]
				return order, true
			}
			if !more {
				return "", false
			}
			made++
			return fmt.Sprint("ORD-", made), true
		}
		attempt := func(s *process, order string) {
			accepted := s.post(t, client, order)
			mu.Lock()
			defer mu.Unlock()
			if accepted {
				acked++
				fresh = append(fresh, order)
			} else {
				pending = append(pending, order)
			}
		}
		started := time.Now()
		s := p.process(t, killedDeadline)
		for range rounds {
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						order, _ := next(true)
						attempt(s, order)
					}
				})
			}
			after := p.process(t, killedDeadline) // the next process, ready before the kill
			time.Sleep(time.Duration(rand.IntN(50_000)) * time.Microsecond)
			require.NoError(t, s.Process.Kill())
			close(stop)
			_ = s.Wait()
			wg.Wait()
			events, wrong := p.halves(t)
			require.Zero(t, wrong, "events that had their effect not exactly once")
			require.Equal(t, len(fresh), p.present(t, fresh), "events that were acknowledged in this round, and those of them with an effect")
			fresh = nil
			lost += events - acked
			s = after
		}
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			order, ok := next(false)
			if !ok {
				break
			}
			attempt(s, order)
		}
		require.Empty(t, pending, "all are accepted in the end, without help")
		events, wrong := p.halves(t)
		require.Equal(t, [3]int{made, made, 0}, [3]int{events, acked, wrong}, "events with an effect, acknowledged, and not exactly once")
		t.Logf("%d kills in %v: %d events, %d deliveries, %d times an event was done and not acknowledged when the process ended",
			rounds, time.Since(started).Round(time.Second), made, delivered, lost)
	})
}

// Ten processes migrate at the same time.
func TestTenProcessesMigrate(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := &place{database: d, dsn: d.dsn(t)}
		var commands []*exec.Cmd
		var begin []func()
		for range 10 {
			c := p.command("migrate")
			in, err := c.StdinPipe()
			require.NoError(t, err)
			begin = append(begin, func() { _ = in.Close() })
			require.NoError(t, c.Start())
			commands = append(commands, c)
		}
		for _, b := range begin {
			b()
		}
		for _, c := range commands {
			assert.NoError(t, c.Wait())
		}
		cfg := sqlstore.Config{DB: d.open(t, p.dsn), Dialect: d.dialect}
		s, err := sqlstore.Open(t.Context(), cfg)
		require.NoError(t, err)
		require.NoError(t, sqlstore.Migrate(t.Context(), cfg))
		again, err := sqlstore.Open(t.Context(), cfg)
		require.NoError(t, err)
		require.Equal(t, s.Home(), again.Home())
	})
}
