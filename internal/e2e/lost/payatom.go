package lost

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/reconcile"
)

func payatom(t testing.TB, s *Shop, o middleware.Options) side {
	gw, err := gateway.NewPayatom(gateway.PayatomConfig{Options: gatewayOptions(s)})
	require.NoError(t, err)
	keys := []payack.Secret{gw.SecretKey()}
	c, err := client.NewPayatom(client.PayatomConfig{BaseURL: gw.URL, PID: gw.PID(), SecretKeys: keys, Options: clientOptions(s)})
	require.NoError(t, err)
	h, err := handlers.NewPayatom(handlers.PayatomConfig{
		SecretKeys: keys, Tenant: "shop", Confirm: c.Confirm, Options: o,
		Expect: func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: s.expects(ev.OrderID), Amount: payack.NewAmount(amount)}, nil
		},
	}, func(ctx context.Context, ev *payack.PayatomEvent) error { return s.take(ctx, ev) })
	require.NoError(t, err)
	return side{
		fake: gw, handler: h, account: reconcile.Payatom(c, h), signs: true,
		create: func(id, callbackURL string) (string, error) {
			gw.SetWebhookURL(callbackURL) // set in Payatom's back office, not in the request
			created, err := c.Payin(t.Context(), client.PayatomPayin{
				OrderID: id, Amount: payack.NewAmount(amount), Name: "A. Buyer", Email: "buyer@shop.example", Phone: "9000000000",
			})
			if err != nil {
				return "", err
			}
			return created.RefCode, nil
		},
		fail: func(id string) error { return gw.SetStatus(id, payack.PayatomDeclined) },
	}
}
