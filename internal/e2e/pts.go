package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

var pts = provider{
	receiver: func(t testing.TB, m Merchant) (http.Handler, error) {
		key := PTSKey(t)
		c := middleware.PTSConfig{
			Confirm: confirm[*payack.PTSEvent](m), Options: m.Options,
			KeyFunc: keyFunc(m, key.Safecode, func(tenant string, safecode payack.Secret) (*verify.PTSKeys, error) {
				return verify.NewPTSKeys(verify.PTSKeyConfig{Tenant: tenant, Safecode: safecode, PublicKeys: []string{key.PublicPEM}})
			}),
		}
		if m.Tenant == nil {
			c.Safecode, c.PublicKeys = payack.NewSecret(key.Safecode), []string{key.PublicPEM}
		}
		return handlers.NewPTS(c, callback[*payack.PTSEvent](m))
	},
	genuine: func(t testing.TB) Message { return PTSMessage(t, nil, nil) },
	contract: func(outcome payack.Outcome, reason payack.Reason) (status int, contentType, body string) {
		switch outcome {
		case payack.OutcomeAccepted, payack.OutcomeDuplicate:
			return 200, "text/plain", "SUCCESS"
		case payack.OutcomeRefused:
			return gate[reason], "text/plain", "FAILED"
		}
		return 200, "text/plain", "FAILED"
	},
	amounts: func(ev payack.Event) map[string]payack.Amount {
		e := ev.(*payack.PTSEvent)
		return map[string]payack.Amount{"submit_amount": e.SubmitAmount, "accept_amount": e.AcceptAmount, "exchange_rate": e.ExchangeRate}
	},
}

var loadPTSKey = sync.OnceValues(func() (vectors.Key, error) {
	f, err := vectors.Load("pts")
	if err != nil {
		return vectors.Key{}, err
	}
	return f.Keys["rsa1024"], nil
})

// PTSKey returns the keys that sign and seal genuine callbacks.
func PTSKey(t testing.TB) vectors.Key {
	t.Helper()
	k, err := loadPTSKey()
	require.NoError(t, err)
	return k
}

// PTSNames are the signed members of a callback, in the order of the documents.
var PTSNames = []string{"user_id", "order_id", "transaction_id", "channel", "submit_currency", "submit_amount",
	"accept_currency", "accept_amount", "exchange_rate", "status", "timestamp"}

// PTSMessage returns a flat callback: its body is the object of the signed members,
// without an envelope. literals replace the JSON literals of members, and texts the
// signed texts of members.
func PTSMessage(t testing.TB, literals, texts map[string]string) Message {
	t.Helper()
	key := PTSKey(t)
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{Safecode: payack.NewSecret(key.Safecode), PrivateKey: payack.NewSecret(key.PrivatePEM)})
	require.NoError(t, err)
	members := map[string]string{
		"user_id": `"277"`, "order_id": `"20240001"`, "transaction_id": `"7001"`, "channel": `"QRPH"`,
		"submit_currency": `"PHP"`, "submit_amount": "100.50", "accept_currency": `"PHP"`, "accept_amount": "100.50",
		"exchange_rate": "1", "status": `"2000"`, "timestamp": "1731000000",
	}
	for name, literal := range literals {
		members[name] = literal
	}
	signed := map[string]string{}
	var body strings.Builder
	for _, name := range PTSNames {
		body.WriteString(`"` + name + `":` + members[name] + ",")
		signed[name] = members[name]
		var s string
		if json.Unmarshal([]byte(members[name]), &s) == nil {
			signed[name] = s
		}
		if text, found := texts[name]; found {
			signed[name] = text
		}
	}
	sign, err := signer.Sign(verify.PTSCallback, signed)
	require.NoError(t, err)
	return Message{http.MethodPost, "/callback", http.Header{"Content-Type": {"application/json"}}, "{" + body.String() + `"sign":"` + sign + `"}`}
}

// SealPTS returns the envelope of a text.
func SealPTS(t testing.TB, plain string) string {
	t.Helper()
	e, err := envelope.NewPTS(payack.NewSecret(PTSKey(t).Safecode), envelope.PTSRaw)
	require.NoError(t, err)
	return string(e.Seal([]byte(plain)))
}
