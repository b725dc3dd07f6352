package adapttest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/payacktest"
)

// genuine: an event arrives complete.
func genuine(p *probe) {
	cb := p.callback(tenant, "ORD-1")
	cb.Header.Set("X-Sender", "the gateway")
	url := p.serve(p.config(), func(ctx context.Context, ev *payack.PayatomEvent) error {
		d, ok := payack.DeliveryFrom(ctx)
		switch {
		case !ok:
			p.Error("the context has no delivery")
		case d.Body != string(cb.Body):
			p.Errorf("the body is %q, and was sent as %q", d.Body, cb.Body)
		case d.Path != "/callbacks/"+tenant || d.Method != http.MethodPost:
			p.Errorf("%s %s was not what was asked for", d.Method, d.Path)
		case d.Header.Get("X-Sender") != "the gateway" || d.Header.Get("Content-Type") != cb.Header.Get("Content-Type"):
			p.Errorf("headers are missing: %v", d.Header)
		case !d.Client.IsLoopback():
			p.Errorf("the client is %v, and not on loopback", d.Client)
		}
		if _, ok := ctx.Deadline(); !ok {
			p.Error("the context has no deadline")
		}
		if ev.OrderID != "ORD-1" || ev.Tenant != tenant {
			p.Errorf("the event is of order %q and tenant %q", ev.OrderID, ev.Tenant)
		}
		return nil
	})
	p.accepted(p.post(url, tenant, cb))
	p.calls(1)
	chunked := p.callback(tenant, "ORD-1").Tampered(p, payacktest.AnnounceLength(-1))
	p.accepted(p.post(url, tenant, chunked))
}

// tampered: a forged event does not arrive.
func tampered(p *probe) {
	url := p.serve(p.config(), settle)
	forgeries, err := payacktest.Forgeries(p.callback(tenant, "ORD-1"))
	if err != nil || len(forgeries) < 5 {
		p.Fatalf("there are %d forgeries: %v", len(forgeries), err)
	}
	for _, forged := range forgeries {
		if n := forged.Callback.ContentLength(); n >= 0 && n != int64(len(forged.Callback.Body)) {
			continue // the server itself refuses a wrong length
		}
		right := payacktest.Rejected
		res := p.post(url, tenant, forged.Callback)
		if res.StatusCode == http.StatusUnsupportedMediaType {
			right = payacktest.Refused
		}
		if !right(p, payack.Payatom, res) {
			p.Logf("of %s", forged.Name)
		}
	}
	p.calls(0)
}

// tenants: the path parameter selects the tenant.
func tenants(p *probe) {
	url := p.serve(p.config(), func(_ context.Context, ev *payack.PayatomEvent) error {
		if want := strings.ToLower(ev.OrderID); ev.Tenant != want {
			p.Errorf("an event of %q is said to be of %q", want, ev.Tenant)
		}
		return nil
	})
	payacktest.Rejected(p, payack.Payatom, p.post(url, other, p.callback(tenant, "SHOP")))
	payacktest.Rejected(p, payack.Payatom, p.post(url, "nobody", p.callback(tenant, "SHOP")))
	p.calls(0)
	p.accepted(p.post(url, tenant, p.callback(tenant, "SHOP")))
	p.accepted(p.post(url, other, p.callback(other, "ANOTHER SHOP")))
	p.calls(2)
}

// refused: requests are refused before their body is read.
func refused(p *probe) {
	url := p.serve(p.config(), settle)
	for reason, header := range map[payack.Reason][2]string{
		payack.ReasonContentType:     {"Content-Type", "image/png"},
		payack.ReasonContentEncoding: {"Content-Encoding", "gzip"},
	} {
		cb := p.callback(tenant, "ORD-1")
		cb.Header.Set(header[0], header[1])
		payacktest.Answered(p, payack.Payatom, reason, p.post(url, tenant, cb))
	}
	p.calls(0)
}

// bodyLimit: the receiver's limit applies in addition to the server's.
func bodyLimit(p *probe) {
	config := p.config()
	config.MaxBody = 8 << 10
	url := p.serve(config, settle)
	large := p.callback(tenant, "ORD-1")
	large.Body = append(bytes.TrimSuffix(large.Body, []byte("}")), strings.Repeat(" ", 16<<10)+"}"...)
	for _, cb := range []payacktest.Callback{large, large.Tampered(p, payacktest.AnnounceLength(-1))} {
		payacktest.Answered(p, payack.Payatom, payack.ReasonTooLarge, p.post(url, tenant, cb))
	}
	p.calls(0)
	p.accepted(p.post(url, tenant, p.callback(tenant, "ORD-1")))
}

// slowBody: a delivery whose body stops halfway is ended.
func slowBody(p *probe) {
	config := p.config()
	config.ReadTimeout = 200 * time.Millisecond
	url := p.serve(config, settle)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		p.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	cb := p.callback(tenant, "ORD-1")
	_, err = fmt.Fprintf(conn, "POST /callbacks/%s HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		tenant, len(cb.Body), cb.Body[:len(cb.Body)/2])
	if err != nil {
		p.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	res, err := http.ReadResponse(answers, nil)
	switch {
	case err == nil && p.framework.ReadsAhead:
		if res.StatusCode < 400 {
			p.Errorf("half a body was answered with %s", res.Status)
		}
	case err == nil:
		p.failed(res)
	case !p.framework.ReadsAhead || errors.Is(err, os.ErrDeadlineExceeded):
		p.Errorf("half a body was not answered: %v", err)
	}
	if _, err := io.Copy(io.Discard, answers); errors.Is(err, os.ErrDeadlineExceeded) {
		p.Error("the connection stayed open")
	}
	p.calls(0)
}
