package field

import (
	"context"
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

var ptsMembers = Members{
	{"user_id", `"277"`}, {"order_id", `"20240001"`}, {"transaction_id", `"7001"`}, {"channel", `"QRPH"`},
	{"submit_currency", `"PHP"`}, {"submit_amount", `100.50`}, {"accept_currency", `"PHP"`}, {"accept_amount", `100.50`},
	{"exchange_rate", `1`}, {"status", `"2000"`}, {"timestamp", `1731000000`},
}

var pts = provider{
	key:      "rsa1024",
	genuine:  ptsMembers,
	query:    ptsMembers,
	shapes:   true,
	member:   "sign",
	sign:     signPTS,
	receiver: newPTS,
	open: func(key vectors.Key, question []byte) ([]byte, error) {
		signer, err := ptsSigner(key)
		if err != nil {
			return nil, err
		}
		return signer.Open(question)
	},
	enclose: ptsResponse,
}

// ptsResponse returns PTS's answer with the given data.
func ptsResponse(data string) string { return ptsResponseBegins + data + `}` }

const ptsResponseBegins = `{"code":"1000","message":"ok","data":`

func signPTS(key vectors.Key, _ Members, text func(string) string) (string, error) {
	signer, err := ptsSigner(key)
	if err != nil {
		return "", err
	}
	texts := map[string]string{}
	for _, name := range e2e.PTSNames {
		texts[name] = text(name)
	}
	return signer.Sign(verify.PTSCallback, texts)
}

func ptsSigner(key vectors.Key) (*verify.PTSSigner, error) {
	return verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: payack.NewSecret(key.Safecode), PrivateKey: payack.NewSecret(key.PrivatePEM), TransactionSecret: payack.NewSecret(key.TransactionSecret),
	})
}

func newPTS(m *merchant, o handlers.Options, url string) (http.Handler, error) {
	c := &m.c.Config
	cfg := handlers.PTSConfig{
		UserID: c.UserID, Safecode: payack.NewSecret(m.key.Safecode), PublicKeys: []string{m.key.PublicPEM},
		Numbers: c.Numbers, Sniff: c.Sniff, TransactionSignature: c.TransactionSignature, Options: o,
	}
	if c.TransactionSignature != "" {
		cfg.TransactionSecret = payack.NewSecret(m.key.TransactionSecret)
	}
	if url != "" {
		asks, err := client.NewPTS(client.PTSConfig{
			BaseURL: url, GUID: "guid", UserID: "277", Safecode: payack.NewSecret(m.key.Safecode), PublicKeys: []string{m.key.PublicPEM},
			PrivateKey: payack.NewSecret(m.key.PrivatePEM), TransactionSecret: payack.NewSecret(m.key.TransactionSecret), Options: once,
		})
		require.NoError(m.t, err)
		cfg.Confirm = confirms(m, asks.Confirm)
	}
	return orNil(handlers.NewPTS(cfg, func(ctx context.Context, ev *payack.PTSEvent) error { return m.callback(ctx, ev) }))
}
