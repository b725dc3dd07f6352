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

func pts(t testing.TB, s *Shop, o middleware.Options) side {
	gw, err := gateway.NewPTS(gateway.PTSConfig{Shape: gateway.PTSSealed, Options: gatewayOptions(s)})
	require.NoError(t, err)
	c, err := client.NewPTS(client.PTSConfig{
		BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
		PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(), Options: clientOptions(s),
	})
	require.NoError(t, err)
	h, err := handlers.NewPTS(handlers.PTSConfig{
		UserID: gw.UserID(), Tenant: "shop", Safecode: gw.Safecode(), PublicKeys: []string{gw.PublicKey()},
		Confirm: compares(c.Confirm), Options: o,
	}, func(ctx context.Context, ev *payack.PTSEvent) error { return s.take(ctx, ev) })
	require.NoError(t, err)
	return side{
		fake: gw, handler: h, account: reconcile.PTS(c, h), signs: true,
		create: func(id, callbackURL string) (string, error) {
			_, err := c.Payment(t.Context(), client.PTSPayment{
				OrderID: id, Amount: payack.NewAmount(amount), Currency: "PHP", Channel: "GCASH", CallbackURL: callbackURL,
			})
			return "", err
		},
		fail: func(id string) error { return gw.SetStatus(id, payack.PTSFailed) },
	}
}
