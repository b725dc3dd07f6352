package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/verify"
)

// A circle: the client creates a payment at a fake gateway, the gateway posts the
// callback to a receiver over HTTP, the receiver asks the gateway through the same
// client to confirm it, and the gateway gets the receiver's answer. The
// gateway has its own code to sign, verify and encrypt, except that package verify
// signs Ptop's webhooks.

// fake is implemented by the three fake gateways.
type fake interface {
	Close()
	Pay(id string) error
	SetFaults(gateway.Faults) error
	Wait(context.Context) error
	Requests() []gateway.Request
	Deliveries(id string) []gateway.Delivery
	Redeliver(context.Context, gateway.Delivery) (gateway.Delivery, error)
}

// shop is a merchant's server. It records the calls of its function and the outcome
// of each delivery.
type shop struct {
	*httptest.Server
	mux *http.ServeMux

	mu      sync.Mutex
	fails   int      // the number of further calls that fail
	calls   int      // all calls of the function
	settled []string // order and confirmed amount of each call that returned nil for a paid event
	noted   []string // orders of events that are not paid
	seen    []string // outcome and reason of each delivery
	observe func(n int)
}

func newShop(t *testing.T) *shop {
	s := &shop{mux: http.NewServeMux()}
	s.Server = httptest.NewServer(s.mux)
	t.Cleanup(s.Close)
	return s
}

func (s *shop) options() middleware.Options {
	return middleware.Options{Logger: slog.New(slog.DiscardHandler), Observer: payack.ObserverFunc(
		func(_ context.Context, o *payack.Observation) {
			s.mu.Lock()
			s.seen = append(s.seen, strings.TrimSpace(string(o.Outcome)+" "+string(o.Reason)))
			n, f := len(s.seen), s.observe
			s.mu.Unlock()
			if f != nil {
				f(n)
			}
		})}
}

// take is the merchant's function.
func (s *shop) take(orderID string, ev payack.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fails > 0 {
		s.fails--
		return errors.New("the shop's database is away")
	}
	c := ev.Found().Confirmed
	switch {
	case !ev.Paid() && c == nil:
		s.noted = append(s.noted, orderID)
	case ev.Paid() && c != nil && c.Paid:
		s.settled = append(s.settled, strings.TrimSpace(orderID+" "+c.Amount.String()+" "+c.Currency.String()))
	default:
		s.settled = append(s.settled, orderID+" WITHOUT CONFIRMATION")
	}
	return nil
}

// state returns what was settled, the number of calls of the function, and what was
// observed.
func (s *shop) state() (settled []string, calls int, seen []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.settled...), s.calls, append([]string(nil), s.seen...)
}

func (s *shop) onObservation(f func(n int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe = f
}

// answered is an answer to a callback.
type answered struct {
	Status int
	Body   string
}

// setup has the variations of a circle. The zero value has none.
type setup struct {
	gateway gateway.Options
	client  client.Options
	// after sees each response that the client gets, and may replace it.
	after func(*http.Response, error) (*http.Response, error)

	ptop     gateway.PtopConfig
	pts      gateway.PTSConfig
	payatom  gateway.PayatomConfig
	ptsBody  client.PTSBody
	ptsMAC   bool // callbacks must carry X-Transaction-Signature
	numbers  []payack.Scheme
	schemes  []payack.Scheme
	polling  client.PayatomPolling
	received payack.Scheme // the scheme that events must report
}

func (s *setup) clientOptions() client.Options {
	o := s.client
	if o.Retries == 0 {
		o.Retries = -1
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if s.after != nil {
				return s.after(response, err)
			}
			return response, err
		})}
	}
	return o
}

func (s *setup) gatewayOptions() gateway.Options {
	o := s.gateway
	if o.RetryDelay == 0 {
		o.RetryDelay = 2 * time.Millisecond
	}
	return o
}

// circle connects the client, the fake gateway and the shop for one provider.
type circle struct {
	fake
	shop *shop

	// create creates a payment of 100.50 with the client.
	create func(ctx context.Context, id string) error
	// setPaid and setFailed give a payment a status without a callback.
	setPaid, setFailed func(id string) error
	// fail makes a payment fail, and the gateway sends a callback.
	fail func(id string) error
	// claim sends a callback that says paid, whatever the payment's status is.
	// claimMore sends one with another amount; Ptop's is nil. forge sends one with a
	// wrong signature.
	claim, claimMore, forge func(ctx context.Context, id string) (gateway.Delivery, error)
	// query is the path of the query.
	query string
	// settles returns the entry of shop.settled that a payment must cause.
	settles func(id string) string

	// The expected answers to a callback: ok if it is accepted, again if it could
	// not be processed, rejected if it verifies but the query contradicts it, forged
	// if it does not verify.
	ok, again, rejected, forged answered
}

func (c *circle) queries() (n int) {
	for _, r := range c.Requests() {
		if r.Path == c.query {
			n++
		}
	}
	return n
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (c *circle) pay(t *testing.T, id string) gateway.Delivery {
	t.Helper()
	require.NoError(t, c.Pay(id))
	require.NoError(t, c.Wait(within(t)))
	all := c.Deliveries(id)
	require.NotEmpty(t, all)
	return all[len(all)-1]
}

// answers returns the answers that the gateway got.
func answers(d gateway.Delivery) (out []answered) {
	for _, a := range d.Attempts {
		out = append(out, answered{a.Status, a.Body})
	}
	return out
}

func times[T any](n int, v T) (out []T) {
	for range n {
		out = append(out, v)
	}
	return out
}

// accepted checks that nothing was settled before and that a new delivery is
// accepted.
func (c *circle) accepted(t *testing.T, id string, d gateway.Delivery) {
	t.Helper()
	settled, _, _ := c.shop.state()
	require.Empty(t, settled)
	d, err := c.Redeliver(within(t), d)
	require.NoError(t, err)
	require.True(t, d.Acknowledged)
	require.Equal(t, []answered{c.ok}, answers(d))
	settled, _, seen := c.shop.state()
	require.Equal(t, []string{c.settles(id)}, settled)
	require.Equal(t, "accepted", seen[len(seen)-1])
}

func newPtopCircle(t *testing.T, s *setup) *circle {
	s.ptop.Options = s.gatewayOptions()
	gw, err := gateway.NewPtop(s.ptop)
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	ptop, err := client.NewPtop(client.PtopConfig{
		BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey(), SigningKey: gw.SigningKey(), Options: s.clientOptions(),
	})
	require.NoError(t, err)
	shop := newShop(t)
	h, err := handlers.NewPtop(middleware.PtopConfig{
		SigningKeys: []payack.Secret{gw.SigningKey()}, Body: s.ptop.Body, Schemes: s.schemes,
		Confirm: ptop.Confirm,
		Options: shop.options(),
	}, func(_ context.Context, ev *payack.PtopEvent) error {
		if s.received != "" {
			assert.Equal(t, s.received, ev.Scheme)
		}
		return shop.take(ev.OrderID, ev)
	})
	require.NoError(t, err)
	shop.mux.Handle("/ptop", h)
	send := func(edit func(*gateway.PtopCallback)) func(context.Context, string) (gateway.Delivery, error) {
		return func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, edit)
		}
	}
	return &circle{
		fake: gw, shop: shop, query: "/api/v3/payment-check",
		create: func(ctx context.Context, id string) error {
			made, err := ptop.CreatePayment(ctx, client.PtopPayment{
				OrderID: id, Amount: payack.NewAmount("100.50"), Product: "Tea",
				WebhookURL: shop.URL + "/ptop", SuccessURL: "https://shop.example/thanks", FailURL: "https://shop.example/sorry",
			})
			if p, found := gw.Payment(id); err == nil {
				assert.True(t, found)
				assert.Equal(t, []string{p.TransactionID, p.PaymentURL, "100.50", "USD"}, []string{made.TransactionID, made.PaymentURL, p.Amount, p.Currency})
			}
			return err
		},
		setPaid:   func(id string) error { return gw.SetStatus(id, gateway.PtopPaid) },
		setFailed: func(id string) error { return gw.SetStatus(id, gateway.PtopCancelled) },
		fail:      gw.Cancel,
		claim:     send(func(c *gateway.PtopCallback) { c.Success = true }),
		forge:     send(func(c *gateway.PtopCallback) { c.Success, c.BadSignature = true, true }),
		settles:   func(id string) string { return id + " 100.50" },
		ok:        answered{200, ""}, again: answered{500, ""}, rejected: answered{422, ""}, forged: answered{403, "Invalid signature"},
	}
}

func newPTSCircle(t *testing.T, s *setup) *circle {
	s.pts.Options = s.gatewayOptions()
	gw, err := gateway.NewPTS(s.pts)
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	pts := ptsClient(t, gw, s)
	shop := newShop(t)
	h := ptsReceiver(t, gw, s, shop, pts.Confirm)
	shop.mux.Handle("/pts", h)
	send := func(edit func(*gateway.PTSCallback)) func(context.Context, string) (gateway.Delivery, error) {
		return func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, edit)
		}
	}
	return &circle{
		fake: gw, shop: shop, query: "/merchant/v2/" + gw.GUID() + "/payment/query",
		create: func(ctx context.Context, id string) error {
			made, err := pts.Payment(ctx, client.PTSPayment{
				OrderID: id, Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "GCASH", CallbackURL: shop.URL + "/pts",
			})
			if o, found := gw.Order(id); err == nil {
				assert.True(t, found)
				assert.Equal(t, []string{o.OrderID, o.TransactionID, o.PayURL, "100.50"},
					[]string{made.OrderID, made.TransactionID, made.PayURL.String(), made.SubmitAmount.String()})
			}
			return err
		},
		setPaid:   func(id string) error { return gw.SetStatus(id, payack.PTSSuccess) },
		setFailed: func(id string) error { return gw.SetStatus(id, payack.PTSFailed) },
		fail:      gw.Fail,
		claim:     send(func(c *gateway.PTSCallback) { c.Status = payack.PTSSuccess }),
		claimMore: send(func(c *gateway.PTSCallback) { c.Status, c.AcceptAmount = payack.PTSSuccess, "9100.50" }),
		forge: send(func(c *gateway.PTSCallback) {
			c.Status, c.BadSignature = payack.PTSSuccess, true
		}),
		settles: func(id string) string { return id + " 100.50 PHP" },
		ok:      answered{200, "SUCCESS"}, again: answered{200, "FAILED"}, rejected: answered{200, "FAILED"}, forged: answered{200, "FAILED"},
	}
}

func ptsClient(t *testing.T, gw *gateway.PTS, s *setup) *client.PTS {
	c, err := client.NewPTS(client.PTSConfig{
		BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(),
		PrivateKey: gw.MerchantKey(), PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
		Body: s.ptsBody, Numbers: s.numbers, Options: s.clientOptions(),
	})
	require.NoError(t, err)
	return c
}

func ptsReceiver(t *testing.T, gw *gateway.PTS, s *setup, shop *shop, confirm middleware.ConfirmFunc[*payack.PTSEvent]) http.Handler {
	c := middleware.PTSConfig{
		UserID: gw.UserID(), Safecode: gw.Safecode(), PublicKeys: []string{gw.PublicKey()}, Numbers: s.numbers,
		Confirm: confirm,
		Options: shop.options(),
	}
	if s.ptsMAC {
		c.TransactionSecret = gw.TransactionSecret()
	}
	h, err := handlers.NewPTS(c, func(_ context.Context, ev *payack.PTSEvent) error {
		if s.received != "" {
			assert.Equal(t, s.received, ev.Scheme)
		}
		return shop.take(ev.OrderID, ev)
	})
	require.NoError(t, err)
	return h
}

func newPayatomCircle(t *testing.T, s *setup) *circle {
	s.payatom.Options = s.gatewayOptions()
	gw, err := gateway.NewPayatom(s.payatom)
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	payatom := payatomClient(t, gw, s)
	shop := newShop(t)
	h, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{gw.SecretKey()}, Body: s.payatom.Body, Numbers: s.numbers,
		Confirm: payatom.Confirm,
		Options: shop.options(),
	}, func(_ context.Context, ev *payack.PayatomEvent) error {
		if s.received != "" {
			assert.Equal(t, s.received, ev.Scheme)
		}
		return shop.take(ev.OrderID, ev)
	})
	require.NoError(t, err)
	shop.mux.Handle("/payatom", h)
	gw.SetWebhookURL(shop.URL + "/payatom")
	send := func(edit func(*gateway.PayatomCallback)) func(context.Context, string) (gateway.Delivery, error) {
		return func(ctx context.Context, id string) (gateway.Delivery, error) {
			return gw.Deliver(ctx, id, edit)
		}
	}
	return &circle{
		fake: gw, shop: shop, query: "/api/status_polling.php",
		create: func(ctx context.Context, id string) error {
			made, err := payatom.Payin(ctx, client.PayatomPayin{
				OrderID: id, Amount: payack.NewAmount("100.50"), Name: "Customer", Email: "customer@shop.example", Phone: "9000000000",
			})
			if p, found := gw.Payment(id); err == nil {
				assert.True(t, found)
				assert.Equal(t, []string{p.HashValue, p.ConnectURL, "100.50"}, []string{made.HashValue, made.ConnectURL, p.RequestedAmount})
				page, err := http.Get(made.ConnectURL) // as the customer does
				if assert.NoError(t, err) {
					_ = page.Body.Close()
					assert.Equal(t, http.StatusOK, page.StatusCode)
				}
			}
			return err
		},
		setPaid:   func(id string) error { return gw.SetStatus(id, payack.PayatomApproved) },
		setFailed: func(id string) error { return gw.SetStatus(id, payack.PayatomDeclined) },
		fail:      gw.Decline,
		claim: send(func(c *gateway.PayatomCallback) {
			c.Status, c.ReceivedAmount = payack.PayatomApproved, "100.50"
		}),
		claimMore: send(func(c *gateway.PayatomCallback) {
			c.Status, c.ReceivedAmount = payack.PayatomApproved, "9100.50"
		}),
		forge: send(func(c *gateway.PayatomCallback) {
			c.Status, c.ReceivedAmount, c.BadSignature = payack.PayatomApproved, "100.50", true
		}),
		settles:  func(id string) string { return id + " 100.50" },
		ok:       answered{200, `{"hash_status":"HashMatched","acknowledge":"yes"}`},
		again:    answered{200, `{"hash_status":"HashMatched","acknowledge":"no"}`},
		rejected: answered{200, `{"hash_status":"HashMatched","acknowledge":"no"}`},
		forged:   answered{200, `{"hash_status":"HashMismatch","acknowledge":"no"}`},
	}
}

func payatomClient(t *testing.T, gw *gateway.Payatom, s *setup) *client.Payatom {
	c, err := client.NewPayatom(client.PayatomConfig{
		BaseURL: gw.URL, PID: gw.PID(), SecretKeys: []payack.Secret{gw.SecretKey()},
		ReconcileToken: gw.Token(), WalletAuthorization: gw.Authorization(), APIKey: gw.APIKey(),
		Polling: s.polling, Numbers: s.numbers, Options: s.clientOptions(),
	})
	require.NoError(t, err)
	return c
}

// circles runs a test for each provider, with a new circle.
func circles(t *testing.T, s func() *setup, test func(t *testing.T, p payack.Provider, c *circle, s *setup)) {
	t.Parallel()
	for p, open := range map[payack.Provider]func(*testing.T, *setup) *circle{
		payack.Ptop: newPtopCircle, payack.PTS: newPTSCircle, payack.Payatom: newPayatomCircle,
	} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			v := &setup{}
			if s != nil {
				v = s()
			}
			test(t, p, open(t, v), v)
		})
	}
}

const order = "ORD-0000001"

// TestCircle: create, pay, callback, confirm, settle once, acknowledge. A repeated
// callback is acknowledged without asking or settling.
func TestCircle(t *testing.T) {
	circles(t, nil, func(t *testing.T, _ payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.create(within(t), order))
		d := c.pay(t, order)
		assert.True(t, d.Acknowledged)
		assert.Equal(t, []answered{c.ok}, answers(d))
		settled, calls, seen := c.shop.state()
		assert.Equal(t, []string{c.settles(order)}, settled)
		assert.Equal(t, 1, calls)
		assert.Equal(t, []string{"accepted"}, seen)
		assert.Equal(t, 1, c.queries())

		d, err := c.Redeliver(within(t), d)
		require.NoError(t, err)
		assert.True(t, d.Acknowledged)
		assert.Equal(t, []answered{c.ok}, answers(d))
		_, calls, seen = c.shop.state()
		assert.Equal(t, 1, calls)
		assert.Equal(t, []string{"accepted", "duplicate"}, seen)
		assert.Equal(t, 1, c.queries())

		for _, r := range c.Requests() {
			assert.Empty(t, r.Refusal, r.Path)
		}
	})
}

// TestCircleRetries: after the function has failed, each retry of the gateway is
// confirmed and calls the function again.
func TestCircleRetries(t *testing.T) {
	circles(t, nil, func(t *testing.T, _ payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.create(within(t), order))
		c.shop.fails = 2
		d := c.pay(t, order)
		assert.True(t, d.Acknowledged)
		assert.Equal(t, []answered{c.again, c.again, c.ok}, answers(d))
		settled, calls, seen := c.shop.state()
		assert.Equal(t, []string{c.settles(order)}, settled)
		assert.Equal(t, 3, calls)
		assert.Equal(t, []string{"failed callback", "failed callback", "accepted"}, seen)
		assert.Equal(t, 3, c.queries())

		d, err := c.Redeliver(within(t), d)
		require.NoError(t, err)
		assert.Equal(t, []answered{c.ok}, answers(d))
		_, calls, _ = c.shop.state()
		assert.Equal(t, 3, calls)
	})
}

// TestCircleAllAtOnce: of many copies of a callback that arrive at once, one is
// settled, and all are acknowledged.
func TestCircleAllAtOnce(t *testing.T) {
	many := func() *setup {
		return &setup{gateway: gateway.Options{Retries: 20, RetryDelay: 5 * time.Millisecond}}
	}
	circles(t, many, func(t *testing.T, _ payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.create(within(t), order))
		require.NoError(t, c.SetFaults(gateway.Faults{Status: 503}))
		c.shop.onObservation(func(n int) {
			if n == 2 {
				assert.NoError(t, c.SetFaults(gateway.Faults{}))
			}
		})
		var wg sync.WaitGroup
		require.NoError(t, c.setPaid(order))
		for range 8 {
			wg.Go(func() {
				d, err := c.claim(within(t), order)
				assert.NoError(t, err)
				assert.True(t, d.Acknowledged)
			})
		}
		wg.Wait()
		settled, calls, _ := c.shop.state()
		assert.Equal(t, []string{c.settles(order)}, settled)
		assert.Equal(t, 1, calls)
	})
}

// TestCircleConfirmationDown: while the query fails in any way, the receiver's answer
// asks for the callback again. The callback is neither accepted nor rejected for good.
func TestCircleConfirmationDown(t *testing.T) {
	for name, f := range map[string]gateway.Faults{
		"port closed":     {Refuse: true},
		"html page":       {Status: 502},
		"not found":       {Status: 404},
		"refused":         {Refusal: "1011"},
		"unknown order":   {Refusal: "1002"},
		"connection cut":  {Cut: true},
		"half an answer":  {Truncate: true},
		"no answer":       {Delay: time.Hour},
		"wrong signature": {BadSignature: true},
	} {
		t.Run(name, func(t *testing.T) {
			slow := func() *setup {
				if f.Delay == 0 {
					return &setup{}
				}
				// Less than ConfirmTimeout and AnswerTimeout, but enough for the requests that
				// are answered.
				return &setup{gateway: gateway.Options{Retries: 1}, client: client.Options{Timeout: 3 * time.Second}}
			}
			circles(t, slow, func(t *testing.T, p payack.Provider, c *circle, s *setup) {
				if p == payack.Ptop && f.BadSignature {
					t.Skip("ptop signs no answers")
				}
				attempts := 4
				if s.gateway.Retries != 0 {
					attempts = 2
				}
				require.NoError(t, c.create(within(t), order))
				require.NoError(t, c.SetFaults(f))
				d := c.pay(t, order)
				assert.False(t, d.Acknowledged)
				assert.Equal(t, times(attempts, c.again), answers(d))
				_, calls, seen := c.shop.state()
				assert.Zero(t, calls)
				assert.Equal(t, times(attempts, "failed unreachable"), seen)

				require.NoError(t, c.SetFaults(gateway.Faults{}))
				c.accepted(t, order, d)
			})
		})
	}
}

// TestCircleConfirmationComesBack: when the query works again, the gateway's next
// retry is accepted.
func TestCircleConfirmationComesBack(t *testing.T) {
	circles(t, nil, func(t *testing.T, _ payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.create(within(t), order))
		require.NoError(t, c.SetFaults(gateway.Faults{Refuse: true}))
		c.shop.onObservation(func(n int) {
			if n == 2 {
				assert.NoError(t, c.SetFaults(gateway.Faults{}))
			}
		})
		d := c.pay(t, order)
		assert.True(t, d.Acknowledged)
		assert.Equal(t, []answered{c.again, c.again, c.ok}, answers(d))
		settled, calls, _ := c.shop.state()
		assert.Equal(t, []string{c.settles(order)}, settled)
		assert.Equal(t, 1, calls)
	})
}

// TestCircleClientRetries: a callback is accepted in spite of a short failure of
// the query, because the client repeats the query.
func TestCircleClientRetries(t *testing.T) {
	patient := func() *setup { return &setup{client: client.Options{Retries: client.DefaultRetries}} }
	circles(t, patient, func(t *testing.T, _ payack.Provider, c *circle, s *setup) {
		require.NoError(t, c.create(within(t), order))
		s.after = func(r *http.Response, err error) (*http.Response, error) {
			assert.NoError(t, c.SetFaults(gateway.Faults{})) // the fault lasts for one request
			return r, err
		}
		require.NoError(t, c.SetFaults(gateway.Faults{Cut: true}))
		d := c.pay(t, order)
		assert.Equal(t, []answered{c.ok}, answers(d))
		settled, _, _ := c.shop.state()
		assert.Equal(t, []string{c.settles(order)}, settled)
		assert.Equal(t, 2, c.queries())
	})
}

// TestCircleQueryLags: while the query still says pending, the answer to a
// callback that says paid asks for the callback again.
func TestCircleQueryLags(t *testing.T) {
	circles(t, nil, func(t *testing.T, _ payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.create(within(t), order))
		d, err := c.claim(within(t), order)
		require.NoError(t, err)
		assert.False(t, d.Acknowledged)
		assert.Equal(t, times(4, c.again), answers(d))
		_, calls, seen := c.shop.state()
		assert.Zero(t, calls)
		assert.Equal(t, times(4, "failed unreachable"), seen)

		require.NoError(t, c.setPaid(order))
		c.accepted(t, order, d)
	})
}

// TestCircleContradictedCallback: a callback that a final answer contradicts is
// rejected each time it comes, and the function never runs.
func TestCircleContradictedCallback(t *testing.T) {
	circles(t, nil, func(t *testing.T, _ payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.create(within(t), order))
		require.NoError(t, c.setFailed(order))
		d, err := c.claim(within(t), order)
		require.NoError(t, err)
		assert.False(t, d.Acknowledged)
		assert.Equal(t, times(4, c.rejected), answers(d))
		_, calls, seen := c.shop.state()
		assert.Zero(t, calls)
		assert.Equal(t, times(4, "rejected unconfirmed"), seen)
	})
}

// TestCircleContradictedAmount: a callback with a wrong amount is rejected, and
// the genuine callback is accepted afterwards.
func TestCircleContradictedAmount(t *testing.T) {
	circles(t, nil, func(t *testing.T, p payack.Provider, c *circle, _ *setup) {
		if p == payack.Ptop {
			t.Skip("ptop's webhook has no amount to lie about")
		}
		require.NoError(t, c.create(within(t), order))
		require.NoError(t, c.setPaid(order))
		d, err := c.claimMore(within(t), order)
		require.NoError(t, err)
		assert.Equal(t, times(4, c.rejected), answers(d))
		_, calls, seen := c.shop.state()
		assert.Zero(t, calls)
		assert.Equal(t, times(4, "rejected unconfirmed"), seen)

		d, err = c.claim(within(t), order)
		require.NoError(t, err)
		assert.Equal(t, []answered{c.ok}, answers(d))
		settled, calls, _ := c.shop.state()
		assert.Equal(t, []string{c.settles(order)}, settled)
		assert.Equal(t, 1, calls)
	})
}

// TestCircleForged: a callback that does not verify causes no query.
func TestCircleForged(t *testing.T) {
	circles(t, nil, func(t *testing.T, _ payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.create(within(t), order))
		require.NoError(t, c.setPaid(order))
		d, err := c.forge(within(t), order)
		require.NoError(t, err)
		assert.Equal(t, times(4, c.forged), answers(d))
		_, calls, seen := c.shop.state()
		assert.Zero(t, calls)
		assert.Len(t, seen, 4)
		for _, saw := range seen {
			assert.Contains(t, []string{"rejected signature", "rejected envelope"}, saw)
		}
		assert.Zero(t, c.queries())
	})
}

// TestCircleNotPaid: a callback that does not say paid is passed to the function
// without a query.
func TestCircleNotPaid(t *testing.T) {
	circles(t, nil, func(t *testing.T, _ payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.create(within(t), order))
		require.NoError(t, c.fail(order))
		require.NoError(t, c.Wait(within(t)))
		d := c.Deliveries(order)
		require.Len(t, d, 1)
		assert.Equal(t, []answered{c.ok}, answers(d[0]))
		settled, calls, _ := c.shop.state()
		assert.Empty(t, settled)
		assert.Equal(t, 1, calls)
		assert.Equal(t, []string{order}, c.shop.noted)
		assert.Zero(t, c.queries())
	})
}

// TestCircleQueryOfAnotherOrder: a final answer about another order confirms nothing.
// (Ptop's documented answer names neither order nor transaction; the test adds them
// in transit.)
func TestCircleQueryOfAnotherOrder(t *testing.T) {
	circles(t, nil, func(t *testing.T, p payack.Provider, c *circle, s *setup) {
		require.NoError(t, c.create(within(t), order))
		require.NoError(t, c.SetFaults(gateway.Faults{OrderID: "ORD-0000002"}))
		others := []string{""}
		if p == payack.Ptop {
			others = []string{`,"order_id":"ORD-0000002"}`, `,"transaction_id":"T-2"}`}
		}
		require.NoError(t, c.setPaid(order))
		var d gateway.Delivery
		for i, other := range others {
			s.after = func(r *http.Response, err error) (*http.Response, error) {
				if err != nil || other == "" {
					return r, err
				}
				body, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				body = append(bytes.TrimSuffix(body, []byte("}")), other...)
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				return r, err
			}
			var err error
			d, err = c.claim(within(t), order)
			require.NoError(t, err)
			assert.Equal(t, times(4, c.rejected), answers(d))
			_, calls, seen := c.shop.state()
			assert.Zero(t, calls)
			assert.Equal(t, times(4*(i+1), "rejected unconfirmed"), seen)
		}
		s.after = nil
		require.NoError(t, c.SetFaults(gateway.Faults{}))
		c.accepted(t, order, d)
	})
}

// TestCircleCreateIsSentOnce: a create whose answer is lost is not repeated. Its
// payment exists, and is settled when it is paid.
func TestCircleCreateIsSentOnce(t *testing.T) {
	patient := func() *setup { return &setup{client: client.Options{Retries: 5}} }
	circles(t, patient, func(t *testing.T, p payack.Provider, c *circle, _ *setup) {
		require.NoError(t, c.SetFaults(gateway.Faults{Cut: true}))
		err := c.create(within(t), order)
		var failed *client.Error
		require.ErrorAs(t, err, &failed)
		assert.ErrorIs(t, err, client.ErrUnreachable)
		assert.True(t, failed.Uncertain())
		assert.Len(t, c.Requests(), 1)

		require.NoError(t, c.SetFaults(gateway.Faults{}))
		err = c.create(within(t), order)
		assert.ErrorIs(t, err, client.ErrDeclined)
		if p == payack.PTS {
			assert.ErrorIs(t, err, client.ErrDuplicateOrder)
		}
		assert.True(t, c.pay(t, order).Acknowledged)
		settled, _, _ := c.shop.state()
		assert.Equal(t, []string{c.settles(order)}, settled)
	})
}

// TestCircleReadings: payments are settled under each reading of the documents,
// if client and receiver are configured for it.
func TestCircleReadings(t *testing.T) {
	t.Parallel()
	round := func(name string, open func(*testing.T, *setup) *circle, s *setup) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t, s)
			require.NoError(t, c.create(within(t), order))
			d := c.pay(t, order)
			assert.Equal(t, []answered{c.ok}, answers(d))
			settled, _, seen := c.shop.state()
			assert.Equal(t, []string{c.settles(order)}, settled)
			assert.Equal(t, []string{"accepted"}, seen)
		})
	}
	for body, schemes := range map[verify.Body][]payack.Scheme{
		verify.BodyJSON: {payack.SchemeHeader, payack.SchemeSpliced, payack.SchemeReencoded, payack.SchemeBlanked},
		verify.BodyForm: {payack.SchemeHeader, payack.SchemeForm, payack.SchemeFormRebuilt},
	} {
		for _, scheme := range schemes {
			round("ptop "+string(body)+" "+string(scheme), newPtopCircle, &setup{
				ptop:    gateway.PtopConfig{Body: body, Scheme: scheme},
				schemes: []payack.Scheme{scheme}, received: scheme,
			})
		}
	}
	signed := map[gateway.Numbers]payack.Scheme{
		gateway.Literal: payack.SchemeLiteral, gateway.PHP: payack.SchemePHP, gateway.Quoted: payack.SchemeLiteral,
	}
	shapes := []gateway.PTSShape{
		gateway.PTSFlat, gateway.PTSSealed, gateway.PTSData, gateway.PTSNested,
	}
	for numbers, scheme := range signed {
		for i, shape := range shapes {
			enveloped := shape == gateway.PTSSealed || shape == gateway.PTSData
			round("pts "+string(numbers)+" "+string(shape), newPTSCircle, &setup{
				pts:     gateway.PTSConfig{Shape: shape, Numbers: numbers, SignEnvelopes: enveloped, SealResponses: i%2 == 1},
				ptsBody: []client.PTSBody{client.PTSText, client.PTSJSON}[i/2], ptsMAC: enveloped,
				numbers: []payack.Scheme{scheme}, received: scheme,
			})
		}
		for _, amount := range []string{"amount", "received_amount", "recieved_amount"} {
			round("payatom "+string(numbers)+" "+amount, newPayatomCircle, &setup{
				payatom: gateway.PayatomConfig{Numbers: numbers, PollingAmount: amount},
				numbers: []payack.Scheme{scheme}, received: scheme,
			})
		}
	}
	for _, polling := range []client.PayatomPolling{client.PollingAll, client.PollingProse, client.PollingExample, client.PollingNewer} {
		round("payatom polling "+string(polling), newPayatomCircle, &setup{polling: polling})
	}
	for _, amount := range []string{"received_amount", "amount"} {
		round("payatom form "+amount, newPayatomCircle, &setup{payatom: gateway.PayatomConfig{Body: verify.BodyForm, FormAmount: amount}})
	}
}

// TestCirclePtopPayout: the connection breaks after Ptop has paid, and the client
// sends the same bytes again. There is only one payout.
func TestCirclePtopPayout(t *testing.T) {
	t.Parallel()
	gw, err := gateway.NewPtop(gateway.PtopConfig{})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	for i, way := range []client.PtopAmount{client.PtopNumber, client.PtopString} {
		s := &setup{client: client.Options{Retries: client.DefaultRetries}}
		s.after = func(r *http.Response, err error) (*http.Response, error) {
			assert.NoError(t, gw.SetFaults(gateway.Faults{}))
			return r, err
		}
		ptop, err := client.NewPtop(client.PtopConfig{
			BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey(), SigningKey: gw.SigningKey(),
			PayoutAmount: way, Options: s.clientOptions(),
		})
		require.NoError(t, err)
		trx := "TRX-" + strconv.Itoa(i)
		payout := client.PtopPayout{SendingTrx: trx, ReceiverEmail: "customer@shop.example", Amount: payack.NewAmount("50.50")}
		before := len(gw.Requests())
		require.NoError(t, gw.SetFaults(gateway.Faults{Cut: true}))
		got, err := ptop.Payout(within(t), payout)
		require.NoError(t, err)
		assert.True(t, got.Success)
		requests := gw.Requests()[before:]
		require.Len(t, requests, 2)
		assert.Equal(t, string(requests[0].Body), string(requests[1].Body))
		made := gw.Payouts()
		require.Len(t, made, i+1)
		assert.Equal(t, gateway.PtopPayout{
			SendingTrx: trx, TransactionID: got.Extra["transaction_id"].String(), ReceiverEmail: "customer@shop.example", Amount: "50.50",
		}, made[i])

		// The merchant repeats the call, as after a crash.
		again, err := ptop.Payout(within(t), payout)
		require.NoError(t, err)
		assert.Equal(t, got, again)
		// The same idempotency key for another payout pays nothing.
		payout.Amount = payack.NewAmount("60")
		_, err = ptop.Payout(within(t), payout)
		assert.ErrorIs(t, err, client.ErrDeclined)
		assert.ErrorIs(t, err, client.ErrField)
		assert.Len(t, gw.Payouts(), i+1)
	}
	wrong, err := client.NewPtop(client.PtopConfig{
		BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey(), SigningKey: payack.NewSecret("another"), Options: once(),
	})
	require.NoError(t, err)
	_, err = wrong.Payout(within(t), client.PtopPayout{SendingTrx: "TRX-9", ReceiverEmail: "customer@shop.example", Amount: payack.NewAmount("1")})
	assert.ErrorIs(t, err, client.ErrRequestSignature)
}

// TestCirclePtopSandbox: payments of the sandbox are confirmed like other
// payments.
func TestCirclePtopSandbox(t *testing.T) {
	t.Parallel()
	gw, err := gateway.NewPtop(gateway.PtopConfig{})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	ptop, err := client.NewPtop(client.PtopConfig{
		BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey(), Sandbox: true, Options: once(),
	})
	require.NoError(t, err)
	made, err := ptop.CreatePayment(within(t), client.PtopPayment{
		OrderID: order, Amount: payack.NewAmount("1"), Product: "Tea",
		WebhookURL: "https://shop.example/ptop", SuccessURL: "https://shop.example/thanks", FailURL: "https://shop.example/sorry",
	})
	require.NoError(t, err)
	p, _ := gw.Payment(order)
	assert.True(t, p.Sandbox)
	check, err := ptop.PaymentCheck(within(t), made.TransactionID)
	require.NoError(t, err)
	assert.Equal(t, client.PtopPending, check.Status)
	require.NoError(t, gw.SetStatus(order, gateway.PtopPaid))
	check, err = ptop.PaymentCheck(within(t), made.TransactionID)
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "1"}, []string{string(check.Status), check.Amount.String()})
	_, err = ptop.PaymentCheck(within(t), "ptop-unknown")
	assert.ErrorIs(t, err, client.ErrDeclined)
}

// TestCirclePTSWithdraw: the callback of a withdraw is confirmed by
// ConfirmWithdraw. The endpoint for payments confirms no withdraw, and the
// endpoint for withdraws confirms no payment.
func TestCirclePTSWithdraw(t *testing.T) {
	t.Parallel()
	gw, err := gateway.NewPTS(gateway.PTSConfig{
		Balances: map[string]string{"PHP": "300"}, Options: gateway.Options{RetryDelay: 2 * time.Millisecond},
	})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	s := &setup{}
	pts := ptsClient(t, gw, s)
	payments, withdraws := newShop(t), newShop(t)
	payments.mux.Handle("/pts", ptsReceiver(t, gw, s, payments, pts.Confirm))
	withdraws.mux.Handle("/pts", ptsReceiver(t, gw, s, withdraws, pts.ConfirmWithdraw))

	withdraw := client.PTSWithdraw{
		OrderID: "OUT-0000001", Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "GCASH",
		CallbackURL: withdraws.URL + "/pts", Details: client.PTSDetails{AccountNumber: "0900", Name: "Customer"},
	}
	made, err := pts.Withdraw(within(t), withdraw)
	require.NoError(t, err)
	o, found := gw.Order(withdraw.OrderID)
	require.True(t, found)
	assert.True(t, o.Withdraw)
	assert.Equal(t, []string{o.TransactionID, "100.50", ""}, []string{made.TransactionID, made.AcceptAmount.String(), o.PayURL})
	_, err = pts.Withdraw(within(t), withdraw)
	assert.ErrorIs(t, err, client.ErrDuplicateOrder)
	_, err = pts.Payment(within(t), client.PTSPayment{
		OrderID: order, Amount: payack.NewAmount("40"), Currency: "PHP", Channel: "GCASH", CallbackURL: payments.URL + "/pts",
	})
	require.NoError(t, err)

	balance, err := pts.Balance(within(t))
	require.NoError(t, err)
	assert.Equal(t, `{"PHP":"199.5"}`, balance.Unsigned["balances"].String())
	withdraw.OrderID, withdraw.Amount = "OUT-0000002", payack.NewAmount("200")
	_, err = pts.Withdraw(within(t), withdraw)
	assert.ErrorIs(t, err, client.ErrBalance)

	require.NoError(t, gw.Pay("OUT-0000001"))
	require.NoError(t, gw.Pay(order))
	require.NoError(t, gw.Wait(within(t)))
	paid, out := gw.Deliveries(order), gw.Deliveries("OUT-0000001")
	require.Len(t, paid, 1)
	require.Len(t, out, 1)
	assert.True(t, paid[0].Acknowledged)
	assert.True(t, out[0].Acknowledged)
	settled, _, _ := payments.state()
	assert.Equal(t, []string{order + " 40 PHP"}, settled)
	settled, _, _ = withdraws.state()
	assert.Equal(t, []string{"OUT-0000001 100.50 PHP"}, settled)

	// A relay may post a callback to the wrong endpoint, where its signature verifies
	// too.
	paid[0].URL, out[0].URL = out[0].URL, paid[0].URL
	for i, d := range []gateway.Delivery{paid[0], out[0]} {
		d, err := gw.Redeliver(within(t), d)
		require.NoError(t, err)
		assert.False(t, d.Acknowledged)
		assert.Equal(t, times(4, answered{200, "FAILED"}), answers(d))
		_, calls, seen := []*shop{withdraws, payments}[i].state()
		assert.Equal(t, 1, calls)
		assert.Equal(t, append([]string{"accepted"}, times(4, "failed unreachable")...), seen)
	}
	_, err = pts.PaymentQuery(within(t), "OUT-0000001")
	assert.ErrorIs(t, err, client.ErrNotFound)
	got, err := pts.WithdrawQuery(within(t), "OUT-0000001")
	require.NoError(t, err)
	assert.True(t, got.Paid())
}

// TestCirclePTSBalance: an answer with a wrong figure verifies, because the signature
// covers no figures. A wrong signature is refused.
func TestCirclePTSBalance(t *testing.T) {
	t.Parallel()
	gw, err := gateway.NewPTS(gateway.PTSConfig{})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	pts := ptsClient(t, gw, &setup{})
	require.NoError(t, gw.SetFaults(gateway.Faults{Amount: "9000000"}))
	balance, err := pts.Balance(within(t))
	require.NoError(t, err)
	assert.Equal(t, gw.UserID(), balance.UserID)
	assert.Equal(t, map[string]payack.Text{"balances": payack.NewText(`{"PHP":"9000000"}`)}, balance.Unsigned)
	require.NoError(t, gw.SetFaults(gateway.Faults{BadSignature: true}))
	_, err = pts.Balance(within(t))
	assert.ErrorIs(t, err, payack.ErrSignature)
}

// TestCirclePTSAnotherTransaction: an answer with another transaction than the
// callback's confirms nothing.
func TestCirclePTSAnotherTransaction(t *testing.T) {
	t.Parallel()
	gw, err := gateway.NewPTS(gateway.PTSConfig{Options: gateway.Options{Retries: -1}})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	s := &setup{}
	pts, shop := ptsClient(t, gw, s), newShop(t)
	shop.mux.Handle("/pts", ptsReceiver(t, gw, s, shop, pts.Confirm))
	_, err = pts.Payment(within(t), client.PTSPayment{
		OrderID: order, Amount: payack.NewAmount("40"), Currency: "PHP", Channel: "GCASH", CallbackURL: shop.URL + "/pts",
	})
	require.NoError(t, err)
	require.NoError(t, gw.SetStatus(order, payack.PTSSuccess))
	for _, edit := range []func(*gateway.PTSCallback){
		func(c *gateway.PTSCallback) { c.TransactionID = "pts-other" },
		func(c *gateway.PTSCallback) { c.AcceptCurrency = "USD" },
		func(c *gateway.PTSCallback) { c.SubmitAmount = "41" },
	} {
		d, err := gw.Deliver(within(t), order, edit)
		require.NoError(t, err)
		assert.False(t, d.Acknowledged)
	}
	_, calls, seen := shop.state()
	assert.Zero(t, calls)
	assert.Equal(t, times(3, "rejected unconfirmed"), seen)
}

// TestCirclePayatomPolling: status polling works with each set of members, and the
// signed members of the answer follow the state of the payment.
func TestCirclePayatomPolling(t *testing.T) {
	t.Parallel()
	gw, err := gateway.NewPayatom(gateway.PayatomConfig{})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	for i, polling := range []client.PayatomPolling{client.PollingAll, client.PollingProse, client.PollingExample, client.PollingNewer} {
		payatom := payatomClient(t, gw, &setup{polling: polling})
		id := order + strconv.Itoa(i)
		_, err := payatom.Payin(within(t), client.PayatomPayin{
			OrderID: id, Amount: payack.NewAmount("500"), Name: "Customer", Email: "customer@shop.example", Phone: "9000000000",
		})
		require.NoError(t, err)
		p, _ := gw.Payment(id)
		q := client.PayatomQuery{RefCode: p.RefCode, OrderID: id, Amount: payack.NewAmount("500")}
		got, err := payatom.StatusPolling(within(t), q)
		require.NoError(t, err)
		assert.Equal(t, []string{id, "0", "Pending"}, []string{got.OrderID, got.ReceivedAmount.String(), string(got.Status)})
		require.NoError(t, gw.PayAmount(id, "450"))
		got, err = payatom.StatusPolling(within(t), q)
		require.NoError(t, err)
		assert.Equal(t, []string{id, "450", "Approved"}, []string{got.OrderID, got.ReceivedAmount.String(), string(got.Status)})
		require.NoError(t, gw.Refund(id))
		got, err = payatom.StatusPolling(within(t), q)
		require.NoError(t, err)
		assert.False(t, got.Paid())
		assert.Equal(t, payack.PayatomRefundInitiated, got.Status)

		require.NoError(t, gw.SetFaults(gateway.Faults{OrderID: "ORD-0000009"}))
		_, err = payatom.StatusPolling(within(t), q)
		assert.ErrorIs(t, err, client.ErrMismatch)
		require.NoError(t, gw.SetFaults(gateway.Faults{BadSignature: true}))
		_, err = payatom.StatusPolling(within(t), q)
		assert.ErrorIs(t, err, client.ErrResponse)
		require.NoError(t, gw.SetFaults(gateway.Faults{}))
		_, err = payatom.StatusPolling(within(t), client.PayatomQuery{RefCode: "payatom-unknown", OrderID: "ORD-0000008", Amount: payack.NewAmount("1")})
		assert.ErrorIs(t, err, client.ErrDeclined)
	}
}

// TestCirclePayatomReceivedAmount: the received amount is settled, not the requested
// one.
func TestCirclePayatomReceivedAmount(t *testing.T) {
	t.Parallel()
	c := newPayatomCircle(t, &setup{})
	require.NoError(t, c.create(within(t), order))
	require.NoError(t, c.fake.(*gateway.Payatom).PayAmount(order, "90"))
	require.NoError(t, c.Wait(within(t)))
	settled, _, _ := c.shop.state()
	assert.Equal(t, []string{order + " 90"}, settled)
}

// TestCirclePayatomRefunded: an approval that comes after a refund has begun is
// not credited. While the refund is in progress, the receiver asks for the
// callback again.
func TestCirclePayatomRefunded(t *testing.T) {
	t.Parallel()
	c := newPayatomCircle(t, &setup{})
	gw := c.fake.(*gateway.Payatom)
	require.NoError(t, c.create(within(t), order))
	require.NoError(t, c.setPaid(order))
	for _, step := range []struct {
		status payack.PayatomStatus
		want   string
	}{{payack.PayatomRefundInitiated, "failed unreachable"}, {payack.PayatomRefundCompleted, "rejected unconfirmed"}} {
		require.NoError(t, gw.SetStatus(order, step.status))
		d, err := c.claim(within(t), order)
		require.NoError(t, err)
		assert.Equal(t, times(4, c.again), answers(d))
		_, calls, seen := c.shop.state()
		assert.Zero(t, calls)
		assert.Equal(t, times(4, step.want), seen[len(seen)-4:])
	}
}

// TestCirclePayatomMovedBorders: a query contradicts a webhook that has a genuine
// hash but another order, or the ref_code of another payment.
func TestCirclePayatomMovedBorders(t *testing.T) {
	t.Parallel()
	for _, polling := range []client.PayatomPolling{client.PollingAll, client.PollingNewer} {
		c := newPayatomCircle(t, &setup{polling: polling})
		gw := c.fake.(*gateway.Payatom)
		require.NoError(t, c.create(within(t), order))
		require.NoError(t, c.create(within(t), "ORD-0000002"))
		other, _ := gw.Payment("ORD-0000002")
		require.NoError(t, gw.SetStatus(order, payack.PayatomApproved))
		require.NoError(t, gw.SetStatus("ORD-0000002", payack.PayatomApproved))
		signer, err := verify.NewPayatomSigner(gw.SecretKey())
		require.NoError(t, err)
		hash := signer.PostHash(order, "100.50", "Approved")
		// If the query has the order_id, the gateway answers that the payment does not
		// exist. If the query has the ref_code alone, the gateway sends a signed answer
		// about another order. Both answers are final.
		const told = "rejected unconfirmed"
		for _, step := range []struct {
			want string
			move func(*gateway.PayatomCallback)
		}{
			{told, func(c *gateway.PayatomCallback) { // the order's last digit becomes the amount's first
				c.OrderID, c.ReceivedAmount = strings.TrimSuffix(order, "1"), "1100.50"
			}},
			{told, func(c *gateway.PayatomCallback) { // the amount's first digits become the order's last
				c.OrderID, c.ReceivedAmount = order+"10", "0.50"
			}},
			{told, func(c *gateway.PayatomCallback) { c.RefCode = other.RefCode }},
			{"failed unreachable", func(c *gateway.PayatomCallback) { c.RefCode = "" }},
		} {
			d, err := gw.Deliver(within(t), order, func(c *gateway.PayatomCallback) { c.PostHash = hash }, step.move)
			require.NoError(t, err)
			assert.Equal(t, times(4, c.again), answers(d))
			_, calls, seen := c.shop.state()
			require.Zero(t, calls)
			assert.Equal(t, times(4, step.want), seen[len(seen)-4:])
		}
		d, err := c.claim(within(t), order)
		require.NoError(t, err)
		assert.Equal(t, []answered{c.ok}, answers(d))
	}
}

// TestCirclePayatomAsksByTheRecord: a genuine webhook that was relayed with another
// ref_code, or without one, is confirmed by the ref_code in the merchant's record.
func TestCirclePayatomAsksByTheRecord(t *testing.T) {
	t.Parallel()
	s := &setup{payatom: gateway.PayatomConfig{Options: gateway.Options{Retries: -1}}}
	gw, err := gateway.NewPayatom(s.payatom)
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	payatom, shop := payatomClient(t, gw, s), newShop(t)
	var kept string
	h, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{gw.SecretKey()}, Confirm: payatom.Confirm, Options: shop.options(),
		Expect: func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: payack.NewAmount("100.5"), RefCode: kept}, nil
		},
	}, func(_ context.Context, ev *payack.PayatomEvent) error { return shop.take(ev.OrderID, ev) })
	require.NoError(t, err)
	shop.mux.Handle("/payatom", h)
	gw.SetWebhookURL(shop.URL + "/payatom")
	var last string
	for i, forged := range []string{"payatom-unknown", "", "of another"} {
		id := order + strconv.Itoa(i)
		for _, id := range []string{id, id + "-other"} {
			_, err := payatom.Payin(within(t), client.PayatomPayin{
				OrderID: id, Amount: payack.NewAmount("100.50"), Name: "Customer", Email: "customer@shop.example", Phone: "9000000000",
			})
			require.NoError(t, err)
			require.NoError(t, gw.SetStatus(id, payack.PayatomApproved))
		}
		if forged == "of another" {
			other, _ := gw.Payment(id + "-other")
			forged = other.RefCode
		}
		deliver := func() (string, bool) {
			d, err := gw.Deliver(within(t), id, func(c *gateway.PayatomCallback) { c.RefCode = forged })
			require.NoError(t, err)
			_, _, seen := shop.state()
			return seen[len(seen)-1], d.Acknowledged
		}
		kept = ""
		was, ok := deliver()
		assert.False(t, ok)
		assert.Equal(t, map[bool]string{true: "failed unreachable", false: "rejected unconfirmed"}[forged == ""], was)

		p, _ := gw.Payment(id)
		kept = p.RefCode
		was, ok = deliver()
		assert.True(t, ok)
		assert.Equal(t, "accepted", was)
		last += id + " 100.50\n"
	}
	settled, _, _ := shop.state()
	assert.Equal(t, last, strings.Join(settled, "\n")+"\n")
}

// TestCirclePayatomReports: payouts, reconciliations and wallets, none of them
// signed.
func TestCirclePayatomReports(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	gw, err := gateway.NewPayatom(gateway.PayatomConfig{
		Balance: "120.50", Options: gateway.Options{Now: func() time.Time { return noon }},
	})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	payatom := payatomClient(t, gw, &setup{})
	ctx := within(t)
	_, err = payatom.Payin(ctx, client.PayatomPayin{
		OrderID: order, Amount: payack.NewAmount("500"), Name: "Customer", Email: "customer@shop.example", Phone: "9000000000",
	})
	require.NoError(t, err)
	require.NoError(t, gw.Pay(order))
	_, err = payatom.Payout(ctx, client.PayatomPayout{
		OrderID: "OUT-0000001", Amount: payack.NewAmount("50.25"), PaymentMode: "upi", Members: map[string]string{"upi_id": "ann@upi"},
	})
	require.NoError(t, err)
	p, _ := gw.Payout("OUT-0000001")
	assert.Equal(t, []string{"50.25", "upi"}, []string{p.Amount, p.PaymentMode})

	has := func(r *client.PayatomUnsignedReport, err error, member, want string) {
		t.Helper()
		require.NoError(t, err)
		assert.Equal(t, want, r.Members[member].String())
	}
	r, err := payatom.PayoutStatus(ctx, "OUT-0000001")
	has(r, err, "status", "Pending")
	require.NoError(t, gw.Pay("OUT-0000001"))
	r, err = payatom.PayoutStatus(ctx, "OUT-0000001")
	has(r, err, "status", "Approved")
	require.NoError(t, gw.SetFaults(gateway.Faults{OrderID: "OUT-0000002"}))
	_, err = payatom.PayoutStatus(ctx, "OUT-0000001")
	assert.ErrorIs(t, err, client.ErrMismatch)
	require.NoError(t, gw.SetFaults(gateway.Faults{}))

	paid, _ := gw.Payment(order)
	payins, err := payatom.ReconcilePayins(ctx, noon)
	require.NoError(t, err)
	require.Len(t, payins.Rows, 1)
	row := payins.Rows[0]
	assert.Equal(t, []string{order, paid.RefCode, "500", "500", "Approved", "bank-" + order}, []string{
		row.OrderID, row.RefCode.String(), row.RequestedAmount.String(), row.SettledAmount.String(), string(row.Status), row.BankRef.String()})
	created, changed, err := row.Times(time.UTC)
	require.NoError(t, err)
	assert.Equal(t, []time.Time{noon, noon}, []time.Time{created, changed})
	payins, err = payatom.ReconcilePayins(ctx, noon.AddDate(0, 0, 1))
	require.NoError(t, err)
	assert.Empty(t, payins.Rows)
	for range 10 {
		payouts, err := payatom.ReconcilePayouts(ctx, noon)
		require.NoError(t, err)
		require.Len(t, payouts.Rows, 1)
		assert.Equal(t, "50.25", payouts.Rows[0].SettledAmount.String())
	}
	_, err = payatom.ReconcilePayouts(ctx, noon) // the eleventh call of the day, of which the gateway allows ten
	assert.ErrorIs(t, err, client.ErrDeclined)

	wallets, err := payatom.WalletBalance(ctx, client.PayatomOperator{Email: gw.OperatorEmail(), VerificationCode: gw.VerificationCode()})
	require.NoError(t, err)
	assert.Equal(t, "120.50", wallets.UPI[0].MinimumBalance.String())
	assert.Equal(t, "merchant@upi", wallets.UPI[0].UPI.String())
	assert.Equal(t, "1234567890", wallets.IMPS[0].AccountNumber.String())
	assert.Equal(t, gw.OperatorEmail(), wallets.OperatorEmail.String())
	day := payatomWalletDay()
	day.Day = noon
	sums, err := payatom.WalletTransactions(ctx, day)
	require.NoError(t, err)
	assert.Equal(t, "1 500 500", sums.ByStatus["Approved"].Count.String()+" "+sums.ByStatus["Approved"].ReceivedAmount.String()+" "+
		sums.ByStatus["Approved"].RequestedAmount.String())
	day.AccountNumber = "1"
	sums, err = payatom.WalletTransactions(ctx, day)
	require.NoError(t, err)
	assert.Empty(t, sums.ByStatus)
	assert.Equal(t, "No wallets found", sums.Message.String())
	accounts, err := payatom.WalletData(ctx)
	require.NoError(t, err)
	assert.Equal(t, "120.50", accounts.Active[0].RollingBalance.String())
	assert.Empty(t, accounts.Inactive)
}
