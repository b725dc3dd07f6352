package inbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
)

var benched atomic.Int64

// newReceipt makes a receipt of a new event, of a usual size.
func newReceipt(receiver string) *payack.Receipt {
	n := benched.Add(1)
	ev := &payack.PTSEvent{
		UserID: "1", OrderID: fmt.Sprint("ORD-", n), TransactionID: fmt.Sprint("T", n), Status: payack.PTSSuccess,
		AcceptCurrency: payack.NewText("CNY"), AcceptAmount: payack.AmountOf(payack.NewText("100.50")), Timestamp: payack.NewText("1700000000"),
	}
	return &payack.Receipt{Receiver: receiver, Delivery: &payack.Delivery{
		Provider: payack.PTS, Received: time.Now(), Method: "POST", Path: "/pts", Body: strings.Repeat("x", 600), Event: ev,
	}}
}

// clients calls fn from n goroutines for a while. It returns the calls per second
// and the 99th percentile of their duration.
func clients(b *testing.B, n int, d time.Duration, fn func() error) (rate float64, p99 time.Duration) {
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	began := time.Now()
	for range n {
		all.Go(func() {
			var own []time.Duration
			for time.Since(began) < d {
				at := time.Now()
				if err := fn(); err != nil {
					b.Error(err)
					return
				}
				own = append(own, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
		})
	}
	all.Wait()
	rate = float64(len(took)) / time.Since(began).Seconds()
	slices.Sort(took)
	return rate, took[len(took)*99/100]
}

// Compares receipts with raw inserts of the same bytes and commit policy, in
// turns: go test -run '^$' -bench Receipt -benchtime 1x .
func BenchmarkReceipt(b *testing.B) {
	for _, d := range databases {
		for _, n := range []int{1, 16, 64} {
			b.Run(fmt.Sprint(d.name, "/", n), func(b *testing.B) {
				s := open(b, d)
				if d.driver != "sqlite" {
					s.db.SetMaxOpenConns(64)
					s.db.SetMaxIdleConns(64)
				}
				raw, err := s.in.Raw(b.Context())
				require.NoError(b, err)
				var raws, keeps, p99s []float64
				for turn := range 6 {
					rawRate, _ := clients(b, n, 500*time.Millisecond, func() error { return raw(b.Context(), newReceipt("pts")) })
					keepRate, p99 := clients(b, n, 500*time.Millisecond, func() error {
						_, err := s.in.Keep(b.Context(), newReceipt("pts"))
						return err
					})
					if turn > 0 { // the first turn warms up
						raws, keeps, p99s = append(raws, rawRate), append(keeps, keepRate), append(p99s, float64(p99.Microseconds())/1000)
					}
				}
				middle := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(middle(raws), "raw/s")
				b.ReportMetric(middle(keeps), "kept/s")
				b.ReportMetric(middle(keeps)/middle(raws), "ratio")
				b.ReportMetric(middle(p99s), "p99-ms")
			})
		}
	}
}

// Measures from the receipt to the end of the function, in one process.
func BenchmarkEndToEnd(b *testing.B) {
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			s := open(b, d).mount()
			done := make(chan struct{}, 100000)
			s.says(func(context.Context, payack.Event) error { done <- struct{}{}; return nil }, nil)
			const events = 1000
			for range events {
				_, err := s.in.Keep(b.Context(), newReceipt("pts"))
				require.NoError(b, err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			began := time.Now()
			ended := make(chan error)
			go func() { ended <- s.in.Run(ctx) }()
			for range events {
				<-done
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(events/time.Since(began).Seconds(), "events/s")
			cancel()
			<-ended
		})
	}
}
