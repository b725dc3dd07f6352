package inspector_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

var keptRows = flag.Int("rows", 1_000_000, "how many deliveries the benchmarks keep first")

// fill copies one kept row many times. Each copy is an event of its own, and
// one in a thousand is dead. The oldest row is an event of Ptop.
func (s *shop) fill(rows int) {
	s.t.Helper()
	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("OLDEST").Callback(s.t))
	deliver(s.pts, paid(s.t, "MODEL"))
	s.work()
	for from := 0; from < rows; from += 50_000 {
		_, err := s.db.Exec(`WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
INSERT INTO payack_inbox (k, event, fingerprint, payment, slot, token, state, final, attempts, base, happened_us, received_us, since_us, next_us, started_us, ended_us, dropped,
	sender, receiver, provider, event_id, order_id, transaction_id, reference, amount, status, reason, error, note, trace, encoded, delivery, body)
SELECT randomblob(32), randomblob(32), fingerprint, randomblob(32), slot, token, CASE WHEN i % 1000 = 0 THEN 4 ELSE 3 END, final, attempts, base, happened_us, received_us + i * 1000, since_us, next_us, started_us, ended_us, dropped,
	sender, receiver, provider, 'pts:v1::1:ORD-' || i || ':TX-' || i || ':2000', 'ORD-' || i, 'TX-' || i, 'BANK-' || i, amount, status,
	CASE WHEN i % 1000 = 0 THEN 'unexpected' ELSE '' END, error, note, trace, encoded, delivery, body
FROM payack_inbox, n WHERE order_id = 'MODEL'`, from, min(from+50_000, rows))
		require.NoError(s.t, err)
	}
}

// BenchmarkPages measures how long a page takes with many kept deliveries. It
// reports the median and the longest time of 20 requests:
//
//	go test -run '^$' -bench Pages -benchtime 1x -timeout 0 .
func BenchmarkPages(b *testing.B) {
	s := open(b)
	s.fill(*keptRows)
	old := *keptRows / 10
	for _, page := range []struct{ name, path string }{
		{"first", "/"},
		{"order", fmt.Sprint("/?q=ORD-", old)},
		{"transaction", fmt.Sprint("/?q=TX-", old)},
		{"reference", fmt.Sprint("/?q=BANK-", old)},
		{"nothing-found", "/?q=NOBODY"},
		{"reason", "/?reason=unexpected"},
		{"reason-never", "/?reason=conflict"},
		{"dead", "/?outcome=dead"},
		{"rare-provider", "/?provider=ptop"},
		{"rare-state", "/?outcome=closed"},
		{"pending", "/?outcome=pending"},
		{"long-ago", "/?before=" + url.QueryEscape(time.Now().Add(time.Duration(old)*time.Millisecond).UTC().Format(time.RFC3339))},
		{"one", fmt.Sprint("/deliveries/", old)},
		{"question", "/retry?outcome=dead"},
		{"numbers", "/numbers"},
	} {
		b.Run(page.name, func(b *testing.B) {
			var took []float64
			for range 21 {
				began := time.Now()
				a := s.ask("GET", page.path, "", func(r *http.Request) { r.Header.Set("Accept", "text/html") })
				took = append(took, float64(time.Since(began).Microseconds())/1000)
				require.Equal(b, http.StatusOK, a.StatusCode)
			}
			took = took[1:]
			slices.Sort(took)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(took[10], "median-ms")
			b.ReportMetric(took[19], "longest-ms")
		})
	}
}

// BenchmarkReaders measures how much 50 open pages slow receipts down. It
// measures with and without the pages in turns:
//
//	go test -run '^$' -bench Readers -benchtime 1x -timeout 0 .
func BenchmarkReaders(b *testing.B) {
	s := open(b)
	s.fill(*keptRows / 100)
	var n, rowsRead atomic.Int64
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	builder := payacktest.Payatom(payacktest.NewPayatomKeys())
	turn := func() float64 { // receipts per second
		var all sync.WaitGroup
		var received atomic.Int64
		began := time.Now()
		for range 8 {
			all.Go(func() {
				for time.Since(began) < 3*time.Second {
					payacktest.Accepted(b, payack.Payatom, deliver(s.atom, builder.Order(fmt.Sprint("NEW-", n.Add(1))).Callback(b)))
					received.Add(1)
				}
			})
		}
		all.Wait()
		return float64(received.Load()) / time.Since(began).Seconds()
	}
	watched := func() float64 {
		reading, away := context.WithCancel(ctx)
		var open, gone sync.WaitGroup
		for range 50 {
			open.Add(1)
			gone.Go(func() { s.read(reading, &open, &rowsRead) })
		}
		open.Wait()
		rate := turn()
		away()
		gone.Wait()
		return rate
	}
	turn() // warms up
	var with, without []float64
	for range 8 { // with, without, without, with: so that other load on the machine affects both
		with = append(with, watched())
		without = append(without, turn(), turn())
		with = append(with, watched())
	}
	var ratios []float64
	for i := range with {
		ratios = append(ratios, with[i]/without[i])
	}
	slices.Sort(ratios)
	slices.Sort(with)
	slices.Sort(without)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric((ratios[7]+ratios[8])/2, "ratio")
	b.ReportMetric(with[8], "with/s")
	b.ReportMetric(without[8], "without/s")
	b.ReportMetric(float64(rowsRead.Load()), "rows-read")
}

// read reads the stream of one open page until the context ends.
func (s *shop) read(ctx context.Context, open *sync.WaitGroup, rows *atomic.Int64) {
	r, err := http.NewRequestWithContext(ctx, "GET", s.url+"/live", nil)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	in := bufio.NewReaderSize(res.Body, 1<<16)
	first := true
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF || ctx.Err() != nil {
			return
		}
		if first && strings.HasPrefix(line, "event: list") {
			first = false
			open.Done()
		}
		if strings.HasPrefix(line, "event: row") {
			rows.Add(1)
		}
	}
}
