package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
)

func TestAcceptedIsNotCalledAgain(t *testing.T) {
	w, c := newWatch(), &counter{}
	h := ptopHandler(t, w.options(), c.accept)
	for i := range 5 {
		in := serve(h, ptopRequest(t, "T1"))
		assert.Equal(t, http.StatusOK, in.Code)
		want := payack.OutcomeDuplicate
		if i == 0 {
			want = payack.OutcomeAccepted
		}
		seen := w.last(t)
		assert.Equal(t, want, seen.Outcome)
		assert.Equal(t, ptopID("T1"), seen.EventID)
		assert.Empty(t, seen.Reason)
		assert.NoError(t, seen.Err)
		require.NotNil(t, seen.Delivery.Event)
	}
	serve(h, ptopRequest(t, "T2"))
	assert.Equal(t, 2, c.get())
}

func TestFailedIsCalledAgain(t *testing.T) {
	c := &counter{}
	h := ptopHandler(t, middleware.Options{}, func(context.Context, *payack.PtopEvent) error {
		switch c.add() {
		case 1:
			return errMerchant
		case 2:
			panic("slip")
		}
		return nil
	})
	for _, want := range []int{500, 500, 200, 200} {
		assert.Equal(t, want, serve(h, ptopRequest(t, "T1")).Code)
	}
	assert.Equal(t, 3, c.get())
}

// recordingStore records its calls, and fails in the chosen ones.
type recordingStore struct {
	payack.Store
	mu                        sync.Mutex
	calls                     []string
	leases                    []time.Duration
	claim, commit, release    error
	contextOver, withDeadline bool
}

func (s *recordingStore) note(ctx context.Context, call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	s.contextOver = s.contextOver || ctx.Err() != nil
	_, s.withDeadline = ctx.Deadline()
}

func (s *recordingStore) Lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	s.note(ctx, "lookup "+id)
	return s.Store.Lookup(ctx, id, fingerprint)
}

func (s *recordingStore) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	s.note(ctx, "claim "+id)
	s.leases = append(s.leases, lease)
	if s.claim != nil {
		return payack.Claim{}, s.claim
	}
	return s.Store.Claim(ctx, id, fingerprint, lease)
}

func (s *recordingStore) Commit(ctx context.Context, id, token string) error {
	s.note(ctx, "commit "+id)
	if s.commit != nil {
		return s.commit
	}
	return s.Store.Commit(ctx, id, token)
}

func (s *recordingStore) Release(ctx context.Context, id, token string) error {
	s.note(ctx, "release "+id)
	if s.release != nil {
		return s.release
	}
	return s.Store.Release(ctx, id, token)
}

func newRecordingStore() *recordingStore {
	return &recordingStore{Store: memstore.New(0)}
}

func TestClaimIsHeldUntilTheCallbackHasReturned(t *testing.T) {
	store := newRecordingStore()
	o := middleware.Options{Store: store, Deadline: 10 * time.Second}
	during := 0
	fail := true
	h := ptopHandler(t, o, func(context.Context, *payack.PtopEvent) error {
		during = len(store.calls)
		if fail {
			return errMerchant
		}
		return nil
	})
	id := ptopID("T1")
	serve(h, ptopRequest(t, "T1"))
	assert.Equal(t, 1, during)
	assert.Equal(t, []string{"claim " + id, "release " + id}, store.calls)
	fail = false
	serve(h, ptopRequest(t, "T1"))
	assert.Equal(t, []string{"claim " + id, "release " + id, "claim " + id, "commit " + id}, store.calls)
	assert.Equal(t, []time.Duration{40 * time.Second, 40 * time.Second}, store.leases, "longer than the deadline")
	assert.True(t, store.withDeadline, "a store that hangs must not hold the answer for ever")
}

// A late callback returns after the delivery's deadline. Recording its result must
// not fail because of that.
func TestEndingAClaimHasTimeOfItsOwn(t *testing.T) {
	for _, result := range []error{nil, errMerchant} {
		synctest.Test(t, func(t *testing.T) {
			store := newRecordingStore()
			h := ptopHandler(t, middleware.Options{Store: store}, func(ctx context.Context, _ *payack.PtopEvent) error {
				<-ctx.Done()
				return result
			})
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			serve(h, ptopRequest(t, "T1").WithContext(ctx))
			assert.Len(t, store.calls, 2)
			assert.False(t, store.contextOver)
		})
	}
}

func TestStoreThatFails(t *testing.T) {
	down := errors.New("connection refused")
	t.Run("the event fails", func(t *testing.T) {
		w, c := newWatch(), &counter{}
		o := w.options()
		o.Store = &recordingStore{Store: memstore.New(0), claim: down}
		in := serve(ptopHandler(t, o, c.accept), ptopRequest(t, "T1"))
		assert.Equal(t, http.StatusInternalServerError, in.Code)
		seen := w.last(t)
		assert.Equal(t, payack.ReasonStore, seen.Reason)
		assert.ErrorIs(t, seen.Err, down)
		assert.Zero(t, c.get())
	})
	t.Run("with InsecureProcessWithoutStore", func(t *testing.T) {
		w, c := newWatch(), &counter{}
		o := w.options()
		o.Store, o.InsecureProcessWithoutStore = &recordingStore{Store: memstore.New(0), claim: down}, true
		h := ptopHandler(t, o, c.accept)
		for range 2 {
			assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
			assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
		}
		assert.Equal(t, 2, c.get(), "the callback must not mind")
		complaints := 0
		for _, line := range w.lines(t) {
			if line["level"] == "ERROR" && line["error"] == down.Error() {
				complaints++
				assert.Equal(t, ptopID("T1"), line["event_id"])
			}
		}
		assert.Equal(t, 2, complaints)
		assert.Len(t, w.deliveries(t), 2)
	})
	t.Run("in Commit", func(t *testing.T) {
		w, c := newWatch(), &counter{}
		o := w.options()
		store := newRecordingStore()
		store.commit = down
		o.Store = store
		h := ptopHandler(t, o, c.accept)
		assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
		seen := w.last(t)
		assert.Equal(t, payack.OutcomeAccepted, seen.Outcome)
		assert.Empty(t, seen.Reason)
		require.ErrorIs(t, seen.Err, down)
		line := w.deliveries(t)[0]
		assert.Equal(t, "ERROR", line["level"])
		assert.Contains(t, line["error"], "could not be recorded as done")
		// The claim stays, so the event is busy until the lease ends.
		assert.Equal(t, http.StatusServiceUnavailable, serve(h, ptopRequest(t, "T1")).Code)
		assert.Equal(t, 1, c.get())
	})
	t.Run("in Release", func(t *testing.T) {
		w := newWatch()
		o := w.options()
		store := newRecordingStore()
		store.release = down
		o.Store = store
		serve(ptopHandler(t, o, func(context.Context, *payack.PtopEvent) error { return errMerchant }), ptopRequest(t, "T1"))
		seen := w.last(t)
		assert.Equal(t, payack.ReasonCallback, seen.Reason)
		assert.ErrorIs(t, seen.Err, errMerchant)
		warned := false
		for _, line := range w.lines(t) {
			warned = warned || line["level"] == "WARN" && line["error"] == down.Error()
		}
		assert.True(t, warned)
	})
	t.Run("while a hash is bound", func(t *testing.T) {
		for _, without := range []bool{false, true} {
			w, c := newWatch(), &counter{}
			o := w.options()
			o.Store, o.InsecureProcessWithoutStore = &spliceDown{memstore.New(0), down}, without
			rc, err := middleware.NewPayatom(middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKey), Options: o,
				Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
					return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
				}})
			require.NoError(t, err)
			h, err := middleware.Handle(rc, func(context.Context, *payack.PayatomEvent) error { c.add(); return nil })
			require.NoError(t, err)
			serve(h, payatomRequest(t, "ORD1", "500", "Approved"))
			if without {
				assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
				assert.Equal(t, 1, c.get())
			} else {
				assert.Equal(t, payack.ReasonStore, w.last(t).Reason)
				assert.Zero(t, c.get())
			}
		}
	})
}

// spliceDown is a store whose Claim fails for the keys that bind the hashed texts of
// Payatom's webhooks to their events (see spliceID).
type spliceDown struct {
	payack.Store
	err error
}

func (s *spliceDown) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	if strings.HasPrefix(id, "payatom-splice:") {
		return payack.Claim{}, s.err
	}
	return s.Store.Claim(ctx, id, fingerprint, lease)
}

func TestSameEventAtTheSameTime(t *testing.T) {
	const deliveries = 64
	for name, handlers := range map[string]int{"one receiver": 1, "replicas with one store": 4} {
		t.Run(name, func(t *testing.T) {
			w, c := newWatch(), &counter{}
			release := make(chan struct{})
			o := w.options()
			o.Store = memstore.New(0)
			var all []http.Handler
			for range handlers {
				all = append(all, ptopHandler(t, o, func(context.Context, *payack.PtopEvent) error {
					c.add()
					<-release
					return nil
				}))
			}
			var n sync.WaitGroup
			codes := make([]int, deliveries)
			for i := range deliveries {
				r := ptopRequest(t, "T1")
				n.Go(func() { codes[i] = serve(all[i%len(all)], r).Code })
			}
			for range deliveries - 1 {
				w.last(t) // all others are answered while the first is processed
			}
			close(release)
			n.Wait()
			count := map[int]int{}
			for _, code := range codes {
				count[code]++
			}
			assert.Equal(t, map[int]int{200: 1, 503: deliveries - 1}, count)
			assert.Equal(t, 1, c.get())
			w.last(t)
			serve(all[0], ptopRequest(t, "T1"))
			assert.Equal(t, payack.OutcomeDuplicate, w.last(t).Outcome)
		})
	}
	t.Run("other events do not wait", func(t *testing.T) {
		w, c := newWatch(), &counter{}
		h := ptopHandler(t, w.options(), c.accept)
		var n sync.WaitGroup
		for range deliveries {
			r := ptopRequest(t, "T1")
			n.Go(func() { serve(h, r) })
		}
		n.Wait()
		assert.Equal(t, 1, c.get())
	})
}

func TestReceiversDoNotShareTheirMemory(t *testing.T) {
	c := &counter{}
	for range 2 {
		assert.Equal(t, http.StatusOK, serve(ptopHandler(t, middleware.Options{}, c.accept), ptopRequest(t, "T1")).Code)
	}
	assert.Equal(t, 2, c.get())
}

func TestFullStoreAsksToSendAgain(t *testing.T) {
	w := newWatch()
	o := w.options()
	o.Store = memstore.New(1)
	inside, release := make(chan struct{}), make(chan struct{})
	h := ptopHandler(t, o, func(_ context.Context, ev *payack.PtopEvent) error {
		if ev.TransactionID == "T1" {
			close(inside)
			<-release
		}
		return nil
	})
	done := make(chan int)
	go func() { done <- serve(h, ptopRequest(t, "T1")).Code }()
	<-inside
	assert.Equal(t, http.StatusInternalServerError, serve(h, ptopRequest(t, "T2")).Code)
	seen := w.last(t)
	assert.Equal(t, payack.ReasonStore, seen.Reason)
	assert.ErrorIs(t, seen.Err, memstore.ErrFull)
	close(release)
	assert.Equal(t, http.StatusOK, <-done)
	w.last(t)
	assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T2")).Code)
	assert.Contains(t, fmt.Sprint(seen.Err), "make it larger")
}
