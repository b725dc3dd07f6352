package middleware_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/ratelimit"
)

// AnyAmount accepts part payments. It is allowed only where the gateway confirms
// the amount. The callback gets both the received and the ordered amount.
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

// Under ChargeFailures these verified deliveries count against the sender's rate
// limit: refuted by the provider, not expected, and spliced (the signature came before
// with another event). Failures that the provider or the shop may have caused don't.
func TestVerifiedDeliveriesThatAreCharged(t *testing.T) {
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
		"no such order":        {expects(payack.Expectation{}, nil), [3]string{}, payack.ReasonUnexpected, true},
		"another amount":       {expects(payack.Expectation{Found: true, Amount: payack.NewAmount("1")}, nil), [3]string{}, payack.ReasonUnexpected, true},
		"refuted":              {confirms(payack.ErrUnconfirmed), [3]string{}, payack.ReasonUnconfirmed, true},
		"spliced":              {nil, [3]string{"ORD11", "500", "Approved"}, payack.ReasonSpliced, true},
		"provider unreachable": {confirms(errors.New("no route")), [3]string{}, payack.ReasonUnreachable, false},
		"Expect failed":        {expects(payack.Expectation{}, errors.New("no database")), [3]string{}, payack.ReasonExpectation, false},
		"conflict":             {nil, [3]string{"ORD1", "300", "Approved"}, payack.ReasonConflict, false},
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
