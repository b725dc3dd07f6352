package diagnose_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

// Custom, a merchant's own way to find the signed text and the signature, is
// explained like the library's schemes. If one of these schemes matches instead,
// Suggest says so.
func TestCustomReading(t *testing.T) {
	keys := payacktest.NewPtopKeys()
	reading := func(m verify.Message) (signed, signature string, err error) {
		if m.Header["X-Mac"] == nil {
			return "", "", errors.New("there is no X-Mac")
		}
		return "v3." + m.Body, m.Header["X-Mac"][0], nil
	}
	h := newPtop(t, middleware.PtopConfig{SigningKeys: payack.Secrets("another-key", keys.SigningKey.Reveal()), Custom: reading})
	builtIn := sent(payacktest.Ptop(keys).Callback(t)) // its signature is in a header and covers the body alone
	own := delivery("application/json", builtIn.Body)
	mac := hmac.New(sha256.New, []byte(keys.SigningKey.Reveal()))
	mac.Write([]byte("v3." + own.Body))
	own.Header.Set("X-Mac", hex.EncodeToString(mac.Sum(nil)))

	report, advice := both(t, h, own, diagnose.Options{})
	assert.Contains(t, stepsOf(report), "signature: where the custom reading finds it\nsigned text: custom: v3."+own.Body+
		"\nkey: custom: key 1 does not match\nkey: custom: key 2 matches\nverified: under scheme custom with key 2\n")
	assert.Equal(t, payack.OutcomeAccepted, report.Outcome)
	assert.Equal(t, &diagnose.Advice{}, advice)

	own.Body += "\n"
	report, advice = both(t, h, own, diagnose.Options{})
	assert.Equal(t, payack.ReasonSignature, report.Reason)
	assert.Contains(t, stepsOf(report), "key: custom: key 2 does not match\n")
	assert.True(t, advice.Verifies, "the line break at its end was added on the way")
	assert.Equal(t, payack.SchemeCustom, advice.Scheme)

	report, advice = both(t, h, builtIn, diagnose.Options{})
	assert.Equal(t, payack.ReasonSignature, report.Reason)
	assert.Contains(t, stepsOf(report), "hint: the custom reading says: there is no X-Mac\n")
	require.True(t, advice.Verifies)
	assert.Equal(t, payack.SchemeHeader, advice.Scheme)
	assert.Contains(t, advice.Fix, `leave Custom out, and set ptop.schemes to ["header"]`)
}

// Redactor redacts the same secrets as Explain.
func TestRedactor(t *testing.T) {
	keys := payacktest.NewPtopKeys()
	h, err := handlers.NewPtop(keys.Config(), func(context.Context, *payack.PtopEvent) error { return nil })
	require.NoError(t, err)
	redact, err := diagnose.Redactor(t.Context(), h, &payack.Delivery{})
	require.NoError(t, err)
	require.Equal(t, "the key is [redacted].", redact("the key is "+keys.SigningKey.Reveal()+"."))
	_, err = diagnose.Redactor(t.Context(), nil, &payack.Delivery{})
	require.ErrorContains(t, err, "the receiver is nil")
}
