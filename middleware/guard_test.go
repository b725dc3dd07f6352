package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/verify"
)

// confirmed is a receiver of Payatom webhooks that asks by this function.
func confirmed(t testing.TB, confirm middleware.ConfirmFunc[*payack.PayatomEvent], change func(*middleware.PayatomConfig)) *desk {
	return newDesk(t, func(c *middleware.PayatomConfig) {
		c.ExpectInCallback, c.Confirm = false, confirm
		if change != nil {
			change(c)
		}
	}, func(context.Context, *payack.PayatomEvent) error { return nil })
}

// Deliveries that are equal to the last byte and come together cost one
// question; another handle is another question.
func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[string]int{}
		goOn := make(chan struct{})
		d := confirmed(t, func(ctx context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
			mu.Lock()
			asked[ev.Unsigned.RefCode.String()]++
			mu.Unlock()
			<-goOn
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return &payack.Confirmation{Paid: true, Status: "Approved"}, nil
		}, nil)
		genuine := payatomRequest(t, "ORD1", "500", "Approved")
		body := bodyOf(t, genuine)
		deliver := func(body string, ctx context.Context) *http.Request {
			r := payatomRequest(t, "ORD1", "500", "Approved").WithContext(ctx)
			setBody(r, body)
			return r
		}
		var n sync.WaitGroup
		hangsUp, cancel := context.WithCancel(t.Context())
		answers := make([]string, 20)
		for i := range answers {
			ctx := t.Context()
			if i == 0 {
				ctx = hangsUp
			}
			n.Go(func() { answers[i] = serve(d.h, deliver(body, ctx)).Body.String() })
			if i == 0 {
				synctest.Wait() // it is the one that asks
			}
		}
		n.Go(func() { serve(d.h, deliver(strings.Replace(body, "b73ea664", "another1", 1), t.Context())) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(goOn)
		n.Wait()
		assert.Equal(t, map[string]int{"b73ea664": 1, "another1": 1}, asked)
		accepted := 0
		for _, a := range answers {
			if strings.Contains(a, `"yes"`) {
				accepted++
			}
		}
		assert.Positive(t, accepted, "one is processed, who comes meanwhile is busy or a duplicate")
		assert.Contains(t, serve(d.h, deliver(body, t.Context())).Body.String(), `"yes"`)
	})
}

// Whoever waits for somebody else's question waits no longer than its own
// deadline, and what the question comes to is everybody's.
func TestSharedQuestionsEndBadly(t *testing.T) {
	for name, tc := range map[string]struct {
		confirm middleware.ConfirmFunc[*payack.PayatomEvent]
		reason  payack.Reason
	}{
		"panic": {func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) { panic("slip") }, payack.ReasonPanic},
		"Goexit": {func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
			runtime.Goexit()
			return nil, nil
		}, payack.ReasonUnreachable},
		"refuted": {func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
			return nil, payack.ErrUnconfirmed
		}, payack.ReasonUnconfirmed},
		"a hook that heeds no context": {func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
			time.Sleep(time.Hour)
			return nil, errors.New("too late")
		}, payack.ReasonUnreachable},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := confirmed(t, tc.confirm, nil)
			body := bodyOf(t, payatomRequest(t, "ORD1", "500", "Approved"))
			begin := time.Now()
			for range 3 {
				r := payatomRequest(t, "ORD1", "500", "Approved")
				setBody(r, body)
				assert.Contains(t, serve(d.h, r).Body.String(), `"HashMatched","acknowledge":"no"`, name)
				o := d.last(t)
				assert.Equal(t, tc.reason, o.Reason, name)
				if tc.reason == payack.ReasonPanic {
					assert.Contains(t, string(o.Stack), "TestSharedQuestionsEndBadly")
				}
			}
			assert.LessOrEqual(t, time.Since(begin), 3*middleware.DefaultDeadline+time.Second, name)
			time.Sleep(2 * time.Hour)
		})
	}
}

// Part payments are delivered with what was ordered beside them, and only where
// the gateway can tell that no border was moved.
func TestAnyAmount(t *testing.T) {
	expect := func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
		return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
	}
	_, err := middleware.NewPayatom(middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKey), Expect: expect, Match: payack.AnyAmount})
	require.ErrorContains(t, err, "set Confirm as well")
	var got *payack.PayatomEvent
	d := newDesk(t, func(c *middleware.PayatomConfig) {
		c.ExpectInCallback, c.Expect, c.Match = false, expect, payack.AnyAmount
		c.Confirm = func(_ context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
			return &payack.Confirmation{Paid: true, Amount: ev.ReceivedAmount}, nil
		}
	}, func(_ context.Context, ev *payack.PayatomEvent) error { got = ev; return nil })
	require.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "300", "Approved")).Body.String(), `"yes"`)
	assert.Equal(t, "300", got.ReceivedAmount.String())
	assert.Equal(t, "500", got.Expected.Amount.String())
	assert.True(t, got.Expected.Found)
}

// A second partial refund has the same signed members as the first. It is a
// duplicate, and the log says that somebody should look.
func TestRefundWithOtherDetails(t *testing.T) {
	called := 0
	d := newDesk(t, nil, func(context.Context, *payack.PayatomEvent) error { called++; return nil })
	refund := func(info string) {
		r := payatomRequest(t, "ORD1", "500", "Refund Completed")
		setBody(r, strings.Replace(bodyOf(t, r), `"refund_info":[]`, `"refund_info":`+info, 1))
		require.Contains(t, serve(d.h, r).Body.String(), `"yes"`)
	}
	warned := func() (n int) {
		for _, line := range d.lines(t) {
			if strings.Contains(line["msg"].(string), "other details, which are not signed") {
				assert.Equal(t, "WARN", line["level"])
				assert.Equal(t, "payatom:v1::ORD1:Refund Completed:500", line["event_id"])
				n++
			}
		}
		return n
	}
	refund(`{"refund_amount":"100"}`)
	refund(`{"refund_amount":"100"}`)
	assert.Zero(t, warned(), "the same again is nothing to look at")
	refund(`{"refund_amount":"400"}`)
	assert.Equal(t, 1, warned())
	assert.Equal(t, payack.OutcomeDuplicate, d.last(t).Outcome)
	assert.Equal(t, 1, called)
}

// A form spreads refund_info over pairs with brackets.
func TestRefundWithOtherDetailsInAForm(t *testing.T) {
	d := newDesk(t, func(c *middleware.PayatomConfig) { c.Body = verify.BodyForm }, func(context.Context, *payack.PayatomEvent) error { return nil })
	signer, err := verify.NewPayatomSigner(payack.NewSecret(payatomKey))
	require.NoError(t, err)
	warned := func(amount string) bool {
		pairs := url.Values{
			"order_id": {"ORD1"}, "received_amount": {"500"}, "status": {"Refund Completed"}, "post_hash": {signer.PostHash("ORD1", "500", "Refund Completed")},
			"refund_info[0][refund_amount]": {amount}, "bank_ref": {amount},
		}
		r := httptest.NewRequest(http.MethodPost, "/payatom", strings.NewReader(pairs.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		require.Contains(t, serve(d.h, r).Body.String(), `"yes"`)
		lines := d.lines(t)
		return strings.Contains(fmt.Sprint(lines), "other details, which are not signed")
	}
	assert.False(t, warned("100"))
	assert.False(t, warned("100"))
	assert.True(t, warned("400"))
}

// What is charged to the sender by the budget for failures: what the provider
// answered and refuted, what nobody expects, and what is spliced; nothing that the
// provider or the shop may be the cause of.
func TestWhoPaysForWhatVerified(t *testing.T) {
	confirms := func(err error) func(*middleware.PayatomConfig) {
		return func(c *middleware.PayatomConfig) {
			c.ExpectInCallback = false
			c.Confirm = func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) {
				return &payack.Confirmation{Paid: true}, err
			}
		}
	}
	expects := func(e payack.Expectation, err error) func(*middleware.PayatomConfig) {
		return func(c *middleware.PayatomConfig) {
			c.ExpectInCallback = false
			c.Expect = func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) { return e, err }
		}
	}
	for name, c := range map[string]struct {
		change func(*middleware.PayatomConfig)
		before [3]string // delivered first
		reason payack.Reason
		pays   bool
	}{
		"no such order":      {expects(payack.Expectation{}, nil), [3]string{}, payack.ReasonUnexpected, true},
		"another amount":     {expects(payack.Expectation{Found: true, Amount: payack.NewAmount("1")}, nil), [3]string{}, payack.ReasonUnexpected, true},
		"refuted":            {confirms(payack.ErrUnconfirmed), [3]string{}, payack.ReasonUnconfirmed, true},
		"spliced":            {nil, [3]string{"ORD11", "500", "Approved"}, payack.ReasonSpliced, true},
		"the provider's out": {confirms(errors.New("no route")), [3]string{}, payack.ReasonUnreachable, false},
		"the shop's out":     {expects(payack.Expectation{}, errors.New("no database")), [3]string{}, payack.ReasonExpectation, false},
		"conflict":           {nil, [3]string{"ORD1", "300", "Approved"}, payack.ReasonConflict, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLimiter(t, 0.001, 10)
			d := newDesk(t, func(pc *middleware.PayatomConfig) {
				pc.Limiter = l
				if c.change != nil {
					c.change(pc)
				}
			}, func(context.Context, *payack.PayatomEvent) error { return nil })
			order, amount := "ORD1", "500"
			if c.reason == payack.ReasonSpliced {
				order, amount = "ORD1", "1500"
			}
			if b := c.before; b[0] != "" {
				require.Contains(t, serve(d.h, payatomRequest(t, b[0], b[1], b[2])).Body.String(), `"yes"`)
			}
			serve(d.h, payatomRequest(t, order, amount, "Approved"))
			require.Equal(t, c.reason, d.last(t).Reason)
			got, err := l.Peek(t.Context(), ratelimit.AddrKey("payatom", netip.MustParseAddr("192.0.2.1")))
			require.NoError(t, err)
			require.Equal(t, c.pays, got.Remaining == 9, "remaining %d of 10", got.Remaining)
		})
	}
}

// A word for a status that nobody knows may be a new one for paid.
func TestUnknownStatusIsAWarning(t *testing.T) {
	d := newDesk(t, nil, func(_ context.Context, ev *payack.PayatomEvent) error {
		if !ev.Status.Known() {
			assert.False(t, ev.Paid())
			assert.False(t, ev.Final())
		}
		return nil
	})
	for _, tc := range []struct {
		status string
		warned int
	}{{"Approved", 0}, {"Settled", 1}} {
		require.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "500", tc.status)).Body.String(), `"yes"`)
		n := 0
		for _, line := range d.lines(t) {
			if strings.Contains(line["msg"].(string), "neither paid nor final") {
				assert.Equal(t, "WARN", line["level"])
				n++
			}
		}
		assert.Equal(t, tc.warned, n, tc.status)
	}
}

// bodyOf reads a request's body and leaves it there.
func bodyOf(t testing.TB, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	setBody(r, string(b))
	return string(b)
}

func setBody(r *http.Request, body string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}
