package adapttest

import (
	"context"
	"io"
	"net/http"

	"github.com/payack/payack"
)

// redelivered calls the merchant once.
func redelivered(p *probe) {
	url := p.serve(p.config(), settle)
	for range 3 {
		p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	}
	p.calls(1)
}

// failing asks the provider to send again, and what is sent again is processed.
func failing(p *probe) {
	url := p.serveBroken(func() error { return errShop })
	for range 2 {
		p.failed(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	}
	p.repaired.Store(true)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	p.calls(3)
}

// panicking is failing, and the server goes on.
func panicking(p *probe) {
	url := p.serveBroken(func() error { panic("in the merchant's code") })
	for range 2 {
		p.failed(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	}
	p.repaired.Store(true)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	p.calls(3)
}

// aborting is the panic that net/http ends a connection for. No server may make
// an acceptance of it, nor end.
func aborting(p *probe) {
	url := p.serveBroken(func() error { panic(http.ErrAbortHandler) })
	res, err := p.callback(tenant, "ORD-1").Post(p.Context(), nil, url+path(tenant))
	if err == nil && res.StatusCode < 500 {
		p.Errorf("an aborted callback was answered with %s", res.Status)
	}
	p.repaired.Store(true)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
}

// serveBroken starts a receiver with a merchant who fails until it is repaired.
func (p *probe) serveBroken(fails func() error) (url string) {
	p.Helper()
	return p.serve(p.config(), func(context.Context, *payack.PayatomEvent) error {
		if p.repaired.Load() {
			return nil
		}
		return fails()
	})
}

// sees is what the framework's functions read behind Wrap.
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
	// The query is not signed, so that it is not there.
	p.accepted(p.postTo(url+path(tenant)+"?order_id=ORD-2", cb))
	p.calls(1)
}

// ownAnswer stands when it accepts. Payack answers what is sent again.
func ownAnswer(p *probe) {
	own := payack.Answer{Status: http.StatusAccepted, ContentType: "text/html", Body: "taken"}
	url := p.serveAnswer(own, nil)
	p.answered(p.post(url, tenant, p.callback(tenant, "ORD-1")), own)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
	p.calls(1)
}

// ownFailure stands as well, whether the status or an error says so, and what is
// sent again is processed.
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

// idle is a handler of which nobody knows whether it has run.
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

// serveAnswer starts a receiver in front of a handler that answers itself.
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
