package e2e

import (
	"net/http"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

const acmeKey = "key-of-acme-in-the-kit"

var acme = provider{
	receiver: func(_ testing.TB, m Merchant) (http.Handler, error) {
		return handlers.NewAcme(middleware.AcmeConfig{Keys: payack.Secrets(acmeKey), Options: m.Options}, callback[*payack.AcmeEvent](m))
	},
	genuine: func(testing.TB) Message {
		return Message{http.MethodPost, "/callback", http.Header{"Content-Type": {"application/json"}},
			`{"order_id":"A1","amount":"5.00","status":"paid","mac":"` + verify.AcmeMAC(payack.NewSecret(acmeKey), "A1", "5.00", "paid") + `"}`}
	},
	contract: func(outcome payack.Outcome, reason payack.Reason) (status int, contentType, body string) {
		switch {
		case outcome == payack.OutcomeAccepted || outcome == payack.OutcomeDuplicate:
			return 200, "text/plain", "taken"
		case outcome == payack.OutcomeRefused:
			return gate[reason], "text/plain", "refused"
		case outcome == payack.OutcomeFailed:
			return 503, "text/plain", "again"
		case afterVerified[reason]:
			return 409, "text/plain", "unwanted"
		}
		return 401, "text/plain", "forged"
	},
}
