package inbox_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/store/memstore"
)

// refund is a webhook about a refund, whose amount is not signed.
func refund(t testing.TB, order string, amount any) payacktest.Callback {
	return payacktest.Payatom(payacktest.NewPayatomKeys()).Order(order).Amount("500").Status(payack.PayatomRefundCompleted).
		SetJSON("refund_info", fmt.Sprintf(`{"refund_amount":"%v"}`, amount)).Callback(t)
}

// warnings counts the log's lines about unsigned details.
func (s *shop) warnings() int {
	return strings.Count(s.log.String(), "other details, which are not signed")
}

// A second partial refund has the signed members of the first. Whether the first
// waits or is done, the second is a duplicate: it is logged as a warning, kept
// for a person, and not processed.
func TestOtherDetailsAreForAPerson(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		for n, order := range []string{"WAITS", "DONE"} {
			s.kept(payack.Payatom, s.atom, refund(t, order, 100))
			if order == "DONE" {
				s.drain()
			}
			s.kept(payack.Payatom, s.atom, refund(t, order, 100))
			assert.Equal(t, 2*n, s.warnings(), "an identical delivery needs no person")
			for range 2 { // the second delivery changes nothing
				s.kept(payack.Payatom, s.atom, refund(t, order, 400))
				assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome)
			}
			assert.Equal(t, 2*n+2, s.warnings(), order)
			s.drain()
			s.kept(payack.Payatom, s.atom, refund(t, order, 100))
			assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome)
			assert.Equal(t, 2*n+2, s.warnings(), order)
		}
		s.drain()
		assert.Equal(t, []string{"done", "dead conflict", "done", "dead conflict"}, s.states())
		assert.Len(t, s.calls(), 2)

		// A person finds the second refund, sees its details, and closes it.
		dead, err := s.in.List(t.Context(), inbox.Filter{States: []inbox.State{inbox.Dead}, OrderID: "DONE"}, 0, 0)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		record, err := s.in.Get(t.Context(), dead[0].ID)
		require.NoError(t, err)
		assert.Contains(t, record.Error, "other details")
		assert.False(t, record.Ended.IsZero())
		info, ok := record.Delivery.Event.(*payack.PayatomEvent).Unsigned.Refund()
		require.True(t, ok)
		assert.Equal(t, "400", info.Amount.String())
		require.ErrorIs(t, s.in.Retry(t.Context(), record.ID), inbox.ErrDone)
		require.NoError(t, s.in.CloseByHand(t.Context(), record.ID, "booked by hand"))
		s.kept(payack.Payatom, s.atom, refund(t, "DONE", 400))
		s.drain()
		assert.Equal(t, []string{"done", "dead conflict", "done", "closed conflict"}, s.states())
		assert.Len(t, s.calls(), 2)
	})
}

// A replay with ever new details does not fill the table: a bounded number of
// copies is kept for each event. All copies are acknowledged, because the event
// itself was acknowledged.
func TestOtherDetailsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		few := func(c *inbox.Config) { c.MaxVariants = 3 }
		s := open(t, d, few).mount()
		for n := range 20 {
			s.kept(payack.Payatom, s.atom, refund(t, "ORD-1", n), fmt.Sprintf("192.0.2.%d", n))
		}
		assert.Equal(t, []string{"pending", "dead conflict", "dead conflict", "dead conflict"}, s.states())
		assert.Equal(t, 19, s.warnings())
		s.drain()
		assert.Len(t, s.calls(), 1)

		trusted := open(t, d, few).mount(func(o *handlers.Options) {
			o.AllowedAddresses = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		})
		for n := range 6 {
			trusted.kept(payack.Payatom, trusted.atom, refund(t, "ORD-1", n))
		}
		assert.Len(t, trusted.items(), 6)
	})
}

// Of concurrent refunds with different details, exactly one is processed.
func TestOtherDetailsAtTheSameTime(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d).mount()
		var all sync.WaitGroup
		for n := range 8 {
			cb := refund(t, "ORD-1", n)
			all.Go(func() { payacktest.Accepted(t, payack.Payatom, send(s.atom, cb, "192.0.2.1")) })
		}
		all.Wait()
		s.drain()
		states := strings.Join(s.states(), ", ")
		assert.Equal(t, 1, strings.Count(states, "done"), states)
		assert.Equal(t, 7, strings.Count(states, "dead conflict"), states)
		assert.Len(t, s.calls(), 1)
	})
}

// While the first refund is a dead letter, a refund with other details is
// processed. A dead refund that is delivered again becomes due again.
func TestOtherDetailsAfterADeadLetter(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s := open(t, d, func(c *inbox.Config) { c.GiveUp, c.LeastAttempts = 1, 1 }).mount()
		s.says(func(context.Context, payack.Event) error { return errShop }, nil)
		s.kept(payack.Payatom, s.atom, refund(t, "ORD-1", 100))
		s.kept(payack.Payatom, s.atom, refund(t, "ORD-2", 100))
		s.drain()
		assert.Equal(t, []string{"dead callback", "dead callback"}, s.states())
		s.says(nil, nil)
		s.kept(payack.Payatom, s.atom, refund(t, "ORD-1", 400))
		s.kept(payack.Payatom, s.atom, refund(t, "ORD-2", 100))
		s.until("settled", func() bool { return len(s.calls()) == 2 })
		assert.Equal(t, []string{"dead callback", "done", "done"}, s.states())
	})
}

// A refund was done in the store used before the inbox. The same event with other
// details is kept for a person.
func TestOtherDetailsThanInTheStoreBefore(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		former := memstore.New(0)
		cfg := payacktest.NewPayatomKeys().Config()
		cfg.Options = handlers.Options{Store: former, Logger: quiet}
		before, err := handlers.NewPayatom(cfg, func(context.Context, *payack.PayatomEvent) error { return nil })
		require.NoError(t, err)
		payacktest.Accepted(t, payack.Payatom, send(before, refund(t, "ORD-1", 100), "192.0.2.1"))

		s := open(t, d).mount(func(o *handlers.Options) {
			if o.Name == "payatom" {
				o.Store = former
			}
		})
		s.kept(payack.Payatom, s.atom, refund(t, "ORD-1", 100))
		assert.Empty(t, s.states())
		s.kept(payack.Payatom, s.atom, refund(t, "ORD-1", 400))
		assert.Equal(t, payack.OutcomeDuplicate, s.last().Outcome)
		s.drain()
		assert.Equal(t, []string{"dead conflict"}, s.states())
		assert.Equal(t, 1, s.warnings())
		assert.Empty(t, s.calls())
	})
}
