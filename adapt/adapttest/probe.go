package adapttest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

// The tenants of the route, and their keys. One name needs escaping in a path.
const (
	tenant = "shop"
	other  = "another shop"
)

var keys = map[string]payacktest.PayatomKeys{
	tenant: payacktest.FreshPayatomKeys(),
	other:  payacktest.FreshPayatomKeys(),
}

var errShop = errors.New("the order could not be settled")

// merchant is the merchant's function.
type merchant func(ctx context.Context, ev *payack.PayatomEvent) error

// start serves a receiver and returns the server's URL.
type start func(t testing.TB, config middleware.PayatomConfig, m merchant) (url string)

func (f Framework) startHandler(t testing.TB, config middleware.PayatomConfig, m merchant) string {
	t.Helper()
	h, err := handlers.NewPayatom(config, m)
	if err != nil {
		t.Fatal(err)
	}
	return f.Handler(t, h)
}

func (f Framework) startWrap(t testing.TB, config middleware.PayatomConfig, m merchant) string {
	t.Helper()
	return f.wrap(t, config, func(ctx context.Context, _ Seen) (*payack.Answer, error) {
		ev, ok := payack.EventFrom[*payack.PayatomEvent](ctx)
		if !ok {
			return nil, errors.New("the handler's context has no event")
		}
		return nil, m(ctx, ev)
	})
}

func (f Framework) wrap(t testing.TB, config middleware.PayatomConfig, shop Shop) string {
	t.Helper()
	rc, err := middleware.NewPayatom(config)
	if err != nil {
		t.Fatal(err)
	}
	return f.Wrap(t, rc, shop)
}

// probe tests one property.
type probe struct {
	*testing.T
	framework Framework
	start     start

	mu     sync.Mutex
	orders []string // of the events that the merchant was called with

	repaired atomic.Bool
}

// config returns the configuration of a receiver whose tenant is the path
// parameter.
func (p *probe) config() middleware.PayatomConfig {
	prepared := map[string]*verify.PayatomKeys{}
	for name, k := range keys {
		k, err := verify.NewPayatomKeys(name, k.SecretKey)
		if err != nil {
			p.Fatal(err)
		}
		prepared[name] = k
	}
	return middleware.PayatomConfig{
		KeyFunc: func(_ context.Context, r *http.Request) (*verify.PayatomKeys, error) {
			if k, found := prepared[r.PathValue("tenant")]; found {
				return k, nil
			}
			return nil, payack.ErrUnknownTenant
		},
		ExpectInCallback: true,
		Options:          middleware.Options{Logger: slog.New(slog.DiscardHandler)},
	}
}

// serve starts the receiver with this merchant.
func (p *probe) serve(config middleware.PayatomConfig, does merchant) (url string) {
	p.Helper()
	return p.start(p, config, func(ctx context.Context, ev *payack.PayatomEvent) error {
		p.called(ev.OrderID)
		return does(ctx, ev)
	})
}

func (p *probe) called(order string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orders = append(p.orders, order)
}

// calls asserts how often the merchant was called.
func (p *probe) calls(want int) {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.orders) != want {
		p.Errorf("the merchant was called %d times, for %q, and not %d times", len(p.orders), p.orders, want)
	}
}

func settle(context.Context, *payack.PayatomEvent) error { return nil }

// callback returns a callback for a tenant's order.
func (p *probe) callback(tenant, order string) payacktest.Callback {
	p.Helper()
	return payacktest.Payatom(keys[tenant]).Order(order).Callback(p)
}

// path returns the path of a tenant's callbacks.
func path(tenant string) string { return "/callbacks/" + url.PathEscape(tenant) }

// post sends a callback to a tenant's path.
func (p *probe) post(server, tenant string, cb payacktest.Callback) *http.Response {
	p.Helper()
	return p.postTo(server+path(tenant), cb)
}

func (p *probe) postTo(target string, cb payacktest.Callback) *http.Response {
	p.Helper()
	res, err := cb.Post(p.Context(), nil, target)
	if err != nil {
		p.Fatal(err)
	}
	return res
}

func (p *probe) accepted(res *http.Response) {
	p.Helper()
	payacktest.Accepted(p, payack.Payatom, res)
}

func (p *probe) failed(res *http.Response) {
	p.Helper()
	payacktest.Failed(p, payack.Payatom, res)
}
