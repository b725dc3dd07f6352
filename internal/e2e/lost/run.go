package lost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/reconcile"
)

// Run runs the tests of this package, except [Outage], for each provider. The options
// give the receiver's Store or Inbox; the caller runs the inbox.
func Run(t *testing.T, options func(t *testing.T) middleware.Options) {
	for p := range providers {
		t.Run(string(p), func(t *testing.T) {
			for name, test := range map[string]func(*testing.T, *Shop){
				"all lost": allLost, "some come": someCome, "lies and limits": liesAndLimits, "another order": anotherOrder, "replays": replays, "not final": notFinal,
			} {
				t.Run(name, func(t *testing.T) { test(t, newShop(t, p, options(t))) })
			}
		})
	}
}

// soon bounds waits that are short unless the machine is very slow.
const soon = time.Minute

func id(i int) string { return fmt.Sprintf("ORD%07d", i) }

// working runs the reconciler until the test ends.
func working(t *testing.T, r *reconcile.Reconciler) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
}

// allLost: every callback is lost, and each paid order is settled once.
func allLost(t *testing.T, s *Shop) {
	const n = 12
	for i := range n {
		s.order(t, id(i))
	}
	r := s.reconciler(t)
	working(t, r)
	paid := 0
	for i := range n {
		switch i % 3 {
		case 0:
			require.NoError(t, s.fake.Pay(id(i)))
			paid++
		case 1:
			require.NoError(t, s.fail(id(i)))
		}
	}
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.credited) == paid && len(s.closed) == n/3
	}, soon, 5*time.Millisecond)
	require.Eventually(t, func() bool { // the observer is called after the function has returned
		return s.observed(payack.SourceQuery, payack.OutcomeAccepted) == paid+n/3
	}, soon, 5*time.Millisecond)
	require.NoError(t, s.fake.Wait(t.Context()))
	orders, credits := s.settled()
	assert.Equal(t, paid, orders)
	assert.Equal(t, paid, credits)
	assert.EqualValues(t, paid, r.Stats().Found)
	assert.Zero(t, s.observed(payack.SourceCallback, payack.OutcomeAccepted))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.seen {
		if o.Attempt == 0 && o.Outcome == payack.OutcomeAccepted {
			assert.Greater(t, o.Age, time.Duration(0), "the age at which a payment was found")
		}
		assert.Equal(t, payack.SourceQuery, o.Delivery.Source, "an inbox's attempts have it too")
	}
	for i := range n {
		assert.LessOrEqual(t, len(s.ids[id(i)]), 1)
	}
}

// someCome: callbacks come before, during and after questions. The callback and the
// answer of an order are the same event.
func someCome(t *testing.T, s *Shop) {
	const n = 12
	ctx, r := t.Context(), s.reconciler(t)
	var orders []reconcile.Order
	for i := range n {
		orders = append(orders, s.order(t, id(i)))
		require.NoError(t, s.fake.Pay(id(i)))
	}
	require.NoError(t, s.fake.Wait(ctx)) // these callbacks are lost
	s.lost.Store(false)
	ask := func(ctx context.Context, o reconcile.Order) reconcile.Answer {
		answer, err := r.Ask(ctx, o)
		assert.NoError(t, err)
		return answer
	}
	call := func(o reconcile.Order) gateway.Delivery {
		d, err := s.fake.Redeliver(ctx, s.fake.Deliveries(o.OrderID)[0])
		assert.NoError(t, err)
		return d
	}
	var all sync.WaitGroup
	for i, o := range orders {
		switch i % 4 {
		case 0:
			all.Go(func() { call(o); ask(ctx, o); ask(ctx, o) })
		case 1:
			all.Go(func() { ask(ctx, o); call(o); call(o) })
		case 2:
			all.Go(func() {
				var came gateway.Delivery
				callOnce := sync.OnceFunc(func() { came = call(o) })
				answer := ask(context.WithValue(ctx, during{}, callOnce), o)
				assert.True(t, came.Acknowledged)
				assert.True(t, answer.Paid())
				assert.Equal(t, payack.OutcomeDuplicate, answer.Observation.Outcome)
			})
		case 3:
			for range 2 {
				all.Go(func() { call(o) })
				all.Go(func() { ask(ctx, o) })
			}
		}
	}
	all.Wait()
	working(t, r) // a callback and a question may have failed because of each other, so ask again
	require.Eventually(t, func() bool { orders, _ := s.settled(); return orders == n }, soon, 5*time.Millisecond)
	for _, o := range orders {
		call(o)
		ask(ctx, o)
	}
	s.drain(t)
	_, credits := s.settled()
	assert.Equal(t, n, credits)
	for _, o := range orders {
		s.mu.Lock()
		assert.Len(t, s.ids[o.OrderID], 1, "a callback and an answer about an order are one event")
		s.mu.Unlock()
	}
}

// liesAndLimits: nothing is credited while a gateway lies, limits or fails, and every
// payment is credited after that.
func liesAndLimits(t *testing.T, s *Shop) {
	const n = 3
	ctx, r := t.Context(), s.reconciler(t)
	var orders []reconcile.Order
	for i := range n {
		orders = append(orders, s.order(t, id(i)))
		require.NoError(t, s.fake.Pay(id(i)))
	}
	stranger := s.order(t, id(n)) // unpaid
	require.NoError(t, s.fake.Wait(ctx))
	for name, f := range map[string]struct {
		fault gateway.Faults
		// answers says that the client accepts the answer, so that only the merchant's
		// records can refute it.
		answers bool
	}{
		"limits":                 {fault: gateway.Faults{Status: http.StatusTooManyRequests}},
		"answers 502":            {fault: gateway.Faults{Status: http.StatusBadGateway}},
		"refuses connections":    {fault: gateway.Faults{Refuse: true}},
		"hangs up":               {fault: gateway.Faults{Cut: true}},
		"truncates its answers":  {fault: gateway.Faults{Truncate: true}},
		"signs with another key": {fault: gateway.Faults{BadSignature: true}, answers: !s.signs},
		"says another amount":    {fault: gateway.Faults{Amount: "9999"}, answers: true},
		"names another order":    {fault: gateway.Faults{OrderID: id(n)}, answers: !s.signs},
		"names an unknown order": {fault: gateway.Faults{OrderID: "ORD9999999"}, answers: !s.signs},
		"names it in lower case": {fault: gateway.Faults{OrderID: "ord0000000"}, answers: !s.signs},
	} {
		if f.answers && f.fault.Amount == "" {
			continue // this provider's answers have neither a signature nor an order
		}
		require.NoError(t, s.fake.SetFaults(f.fault))
		for _, o := range orders {
			answer, err := r.Ask(ctx, o)
			if f.answers {
				assert.NoError(t, err, name)
				assert.True(t, answer.Paid(), name)
			} else {
				assert.Error(t, err, name)
				assert.False(t, answer.Delivered, name)
			}
		}
		s.drain(t)
		_, credits := s.settled()
		assert.Zero(t, credits, name)
		if f.answers {
			// An inbox tries an unexpected event again, and calls the observer after it
			// has stored the outcome.
			require.Eventually(t, func() bool { return s.refused(payack.ReasonUnexpected, payack.ReasonUnconfirmed) >= n }, soon, 5*time.Millisecond, name)
		}
	}
	require.NoError(t, s.fake.SetFaults(gateway.Faults{}))
	working(t, r)
	require.Eventually(t, func() bool { orders, _ := s.settled(); return orders == n }, soon, 5*time.Millisecond)
	s.drain(t)
	_, credits := s.settled()
	assert.Equal(t, n, credits)
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Zero(t, s.credited[stranger.OrderID])
}

// anotherOrder: an order is not credited if its record has the handle of another
// order, which is paid.
func anotherOrder(t *testing.T, s *Shop) {
	ctx, r := t.Context(), s.reconciler(t)
	mine, other := s.order(t, id(1)), s.order(t, id(2))
	require.NoError(t, s.fake.Pay(mine.OrderID))
	require.NoError(t, s.fake.Wait(ctx))
	_, err := r.Ask(ctx, mine)
	require.NoError(t, err)
	require.Eventually(t, func() bool { orders, _ := s.settled(); return orders == 1 }, soon, 5*time.Millisecond)
	other.Handle = mine.Handle
	mixed := other
	mixed.OrderID += "0"
	for round := range 3 {
		for i, o := range []reconcile.Order{other, mixed} {
			answer, err := r.Ask(ctx, o)
			if s.signs { // a signed answer names its order, so Ask refuses it for another order
				assert.False(t, answer.Paid())
				assert.False(t, answer.Delivered)
				if err != nil {
					assert.True(t, errors.Is(err, client.ErrMismatch) || errors.Is(err, client.ErrNotFound), "%v", err)
				}
				continue
			}
			require.NoError(t, err)
			assert.True(t, answer.Delivered)
			s.drain(t)
			if s.inbox == nil {
				assert.Equal(t, 2*round+i+1, s.refused(payack.ReasonConflict))
			} else { // an inbox tries the dead letter again later, and then calls the observer
				require.Eventually(t, func() bool { return s.refused(payack.ReasonConflict) > i }, soon, 5*time.Millisecond)
			}
		}
	}
	s.lost.Store(false)
	again, err := s.fake.Redeliver(ctx, s.fake.Deliveries(mine.OrderID)[0])
	require.NoError(t, err)
	assert.True(t, again.Acknowledged, "the genuine callback is a duplicate")
	s.drain(t)
	_, credits := s.settled()
	assert.Equal(t, 1, credits)
}

// replays: an old answer in place of a new one settles neither another order nor the
// same order twice.
func replays(t *testing.T, s *Shop) {
	ctx, r := t.Context(), s.reconciler(t)
	mine, other := s.order(t, id(1)), s.order(t, id(2))
	ask := func(o reconcile.Order) (reconcile.Answer, error) {
		answer, err := r.Ask(ctx, o)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.replay = s.answer
		return answer, err
	}
	answer, err := ask(mine) // from now on RoundTrip replays this answer
	require.NoError(t, err)
	assert.False(t, answer.Paid())
	require.NoError(t, s.fake.Pay(mine.OrderID))
	require.NoError(t, s.fake.Wait(ctx))
	answer, err = ask(mine)
	require.NoError(t, err)
	assert.False(t, answer.Delivered, "a replayed answer that the payment is pending")

	s.mu.Lock()
	s.replay = nil
	s.mu.Unlock()
	answer, err = ask(mine)
	require.NoError(t, err)
	assert.Equal(t, s.signs, answer.Signed)
	require.True(t, answer.Paid())
	for range 2 {
		if s.signs { // unsigned answers do not name their order
			_, err = ask(other)
			require.ErrorIs(t, err, client.ErrMismatch)
		}
		_, err = ask(mine)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { orders, _ := s.settled(); return orders == 1 }, soon, 5*time.Millisecond)
	s.drain(t)
	_, credits := s.settled()
	assert.Equal(t, 1, credits)
}

// notFinal: with NotFinal, a pending payment is delivered if the provider has
// callbacks for pending payments. The payment is not credited.
func notFinal(t *testing.T, s *Shop) {
	ctx, o := t.Context(), s.order(t, id(1))
	r, err := reconcile.New(reconcile.Config{Orders: s.open, Accounts: []reconcile.Account{s.account}, NotFinal: true})
	require.NoError(t, err)
	answer, err := r.Ask(ctx, o)
	require.NoError(t, err)
	assert.False(t, answer.Paid())
	assert.False(t, answer.Final())
	assert.NotEmpty(t, answer.Status)
	assert.Equal(t, s.signs, answer.Delivered, "Ptop has no callback for a pending payment")
	if answer.Delivered {
		assert.Equal(t, payack.OutcomeAccepted, answer.Observation.Outcome)
	}
	require.NoError(t, s.fake.Pay(o.OrderID))
	answer, err = r.Ask(ctx, o)
	require.NoError(t, err)
	assert.True(t, answer.Delivered)
	require.Eventually(t, func() bool { orders, _ := s.settled(); return orders == 1 }, soon, 5*time.Millisecond)
}
