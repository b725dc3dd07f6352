package reconcile_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/reconcile"
)

// saying changes the answers of a till.
func (x *till) saying(says func(string) (int, string)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.says = says
}

// An order that grew too old during an outage is given up only after an answer about
// it.
func TestOutageGivesNothingUp(t *testing.T) {
	for name, broken := range map[string]func(string) (int, string){
		"no connection":               func(string) (int, string) { return 0, "" },
		"502":                         func(string) (int, string) { return http.StatusBadGateway, "" },
		"401":                         func(string) (int, string) { return http.StatusUnauthorized, `{"success":false,"message":"no"}` },
		"a page that's 404":           func(string) (int, string) { return http.StatusNotFound, "<html>" },
		"404, which isn't documented": func(string) (int, string) { return http.StatusNotFound, `{"message":"no route"}` },
		"declined, nobody knows why":  always(`{"success":false,"message":"come again"}`),
		"another order's":             always(`{"status":1,"amount":5,"order_id":"other"}`),
		"no amount":                   always(`{"status":1}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 100
				x, m := &till{says: broken}, newMerchant(t)
				created := time.Now().Add(-80 * time.Hour)
				open := func(context.Context) iter.Seq2[reconcile.Order, error] { return numbered(n, created) }
				r := build(t, reconcile.Config{Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}})
				stop := run(t, r)
				time.Sleep(4 * time.Hour)
				require.NotEmpty(t, x.questions())
				assert.Zero(t, r.Stats().GivenUp)
				x.saying(always(paid))
				time.Sleep(4 * time.Hour)
				stop()
				assert.Len(t, m.settledOrders(), n)
			})
		})
	}
}

// Any answer about an old order is enough to give it up, even the answer that the
// provider does not know the order.
func TestAnswersGiveUp(t *testing.T) {
	for name, says := range map[string]func(string) (int, string){
		"pending": always(pending),
		"400":     func(string) (int, string) { return http.StatusBadRequest, `{"message":"no such transaction"}` },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, m := &till{says: says}, newMerchant(t)
				r := build(t, reconcile.Config{Orders: these(order("1", 80*time.Hour)), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}})
				stop := run(t, r)
				time.Sleep(24 * time.Hour)
				stop()
				assert.Len(t, x.questions(), 1)
				assert.EqualValues(t, 1, r.Stats().GivenUp, "and said once")
			})
		})
	}
}

// An order that was found paid is settled, however old it is and however often the
// merchant's function fails.
func TestFoundOldAndFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(paid)}, newMerchant(t)
		fails := 5
		m.settle = func(*payack.PtopEvent) error {
			if fails--; fails >= 0 {
				return errors.New("the database is away")
			}
			return nil
		}
		r := build(t, reconcile.Config{Orders: these(order("1", 80*time.Hour)), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}})
		stop := run(t, r)
		time.Sleep(150 * time.Minute)
		x.saying(func(string) (int, string) { return 0, "" }) // no connection: the order still counts as found paid
		time.Sleep(150 * time.Minute)
		x.saying(always(paid))
		time.Sleep(24 * time.Hour)
		stop()
		assert.Equal(t, []string{"1"}, m.settledOrders())
		assert.Zero(t, r.Stats().GivenUp)
	})
}

// Questions that the provider declines do not slow down questions about other
// orders.
func TestDeclinedOrdersDoNotSlowOthers(t *testing.T) {
	for name, declines := range map[string]func(string) (int, string){
		"says no":      always(`{"success":false,"message":"transaction expired"}`),
		"says nothing": always(`{"success":false}`),
		"400":          func(string) (int, string) { return http.StatusBadRequest, `{"message":"no such transaction"}` },
		"404":          func(string) (int, string) { return http.StatusNotFound, `{"message":"no such transaction"}` },
		"bare 404":     func(string) (int, string) { return http.StatusNotFound, "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, m := &till{}, newMerchant(t)
				x.says = func(transaction string) (int, string) {
					if strings.HasPrefix(transaction, "Tgood") {
						return http.StatusOK, paid
					}
					return declines(transaction)
				}
				start := time.Now()
				open := func(context.Context) iter.Seq2[reconcile.Order, error] {
					return func(yield func(reconcile.Order, error) bool) {
						for o := range numbered(500, start.Add(-2*time.Hour)) {
							if !yield(o, nil) {
								return
							}
						}
						yield(reconcile.Order{Provider: payack.Ptop, OrderID: "good", Handle: "Tgood", Created: start}, nil)
					}
				}
				stop := run(t, build(t, reconcile.Config{Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}}))
				time.Sleep(5 * time.Minute)
				stop()
				assert.Equal(t, []string{"good"}, m.settledOrders())
			})
		})
	}
}

// An order that looks too old for a while, because a clock has jumped, is asked about
// again after the clock is right.
func TestGivenUpForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, m := &till{says: always(pending)}, newMerchant(t)
		o := order("1", time.Hour)
		begin := time.Now()
		open := func(ctx context.Context) iter.Seq2[reconcile.Order, error] {
			seen := o
			if since := time.Since(begin); since > 30*time.Minute && since < 5*time.Hour {
				seen.Created = seen.Created.Add(-100_000 * time.Hour)
			}
			return these(seen)(ctx)
		}
		r := build(t, reconcile.Config{Orders: open, Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}})
		stop := run(t, r)
		time.Sleep(4 * time.Hour)
		assert.Len(t, x.questions(), 1)
		assert.EqualValues(t, 1, r.Stats().GivenUp)
		x.saying(always(paid))
		time.Sleep(3 * time.Hour)
		stop()
		assert.Equal(t, []string{"1"}, m.settledOrders())
	})
}

// said is an inbox with given answers.
type said struct {
	durable
	keep func() payack.ClaimState
}

func (said) Mount(string, payack.Desk) error { return nil }
func (s said) Keep(context.Context, *payack.Receipt) (payack.ClaimState, error) {
	return s.keep(), nil
}

// A final order is asked about until the inbox has processed its event.
func TestAsksUntilTheInboxHasProcessed(t *testing.T) {
	for name, tc := range map[string]struct {
		then      payack.ClaimState
		questions int
	}{
		"waits":                            {payack.ClaimWaits, 10},
		"dead, and revived":                {payack.ClaimGranted, 10},
		"done, or closed by a person":      {payack.ClaimDone, 2},
		"kept for a person, other details": {payack.ClaimConflict, 2},
		"no room for it":                   {payack.ClaimBusy, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, kept := &till{says: always(paid)}, 0
				in := said{newDurable(), func() payack.ClaimState {
					if kept++; kept == 1 {
						return payack.ClaimGranted
					}
					return tc.then
				}}
				m := newMerchant(t, func(c *handlers.PtopConfig) { c.Store, c.Inbox = nil, in })
				r := build(t, reconcile.Config{Orders: these(order("1", 80*time.Hour)), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}})
				stop := run(t, r)
				time.Sleep(9*time.Hour + 30*time.Minute)
				stop()
				assert.Len(t, x.questions(), tc.questions)
				assert.Zero(t, r.Stats().GivenUp)
			})
		})
	}
}

// An order whose final answer is in conflict with a settled event is asked about once
// more, because an event that is only being processed is a conflict too.
func TestContradictionEnds(t *testing.T) {
	for name, options := range map[string]func(s durable) handlers.Options{
		"over a store": func(s durable) handlers.Options { return handlers.Options{Store: s} },
		"over an inbox": func(s durable) handlers.Options {
			return handlers.Options{Inbox: said{s, func() payack.ClaimState { return payack.ClaimGranted }}}
		},
		"over an inbox, done in the store before": func(s durable) handlers.Options {
			return handlers.Options{Store: s, Inbox: said{newDurable(), func() payack.ClaimState { return payack.ClaimGranted }}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, s := &till{says: always(paid)}, newDurable()
				m := newMerchant(t, func(c *handlers.PtopConfig) {
					o := options(s)
					c.Store, c.Inbox = o.Store, o.Inbox
				})
				first := &payack.PtopEvent{Success: true, TransactionID: "T1", OrderID: "1"}
				claim, err := s.Claim(t.Context(), first.ID(), first.Fingerprint(), time.Minute)
				require.NoError(t, err)
				require.NoError(t, s.Commit(t.Context(), first.ID(), claim.Token))
				other := order("2", time.Hour)
				other.Handle = "T1"
				stop := run(t, build(t, reconcile.Config{Orders: these(other), Accounts: []reconcile.Account{reconcile.Ptop(x.client(t), m.h)}}))
				time.Sleep(24 * time.Hour)
				stop()
				assert.Len(t, x.questions(), 2)
				assert.Empty(t, m.settledOrders())
			})
		})
	}
}
