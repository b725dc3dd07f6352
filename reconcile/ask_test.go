package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/reconcile"
)

func TestAsk(t *testing.T) {
	x, m := &till{}, newMerchant(t)
	r := build(t, reconcile.Config{Orders: these(), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, PerSecond: 1000})
	for _, tc := range []struct {
		name    string
		status  int
		says    string
		order   reconcile.Order
		is      error // the expected error of the question
		outcome payack.Outcome
		reason  payack.Reason
		settled int
		seen    string // what is observed, empty for nothing
	}{
		{name: "pending", says: pending, order: order("1", time.Hour)},
		{name: "an order that it doesn't know yet", status: http.StatusBadRequest, says: `{"success":false,"message":"x"}`, order: order("1", 0), is: client.ErrDeclined, seen: "failed unreachable"},
		{name: "another transaction", says: `{"status":1,"amount":5,"transaction_id":"T2"}`, order: order("1", 0), is: client.ErrMismatch, seen: "rejected unconfirmed"},
		{name: "another order", says: `{"status":1,"amount":5,"order_id":"2"}`, order: order("1", 0), is: client.ErrMismatch, seen: "rejected unconfirmed"},
		{name: "paid nothing", says: `{"status":1,"amount":0}`, order: order("1", 0), is: payack.ErrMalformed, seen: "rejected malformed"},
		{name: "failed beside a status", says: `{"success":false,"status":1,"amount":5}`, order: order("1", 0), is: client.ErrDeclined, seen: "failed unreachable"},
		{name: "no transaction", says: paid, order: reconcile.Order{Provider: payack.Ptop, OrderID: "1"}, is: errAny},
		{name: "no order", says: paid, order: reconcile.Order{Provider: payack.Ptop, Handle: "T1"}, is: errAny},
		{name: "a transaction that is no text", says: paid, order: reconcile.Order{Provider: payack.Ptop, OrderID: "1", Handle: "T\n"}, is: errAny},
		{name: "paid", says: paid, order: order("1", time.Hour), outcome: payack.OutcomeAccepted, settled: 1, seen: "accepted"},
		{name: "again", says: paid, order: order("1", time.Hour), outcome: payack.OutcomeDuplicate, settled: 1, seen: "duplicate"},
		{name: "another spelling of the order", says: paid, order: reconcile.Order{Provider: payack.Ptop, OrderID: "01", Handle: "T1"}, outcome: payack.OutcomeRejected, reason: payack.ReasonConflict, settled: 1, seen: "rejected conflict"},
		{name: "another order's transaction", says: paid, order: reconcile.Order{Provider: payack.Ptop, OrderID: "2", Handle: "T1"}, outcome: payack.OutcomeRejected, reason: payack.ReasonConflict, settled: 1, seen: "rejected conflict"},
		{name: "another amount now", says: `{"status":1,"amount":500}`, order: order("1", 0), outcome: payack.OutcomeDuplicate, settled: 1, seen: "duplicate"},
		{name: "cancelled", says: `{"status":2,"amount":5}`, order: order("3", 0), outcome: payack.OutcomeAccepted, settled: 2, seen: "accepted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m.mu.Lock()
			m.observed = nil
			m.mu.Unlock()
			if tc.status == 0 {
				tc.status = http.StatusOK
			}
			x.says = func(string) (int, string) { return tc.status, tc.says }
			answer, err := r.Ask(t.Context(), tc.order)
			switch {
			case tc.is == errAny:
				require.Error(t, err)
			case tc.is != nil:
				require.ErrorIs(t, err, tc.is)
			default:
				require.NoError(t, err)
			}
			assert.Equal(t, tc.outcome != "", answer.Delivered)
			assert.Equal(t, tc.outcome, answer.Observation.Outcome)
			assert.Equal(t, tc.reason, answer.Observation.Reason)
			assert.False(t, answer.Signed)
			assert.Len(t, m.settledOrders(), tc.settled)
			if tc.seen == "" {
				assert.Empty(t, m.observed)
				return
			}
			assert.Equal(t, []string{tc.seen}, m.outcomes())
			assert.Equal(t, payack.SourceQuery, m.observed[0].Delivery.Source)
			assert.GreaterOrEqual(t, m.observed[0].Age, time.Duration(0))
		})
	}
}

var errAny = errors.New("any")

// Look changes nothing, and no observer is called.
func TestLook(t *testing.T) {
	x, m := &till{says: always(paid)}, newMerchant(t)
	r := build(t, reconcile.Config{Orders: these(), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, PerSecond: 1000})
	answer, err := r.Look(t.Context(), order("1", 0))
	require.NoError(t, err)
	assert.True(t, answer.Paid())
	assert.True(t, answer.Final())
	assert.Equal(t, "1", answer.Status)
	assert.Equal(t, "5", answer.Amount.String())
	assert.False(t, answer.Delivered)
	assert.Empty(t, m.observed)
	x.says = func(string) (int, string) { return http.StatusBadGateway, "" }
	_, err = r.Look(t.Context(), order("1", 0))
	require.ErrorIs(t, err, client.ErrStatus)
	assert.Empty(t, m.observed)
	assert.Empty(t, m.settled)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Look(ended, order("1", 0))
	require.ErrorIs(t, err, context.Canceled)
}

// An order that was created in the future has the age 0.
func TestAgeIsNeverNegative(t *testing.T) {
	x, m := &till{says: always(paid)}, newMerchant(t)
	r := build(t, reconcile.Config{Orders: these(), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}})
	answer, err := r.Ask(t.Context(), order("1", -time.Hour))
	require.NoError(t, err)
	assert.Zero(t, answer.Observation.Age)
	assert.Zero(t, m.observed[0].Age)
}

// Account.Look works without a receiver.
func TestAccountLook(t *testing.T) {
	x, m := &till{says: always(paid)}, newMerchant(t)
	o := order("1", 0)
	o.Tenant = "shop"
	answer, err := reconcile.Ptop(x.client(t), nil).Look(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, "ptop:v1:shop:T1:true", answer.Event.ID())
	assert.False(t, answer.Delivered)

	account := reconcile.Ptop(x.client(t), m.h)
	_, err = account.Look(t.Context(), o)
	require.ErrorContains(t, err, "Order.Tenant is not that of the receiver")
	o.Tenant, o.Handle = "", ""
	_, err = account.Look(t.Context(), o)
	require.ErrorContains(t, err, "the order has no Handle; keep the transaction_id that the create answered")
	o.Provider = payack.PTS
	_, err = account.Look(t.Context(), o)
	require.ErrorContains(t, err, "the account's is ptop")
	_, err = reconcile.Ptop(nil, m.h).Look(t.Context(), order("1", 0))
	require.ErrorContains(t, err, "has no client")
	assert.Empty(t, m.observed)
}

// A Confirm that compares with the merchant's own record is called for an answer
// too. The client's Confirm is not called, because it would repeat the question.
func TestConfirmOfTheMerchant(t *testing.T) {
	for name, tc := range map[string]struct {
		own       bool
		says      string
		asked     int
		questions int
		outcome   payack.Outcome
	}{
		"its own, another amount": {true, `{"status":1,"amount":1}`, 1, 2, payack.OutcomeRejected},
		"its own, the amount":     {true, paid, 1, 2, payack.OutcomeAccepted},
		"the client's":            {false, paid, 0, 1, payack.OutcomeAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			x, asked := &till{says: always(tc.says)}, 0
			c := x.client(t)
			m := newMerchant(t, func(cfg *handlers.PtopConfig) {
				cfg.ConfirmInCallback, cfg.Confirm = false, c.Confirm
				if !tc.own {
					return
				}
				cfg.Confirm = func(ctx context.Context, ev *payack.PtopEvent) (*payack.Confirmation, error) {
					asked++
					got, err := c.Confirm(ctx, ev)
					if err == nil && !got.Amount.Equal(payack.NewAmount("5")) {
						return nil, fmt.Errorf("another amount: %w", payack.ErrUnconfirmed)
					}
					return got, err
				}
			})
			r := build(t, reconcile.Config{Orders: these(), Accounts: []reconcile.Account{reconcile.Ptop(c, m.h)}})
			answer, err := r.Ask(t.Context(), order("1", time.Hour))
			require.NoError(t, err)
			assert.Equal(t, tc.outcome, answer.Observation.Outcome)
			assert.Equal(t, tc.asked, asked)
			assert.Len(t, x.questions(), tc.questions)
			assert.Len(t, m.settledOrders(), map[payack.Outcome]int{payack.OutcomeAccepted: 1}[tc.outcome])
		})
	}
}

// An order is not asked about if its OrderID or Handle has white space around it,
// or control or invisible characters. A lenient provider would accept such a
// spelling, and the answer would be another event.
func TestSpellings(t *testing.T) {
	x, m := &till{says: always(paid)}, newMerchant(t)
	r := build(t, reconcile.Config{Orders: these(), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}, PerSecond: 1000})
	for _, wrong := range []string{" x", "x ", "x\n", "x\t", "\u00a0x", "x\x00", "x\x7fx", "x\xff", "x\u200b", "\ufeffx"} {
		o := order("1", time.Hour)
		o.Handle = wrong
		_, err := r.Ask(t.Context(), o)
		require.ErrorContains(t, err, "give the transaction_id byte for byte as the create answered it", "%q", wrong)
		o = order("1", time.Hour)
		o.OrderID = wrong
		_, err = r.Ask(t.Context(), o)
		require.ErrorContains(t, err, "OrderID", "%q", wrong)
	}
	assert.Empty(t, x.questions())
	o := order("1", time.Hour)
	o.OrderID, o.Handle = "Bestellung 1 für Ö", "T 1/a"
	_, err := r.Ask(t.Context(), o)
	require.NoError(t, err)
	assert.Len(t, m.settledOrders(), 1)
}
