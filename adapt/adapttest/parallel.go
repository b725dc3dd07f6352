package adapttest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

const (
	many    = 1000
	senders = 50
)

// kept is what a program may keep of a delivery after its handler has returned. The
// kept data would change if it shared memory with buffers that the server reuses.
type kept struct {
	request  *http.Request // the request that a KeyFunc gets
	delivery *payack.Delivery
}

// parallel: each of many concurrent events arrives once, and none is mixed up
// with another.
func parallel(p *probe) {
	var mu sync.Mutex
	found := map[string]*kept{}
	of := func(header http.Header) *kept { // mu must be held
		id := string([]byte(header.Get("X-Order")))
		if found[id] == nil {
			found[id] = &kept{}
		}
		return found[id]
	}
	config := p.config()
	byPath := config.KeyFunc
	config.KeyFunc = func(ctx context.Context, r *http.Request) (*verify.PayatomKeys, error) {
		mu.Lock()
		of(r.Header).request = r
		mu.Unlock()
		return byPath(ctx, r)
	}
	url := p.serve(config, func(ctx context.Context, _ *payack.PayatomEvent) error {
		d, _ := payack.DeliveryFrom(ctx)
		mu.Lock()
		of(d.Header).delivery = d
		mu.Unlock()
		return nil
	})
	sent := p.sendMany(url)
	p.calls(many)
	if len(found) != many {
		p.Fatalf("%d of %d deliveries came", len(found), many)
	}
	for id, cb := range sent {
		if k := found[id]; k == nil || k.delivery == nil || k.request == nil {
			p.Errorf("order %s did not reach the merchant", id)
		} else if why := k.changed(id, cb); why != "" {
			p.Errorf("what was kept of order %s changed: %s", id, why)
		}
	}
}

// tenantOf distributes the orders over the tenants.
func tenantOf(i int) string {
	if i%2 == 0 {
		return tenant
	}
	return other
}

// sendMany posts a callback for each order and returns the callbacks by order.
func (p *probe) sendMany(url string) map[string]payacktest.Callback {
	sent := map[string]payacktest.Callback{}
	work := make(chan int, many)
	for i := range many {
		id := fmt.Sprintf("ORD-%d", i)
		cb := p.callback(tenantOf(i), id)
		cb.Header.Set("X-Order", id)
		sent[id] = cb
		work <- i
	}
	close(work)
	transport := &http.Transport{MaxIdleConnsPerHost: senders}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range work {
				res, err := sent[fmt.Sprintf("ORD-%d", i)].Post(p.Context(), client, url+path(tenantOf(i)))
				if err != nil {
					p.Error(err)
					return
				}
				p.accepted(res)
			}
		})
	}
	wg.Wait()
	return sent
}

// changed describes a difference between the kept data and the callback that was
// sent. It returns "" if there is none.
func (k *kept) changed(id string, cb payacktest.Callback) string {
	var i int
	_, _ = fmt.Sscanf(id, "ORD-%d", &i)
	for what, values := range map[string][2]string{
		"the body":                   {k.delivery.Body, string(cb.Body)},
		"the delivery's path":        {k.delivery.Path, "/callbacks/" + tenantOf(i)},
		"the delivery's header":      {k.delivery.Header.Get("X-Order"), id},
		"the content type":           {k.delivery.Header.Get("Content-Type"), cb.Header.Get("Content-Type")},
		"the request's method":       {k.request.Method, http.MethodPost},
		"the request's path":         {k.request.URL.Path, "/callbacks/" + tenantOf(i)},
		"the request's header":       {k.request.Header.Get("X-Order"), id},
		"the request's path value":   {k.request.PathValue("tenant"), tenantOf(i)},
		"the event's order":          {k.delivery.Event.(*payack.PayatomEvent).OrderID, id},
		"the event's tenant":         {k.delivery.Event.(*payack.PayatomEvent).Tenant, tenantOf(i)},
		"the request's target (URI)": {k.request.RequestURI, path(tenantOf(i))},
	} {
		if values[0] != values[1] {
			return fmt.Sprintf("%s is %q, and was %q", what, values[0], values[1])
		}
	}
	return ""
}
