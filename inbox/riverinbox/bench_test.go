package riverinbox_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/riverinbox"
	"github.com/payack/payack/internal/turns"
	"github.com/payack/payack/payacktest"
)

// engine is an inbox with its workers.
type engine interface {
	payack.Inbox
	Run(ctx context.Context) error
	Close() error
}

// one is a running engine with a count of the events that it has processed.
type one struct {
	engine
	processed atomic.Int64
}

func working(b *testing.B, in engine) *one {
	o := &one{engine: in}
	pts := payacktest.NewPTSKeys().Config()
	pts.Options = handlers.Options{Inbox: in, Name: "pts", Logger: quiet}
	_, err := handlers.NewPTS(pts, func(context.Context, *payack.PTSEvent) error { o.processed.Add(1); return nil })
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-ended; in.Close() })
	return o
}

// turn lets clients keep receipts for a while, and then waits until all receipts
// are processed. It returns how many were kept, and how many were processed, per
// second.
func (o *one) turn(b *testing.B, clients int, d time.Duration) (kept, processed float64) {
	var n atomic.Int64
	var all sync.WaitGroup
	before, began := o.processed.Load(), time.Now()
	for range clients {
		all.Go(func() {
			for time.Since(began) < d {
				if _, err := o.Keep(context.Background(), newReceipt()); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	kept = float64(n.Load()) / time.Since(began).Seconds()
	for end := time.Now().Add(5 * time.Minute); o.processed.Load()-before < n.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.Fatal("not all were processed")
		}
	}
	return kept, float64(n.Load()) / time.Since(began).Seconds()
}

var inTurns = turns.Turns{
	Rounds: flag.Int("rounds", 6, "how often each side of a benchmark gets its turn"),
	Slice:  flag.Duration("slice", time.Second, "how long a turn is"),
}

var benched atomic.Int64

// newReceipt makes a receipt of a new event, as large as a usual one.
func newReceipt() *payack.Receipt {
	n := benched.Add(1)
	ev := &payack.PTSEvent{
		UserID: "1", OrderID: fmt.Sprint("ORD-", n), TransactionID: fmt.Sprint("T", n), Status: payack.PTSSuccess,
		AcceptCurrency: payack.NewText("CNY"), AcceptAmount: payack.AmountOf(payack.NewText("100.50")), Timestamp: payack.NewText("1700000000"),
	}
	return &payack.Receipt{Receiver: "pts", Delivery: &payack.Delivery{
		Provider: payack.PTS, Received: time.Now(), Method: "POST", Path: "/pts", Body: strings.Repeat("x", 600), Event: ev,
	}}
}

// River is compared with the inbox's own poller, in turns on one server: 1, 16 or
// 64 clients keep receipts while 16 workers process them.
//
//	go test -run '^$' -bench Beside -benchtime 1x .
func BenchmarkBeside(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			own := func() inbox.Config {
				db := pool(b, fresh(b))
				db.SetMaxOpenConns(85)
				db.SetMaxIdleConns(85)
				return inbox.Config{DB: db, Dialect: inbox.PostgreSQL, Logger: quiet}
			}
			embedded, err := inbox.Open(b.Context(), own())
			require.NoError(b, err)
			river, err := riverinbox.Open(b.Context(), riverinbox.Config{Inbox: own()})
			require.NoError(b, err)
			both := []*one{working(b, river), working(b, embedded)} // in the order of the names below
			var kept, processed [][]float64
			for round := range *inTurns.Rounds + 1 {
				var k, p [2]float64
				for i, o := range both {
					k[i], p[i] = o.turn(b, clients, *inTurns.Slice)
				}
				if round > 0 { // the first round warms up
					kept, processed = append(kept, k[:]), append(processed, p[:])
				}
			}
			turns.Report(b, []string{"river_kept", "own_kept"}, turns.Best(kept))
			turns.Report(b, []string{"river_processed", "own_processed"}, turns.Best(processed))
		})
	}
}
