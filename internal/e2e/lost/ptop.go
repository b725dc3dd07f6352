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

func ptop(t testing.TB, s *Shop, o middleware.Options) side {
	gw, err := gateway.NewPtop(gateway.PtopConfig{Options: gatewayOptions(s)})
	require.NoError(t, err)
	c, err := client.NewPtop(client.PtopConfig{BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey(), Options: clientOptions(s)})
	require.NoError(t, err)
	h, err := handlers.NewPtop(handlers.PtopConfig{SigningKeys: []payack.Secret{gw.SigningKey()}, Tenant: "shop", Confirm: compares(c.Confirm), Options: o},
		func(ctx context.Context, ev *payack.PtopEvent) error { return s.take(ctx, ev) })
	require.NoError(t, err)
	return side{
		fake: gw, handler: h, account: reconcile.Ptop(c, h),
		create: func(id, callbackURL string) (string, error) {
			created, err := c.CreatePayment(t.Context(), client.PtopPayment{
				OrderID: id, Amount: payack.NewAmount(amount), Product: "Tea",
				WebhookURL: callbackURL, SuccessURL: "https://shop.example", FailURL: "https://shop.example",
			})
			if err != nil {
				return "", err
			}
			return created.TransactionID, nil
		},
		fail: func(id string) error { return gw.SetStatus(id, gateway.PtopCancelled) },
	}
}
