// Package lost has merchants whose callbacks get lost, and tests of what
// package reconcile makes of that over a receiver's store or inbox. Only tests
// import it.
package lost

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/reconcile"
)

// amount is what each order is made out for.
const amount = "100.5"

// fake is what the fake gateways have in common.
type fake interface {
	Close()
	Pay(id string) error
	SetFaults(gateway.Faults) error
	Wait(context.Context) error
	Deliveries(id string) []gateway.Delivery
	Redeliver(context.Context, gateway.Delivery) (gateway.Delivery, error)
}

// side is one provider's: a fake gateway, a client of it and a receiver.
type side struct {
	fake    fake
	account reconcile.Account
	handler *middleware.Handler
	// create makes a payment whose callbacks go to a URL, and returns what it is
	// asked by.
	create func(id, callbackURL string) (handle string, err error)
	// fail makes a payment one that was not paid, for good, without a callback.
	fail func(id string) error
	// signs reports whether answers are signed.
	signs bool
}

// providers are those that can be asked, each in its file.
var providers = map[payack.Provider]func(t testing.TB, s *Shop, o middleware.Options) side{
	payack.Ptop:    ptop,
	payack.PTS:     pts,
	payack.Payatom: payatom,
}

// Shop is a merchant of one provider.
type Shop struct {
	side
	provider payack.Provider
	server   *httptest.Server
	lost     atomic.Bool // callbacks end without an answer
	inbox    any         // nil where there is none
	asked    atomic.Pointer[time.Time]

	mu       sync.Mutex
	orders   []reconcile.Order
	credited map[string]int             // paid, by order
	closed   map[string]bool            // not paid, for good
	ids      map[string]map[string]bool // of the events that the function took, by order
	seen     []payack.Observation
	answer   []byte // the last of the gateway
	replay   []byte // what is given to the client instead of it; nil is nothing
}

// newShop starts a shop with receivers of these options. Its callbacks are lost.
func newShop(t *testing.T, p payack.Provider, o middleware.Options) *Shop {
	t.Helper()
	s := &Shop{provider: p, inbox: o.Inbox, credited: map[string]int{}, closed: map[string]bool{}, ids: map[string]map[string]bool{}}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.lost.Load() {
			panic(http.ErrAbortHandler)
		}
		s.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.server.Close)
	s.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.lost.Store(true)
	o.Logger, o.Observer = slog.New(slog.DiscardHandler), s
	s.side = providers[p](t, s, o)
	t.Cleanup(s.fake.Close)
	return s
}

// Observe implements [payack.Observer].
func (s *Shop) Observe(_ context.Context, o *payack.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, *o)
}

// take is the merchant's function. It credits what it is told was paid, whatever the
// amount: Expect, or Confirm, has compared that.
func (s *Shop) take(_ context.Context, ev payack.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[ev.Order()] == nil {
		return fmt.Errorf("no such order: %w", payack.ErrUnexpected)
	}
	if ev.Paid() {
		s.credited[ev.Order()]++
	} else if ev.Final() {
		s.closed[ev.Order()] = true
	}
	s.ids[ev.Order()][ev.ID()] = true
	return nil
}

// compares has a confirmed amount compared with what was ordered.
func compares[E payack.Event](confirm middleware.ConfirmFunc[E]) middleware.ConfirmFunc[E] {
	return func(ctx context.Context, ev E) (*payack.Confirmation, error) {
		said, err := confirm(ctx, ev)
		if err == nil && !said.Amount.Equal(payack.NewAmount(amount)) {
			return nil, fmt.Errorf("another amount: %w", payack.ErrUnconfirmed)
		}
		return said, err
	}
}

// drain returns when everything that was kept and is due has been processed.
func (s *Shop) drain(t testing.TB) {
	t.Helper()
	if s.inbox == nil {
		return // it has been
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.NoError(t, s.inbox.(interface{ Drain(context.Context) error }).Drain(ctx))
}

// expects reports whether there is such an order.
func (s *Shop) expects(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id] != nil
}

// order creates one.
func (s *Shop) order(t testing.TB, id string) reconcile.Order {
	t.Helper()
	handle, err := s.create(id, s.server.URL)
	require.NoError(t, err)
	o := reconcile.Order{Provider: s.provider, OrderID: id, Handle: handle, Amount: payack.NewAmount(amount), Created: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders = append(s.orders, o)
	s.ids[id] = map[string]bool{}
	return o
}

// open are the orders that the shop's records don't know as paid or closed.
func (s *Shop) open(context.Context) iter.Seq2[reconcile.Order, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var open []reconcile.Order
	for _, o := range s.orders {
		if s.credited[o.OrderID] == 0 && !s.closed[o.OrderID] {
			open = append(open, o)
		}
	}
	return func(yield func(reconcile.Order, error) bool) {
		for _, o := range open {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// reconciler asks about the open orders on a schedule of moments.
func (s *Shop) reconciler(t testing.TB) *reconcile.Reconciler {
	t.Helper()
	r, err := reconcile.New(reconcile.Config{
		Orders: s.open, Accounts: []reconcile.Account{s.account}, Logger: slog.New(slog.DiscardHandler),
		Waits: []time.Duration{10 * time.Millisecond, 100 * time.Millisecond}, PerSecond: 1000,
	})
	require.NoError(t, err)
	return r
}

// observed counts what was observed of a source with an outcome.
func (s *Shop) observed(source payack.Source, outcome payack.Outcome) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.seen {
		if o.Delivery.Source == source && o.Outcome == outcome && o.Attempt == 0 {
			n++
		}
	}
	return n
}

// refused counts the events that were rejected for a reason, by an inbox's attempts
// too.
func (s *Shop) refused(reasons ...payack.Reason) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.seen {
		if o.EventID != "" && o.Outcome == payack.OutcomeRejected && slices.Contains(reasons, o.Reason) {
			n++
		}
	}
	return n
}

// settled returns how many orders are credited, and how many credits there were.
func (s *Shop) settled() (orders, credits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.credited {
		credits += n
	}
	return len(s.credited), credits
}

// transport leaves no goroutine behind, for tests on a clock of their own.
var transport = &http.Transport{DisableKeepAlives: true}

// during is the key in the context of a question for what happens once it is
// answered, and before the client has the answer.
type during struct{}

// RoundTrip takes the client's requests to the gateway, and keeps the answers. With
// a replay it gives an old one in place of a new one.
func (s *Shop) RoundTrip(r *http.Request) (*http.Response, error) {
	now := time.Now()
	s.asked.Store(&now)
	res, err := transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if meanwhile, ok := r.Context().Value(during{}).(func()); ok {
		meanwhile()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replay != nil {
		body = s.replay
	}
	s.answer = body
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	if err != nil { // it broke off
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), iotest.ErrReader(err)))
	}
	return res, nil
}

// clientOptions leave repetitions to the schedule.
func clientOptions(s *Shop) client.Options {
	return client.Options{Retries: -1, HTTPClient: &http.Client{Transport: s}}
}

// gatewayOptions send each callback once, and have the gateway's clock be that of who
// asked last.
func gatewayOptions(s *Shop) gateway.Options {
	return gateway.Options{Retries: -1, Now: func() time.Time {
		if asked := s.asked.Load(); asked != nil {
			return *asked
		}
		return time.Now()
	}}
}
