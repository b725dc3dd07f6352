package inbox_test

import (
	"context"
	"fmt"
	"runtime"
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
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/memstore"
)

// run runs the inbox in the background until the end of the test.
func (s *shop) run() (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.in.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				assert.NoError(s.t, err)
			case <-time.After(2 * time.Minute): // a failed test doesn't release its function
				s.t.Error("Run didn't return: the function still runs")
			}
		})
	}
	s.t.Cleanup(stop)
	require.Eventually(s.t, s.in.Working, 30*time.Second, time.Millisecond)
	return stop
}

// An event is retried until it succeeds. Each attempt is observed with its number
// and the time of the next one, and recorded with its reason.
func TestRetriedUntilItSucceeds(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		n := 0
		s.says(func(ctx context.Context, _ payack.Event) error {
			n++
			delivery, _ := payack.DeliveryFrom(ctx)
			assert.Equal(t, n, delivery.Attempt)
			switch n {
			case 1:
				return errShop
			case 2:
				panic("a slip")
			case 3:
				runtime.Goexit()
			}
			return nil
		}, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.until("settled", func() bool { return len(s.calls()) == 1 })
		seen := s.attempts()
		require.Len(t, seen, 4)
		for i, reason := range []payack.Reason{payack.ReasonCallback, payack.ReasonPanic, payack.ReasonPanic, ""} {
			o := seen[i]
			assert.Equal(t, i+1, o.Attempt)
			assert.Equal(t, reason, o.Reason)
			assert.Equal(t, "pts:v1::1:ORD-1:T1000001:2000", o.EventID)
			assert.Equal(t, reason == "", o.Next.IsZero())
			assert.False(t, o.Dead)
		}
		item := s.items()[0]
		record, err := s.in.Get(t.Context(), item.ID)
		require.NoError(t, err)
		require.Len(t, record.Log, 4)
		assert.Equal(t, payack.ReasonPanic, record.Log[1].Reason)
		assert.Contains(t, record.Log[3].Error, errShop.Error())
		assert.Empty(t, record.Error)
		assert.Equal(t, inbox.Done, record.State)
		assert.Equal(t, 4, record.Attempts)
	})
}

// An event that can't succeed is a dead letter at once.
func TestDeadAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount(func(o *handlers.Options) {
			if o.Name == "pts" {
				o.Validate = map[string]string{"OrderID": "ne=INVALID"}
			}
		})
		// Below, an event of Payatom has the hash of a done event, and an event
		// of PTS has the identity of a done event with another amount.
		splices := payacktest.NewPayatomKeys().Config()
		splices.Options, splices.ExpectInCallback = s.options("splices"), false
		splices.Expect = func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: ev.ReceivedAmount}, nil
		}
		h, err := handlers.NewPayatom(splices, func(context.Context, *payack.PayatomEvent) error { return nil })
		require.NoError(t, err)
		atom := func(order, amount string) payacktest.Callback {
			return payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Amount(amount).Callback(t)
		}
		s.kept(payack.Payatom, h, atom("ORD1", "505"))
		s.kept(payack.PTS, s.pts, ptsCallback(t, "PAID", payack.PTSSuccess))
		s.drain()
		before := len(s.attempts())
		assert.Equal(t, []string{"done", "done"}, s.states())
		s.kept(payack.Payatom, h, atom("ORD150", "5"))
		s.kept(payack.PTS, s.pts, payacktest.PTS(payacktest.NewPTSKeys()).Order("PAID").Amount("1").Callback(t))

		s.says(nil, refuting("bad"))
		s.kept(payack.PTS, s.pts, ptsCallback(t, "INVALID", payack.PTSSuccess))
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "bad"))
		s.drain()
		assert.ElementsMatch(t, []string{"dead spliced", "dead conflict", "dead invalid", "dead unconfirmed"}, s.states()[2:])
		for _, o := range s.attempts()[before:] {
			assert.True(t, o.Dead)
			assert.True(t, o.Next.IsZero())
			assert.Equal(t, 1, o.Attempt)
		}
		assert.Len(t, s.calls(), 1)
		stats, err := s.in.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, inbox.Stats{Dead: 4}, stats)
	})
}

// An event that the merchant doesn't expect is retried for a while, because its
// order may be stored a moment later.
func TestUnexpectedHasAGrace(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Grace = time.Hour }).mount()
		orders := map[string]bool{}
		s.says(func(_ context.Context, ev payack.Event) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !orders[ev.Order()] {
				return payack.ErrUnexpected
			}
			return nil
		}, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "LATE", payack.PTSSuccess))
		s.kept(payack.PTS, s.pts, ptsCallback(t, "NEVER", payack.PTSSuccess))
		s.drain()
		assert.Equal(t, []string{"pending unexpected", "pending unexpected"}, s.states())
		s.mu.Lock()
		orders["LATE"] = true
		s.mu.Unlock()
		s.exec(`UPDATE payack_inbox SET received_us = 1, since_us = 1`) // long ago
		s.until("both ended", func() bool {
			return assert.ObjectsAreEqual([]string{"done", "dead unexpected"}, s.states())
		})
	})
}

// Where only the function can tell which of two events a hash belongs to, the
// first may be a forgery. So the second is retried for a while.
func TestSplicedHasAGraceWhereOnlyTheFunctionCanTell(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Grace = time.Hour })
		cfg := payacktest.NewPayatomKeys().Config()
		require.True(t, cfg.ExpectInCallback)
		cfg.Options = s.options("payatom")
		h, err := handlers.NewPayatom(cfg, func(ctx context.Context, ev *payack.PayatomEvent) error { return s.call(ctx, ev) })
		require.NoError(t, err)
		joined := func(order, amount string) payacktest.Callback {
			return payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Amount(amount).Callback(t)
		}
		s.kept(payack.Payatom, h, joined("ORD1", "505"))
		s.kept(payack.Payatom, h, joined("AB1", "505"))
		s.drain()
		s.kept(payack.Payatom, h, joined("ORD150", "5"))
		s.kept(payack.Payatom, h, joined("AB150", "5"))
		s.drain()
		require.Equal(t, []string{"done", "done", "pending spliced", "pending spliced"}, s.states())
		for _, o := range s.attempts()[2:] {
			assert.Equal(t, payack.OutcomeRejected, o.Outcome)
			assert.False(t, o.Dead)
			assert.False(t, o.Next.IsZero())
		}
		s.exec(`DELETE FROM payack_once WHERE id LIKE 'payatom-splice%AB1505%'`) // the forgery's mark is removed
		s.until("settled", func() bool { return len(s.calls()) == 3 })
		s.exec(`UPDATE payack_inbox SET since_us = 1`) // long ago
		s.until("dead", func() bool { return s.states()[2] == "dead spliced" })
		assert.Equal(t, []string{"done", "done", "dead spliced", "done"}, s.states())
	})
}

// An event becomes a dead letter if the store used before the inbox has the same
// identity with another fingerprint. This happens only after the grace, because
// the store may merely hold a claim that is soon given up.
func TestConflictWithTheStoreBefore(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		former := memstore.New(0)
		claim, err := former.Claim(t.Context(), "pts:v1::1:ORD-1:T1000001:2000", "another", time.Minute)
		require.NoError(t, err)
		require.NoError(t, former.Commit(t.Context(), "pts:v1::1:ORD-1:T1000001:2000", claim.Token))
		s := open(t, d, func(c *inbox.Config) { c.Grace = time.Hour }).mount(func(o *handlers.Options) { o.Store = former })
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-0", payack.PTSSuccess)) // another event, which is done
		s.drain()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.drain()
		assert.Equal(t, []string{"pending conflict"}, s.statesOf("ORD-1"))
		s.exec(`UPDATE payack_inbox SET since_us = 1`) // long ago
		s.until("dead", func() bool { return s.statesOf("ORD-1")[0] == "dead conflict" })
		assert.Len(t, s.calls(), 1)
	})
}

// takeOver gives the running attempts to another process, in one transaction: a row
// that has a token without a lease may be made due again.
func (s *shop) takeOver(token string) {
	s.t.Helper()
	tx, err := s.db.Begin()
	require.NoError(s.t, err)
	defer tx.Rollback()
	for _, table := range []string{"payack_inbox", "payack_running"} {
		_, err := tx.Exec(`UPDATE ` + table + ` SET token = ` + s.d.bytes(token))
		require.NoError(s.t, err)
	}
	require.NoError(s.t, tx.Commit())
}

// A worker whose event was taken over changes nothing when its function returns:
// every change of state is conditional on the token.
func TestWorkerWhoseEventWasTakenOverChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		began, goOn := make(chan struct{}), make(chan struct{})
		s.says(func(context.Context, payack.Event) error {
			close(began)
			<-goOn
			return nil
		}, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		stop := s.run()
		<-began
		s.takeOver("ff")
		close(goOn)
		stop() // waits for the attempt
		assert.Equal(t, []string{"running"}, s.states(), "it is the other's to end")
		var leases int
		require.NoError(t, s.db.QueryRow(`SELECT COUNT(*) FROM payack_running`).Scan(&leases))
		assert.Equal(t, 1, leases)
		s.exec(fmt.Sprintf(`UPDATE payack_running SET lease_us = lease_us - %d`, decade)) // as if the other process had ended
		s.until("done", func() bool { return s.states()[0] == "done" })
		assert.Len(t, s.calls(), 1)
		assert.Equal(t, 2, s.items()[0].Attempts)
	})
}

// At most as many attempts run as there are workers, and a row that waits for a
// worker is not leased.
func TestWorkersAreABound(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Workers = 3 }).mountAtom()
		running, goOn := atomic.Int64{}, make(chan struct{})
		s.says(func(context.Context, payack.Event) error {
			assert.LessOrEqual(t, running.Add(1), int64(3))
			<-goOn
			running.Add(-1)
			return nil
		}, nil)
		for n := range 9 {
			s.kept(payack.Payatom, s.atom, atomCallback(t, fmt.Sprint("ORD-", n), "r"))
		}
		s.run()
		require.Eventually(t, func() bool { return running.Load() == 3 }, 30*time.Second, time.Millisecond)
		time.Sleep(60 * time.Millisecond) // a few polls
		stats, err := s.in.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []int{6, 3, 0}, []int{stats.Pending, stats.Running, stats.Dead})
		assert.Greater(t, stats.Oldest, 60*time.Millisecond)
		close(goOn)
		require.Eventually(t, func() bool { return len(s.calls()) == 9 }, 30*time.Second, time.Millisecond)
	})
}

// An event is given up after enough attempts, not by age alone.
func TestGivingUpNeedsAttempts(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.GiveUp, c.LeastAttempts = time.Nanosecond, 4 }).mount()
		s.says(func(context.Context, payack.Event) error { return errShop }, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.exec(`UPDATE payack_inbox SET received_us = 1, since_us = 1, happened_us = 1`)
		s.until("dead", func() bool { return s.states()[0] == "dead callback" })
		seen := s.attempts()
		assert.Len(t, seen, 4)
		assert.True(t, seen[3].Dead)
		assert.False(t, seen[2].Dead)
	})
}

// After a redelivery, a dead letter gets the full time of GiveUp and all
// LeastAttempts again.
func TestPatienceBeginsAnew(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.GiveUp, c.LeastAttempts = time.Hour, 2 }).mount()
		s.says(func(context.Context, payack.Event) error { return errShop }, nil)
		old := func() { s.exec(`UPDATE payack_inbox SET received_us = 1, since_us = 1, happened_us = 1`) }
		again := func() {
			t.Helper()
			s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
			require.Equal(t, payack.OutcomeAccepted, s.last().Outcome)
		}
		dies := func(attempts int) {
			t.Helper()
			s.until("dead", func() bool { return s.states()[0] == "dead callback" })
			require.Len(t, s.attempts(), attempts)
			require.NotZero(t, s.items()[0].Ended)
		}
		again()
		old()
		dies(2)
		again()
		require.Zero(t, s.items()[0].Ended, "it has not ended any more")
		old()
		dies(4)
		again()
		s.until("many attempts", func() bool { return len(s.attempts()) >= 8 })
		require.Equal(t, []string{"pending callback"}, s.states())
	})
}

// The waits double up to a bound, with full jitter.
func TestBackOff(t *testing.T) {
	for n, limit := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 10: 2560 * time.Second, 11: time.Hour, 60: time.Hour, 1000: time.Hour} {
		longest, shortest := time.Duration(0), time.Hour
		for range 2000 {
			wait := inbox.BackOff(n, 5*time.Second, time.Hour)
			longest, shortest = max(longest, wait), min(shortest, wait)
		}
		assert.LessOrEqual(t, longest, limit, n)
		assert.Greater(t, longest, limit*9/10, n)
		assert.Less(t, shortest, limit/10, n)
	}
}

// Events of one payment never run at the same time, in any process. Events of
// different payments run at the same time.
func TestOnePaymentAtATime(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		dsn := d.dsn(t)
		var running sync.Map
		var together, most, clashes atomic.Int64
		settle := func(_ context.Context, ev payack.Event) error {
			if _, taken := running.LoadOrStore(ev.Payment(), true); taken {
				clashes.Add(1)
			}
			most.Store(max(most.Load(), together.Add(1)))
			time.Sleep(5 * time.Millisecond)
			together.Add(-1)
			running.Delete(ev.Payment())
			return nil
		}
		var shops []*shop
		for range 3 { // like three processes
			s := d.openAt(t, dsn, func(c *inbox.Config) { c.Workers, c.PerReceiver = 6, 6 }).mount()
			s.says(settle, nil)
			shops = append(shops, s)
		}
		const payments, events = 5, 8
		for n := range events {
			for p := range payments {
				// The statuses are not final, and the amounts differ.
				cb := payacktest.PTS(payacktest.NewPTSKeys()).Order(fmt.Sprint("ORD-", p)).Status(payack.PTSWaiting).Amount(fmt.Sprint(n + 1)).Callback(t)
				shops[n%3].kept(payack.PTS, shops[n%3].pts, cb)
			}
		}
		for _, s := range shops {
			s.run()
		}
		all := func() (n int) {
			for _, s := range shops {
				n += len(s.calls())
			}
			return n
		}
		require.Eventually(t, func() bool { return all() >= payments*events }, 60*time.Second, 10*time.Millisecond)
		assert.Equal(t, payments*events, all())
		assert.Zero(t, clashes.Load())
		assert.Greater(t, most.Load(), int64(1), "different payments run in parallel")
	})
}

// The oldest due event of a payment is processed first. An event that waits for
// its retry does not delay the others.
func TestOrderWithinAPayment(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.RetryFirst, c.RetryMax = time.Hour, time.Hour }).mount()
		for n := range 5 {
			cb := payacktest.PTS(payacktest.NewPTSKeys()).Status(payack.PTSWaiting).Amount(fmt.Sprint(n + 1)).Callback(t)
			s.kept(payack.PTS, s.pts, cb)
		}
		first := true
		s.says(func(context.Context, payack.Event) error {
			if first {
				first = false
				return errShop
			}
			return nil
		}, nil)
		s.drain()
		assert.Equal(t, []string{"pending callback", "done", "done", "done", "done"}, s.states())
		var ids []string
		for _, i := range s.items() {
			if i.State == inbox.Done {
				ids = append([]string{i.EventID}, ids...)
			}
		}
		assert.Equal(t, ids, s.calls())
	})
}

// An event that is not final is superseded if a newer final event is done. If the
// provider signs a time, this time decides which event is newer.
func TestSuperseded(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		waits := ptsCallback(t, "ORD-1", payack.PTSWaiting, "timestamp", "1700000000")
		works := ptsCallback(t, "ORD-1", payack.PTSProcessing, "timestamp", "1700000100")
		paid := ptsCallback(t, "ORD-1", payack.PTSSuccess, "timestamp", "1700000200")
		after := ptsCallback(t, "ORD-1", payack.PTSExpired, "timestamp", "1700000300")
		failed := ptsCallback(t, "ORD-1", payack.PTSFailed, "timestamp", "1700000050")
		s.kept(payack.PTS, s.pts, waits)
		s.says(func(context.Context, payack.Event) error { return errShop }, nil)
		s.drain() // waits for its retry
		s.says(nil, nil)
		s.kept(payack.PTS, s.pts, paid)
		s.until("paid", func() bool { return strings.Contains(strings.Join(s.states(), " "), "done") })
		s.kept(payack.PTS, s.pts, works)  // late
		s.kept(payack.PTS, s.pts, after)  // newer
		s.kept(payack.PTS, s.pts, failed) // older, but final
		s.until("all ended", func() bool { return !strings.Contains(strings.Join(s.states(), " "), "pending") })
		states := s.states()
		assert.Equal(t, []string{"done", "superseded", "done", "done"}, states[1:])
		assert.NotContains(t, s.calls(), "pts:v1::1:ORD-1:T1000001:1000:100.5:100.5")
		s.kept(payack.PTS, s.pts, works)
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome, "superseded is settled")
	})
}

// A receiver whose function hangs leaves workers to the others.
func TestBudgetPerReceiver(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Workers, c.PerReceiver = 4, 2 }).mount()
		hang, hanging := make(chan struct{}), atomic.Int64{}
		s.says(func(_ context.Context, ev payack.Event) error {
			if ev.Provider() == payack.PTS {
				hanging.Add(1)
				<-hang
			}
			return nil
		}, nil)
		for n := range 10 {
			s.kept(payack.PTS, s.pts, ptsCallback(t, fmt.Sprint("ORD-", n), payack.PTSSuccess))
		}
		s.run()
		require.Eventually(t, func() bool { return hanging.Load() == 2 }, 30*time.Second, time.Millisecond)
		s.kept(payack.Payatom, s.atom, atomCallback(t, "ORD-1", "r"))
		require.Eventually(t, func() bool { return len(s.calls()) == 1 }, 30*time.Second, time.Millisecond)
		assert.EqualValues(t, 2, hanging.Load())
		close(hang)
		require.Eventually(t, func() bool { return len(s.calls()) == 11 }, 30*time.Second, time.Millisecond)
	})
}

// A row waits while its receiver isn't mounted. The log names the receiver, and
// Healthy fails. After a restart with the receiver, the row is settled.
func TestReceiverThatIsNotMounted(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		require.NoError(t, s.in.Healthy(t.Context()))
		require.NoError(t, s.in.Close())

		bare := d.openAt(t, s.dsn, func(c *inbox.Config) { c.Late = time.Millisecond })
		stop := bare.run()
		require.Eventually(t, func() bool { return strings.Contains(bare.log.String(), "receiver=pts") }, 30*time.Second, time.Millisecond)
		require.ErrorContains(t, bare.in.Healthy(t.Context()), "no receiver with this name is mounted")
		require.NoError(t, bare.in.Drain(t.Context()))
		stop()
		assert.Equal(t, []string{"pending"}, bare.states())
		assert.Equal(t, 1, strings.Count(bare.log.String(), "receiver=pts"))

		again := d.openAt(t, s.dsn, func(c *inbox.Config) { c.Late = time.Millisecond }).mount()
		require.ErrorContains(t, again.in.Healthy(t.Context()), "Run is not running")
		again.drain()
		assert.Len(t, again.calls(), 1)
		require.NoError(t, again.in.Healthy(t.Context()))
	})
}

// Run ends when its context and the running attempts have ended. The results of
// the attempts are recorded.
func TestRunWaitsForAttempts(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		began, goOn := make(chan struct{}), make(chan struct{})
		s.says(func(ctx context.Context, _ payack.Event) error {
			close(began)
			<-goOn
			return ctx.Err()
		}, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		stop := s.run()
		<-began
		require.ErrorContains(t, s.in.Run(t.Context()), "already")
		ended := make(chan struct{})
		go func() { stop(); close(ended) }()
		select {
		case <-ended:
			t.Fatal("Run ended before the attempt did")
		case <-time.After(50 * time.Millisecond):
		}
		close(goOn)
		<-ended
		assert.Equal(t, []string{"done"}, s.states())
		require.NoError(t, s.in.Close())
		_, err := s.in.Keep(t.Context(), receiptOf(t, s, "ORD-9", "r"))
		require.ErrorIs(t, err, inbox.ErrClosed)
		require.ErrorIs(t, s.in.Run(t.Context()), inbox.ErrClosed)
	})
}

// An idle inbox processes an event within 200 ms of its receipt. This holds for
// the process that received the event and for another process.
func TestProcessedSoon(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.Poll = 0 }).mount()
		door := d.openAt(t, s.dsn).mount()
		s.run()
		for name, at := range map[string]*shop{"the same process": s, "another process": door} {
			const soon = 200 * time.Millisecond
			best := time.Hour
			for n, end := 0, time.Now().Add(time.Minute); best >= soon && time.Now().Before(end); n++ { // tolerates a busy machine
				time.Sleep(20 * time.Millisecond)
				before := len(s.calls())
				began := time.Now()
				at.kept(payack.PTS, at.pts, ptsCallback(t, fmt.Sprint(name, n), payack.PTSSuccess))
				require.Eventually(t, func() bool { return len(s.calls()) > before }, 30*time.Second, time.Millisecond)
				best = min(best, time.Since(began))
			}
			assert.Less(t, best, soon, name)
		}
	})
}

// An attempt that takes longer than its lease renews the lease, so no other
// process takes the event over.
func TestLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d database) {
		short := func(c *inbox.Config) { c.Lease = 6 * time.Second }
		s := open(t, d, short).mount()
		other := d.openAt(t, s.dsn, short).mount()
		s.says(func(context.Context, payack.Event) error { time.Sleep(10 * time.Second); return nil }, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.run()
		require.Eventually(t, func() bool { return s.states()[0] == "running" }, 30*time.Second, time.Millisecond)
		assert.Equal(t, 1, s.items()[0].Attempts, "counted when it is leased")
		other.run()
		require.Eventually(t, func() bool { return len(s.calls()) == 1 }, 30*time.Second, time.Millisecond)
		assert.Empty(t, other.calls())
		require.Eventually(t, func() bool { return s.states()[0] == "done" }, 30*time.Second, time.Millisecond)
		assert.Equal(t, 1, s.items()[0].Attempts)
	})
}

// The row of a crashed process is soon due again. The crashed attempt is counted,
// so a row that crashes each time becomes a dead letter.
func TestCrashedAttempt(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		crash := func() {
			s.exec(`UPDATE payack_inbox SET state = 2, attempts = attempts + 1, started_us = received_us, token = ` + d.bytes("00"))
			s.exec(`INSERT INTO payack_running (payment, token, lease_us) SELECT payment, token, 1 FROM payack_inbox`)
		}
		crash()
		s.drain()
		assert.Equal(t, []string{"done"}, s.states())
		item := s.items()[0]
		assert.Equal(t, 2, item.Attempts)
		record, err := s.in.Get(t.Context(), item.ID)
		require.NoError(t, err)
		require.Len(t, record.Log, 2)
		assert.Equal(t, payack.Reason("crashed"), record.Log[1].Reason)
		seen := s.attempts()
		require.Len(t, seen, 2)
		slices.SortFunc(seen, func(a, b payack.Observation) int { return a.Attempt - b.Attempt }) // attempts are observed in any order
		assert.Equal(t, "failed inbox 1 false", told(seen[0]))
		assert.Equal(t, item.EventID, seen[0].EventID)
		assert.NotNil(t, seen[0].Delivery.Event)
		assert.ErrorContains(t, seen[0].Err, "the process ended")
		assert.Equal(t, "accepted  2 false", told(seen[1]))

		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-2", payack.PTSSuccess))
		s.exec(`UPDATE payack_inbox SET state = 2, attempts = 10, since_us = 1, started_us = received_us, token = ` + d.bytes("01") + ` WHERE order_id = 'ORD-2'`)
		s.exec(`INSERT INTO payack_running (payment, token, lease_us) SELECT payment, token, 1 FROM payack_inbox WHERE order_id = 'ORD-2'`)
		time.Sleep(time.Second) // recovery runs once a second
		s.drain()
		assert.Equal(t, []string{"done", "dead crashed"}, s.states())
		seen = s.attempts()
		require.Len(t, seen, 3)
		assert.Equal(t, "failed inbox 10 true", told(seen[2]), "its last attempt")
	})
	assert.LessOrEqual(t, inbox.DefaultLease+inbox.DefaultPoll, 15*time.Second)
}

// told is what an observer learns about an attempt.
func told(o payack.Observation) string {
	return fmt.Sprint(o.Outcome, " ", o.Reason, " ", o.Attempt, " ", o.Dead)
}

// A row marked as running without a lease becomes due again, also if the payment's
// lease belongs to another attempt. A row that was leased together with it, and has
// its lease, goes on running.
func TestRowWithoutALease(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		for _, order := range []string{"NONE", "OTHERS", "OWN"} {
			s.kept(payack.PTS, s.pts, ptsCallback(t, order, payack.PTSSuccess))
		}
		s.exec(`UPDATE payack_inbox SET state = 2, attempts = 1, started_us = received_us, token = ` + d.bytes("00"))
		s.exec(`INSERT INTO payack_running (payment, token, lease_us) SELECT payment, token, received_us + 300000000 FROM payack_inbox WHERE order_id = 'OWN'`)
		s.exec(`INSERT INTO payack_running (payment, token, lease_us) SELECT payment, ` + d.bytes("01") + `, received_us + 300000000 FROM payack_inbox WHERE order_id = 'OTHERS'`)
		s.drain()
		assert.Equal(t, []string{"running", "running", "running"}, s.states())
		s.run()
		require.Eventually(t, func() bool { return slices.Equal(s.statesOf("NONE"), []string{"done"}) }, 30*time.Second, time.Millisecond)
		assert.Contains(t, s.log.String(), "without a lease")
		// Each row is freed by a statement of its own.
		require.Eventually(t, func() bool { return slices.Equal(s.statesOf("OTHERS"), []string{"pending crashed"}) }, 30*time.Second, time.Millisecond, "due, once the payment's lease has ended")
		assert.Equal(t, []string{"running"}, s.statesOf("OWN"))
	})
}

// A row becomes a dead letter if it no longer decodes, or if its event belongs to
// another row. A row that a newer version wrote waits.
func TestRowsThatCannotBeRead(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.RetryFirst, c.RetryMax = time.Hour, time.Hour }).mount()
		for _, order := range []string{"NOEVENT", "NODELIVERY", "OTHER", "NEWER", "NEWERDELIVERY"} {
			s.kept(payack.PTS, s.pts, ptsCallback(t, order, payack.PTSSuccess))
		}
		set := func(order, column, text string) {
			s.exec(fmt.Sprintf(`UPDATE payack_inbox SET %s = %s WHERE order_id = '%s'`, column, d.bytes(fmt.Sprintf("%x", text)), order))
		}
		set("NOEVENT", "encoded", `{"v":1,"provider":"pts"`)
		set("NODELIVERY", "delivery", "\x00\xff")
		set("NEWER", "encoded", `{"v":9}`)
		set("NEWERDELIVERY", "delivery", `{"v":9}`)
		ev, err := payack.EncodeEvent(&payack.PTSEvent{UserID: "1", OrderID: "ELSE", TransactionID: "T", Status: "2000"})
		require.NoError(t, err)
		set("OTHER", "encoded", string(ev))
		s.drain()
		assert.Equal(t, []string{"dead malformed", "dead malformed", "dead malformed", "pending inbox", "pending inbox"}, s.states())
		assert.Empty(t, s.calls())
		for _, item := range s.items() {
			record, err := s.in.Get(t.Context(), item.ID)
			require.NoError(t, err)
			if item.OrderID != "OTHER" {
				require.Error(t, record.Unreadable, item.OrderID)
			}
		}
		assert.Len(t, s.attempts(), 5)
	})
}

// bytes writes a binary literal.
func (d database) bytes(hex string) string {
	if d.dialect == inbox.PostgreSQL {
		return `'\x` + hex + `'`
	}
	return `x'` + hex + `'`
}

// Recovery of crashed attempts does not touch an attempt whose lease has not
// ended.
func TestCrashedAmongRunning(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		for order, lease := range map[string]string{"ORD-1": "1", "ORD-2": "received_us + 300000000"} {
			s.kept(payack.PTS, s.pts, ptsCallback(t, order, payack.PTSSuccess))
			s.exec(`UPDATE payack_inbox SET state = 2, attempts = 1, started_us = received_us, token = ` + d.bytes("0"+order[4:]) + ` WHERE order_id = '` + order + `'`)
			s.exec(`INSERT INTO payack_running (payment, token, lease_us) SELECT payment, token, ` + lease + ` FROM payack_inbox WHERE order_id = '` + order + `'`)
		}
		s.drain()
		assert.Equal(t, []string{"done"}, s.statesOf("ORD-1"))
		assert.Equal(t, []string{"running"}, s.statesOf("ORD-2"))
		assert.Len(t, s.calls(), 1)
	})
}

// If another process takes an attempt over, the end of the old attempt does not
// end the new one.
func TestAttemptThatWasTakenOver(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		s.says(func(context.Context, payack.Event) error {
			s.takeOver("02")
			return nil
		}, nil)
		s.kept(payack.PTS, s.pts, ptsCallback(t, "ORD-1", payack.PTSSuccess))
		s.drain()
		assert.Len(t, s.calls(), 1)
		assert.Equal(t, []string{"running"}, s.states())
	})
}
