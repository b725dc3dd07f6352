// Package lost tests package reconcile together with a receiver and its store or
// inbox, for merchants whose callbacks get lost. Only tests import it.
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

// amount is the amount of every order.
const amount = "100.5"

// fake is implemented by the fake gateways.
type fake interface {
	Close()
	Pay(id string) error
	SetFaults(gateway.Faults) error
	Wait(context.Context) error
	Deliveries(id string) []gateway.Delivery
	Redeliver(context.Context, gateway.Delivery) (gateway.Delivery, error)
}

// side is a fake gateway, with the merchant's account at it and the receiver.
type side struct {
	fake    fake
	account reconcile.Account
	handler *middleware.Handler
	// create creates a payment whose callbacks go to callbackURL. It returns the
	// payment's handle, the provider's own id for it that queries name. PTS has none.
	create func(id, callbackURL string) (handle string, err error)
	// fail makes a payment finally unpaid, without a callback.
	fail func(id string) error
	// signs reports whether answers are signed.
	signs bool
}

// providers has a constructor of the side for each provider that can be asked.
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
	lost     atomic.Bool // callbacks are aborted without an answer
	inbox    any         // nil without an inbox
	asked    atomic.Pointer[time.Time]

	mu       sync.Mutex
	orders   []reconcile.Order
	credited map[string]int             // number of credits, by order
	closed   map[string]bool            // whether finally unpaid, by order
	ids      map[string]map[string]bool // IDs of the processed events, by order
	seen     []payack.Observation
	answer   []byte // the gateway's last answer
	replay   []byte // replaces the gateway's answers unless it is nil
}

// newShop starts a shop whose receiver has these options. Callbacks to the shop are
// lost until the test sets lost to false.
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

// take is the merchant's function. It credits a paid event without looking at the
// amount, which Expect or Confirm has compared.
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

// compares returns a Confirm hook that refuses another amount than the order's.
func compares[E payack.Event](confirm middleware.ConfirmFunc[E]) middleware.ConfirmFunc[E] {
	return func(ctx context.Context, ev E) (*payack.Confirmation, error) {
		said, err := confirm(ctx, ev)
		if err == nil && !said.Amount.Equal(payack.NewAmount(amount)) {
			return nil, fmt.Errorf("another amount: %w", payack.ErrUnconfirmed)
		}
		return said, err
	}
}

// drain waits until the inbox, if there is one, has processed all due events.
func (s *Shop) drain(t testing.TB) {
	t.Helper()
	if s.inbox == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.NoError(t, s.inbox.(interface{ Drain(context.Context) error }).Drain(ctx))
}

// expects reports whether an order exists.
func (s *Shop) expects(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[id] != nil
}

// order creates an order.
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

// open returns the orders that are neither paid nor closed in the shop's records.
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

// reconciler returns a reconciler of the open orders with waits of milliseconds.
func (s *Shop) reconciler(t testing.TB) *reconcile.Reconciler {
	t.Helper()
	r, err := reconcile.New(reconcile.Config{
		Orders: s.open, Accounts: []reconcile.Account{s.account}, Logger: slog.New(slog.DiscardHandler),
		Waits: []time.Duration{10 * time.Millisecond, 100 * time.Millisecond}, PerSecond: 1000,
	})
	require.NoError(t, err)
	return r
}

// observed counts the observed deliveries that came from this source and had this
// outcome. It leaves out the attempts of an inbox.
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

// refused counts the rejections of events for one of these reasons, including the
// attempts of an inbox.
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

// settled returns the number of credited orders and the number of credits.
func (s *Shop) settled() (orders, credits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.credited {
		credits += n
	}
	return len(s.credited), credits
}

// transport leaves no goroutine behind, which testing/synctest requires.
var transport = &http.Transport{DisableKeepAlives: true}

// during is the context key of a function that is called after the gateway has
// answered and before the client gets the answer.
type during struct{}

// RoundTrip sends the client's requests to the gateway and keeps the answers. If
// replay is set, RoundTrip returns it instead of the gateway's answer.
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
	if err != nil { // the client must see that the body is truncated
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), iotest.ErrReader(err)))
	}
	return res, nil
}

// clientOptions switch off the client's retries, so that only the reconciler repeats
// questions.
func clientOptions(s *Shop) client.Options {
	return client.Options{Retries: -1, HTTPClient: &http.Client{Transport: s}}
}

// gatewayOptions make the gateway send each callback once. The gateway's clock shows
// the time of the client's last request, because the client may run in a bubble of
// testing/synctest with a fake clock.
func gatewayOptions(s *Shop) gateway.Options {
	return gateway.Options{Retries: -1, Now: func() time.Time {
		if asked := s.asked.Load(); asked != nil {
			return *asked
		}
		return time.Now()
	}}
}
