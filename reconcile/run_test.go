package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/reconcile"
)

// ages returns the age of an order at each question, in whole seconds.
func ages(x *till, created time.Time) []time.Duration {
	var out []time.Duration
	for _, q := range x.questions() {
		out = append(out, q.at.Sub(created).Round(time.Second))
	}
	return out
}

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(pending)}, newMerchant(t)
		o := order("1", 0)
		r := build(t, reconcile.Config{Orders: these(o), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, Every: time.Second})
		stop := run(t, r)
		time.Sleep(80 * time.Hour)
		stop()
		got := ages(x, o.Created)
		require.Greater(t, len(got), 10)
		for i, want := range []time.Duration{time.Minute, 6 * time.Minute, 21 * time.Minute, 81 * time.Minute, 141 * time.Minute} {
			assert.InDelta(t, want, got[i], float64(10*time.Second), "question %d", i+1)
		}
		assert.Less(t, got[len(got)-1], 72*time.Hour)
		assert.Greater(t, got[len(got)-1], 70*time.Hour)
		assert.EqualValues(t, 1, r.Stats().GivenUp)
		assert.Empty(t, m.observed, "what is pending is no event")
	})
}

func TestFirstSight(t *testing.T) {
	for _, tc := range []struct {
		name    string
		created time.Duration // from now
		want    []time.Duration
	}{
		{"new", 0, []time.Duration{time.Minute, 6 * time.Minute}},
		{"half a minute old", -30 * time.Second, []time.Duration{30 * time.Second, 5*time.Minute + 30*time.Second}},
		{"an hour old", -time.Hour, []time.Duration{0, time.Hour}},
		{"older than it is asked about, once all the same", -1000 * time.Hour, []time.Duration{0}},
		{"before 1970", -time.Since(time.Unix(0, 0)) - time.Hour, []time.Duration{0}},
		{"a clock ahead", 10 * time.Second, []time.Duration{time.Minute, 6 * time.Minute}},
		{"years ahead", 100_000 * time.Hour, []time.Duration{time.Minute, 6 * time.Minute}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, m := &till{says: always(pending)}, newMerchant(t)
				start := time.Now()
				o := order("1", -tc.created)
				stop := run(t, build(t, reconcile.Config{Orders: these(o), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, Every: time.Second}))
				time.Sleep(61*time.Minute + 30*time.Second)
				stop()
				got := ages(x, start)
				require.GreaterOrEqual(t, len(got), len(tc.want))
				for i, want := range tc.want {
					assert.InDelta(t, want, got[i], float64(3*time.Second), "question %d", i+1)
				}
				if len(tc.want) == 1 {
					assert.Len(t, got, 1)
				}
			})
		})
	}
}

// An order that is found paid is settled once, and the observer gets its age. The
// order is not asked about again, even if the source still lists it as open.
func TestFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(pending)}, newMerchant(t)
		o := order("1", 0)
		r := build(t, reconcile.Config{Orders: these(o, o), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, Every: time.Second})
		stop := run(t, r)
		time.Sleep(2 * time.Minute)
		x.mu.Lock()
		x.says = always(paid)
		x.mu.Unlock()
		time.Sleep(24 * time.Hour)
		stop()
		assert.Len(t, x.questions(), 2)
		require.Len(t, m.settled, 1)
		ev := m.settled[0]
		assert.Equal(t, payack.SchemeQuery, ev.Scheme)
		assert.Empty(t, ev.Signature)
		assert.True(t, ev.Paid())
		assert.Equal(t, "ptop:v1::T1:true", ev.ID())
		assert.Equal(t, "5", ev.Confirmed.Amount.String())
		require.Len(t, m.observed, 1)
		seen := m.observed[0]
		assert.Equal(t, payack.OutcomeAccepted, seen.Outcome)
		assert.Equal(t, payack.SourceQuery, seen.Delivery.Source)
		assert.Equal(t, ev.ID(), seen.EventID)
		assert.InDelta(t, 6*time.Minute, seen.Age, float64(3*time.Second))
		assert.Equal(t, reconcile.Stats{Open: 1, Asked: 2, Found: 1}, r.Stats())
	})
}

// After the merchant's function has failed, a later question of the schedule calls
// it again.
func TestFoundAndFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(paid)}, newMerchant(t)
		fails := 3
		m.settle = func(*payack.PtopEvent) error {
			switch fails--; {
			case fails == 2:
				return errors.New("the database is away")
			case fails == 1:
				panic("slip")
			case fails == 0:
				runtime.Goexit()
			}
			return nil
		}
		stop := run(t, build(t, reconcile.Config{Orders: these(order("1", 0)), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}}))
		time.Sleep(24 * time.Hour)
		stop()
		assert.Equal(t, []string{"failed callback", "failed panic", "failed panic", "accepted"}, m.outcomes())
		assert.Equal(t, []string{"1"}, m.settledOrders())
	})
}

// During an outage of an hour the account gets few questions. After the outage
// every payment is found.
func TestOutage(t *testing.T) {
	for name, broken := range map[string]func(string) (int, string){
		"no connection": func(string) (int, string) { return 0, "" },
		"502":           func(string) (int, string) { return http.StatusBadGateway, "<html>" },
		"429":           func(string) (int, string) { return http.StatusTooManyRequests, "" },
		"a page":        func(string) (int, string) { return http.StatusOK, "<html>maintenance</html>" },
		"half":          func(string) (int, string) { return http.StatusOK, `{"status":1,"amo` },
		"401":           func(string) (int, string) { return http.StatusUnauthorized, `{"success":false}` },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 500
				x, m := &till{says: broken}, newMerchant(t)
				created := time.Now()
				open := func(context.Context) iter.Seq2[reconcile.Order, error] { return numbered(n, created) }
				stop := run(t, build(t, reconcile.Config{Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, PerSecond: 50}))
				time.Sleep(time.Hour)
				asked := len(x.questions())
				assert.Less(t, asked, 100, "of an account that doesn't answer")
				assert.Greater(t, asked, 55)
				assert.Empty(t, m.settledOrders())
				assert.Len(t, m.outcomes(), asked, "each is observed")
				x.mu.Lock()
				x.says = always(paid)
				x.mu.Unlock()
				time.Sleep(90 * time.Minute)
				stop()
				assert.Len(t, m.settledOrders(), n)
			})
		})
	}
}

// With 100,000 open orders, each is asked about once before any is asked about twice.
// The rate is kept and memory does not grow.
func TestManyOpenOrders(t *testing.T) {
	if testing.Short() {
		t.Skip("asks 200,000 questions")
	}
	synctest.Test(t, func(t *testing.T) {
		const n, rate = 100_000, 1000
		asked := make([]int, n) // how often each was asked about
		var order []int         // the orders of the first n questions
		questions, unfair := 0, 0
		x := &till{}
		x.says = func(transaction string) (int, string) {
			var i int
			_, _ = fmt.Sscanf(transaction, "T%d", &i)
			x.asked = x.asked[:0] // bounds the memory of the test
			if asked[i]++; asked[i] > questions/n+1 {
				unfair++
			}
			if questions++; len(order) < n {
				order = append(order, i)
			}
			return http.StatusOK, pending
		}
		m := newMerchant(t)
		created := time.Now().Add(-10 * time.Hour)
		open := func(context.Context) iter.Seq2[reconcile.Order, error] { return numbered(n, created) }
		r := build(t, reconcile.Config{
			Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, PerSecond: rate,
			Waits: []time.Duration{10 * time.Second},
		})
		heap := func() float64 {
			runtime.GC()
			var s runtime.MemStats
			runtime.ReadMemStats(&s)
			return float64(s.HeapAlloc)
		}
		before := heap()
		stop := run(t, r)
		const round = n / rate * time.Second
		time.Sleep(round)
		synctest.Wait()
		first := heap()
		x.mu.Lock()
		assert.InEpsilon(t, n, questions, 0.01, "the rate over the first round")
		for i, id := range order {
			// Goroutines that are released at the same time run in any order.
			if together := rate / 10; id < i-together || id > i+together {
				t.Errorf("question %d is about order %d; among equals the source's order is the fair one", i, id)
				break
			}
		}
		x.mu.Unlock()
		time.Sleep(round)
		synctest.Wait()
		last := heap()
		stop()
		assert.InEpsilon(t, 2*n, questions, 0.01, "the rate over two rounds")
		assert.Zero(t, unfair, "questions about an order that had more than its turn")
		assert.EqualValues(t, n, r.Stats().Open)
		t.Logf("heap: %.1f MB for %d open orders after a round, %.1f MB after two", (first-before)/1e6, n, (last-before)/1e6)
		assert.Less(t, first-before, 16e6, "bytes for 100,000 open orders")
		assert.Less(t, last-first, 2e6, "bytes that another round took")
	})
}

// A young order is asked about before the old ones are asked about again.
func TestLongestDueFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(pending)}, newMerchant(t)
		start := time.Now()
		open := func(context.Context) iter.Seq2[reconcile.Order, error] {
			return func(yield func(reconcile.Order, error) bool) {
				for o := range numbered(3000, start.Add(-time.Hour)) {
					if !yield(o, nil) {
						return
					}
				}
				yield(reconcile.Order{Provider: payack.Ptop, OrderID: "young", Handle: "Tyoung", Created: start}, nil)
			}
		}
		stop := run(t, build(t, reconcile.Config{
			Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, PerSecond: 10, Waits: []time.Duration{time.Minute},
		}))
		time.Sleep(10 * time.Minute)
		stop()
		for i, q := range x.questions() {
			if q.transaction == "Tyoung" {
				// The young order became due after the first question about each of 3000
				// others, and before the second.
				assert.InDelta(t, 3000, i, 1)
				return
			}
		}
		t.Fatal("it was not asked about")
	})
}

// Two replicas with a shared limiter keep to one rate. If the limiter fails,
// PerSecond applies.
func TestRateIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &till{says: always(pending)}
		shared, err := ratelimit.New(ratelimit.Config{PerSecond: 20, Burst: 1})
		require.NoError(t, err)
		created := time.Now().Add(-time.Hour)
		open := func(context.Context) iter.Seq2[reconcile.Order, error] { return numbered(5000, created) }
		for range 2 {
			m := newMerchant(t)
			defer run(t, build(t, reconcile.Config{
				Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, Waits: []time.Duration{time.Second},
				Limiters: map[payack.Provider]ratelimit.Limiter{payack.Ptop: shared},
			}))()
		}
		time.Sleep(100 * time.Second)
		assert.InEpsilon(t, 2000, len(x.questions()), 0.01)
	})
}

type brokenLimiter struct{}

func (brokenLimiter) Allow(context.Context, string) (ratelimit.Decision, error) {
	return ratelimit.Decision{Allowed: true}, errors.New("redis is away")
}
func (b brokenLimiter) Peek(ctx context.Context, key string) (ratelimit.Decision, error) {
	return b.Allow(ctx, key)
}

func TestBrokenLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(pending)}, newMerchant(t)
		created := time.Now().Add(-time.Hour)
		open := func(context.Context) iter.Seq2[reconcile.Order, error] { return numbered(5000, created) }
		stop := run(t, build(t, reconcile.Config{
			Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, PerSecond: 10,
			Limiters: map[payack.Provider]ratelimit.Limiter{payack.Ptop: brokenLimiter{}},
		}))
		time.Sleep(100 * time.Second)
		stop()
		assert.InEpsilon(t, 1000, len(x.questions()), 0.01)
	})
}

// An account that hangs does not delay another one.
func TestAccountsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs, answers := &till{says: func(string) (int, string) { time.Sleep(time.Hour); return 0, "" }}, &till{says: always(paid)}
		m := newMerchant(t)
		slow, quick := order("1", time.Hour), order("2", time.Hour)
		slow.Account = "slow"
		stop := run(t, build(t, reconcile.Config{Orders: these(slow, quick), Accounts: []reconcile.Account{
			reconcile.Ptop(hangs.client(t), m.h).Named("slow"), reconcile.Ptop(answers.client(t), m.h),
		}}))
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"2"}, m.settledOrders())
		stop()
	})
}

// Run continues after the source has failed or panicked, and skips orders that
// can't be asked about.
func TestSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(paid)}, newMerchant(t)
		good, reading := order("good", time.Hour), 0
		noHandle, noAccount, noTime, unknown := order("1", time.Hour), order("2", time.Hour), order("3", time.Hour), order("4", time.Hour)
		noHandle.Handle, noAccount.Account, noTime.Created, unknown.Provider = "", "other", time.Time{}, "acme"
		r := build(t, reconcile.Config{
			Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)},
			Orders: func(context.Context) iter.Seq2[reconcile.Order, error] {
				return func(yield func(reconcile.Order, error) bool) {
					switch reading++; reading {
					case 1:
						yield(reconcile.Order{}, errors.New("the database is away"))
					case 2:
						panic("slip")
					default:
						for _, o := range []reconcile.Order{noHandle, noAccount, noTime, unknown, {}, good} {
							if !yield(o, nil) {
								return
							}
						}
					}
				}
			},
		})
		stop := run(t, r)
		time.Sleep(time.Hour)
		stop()
		assert.Equal(t, []string{"good"}, m.settledOrders())
		assert.EqualValues(t, 1, r.Stats().Open)
	})
}

// An order that is no longer in the source is forgotten.
func TestClosedOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(pending)}, newMerchant(t)
		var n atomic.Int32
		n.Store(100)
		created := time.Now().Add(-time.Hour)
		open := func(context.Context) iter.Seq2[reconcile.Order, error] { return numbered(int(n.Load()), created) }
		r := build(t, reconcile.Config{Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, PerSecond: 100})
		stop := run(t, r)
		time.Sleep(time.Minute)
		assert.EqualValues(t, 100, r.Stats().Open)
		n.Store(1)
		time.Sleep(24 * time.Hour)
		stop()
		assert.EqualValues(t, 1, r.Stats().Open)
		assert.Less(t, len(x.questions()), 100+30)
	})
}

// A reading that fails forgets none of the orders that it did not reach.
func TestBrokenReadingForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(pending)}, newMerchant(t)
		o, reading := order("1", time.Hour), 0
		r := build(t, reconcile.Config{
			Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)},
			Orders: func(context.Context) iter.Seq2[reconcile.Order, error] {
				return func(yield func(reconcile.Order, error) bool) {
					if reading++; reading%2 == 0 {
						yield(reconcile.Order{}, errors.New("the database is away"))
						return
					}
					yield(o, nil)
				}
			},
		})
		stop := run(t, r)
		time.Sleep(30 * time.Minute)
		stop()
		assert.Greater(t, reading, 10)
		assert.Len(t, x.questions(), 1)
	})
}

func TestRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(pending)}, newMerchant(t)
		r := build(t, reconcile.Config{Orders: these(order("1", time.Hour)), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}})
		for range 2 { // again after it has ended
			stop := run(t, r)
			time.Sleep(time.Second)
			assert.ErrorContains(t, r.Run(t.Context()), "running already")
			stop()
		}
		assert.Len(t, x.questions(), 2)
	})
}
