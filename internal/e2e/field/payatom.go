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

var payatomMembers = Members{
	{"order_id", `"ORD1"`}, {"requested_amount", `"500"`}, {"status", `"Approved"`}, {"received_amount", `"500"`},
	{"bank_ref", `"838498153464"`}, {"sender_upi", `"user@bank"`}, {"ref_code", `"b73ea664"`}, {"refund_info", `[]`},
}

var payatom = provider{
	key:     "hex32",
	genuine: payatomMembers,
	form:    payatomMembers[:len(payatomMembers)-1],
	query: Members{
		{"order_id", `"ORD1"`}, {"upi_id", `"user@bank"`}, {"amount", `"500"`}, {"webhook_acknowledged", `"no"`},
		{"status", `"Approved"`}, {"refund_info", `[]`},
	},
	member:   "post_hash",
	sign:     signPayatom,
	receiver: newPayatom,
}

func signPayatom(key vectors.Key, members Members, text func(string) string) (string, error) {
	signer, err := verify.NewPayatomSigner(payack.NewSecret(key.SecretKey))
	if err != nil {
		return "", err
	}
	amount := "received_amount"
	for _, name := range []string{"received_amount", "recieved_amount", "amount"} { // the last two are the names in forms and in polling
		if members.index(name) >= 0 {
			amount = name
			break
		}
	}
	// The members are joined here, because the signer would refuse a long order_id.
	return signer.PostHash("", "", text("order_id")+text(amount)+text("status")), nil
}

func newPayatom(m *merchant, o handlers.Options, url string) (http.Handler, error) {
	c := &m.c.Config
	cfg := handlers.PayatomConfig{
		SecretKeys: payack.Secrets(m.key.SecretKey), Body: c.Body, Numbers: c.Numbers, Sniff: c.Sniff,
		OlderSpelling: c.OlderSpelling, ExpectInCallback: c.Confirm == nil && c.Orders == nil, Options: o,
	}
	if c.Orders != nil {
		cfg.Expect = m.expect
	}
	if c.AnyAmount {
		cfg.Match = payack.AnyAmount
	}
	if url != "" {
		asks, err := client.NewPayatom(client.PayatomConfig{BaseURL: url, PID: "316ec4afb35", SecretKeys: payack.Secrets(m.key.SecretKey), Options: once})
		require.NoError(m.t, err)
		cfg.Confirm = confirms(m, asks.Confirm)
	}
	return orNil(handlers.NewPayatom(cfg, func(ctx context.Context, ev *payack.PayatomEvent) error { return m.callback(ctx, ev) }))
}
