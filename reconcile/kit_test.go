package reconcile_test

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/reconcile"
	"github.com/payack/payack/store/memstore"
)

// durable is a store in memory. It hides the method InMemory, so that New doesn't
// refuse it.
type durable struct{ payack.Store }

func newDurable() durable { return durable{memstore.New(0)} }

// till is a fake Ptop without a network, for tests under a fake clock. It records
// when it was asked about each transaction.
type till struct {
	mu sync.Mutex
	// says returns the answer. It is called with mu held.
	says  func(transaction string) (status int, body string)
	asked []asked
}

type asked struct {
	at          time.Time
	transaction string
}

var transactionOf = regexp.MustCompile(`"transaction_id":"([^"]*)"`)

func (x *till) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	transaction := transactionOf.FindStringSubmatch(string(body))[1]
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked = append(x.asked, asked{time.Now(), transaction})
	status, text := x.says(transaction)
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

const (
	pending = `{"status":0,"amount":5}`
	paid    = `{"status":1,"amount":5}`
)

func always(body string) func(string) (int, string) {
	return func(string) (int, string) { return http.StatusOK, body }
}

// questions returns the transactions of the questions, in order.
func (x *till) questions() []asked {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]asked(nil), x.asked...)
}

func (x *till) client(t testing.TB) *client.Ptop {
	t.Helper()
	c, err := client.NewPtop(client.PtopConfig{
		BaseURL: "https://till.example", WebsiteID: "1", SecretKey: payack.NewSecret("key of the till"),
		Options: client.Options{HTTPClient: &http.Client{Transport: x}, Retries: -1},
	})
	require.NoError(t, err)
	return c
}

// merchant is a receiver of Ptop's webhooks. It records which events it has settled,
// and its observations.
type merchant struct {
	h  *middleware.Handler
	mu sync.Mutex
	// settle may fail.
	settle   func(ev *payack.PtopEvent) error
	settled  []*payack.PtopEvent
	observed []payack.Observation
}

func newMerchant(t testing.TB, change ...func(*handlers.PtopConfig)) *merchant {
	t.Helper()
	m := &merchant{}
	c := payacktest.NewPtopKeys().Config()
	c.Options = handlers.Options{Store: newDurable(), Logger: slog.New(slog.DiscardHandler), Observer: m}
	for _, f := range change {
		f(&c)
	}
	var err error
	m.h, err = handlers.NewPtop(c, func(_ context.Context, ev *payack.PtopEvent) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.settle != nil {
			if err := m.settle(ev); err != nil {
				return err
			}
		}
		m.settled = append(m.settled, ev)
		return nil
	})
	require.NoError(t, err)
	return m
}

func (m *merchant) Observe(_ context.Context, o *payack.Observation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observed = append(m.observed, *o)
}

// outcomes returns the observed outcomes with their reasons.
func (m *merchant) outcomes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, o := range m.observed {
		out = append(out, strings.TrimSuffix(string(o.Outcome)+" "+string(o.Reason), " "))
	}
	return out
}

func (m *merchant) settledOrders() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, ev := range m.settled {
		out = append(out, ev.OrderID)
	}
	return out
}

// order returns an order of the till with this age.
func order(id string, ago time.Duration) reconcile.Order {
	return reconcile.Order{Provider: payack.Ptop, OrderID: id, Handle: "T" + id, Created: time.Now().Add(-ago)}
}

// numbered returns an iterator that makes n orders.
func numbered(n int, created time.Time) iter.Seq2[reconcile.Order, error] {
	return func(yield func(reconcile.Order, error) bool) {
		for i := range n {
			id := strconv.Itoa(i)
			if !yield(reconcile.Order{Provider: payack.Ptop, OrderID: id, Handle: "T" + id, Created: created}, nil) {
				return
			}
		}
	}
}

func these(orders ...reconcile.Order) func(context.Context) iter.Seq2[reconcile.Order, error] {
	return func(context.Context) iter.Seq2[reconcile.Order, error] {
		return func(yield func(reconcile.Order, error) bool) {
			for _, o := range orders {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

func build(t testing.TB, c reconcile.Config) *reconcile.Reconciler {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := reconcile.New(c)
	require.NoError(t, err)
	return r
}

// run starts Run and returns a function that stops it.
func run(t testing.TB, r *reconcile.Reconciler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
	}
}
