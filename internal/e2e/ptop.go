package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// PtopKey is a throwaway signing key of Ptop's test vectors (testdata/vectors).
const PtopKey = "46bc3a213874d10ccef585932385ce2b"

var ptop = provider{
	receiver: func(_ testing.TB, m Merchant) (http.Handler, error) {
		c := middleware.PtopConfig{
			Body: m.Body, ConfirmInCallback: m.Confirm == nil, Confirm: confirm[*payack.PtopEvent](m), Options: m.Options,
			KeyFunc: keyFunc(m, PtopKey, func(tenant string, key payack.Secret) (*verify.PtopKeys, error) {
				return verify.NewPtopKeys(tenant, key)
			}),
		}
		if m.Tenant == nil {
			c.SigningKeys = payack.Secrets(PtopKey)
		}
		return handlers.NewPtop(c, callback[*payack.PtopEvent](m))
	},
	genuine: func(t testing.TB) Message {
		return PtopMessage(t, `{"success":true,"transaction_id":"T1","order_id":"ORD1","message":"Payment done"}`)
	},
	contract: func(outcome payack.Outcome, reason payack.Reason) (status int, contentType, body string) {
		switch {
		case outcome == payack.OutcomeAccepted || outcome == payack.OutcomeDuplicate:
			return 200, "", ""
		case outcome == payack.OutcomeRefused:
			return gate[reason], "", ""
		case reason == payack.ReasonBusy:
			return 503, "", ""
		case outcome == payack.OutcomeFailed:
			return 500, "", ""
		case reason == payack.ReasonMalformed || reason == payack.ReasonInvalid:
			return 400, "", ""
		case afterVerified[reason]:
			return 422, "", ""
		}
		return 403, "text/plain", "Invalid signature"
	},
}

// PtopMessage returns a callback with its signature in the header.
func PtopMessage(t testing.TB, body string) Message {
	t.Helper()
	signed, err := verify.SignPtopCallback(payack.NewSecret(PtopKey), payack.SchemeHeader, verify.PtopLast, body)
	require.NoError(t, err)
	h := http.Header(signed.Header)
	h.Set("Content-Type", signed.ContentType)
	return Message{http.MethodPost, "/callback", h, signed.Body}
}
