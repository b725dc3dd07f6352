package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/verify"
)

func TestCallbackGoesOnWhenTheClientHangsUp(t *testing.T) {
	w := newWatch()
	entered, hungUp := make(chan struct{}), make(chan struct{})
	var contextErr error
	h := ptopHandler(t, w.options(), func(ctx context.Context, _ *payack.PtopEvent) error {
		close(entered)
		<-hungUp
		contextErr = ctx.Err()
		return nil
	})
	s := server(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { close(hungUp) })
		h.ServeHTTP(rw, r)
	}))
	conn := dial(t, s)
	head, body := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(ptopBody("T1"))))
	conn.write(head + body)
	<-entered
	require.NoError(t, conn.conn.Close())
	assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
	assert.NoError(t, contextErr)

	// The event is done, so a redelivery is accepted.
	in := serve(h, ptopRequest(t, "T1"))
	assert.Equal(t, http.StatusOK, in.Code)
	assert.Equal(t, payack.OutcomeDuplicate, w.last(t).Outcome)
}

type contextKey struct{}

func TestContextOfTheCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, o := range map[time.Duration]middleware.Options{
			middleware.DefaultDeadline: {},
			3 * time.Second:            {Deadline: 3 * time.Second},
		} {
			start := time.Now()
			called := false
			h := ptopHandler(t, o, func(ctx context.Context, _ *payack.PtopEvent) error {
				deadline, ok := ctx.Deadline()
				require.True(t, ok)
				assert.Equal(t, start.Add(want), deadline)
				assert.Equal(t, "kept", ctx.Value(contextKey{}), "values of the request's context are kept")
				called = true
				return nil
			})
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "kept"))
			cancel()
			serve(h, ptopRequest(t, "T1").WithContext(ctx))
			assert.True(t, called)
		}
	})
}

func TestDeadlineEndsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch()
		h := ptopHandler(t, w.options(), func(ctx context.Context, _ *payack.PtopEvent) error {
			<-ctx.Done()
			return ctx.Err()
		})
		start := time.Now()
		in := serve(h, ptopRequest(t, "T1"))
		assert.Equal(t, middleware.DefaultDeadline, time.Since(start))
		assert.Equal(t, http.StatusInternalServerError, in.Code)
		seen := w.last(t)
		assert.Equal(t, payack.ReasonDeadline, seen.Reason)
		assert.ErrorContains(t, seen.Err, "payack: ptop: deadline: your function did not finish in time")
		assert.Equal(t, middleware.DefaultDeadline, seen.Took.Call)
		assert.Equal(t, middleware.DefaultDeadline, seen.Took.Total)
	})
	// If the callback returns a DeadlineExceeded of its own before the deadline has
	// passed, that is an ordinary error.
	w := newWatch()
	serve(ptopHandler(t, w.options(), func(context.Context, *payack.PtopEvent) error {
		return fmt.Errorf("bank: %w", context.DeadlineExceeded)
	}), ptopRequest(t, "T1"))
	assert.Equal(t, payack.ReasonCallback, w.last(t).Reason)
}

// The result of a callback that ignores its deadline still counts. Until the
// callback returns, a redelivery is busy, even after the lease has ended.
func TestCallbackThatOutlastsDeadlineAndLease(t *testing.T) {
	for name, result := range map[string]error{"done": nil, "failed": errMerchant} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := newWatch(), &counter{}
				o := w.options()
				o.Deadline, o.Lease = time.Second, 2*time.Second
				h := ptopHandler(t, o, func(context.Context, *payack.PtopEvent) error {
					if c.add() == 1 {
						time.Sleep(time.Hour)
						return result
					}
					return nil
				})
				answered := make(chan int, 1)
				go func() { answered <- serve(h, ptopRequest(t, "T1")).Code }()
				for range 5 {
					time.Sleep(900 * time.Millisecond) // the second pause ends past the deadline, the third past the lease
					assert.Equal(t, http.StatusServiceUnavailable, serve(h, ptopRequest(t, "T1")).Code)
					seen := w.last(t)
					assert.Equal(t, payack.ReasonBusy, seen.Reason)
					assert.ErrorIs(t, seen.Err, payack.ErrBusy)
				}
				code := <-answered
				seen := w.last(t)
				assert.NoError(t, seenErrIf(result == nil, seen.Err))
				again := serve(h, ptopRequest(t, "T1"))
				assert.Equal(t, http.StatusOK, again.Code)
				if result == nil {
					assert.Equal(t, http.StatusOK, code)
					assert.Equal(t, payack.OutcomeAccepted, seen.Outcome)
					assert.Equal(t, payack.OutcomeDuplicate, w.last(t).Outcome)
					assert.Equal(t, 1, c.get())
				} else {
					assert.Equal(t, http.StatusInternalServerError, code)
					assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
					assert.Equal(t, 2, c.get())
				}
			})
		})
	}
}

func seenErrIf(want bool, err error) error {
	if want {
		return err
	}
	return nil
}

// When the lease has ended, another replica may claim the event. The callback's
// result is answered all the same, and the log says that it could not be recorded.
func TestLeaseTakenOverByAnotherReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := newWatch(), &counter{}
		o := w.options()
		o.Deadline, o.Lease, o.Store = time.Second, 2*time.Second, memstore.New(10)
		release := make(chan struct{})
		slow := ptopHandler(t, o, func(context.Context, *payack.PtopEvent) error {
			time.Sleep(3 * time.Second)
			return nil
		})
		other := ptopHandler(t, middleware.Options{Store: replica{o.Store}}, func(context.Context, *payack.PtopEvent) error {
			c.add()
			<-release
			return nil
		})
		answered := make(chan int, 2)
		go func() { answered <- serve(slow, ptopRequest(t, "T1")).Code }()
		time.Sleep(2500 * time.Millisecond)
		go func() { answered <- serve(other, ptopRequest(t, "T1")).Code }()
		assert.Equal(t, http.StatusOK, <-answered)
		seen := w.last(t)
		assert.Equal(t, payack.OutcomeAccepted, seen.Outcome)
		assert.Empty(t, seen.Reason)
		require.ErrorIs(t, seen.Err, payack.ErrNotHeld)
		assert.Equal(t, "ERROR", w.deliveries(t)[0]["level"])
		close(release)
		assert.Equal(t, http.StatusOK, <-answered)
		assert.Equal(t, 1, c.get())
	})
}

func TestPanicIsAFailureWithItsStack(t *testing.T) {
	w := newWatch()
	h := ptopHandler(t, w.options(), func(context.Context, *payack.PtopEvent) error { return slipInTheMerchantsCode(nil) })
	in := serve(h, ptopRequest(t, "T1"))
	assert.Equal(t, http.StatusInternalServerError, in.Code)
	assert.Empty(t, in.Body.String())
	seen := w.last(t)
	assert.Equal(t, payack.OutcomeFailed, seen.Outcome)
	assert.Equal(t, payack.ReasonPanic, seen.Reason)
	assert.Contains(t, seen.Stack, "slipInTheMerchantsCode")
	assert.Equal(t, ptopID("T1"), seen.EventID)
	assert.Contains(t, w.deliveries(t)[0]["stack"], "slipInTheMerchantsCode")
}

func slipInTheMerchantsCode(orders map[string]int) error {
	orders["ORD1"]++
	return nil
}

func TestAbortHandlerIsPassedOn(t *testing.T) {
	for name, abort := range map[string]error{"itself": http.ErrAbortHandler, "wrapped": fmt.Errorf("proxy: %w", http.ErrAbortHandler)} {
		t.Run(name, func(t *testing.T) {
			w, c := newWatch(), &counter{}
			h := ptopHandler(t, w.options(), func(context.Context, *payack.PtopEvent) error {
				if c.add() == 1 {
					panic(abort)
				}
				return nil
			})
			s := server(t, h)
			conn := dial(t, s)
			head, body := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(ptopBody("T1"))))
			conn.write(head + body)
			_, err := http.ReadResponse(conn.r, nil)
			require.Error(t, err, "the connection ends without an answer")
			seen := w.last(t)
			assert.Equal(t, payack.OutcomeFailed, seen.Outcome)
			assert.Equal(t, payack.ReasonPanic, seen.Reason)

			again := serve(h, ptopRequest(t, "T1"))
			assert.Equal(t, http.StatusOK, again.Code, "the claim was given up")
			assert.Equal(t, 2, c.get())
		})
	}
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
		serve(ptopHandler(t, middleware.Options{}, func(context.Context, *payack.PtopEvent) error { panic(http.ErrAbortHandler) }), ptopRequest(t, "T1"))
	})
	// Returned as an error, http.ErrAbortHandler has no special meaning.
	assert.Equal(t, http.StatusInternalServerError, serve(ptopHandler(t, middleware.Options{},
		func(context.Context, *payack.PtopEvent) error { return http.ErrAbortHandler }), ptopRequest(t, "T1")).Code)
}

// t.FailNow in a callback ends its goroutine. That must not panic or leave the
// event claimed.
func TestGoexitInTheCallback(t *testing.T) {
	w, c := newWatch(), &counter{}
	h := ptopHandler(t, w.options(), func(context.Context, *payack.PtopEvent) error {
		if c.add() == 1 {
			runtime.Goexit()
		}
		return nil
	})
	in := httptest.NewRecorder()
	var panicked any
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { panicked = recover() }()
		h.ServeHTTP(in, ptopRequest(t, "T1"))
	}()
	<-ended
	assert.Nil(t, panicked)
	seen := w.last(t)
	assert.Equal(t, payack.OutcomeFailed, seen.Outcome)
	assert.Equal(t, payack.ReasonPanic, seen.Reason)
	assert.Equal(t, 1, w.count())
	assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
	assert.Equal(t, 2, c.get())
}

func TestObserverPanicIsHarmless(t *testing.T) {
	for name, p := range map[string]any{"a text": "slip", "abort": http.ErrAbortHandler} {
		w := newWatch()
		o := w.options()
		o.Observer = payack.ObserverFunc(func(context.Context, *payack.Observation) { panic(p) })
		h := ptopHandler(t, o, acceptAll)
		assert.NotPanics(t, func() {
			in := serve(h, ptopRequest(t, "T1"))
			assert.Equal(t, http.StatusOK, in.Code, name)
		})
		lines := w.lines(t)
		last := lines[len(lines)-1]
		assert.Equal(t, "ERROR", last["level"])
		assert.Contains(t, last["stack"], "TestObserverPanicIsHarmless")
		assert.Len(t, w.deliveries(t), 1)
	}
}

// faultyStore panics in the chosen methods.
type faultyStore struct {
	payack.Store
	claim, commit, release bool
}

func (s *faultyStore) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	if s.claim {
		panic("claim")
	}
	return s.Store.Claim(ctx, id, fingerprint, lease)
}

func (s *faultyStore) Commit(ctx context.Context, id, token string) error {
	if s.commit {
		panic("commit")
	}
	return s.Store.Commit(ctx, id, token)
}

func (s *faultyStore) Release(ctx context.Context, id, token string) error {
	if s.release {
		panic("release")
	}
	return s.Store.Release(ctx, id, token)
}

func TestPanickingHookFailsTheEventAndReleasesTheClaim(t *testing.T) {
	slip := false
	trip := func() {
		if slip {
			panic("slip")
		}
	}
	keys, err := verify.NewPayatomKeys("shop", payack.NewSecret(payatomKey))
	require.NoError(t, err)
	for name, set := range map[string]func(*middleware.PayatomConfig){
		"KeyFunc": func(c *middleware.PayatomConfig) {
			c.SecretKeys = nil
			c.KeyFunc = func(context.Context, *http.Request) (*verify.PayatomKeys, error) { trip(); return keys, nil }
		},
		"Expect": func(c *middleware.PayatomConfig) {
			c.Expect = func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
				trip()
				return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
			}
		},
		"Match": func(c *middleware.PayatomConfig) {
			c.Match = func(_, _ payack.Amount) bool { trip(); return true }
		},
		"Confirm": func(c *middleware.PayatomConfig) {
			c.Confirm = func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
				trip()
				return &payack.Confirmation{Paid: true}, nil
			}
		},
		"Store": func(c *middleware.PayatomConfig) {
			c.Store = &trippingStore{Store: memstore.New(0), trip: trip}
		},
		"LimitKey": func(c *middleware.PayatomConfig) {
			c.Limiter = openBucket{}
			c.LimitKey = limitKeyFunc(trip)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatch()
			c := middleware.PayatomConfig{
				SecretKeys: payack.Secrets(payatomKey),
				Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
					return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
				},
				Options: w.options(),
			}
			set(&c)
			rc, err := middleware.NewPayatom(c)
			require.NoError(t, err)
			h, err := middleware.Handle(rc, func(context.Context, *payack.PayatomEvent) error { return nil })
			require.NoError(t, err)

			slip = true
			in := serve(h, payatomRequest(t, "ORD1", "500", "Approved"))
			slip = false
			assert.Equal(t, `{"hash_status":"HashMatched","acknowledge":"no"}`, in.Body.String())
			seen := w.last(t)
			assert.Equal(t, payack.ReasonPanic, seen.Reason)
			assert.Contains(t, seen.Stack, "TestPanickingHookFailsTheEventAndReleasesTheClaim")
			assert.Equal(t, 1, w.count())

			in = serve(h, payatomRequest(t, "ORD1", "500", "Approved"))
			assert.Equal(t, `{"hash_status":"HashMatched","acknowledge":"yes"}`, in.Body.String())
			assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
		})
	}
}

// trippingStore calls trip before each Claim.
type trippingStore struct {
	payack.Store
	trip func()
}

func (s *trippingStore) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	s.trip()
	return s.Store.Claim(ctx, id, fingerprint, lease)
}

// A store that panics in Commit or Release does not change the answer.
func TestStorePanicsInCommitOrRelease(t *testing.T) {
	t.Run("commit", func(t *testing.T) {
		w, c := newWatch(), &counter{}
		o := w.options()
		o.Store = &faultyStore{Store: memstore.New(0), commit: true}
		h := ptopHandler(t, o, c.accept)
		assert.NotPanics(t, func() {
			assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
		})
		seen := w.last(t)
		assert.Equal(t, payack.OutcomeAccepted, seen.Outcome)
		require.Error(t, seen.Err)
		assert.Equal(t, "ERROR", w.deliveries(t)[0]["level"])
		assert.Equal(t, 1, c.get())
	})
	t.Run("release", func(t *testing.T) {
		w := newWatch()
		o := w.options()
		o.Store = &faultyStore{Store: memstore.New(0), release: true}
		h := ptopHandler(t, o, func(context.Context, *payack.PtopEvent) error { return errMerchant })
		assert.NotPanics(t, func() {
			assert.Equal(t, http.StatusInternalServerError, serve(h, ptopRequest(t, "T1")).Code)
		})
		seen := w.last(t)
		assert.Equal(t, payack.ReasonCallback, seen.Reason)
		assert.ErrorIs(t, seen.Err, errMerchant)
	})
}

// Every delivery is observed once, whatever its outcome, also under concurrent
// deliveries.
func TestObservedOncePerDelivery(t *testing.T) {
	w := newWatch()
	var n sync.WaitGroup
	h := ptopHandler(t, w.options(), func(_ context.Context, ev *payack.PtopEvent) error {
		switch ev.TransactionID {
		case "T1":
			return errMerchant
		case "T2":
			panic("slip")
		}
		return nil
	})
	const each = 40
	for i := range each {
		for _, r := range []*http.Request{
			ptopRequest(t, "T0"), ptopRequest(t, "T1"), ptopRequest(t, "T2"), ptopRequest(t, fmt.Sprint("X", i)),
			httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")),
		} {
			n.Go(func() { serve(h, r) })
		}
	}
	n.Wait()
	assert.Equal(t, 6*each, w.count())
	assert.Len(t, w.deliveries(t), 6*each)
	outcomes := map[payack.Outcome]int{}
	for _, o := range w.seen {
		outcomes[o.Outcome]++
		require.NotNil(t, o.Delivery)
		assert.NotZero(t, o.Status)
		if o.Outcome == payack.OutcomeAccepted || o.Outcome == payack.OutcomeDuplicate {
			assert.NoError(t, o.Err)
		} else {
			var e *payack.Error
			assert.True(t, errors.As(o.Err, &e))
		}
	}
	assert.Equal(t, 2*each, outcomes[payack.OutcomeRefused])
	assert.Equal(t, each+1, outcomes[payack.OutcomeAccepted])
}
