package inbox_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/internal/turns"
	"github.com/payack/payack/payacktest"
)

var inTurns = turns.Turns{
	Rounds: flag.Int("rounds", 6, "how often each side of a benchmark gets its turn"),
	Slice:  flag.Duration("slice", 250*time.Millisecond, "how long a turn is"),
}

var benched atomic.Int64

// newReceipt makes a receipt of a new event, as large as a usual one.
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

// eachBench runs a benchmark over all databases and numbers of clients.
func eachBench(b *testing.B, run func(b *testing.B, s *shop, clients int)) {
	for _, d := range databases {
		for _, n := range []int{1, 16, 64} {
			b.Run(fmt.Sprint(d.name, "/", n), func(b *testing.B) {
				s := open(b, d)
				if d.driver != "sqlite" {
					s.db.SetMaxOpenConns(64)
					s.db.SetMaxIdleConns(64)
				}
				run(b, s, n)
			})
		}
	}
}

// Keep is compared with raw inserts of the same bytes with the same commit
// policy, in turns: go test -run '^$' -bench Receipt -benchtime 1x .
func BenchmarkReceipt(b *testing.B) {
	eachBench(b, func(b *testing.B, s *shop, clients int) {
		raw, err := s.in.Raw(b.Context())
		require.NoError(b, err)
		inTurns.Compare(b, clients,
			turns.Side{Name: "kept", Do: func(ctx context.Context) error {
				_, err := s.in.Keep(ctx, newReceipt("pts"))
				return err
			}},
			turns.Side{Name: "inserted", Do: func(ctx context.Context) error { return raw(ctx, newReceipt("pts")) }},
		)
	})
}

// A whole receiver, which verifies and keeps, is compared with a handler that
// only commits the same number of bytes.
func BenchmarkReceiver(b *testing.B) {
	eachBench(b, func(b *testing.B, s *shop, clients int) {
		raw, err := s.in.Raw(b.Context())
		require.NoError(b, err)
		ptop := payacktest.NewPtopKeys().Config()
		ptop.Options = handlers.Options{Inbox: s.in, Name: "ptop", Logger: s.log.logger()}
		receiver, err := handlers.NewPtop(ptop, func(context.Context, *payack.PtopEvent) error { return nil })
		require.NoError(b, err)
		bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			if err == nil {
				err = raw(r.Context(), newReceipt("ptop"))
			}
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		message := strings.Repeat("x", 500)
		send := func(h http.Handler) func(context.Context) error {
			return func(ctx context.Context) error {
				id := fmt.Sprint("T", benched.Add(1))
				cb, err := payacktest.Ptop(payacktest.NewPtopKeys()).Order(id).Transaction(id).Set("message", message).Build()
				if err != nil {
					return err
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, cb.Request("/ptop").WithContext(ctx))
				if w.Code != http.StatusOK {
					return fmt.Errorf("answered %d %s", w.Code, w.Body)
				}
				return nil
			}
		}
		inTurns.Compare(b, clients, turns.Side{Name: "receiver", Do: send(receiver)}, turns.Side{Name: "bare_handler", Do: send(bare)})
	})
}

// The inbox's workers, which process waiting events, are compared with the same
// number of clients that make two plain commits for each event: one at its
// beginning and one at its end.
func BenchmarkProcessing(b *testing.B) {
	for _, d := range databases {
		b.Run(fmt.Sprint(d.name, "/", inbox.DefaultWorkers), func(b *testing.B) {
			const events = 500
			s := open(b, d, func(c *inbox.Config) { c.PerReceiver = inbox.DefaultWorkers }).mount()
			done := make(chan struct{}, events)
			s.says(func(context.Context, payack.Event) error { done <- struct{}{}; return nil }, nil)
			_, err := s.db.ExecContext(b.Context(), `CREATE TABLE work (id INTEGER PRIMARY KEY, state INTEGER NOT NULL)`)
			require.NoError(b, err)
			var rounds [][]float64
			for round := range *inTurns.Rounds + 1 {
				rates := []float64{s.workOff(b, events, done), s.twoCommits(b, events, round*events)}
				if round > 0 {
					rounds = append(rounds, rates)
				}
			}
			turns.Report(b, []string{"processed", "two_commits"}, turns.Best(rounds))
		})
	}
}

// workOff keeps events, then runs the inbox, and returns how many of them it
// processes per second.
func (s *shop) workOff(b *testing.B, events int, done <-chan struct{}) float64 {
	for range events {
		_, err := s.in.Keep(b.Context(), newReceipt("pts"))
		require.NoError(b, err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	began, ended := time.Now(), make(chan error, 1)
	go func() { ended <- s.in.Run(ctx) }()
	for range events {
		<-done
	}
	rate := float64(events) / time.Since(began).Seconds()
	cancel()
	require.NoError(b, <-ended)
	return rate
}

func (s *shop) twoCommits(b *testing.B, events, first int) float64 {
	d := s.d.dialect
	for i := range events {
		_, err := s.db.ExecContext(b.Context(), d.Rebind(`INSERT INTO work (id, state) VALUES (?, 1)`), first+i)
		require.NoError(b, err)
	}
	begin, end := d.Rebind(`UPDATE work SET state = 2 WHERE id = ?`), d.Rebind(`UPDATE work SET state = 3 WHERE id = ?`)
	next := make(chan int, events)
	for i := range events {
		next <- first + i
	}
	close(next)
	began := time.Now()
	var all sync.WaitGroup
	for range inbox.DefaultWorkers {
		all.Go(func() {
			for id := range next {
				for _, statement := range []string{begin, end} {
					if _, err := s.db.ExecContext(b.Context(), statement, id); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	return float64(events) / time.Since(began).Seconds()
}
