package e2e

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// PayatomKey is a throwaway secret key of Payatom's test vectors (testdata/vectors).
const PayatomKey = "68e6d7a89981a0c7335f2a7f07ff3e20"

var payatom = provider{
	receiver: func(_ testing.TB, m Merchant) (http.Handler, error) {
		c := middleware.PayatomConfig{
			Body: m.Body, Expect: m.Expect, ExpectInCallback: m.Expect == nil && m.Confirm == nil,
			OlderSpelling: m.OlderSpelling, Confirm: confirm[*payack.PayatomEvent](m), Options: m.Options,
			KeyFunc: keyFunc(m, PayatomKey, func(tenant string, key payack.Secret) (*verify.PayatomKeys, error) {
				return verify.NewPayatomKeys(tenant, key)
			}),
		}
		if m.Tenant == nil {
			c.SecretKeys = payack.Secrets(PayatomKey)
		}
		return handlers.NewPayatom(c, callback[*payack.PayatomEvent](m))
	},
	genuine: func(t testing.TB) Message {
		return PayatomMessage(t, `"ORD1"`, `"500"`, `"Approved"`, "ORD1500Approved")
	},
	contract: func(outcome payack.Outcome, reason payack.Reason) (status int, contentType, body string) {
		const (
			json       = "application/json;charset=utf-8"
			matched    = `{"hash_status":"HashMatched","acknowledge":"no"}`
			mismatched = `{"hash_status":"HashMismatch","acknowledge":"no"}`
		)
		switch {
		case outcome == payack.OutcomeAccepted || outcome == payack.OutcomeDuplicate:
			return 200, json, `{"hash_status":"HashMatched","acknowledge":"yes"}`
		case outcome == payack.OutcomeRefused:
			return gate[reason], json, mismatched
		case outcome == payack.OutcomeFailed || afterVerified[reason]:
			return 200, json, matched
		}
		return 200, json, mismatched
	},
	amounts: func(ev payack.Event) map[string]payack.Amount {
		return map[string]payack.Amount{"received_amount": ev.(*payack.PayatomEvent).ReceivedAmount}
	},
}

// PayatomMessage returns a webhook with these JSON literals. Its hash covers the text
// in signed.
func PayatomMessage(t testing.TB, orderID, amount, status, signed string) Message {
	t.Helper()
	signer, err := verify.NewPayatomSigner(payack.NewSecret(PayatomKey))
	require.NoError(t, err)
	return Message{http.MethodPost, "/callback", http.Header{"Content-Type": {"application/json"}},
		`{"order_id":` + orderID + `,"requested_amount":"500","status":` + status + `,"received_amount":` + amount +
			`,"bank_ref":"838498153464","sender_upi":"user@bank","ref_code":"b73ea664","refund_info":[],"post_hash":"` +
			signer.PostHash("", "", signed) + `"}`}
}

// Expecting returns an Expect hook that knows these orders with their amounts, and
// returns err with every answer.
func Expecting(orders map[string]string, err error) func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
	return func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
		amount, found := orders[ev.OrderID]
		return payack.Expectation{Found: found, Amount: payack.NewAmount(amount)}, err
	}
}
