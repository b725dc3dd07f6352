package field

import (
	"context"
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

var ptop = provider{
	key: "plain32",
	genuine: Members{
		{"success", `true`}, {"transaction_id", `"T1"`}, {"order_id", `"ORD1"`}, {"message", `"Payment done"`},
	},
	form: Members{
		{"success", `"1"`}, {"transaction_id", `"T1"`}, {"order_id", `"ORD1"`}, {"message", `"Payment done"`},
	},
	query:    Members{{"status", "1"}, {"amount", "100.00"}},
	places:   true,
	signBody: signPtop,
	receiver: newPtop,
}

func signPtop(d *Delivery, key vectors.Key, body string) (string, error) {
	if d.Sign == "header" { // the method Message signs the final body
		return body, nil
	}
	place := map[string]verify.PtopPlace{"": verify.PtopLast, "first": verify.PtopFirst, "middle": verify.PtopMiddle}[d.Place]
	signed, err := verify.SignPtopCallback(payack.NewSecret(key.TheSignature), payack.Scheme(d.Sign), place, body)
	return signed.Body, err
}

func newPtop(m *merchant, o handlers.Options, url string) (http.Handler, error) {
	c := &m.c.Config
	cfg := handlers.PtopConfig{
		SigningKeys: payack.Secrets(m.key.TheSignature), Body: c.Body, Schemes: c.Schemes, SignatureHeaders: c.SignatureHeaders,
		Sniff: c.Sniff, ConfirmInCallback: c.Confirm == nil, Options: o,
	}
	if url != "" {
		asks, err := client.NewPtop(client.PtopConfig{
			BaseURL: url, WebsiteID: m.key.WebsiteID, SecretKey: payack.NewSecret(m.key.SecretKey), Options: once,
		})
		require.NoError(m.t, err)
		cfg.Confirm = confirms(m, asks.Confirm)
	}
	return orNil(handlers.NewPtop(cfg, func(ctx context.Context, ev *payack.PtopEvent) error { return m.callback(ctx, ev) }))
}
