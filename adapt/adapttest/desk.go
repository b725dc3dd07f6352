package adapttest

import (
	"context"
	"io"
	"net/http"

	"github.com/payack/payack"
)

// redelivered: an event that is delivered again is not processed again.
func redelivered(p *probe) {
	url := p.serve(p.config(), settle)
	for range 3 {
		p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	}
	p.calls(1)
}

// failing: if the merchant's function fails, the provider is asked to deliver again,
// and the redelivery is processed.
func failing(p *probe) {
	url := p.serveBroken(func() error { return errShop })
	for range 2 {
		p.failed(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	}
	p.repaired.Store(true)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	p.calls(3)
}

// panicking: a panic fails the event, and the server survives it.
func panicking(p *probe) {
	url := p.serveBroken(func() error { panic("in the merchant's code") })
	for range 2 {
		p.failed(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	}
	p.repaired.Store(true)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	p.calls(3)
}

// aborting: a handler panics with http.ErrAbortHandler, which makes net/http end the
// connection. No server may turn that into an acceptance, or stop.
func aborting(p *probe) {
	url := p.serveBroken(func() error { panic(http.ErrAbortHandler) })
	res, err := p.callback(tenant, "ORD-1").Post(p.Context(), nil, url+path(tenant))
	if err == nil && res.StatusCode < 500 {
		p.Errorf("an aborted callback was answered with %s", res.Status)
	}
	p.repaired.Store(true)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
}

// serveBroken starts a receiver. The merchant's function returns the result of fails
// until the test sets repaired, and then it returns nil.
func (p *probe) serveBroken(fails func() error) (url string) {
	p.Helper()
	return p.serve(p.config(), func(context.Context, *payack.PayatomEvent) error {
		if p.repaired.Load() {
			return nil
		}
		return fails()
	})
}

// sees: the handler behind Wrap reads the request through the framework's
// functions.
func sees(p *probe) {
	cb := p.callback(tenant, "ORD-1")
	want := Seen{Tenant: tenant, Body: string(cb.Body)}
	url := p.framework.wrap(p, p.config(), func(ctx context.Context, seen Seen) (*payack.Answer, error) {
		ev, _ := payack.EventFrom[*payack.PayatomEvent](ctx)
		p.called(ev.OrderID)
		if seen != want {
			p.Errorf("the handler sees %+v, and not %+v", seen, want)
		}
		return nil, nil
	})
	// The query is not signed, so the handler must not see it.
	p.accepted(p.postTo(url+path(tenant)+"?order_id=ORD-2", cb))
	p.calls(1)
}

// ownAnswer: if the handler's own answer accepts the event, it is sent unchanged.
// Payack itself answers redeliveries.
func ownAnswer(p *probe) {
	own := payack.Answer{Status: http.StatusAccepted, ContentType: "text/html", Body: "taken"}
	url := p.serveAnswer(own, nil)
	p.answered(p.post(url, tenant, p.callback(tenant, "ORD-1")), own)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	p.calls(1)
}

// ownFailure: if the handler answers and fails the event, by status or by error,
// its own answer is sent unchanged. The redelivery is processed.
func ownFailure(p *probe) {
	for status, err := range map[int]error{
		http.StatusServiceUnavailable: nil,
		http.StatusOK:                 errShop,
	} {
		own := payack.Answer{Status: status, ContentType: "text/html", Body: "not settled"}
		url := p.serveAnswer(own, err)
		p.mu.Lock()
		p.orders = nil
		p.mu.Unlock()
		for range 2 {
			p.answered(p.post(url, tenant, p.callback(tenant, "ORD-1")), own)
		}
		p.calls(2)
	}
}

// idle: if the handler neither asks for the event nor answers, payack can't know
// whether it has run. The event fails.
func idle(p *probe) {
	url := p.framework.wrap(p, p.config(), func(context.Context, Seen) (*payack.Answer, error) {
		p.called("nobody asked")
		return nil, nil
	})
	for range 2 {
		p.failed(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	}
	p.calls(2)
}

// serveAnswer starts a receiver in front of a handler that gives this answer.
func (p *probe) serveAnswer(own payack.Answer, err error) (url string) {
	p.Helper()
	return p.framework.wrap(p, p.config(), func(context.Context, Seen) (*payack.Answer, error) {
		p.called("answered")
		return &own, err
	})
}

func (p *probe) answered(res *http.Response, want payack.Answer) {
	p.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	got := payack.Answer{Status: res.StatusCode, ContentType: res.Header.Get("Content-Type"), Body: string(body)}
	if got != want {
		p.Errorf("the answer is %+v, and not %+v", got, want)
	}
}
