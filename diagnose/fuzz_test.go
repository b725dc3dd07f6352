package diagnose_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

// FuzzDiagnose: for any recording nothing panics, the work stays within its bounds,
// no secret is shown, and the report agrees with the receiver.
func FuzzDiagnose(f *testing.F) {
	ptopKeys, ptsKeys, payatomKeys := payacktest.NewPtopKeys(), payacktest.NewPTSKeys(), payacktest.NewPayatomKeys()
	secret := ptsKeys.WithTransactionSignature("").TransactionSecret
	receivers := []*middleware.Handler{
		newPtop(f, middleware.PtopConfig{}),
		newPtop(f, middleware.PtopConfig{Body: verify.BodyForm}),
		newPTS(f, nil),
		newPTS(f, func(c *middleware.PTSConfig) { c.TransactionSecret = secret }),
		newPayatom(f, middleware.PayatomConfig{}),
		newPayatom(f, middleware.PayatomConfig{Body: verify.BodyForm, Numbers: []payack.Scheme{"php"}}),
	}
	secrets := []string{ptopKeys.SigningKey.Reveal(), ptsKeys.Safecode.Reveal(), secret.Reveal(), payatomKeys.SecretKey.Reveal()}
	for i, cb := range []payacktest.Callback{
		payacktest.Ptop(ptopKeys).Callback(f), payacktest.Ptop(ptopKeys).Scheme(payack.SchemeSpliced).Callback(f), payacktest.Ptop(ptopKeys).Form().Callback(f),
		payacktest.PTS(ptsKeys).Callback(f), payacktest.PTS(ptsKeys).Envelope().Callback(f), payacktest.PTS(ptsKeys).DataEnvelope().Callback(f),
		payacktest.Payatom(payatomKeys).Callback(f), payacktest.Payatom(payatomKeys).FormAmount().Callback(f),
	} {
		f.Add(uint8(i), cb.Header.Get("Content-Type"), cb.Header.Get("X-Signature"), string(cb.Body), int64(0))
		f.Add(uint8(i+1), "text/plain", strings.ToUpper(cb.Header.Get("X-Signature")), strings.ReplaceAll(string(cb.Body), "+", " ")+secrets[i%4], int64(-1))
	}
	f.Fuzz(func(t *testing.T, which uint8, contentType, signature, body string, length int64) {
		h := receivers[int(which)%len(receivers)]
		d := &payack.Delivery{Header: http.Header{"Content-Type": {contentType}, "X-Signature": {signature}, verify.PTSTransactionHeader: {signature}}, Body: body}
		o := diagnose.Options{Length: length, Opened: which >= 128}
		report, advice := both(t, h, d, o)
		require.LessOrEqual(t, advice.Checks, diagnose.MaxChecks+64)
		all, err := json.Marshal([]any{report, advice})
		require.NoError(t, err)
		for _, s := range ownSecrets(h, secrets) {
			require.NotContains(t, string(all), s)
		}
		told, err := h.Explain(t.Context(), d)
		require.NoError(t, err)
		if report.Outcome == payack.OutcomeAccepted {
			require.NoError(t, told.Err)
			require.Equal(t, told.Event.ID(), report.EventID)
		}
	})
}

// ownSecrets returns the secrets of a receiver.
func ownSecrets(h *middleware.Handler, all []string) []string {
	return map[payack.Provider][]string{payack.Ptop: all[:1], payack.PTS: all[1:3], payack.Payatom: all[3:]}[h.Provider()]
}
