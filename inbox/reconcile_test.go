package inbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/internal/e2e/lost"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/store/sqlstore"
)

// An event found by asking the provider is settled once, with an inbox or with
// only the SQL store.
func TestLostCallbacks(t *testing.T) {
	for _, d := range databases {
		if testing.Short() && d.name != "SQLite" {
			continue
		}
		t.Run(d.name+"/inbox", func(t *testing.T) {
			lost.Run(t, func(t *testing.T) handlers.Options {
				s := open(t, d)
				work(t, s.in)
				return handlers.Options{Inbox: s.in}
			})
		})
		t.Run(d.name+"/sqlstore", func(t *testing.T) {
			lost.Run(t, func(t *testing.T) handlers.Options {
				c := sqlstore.Config{DB: d.pool(t, d.dsn(t)), Dialect: d.dialect}
				require.NoError(t, sqlstore.Migrate(t.Context(), c))
				store, err := sqlstore.Open(t.Context(), c)
				require.NoError(t, err)
				return handlers.Options{Store: store}
			})
		})
	}
}

// work runs an inbox until the test ends.
func work(t *testing.T, in *inbox.Inbox) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
}

// Like a redelivery, a query's answer makes a dead event due again. The kept
// delivery and each observation say that the event came from a query.
func TestQueryRevivesADeadEvent(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.GiveUp, c.LeastAttempts = time.Nanosecond, 1 }).mount()
		s.mu.Lock()
		s.settle = func(context.Context, payack.Event) error { return errShop }
		s.mu.Unlock()
		found := &payack.PtopEvent{
			Verification: payack.Verification{Scheme: payack.SchemeQuery}, Success: true, TransactionID: "T1", OrderID: "ORD1",
		}
		ask := func() payack.Observation {
			var o payack.Observation
			err := s.ptop.(*handlers.Handler).Deliver(t.Context(), &payack.Delivery{
				Provider: payack.Ptop, Source: payack.SourceQuery, Received: time.Now(), Event: found}, &o)
			require.NoError(t, err)
			return o
		}
		assert.Equal(t, payack.OutcomeAccepted, ask().Outcome)
		again := ask()
		assert.Equal(t, payack.OutcomeDuplicate, again.Outcome)
		assert.True(t, again.Waits, "it waits already")
		require.NoError(t, s.in.Drain(t.Context()))
		dead, err := s.in.List(t.Context(), inbox.Filter{States: []inbox.State{inbox.Dead}}, 0, 0)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		full, err := s.in.Get(t.Context(), dead[0].ID)
		require.NoError(t, err)
		assert.Equal(t, payack.SourceQuery, full.Delivery.Source)
		assert.Equal(t, payack.SchemeQuery, full.Delivery.Event.VerifiedBy().Scheme)

		s.mu.Lock()
		s.settle = nil
		s.mu.Unlock()
		assert.Equal(t, payack.OutcomeAccepted, ask().Outcome)
		require.Eventually(t, func() bool {
			if err := s.in.Drain(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.settled) == 1
		}, time.Minute, 10*time.Millisecond)
		again = ask()
		assert.Equal(t, payack.OutcomeDuplicate, again.Outcome)
		assert.False(t, again.Waits)
		s.mu.Lock()
		defer s.mu.Unlock()
		assert.Equal(t, []string{found.ID()}, s.settled)
		for _, o := range s.seen {
			assert.Equal(t, payack.SourceQuery, o.Delivery.Source)
		}
	})
}

// An event that a query finds counts as a duplicate that does not wait if a
// person has closed it, or if it was done in the store used before the inbox. So
// package reconcile stops asking about it.
func TestQueryAboutWhatWaitsForNothing(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d)
		before := memstore.New(0)
		c := payacktest.NewPtopKeys().Config()
		c.Options = handlers.Options{Inbox: s.in, Store: before}
		h, err := handlers.NewPtop(c, func(context.Context, *payack.PtopEvent) error { return nil })
		require.NoError(t, err)
		event := func(order string) *payack.PtopEvent {
			return &payack.PtopEvent{
				Verification: payack.Verification{Scheme: payack.SchemeQuery}, Success: true, TransactionID: "T" + order, OrderID: order,
			}
		}
		ask := func(ev payack.Event) (o payack.Observation) {
			require.NoError(t, h.Deliver(t.Context(), &payack.Delivery{
				Provider: payack.Ptop, Source: payack.SourceQuery, Received: time.Now(), Event: ev}, &o))
			return o
		}
		closed, old := event("1"), event("2")
		assert.True(t, ask(closed).Waits)
		items, err := s.in.List(t.Context(), inbox.Filter{}, 0, 0)
		require.NoError(t, err)
		require.Len(t, items, 1)
		require.NoError(t, s.in.CloseByHand(t.Context(), items[0].ID, "settled by hand"))
		o := ask(closed)
		assert.Equal(t, payack.OutcomeDuplicate, o.Outcome)
		assert.False(t, o.Waits)

		claim, err := before.Claim(t.Context(), old.ID(), old.Fingerprint(), time.Minute)
		require.NoError(t, err)
		require.NoError(t, before.Commit(t.Context(), old.ID(), claim.Token))
		o = ask(old)
		assert.Equal(t, payack.OutcomeDuplicate, o.Outcome)
		assert.False(t, o.Waits)
		state, err := h.Lookup(t.Context(), old)
		require.NoError(t, err)
		assert.Equal(t, payack.ClaimDone, state)
	})
}
