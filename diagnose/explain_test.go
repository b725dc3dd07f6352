package diagnose_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

func TestRegistryIsComplete(t *testing.T) { require.NoError(t, diagnose.CheckRegistry()) }

func TestExplain(t *testing.T) {
	keys := payacktest.NewPtopKeys()
	d := sent(payacktest.Ptop(keys).Scheme(payack.SchemeSpliced).Callback(t))
	report, advice := both(t, newPtop(t, middleware.PtopConfig{SigningKeys: payack.Secrets("another-key", keys.SigningKey.Reveal())}), d, diagnose.Options{})
	assert.Equal(t, `gate: POST: accepted
gate: 173 bytes: accepted
gate: application/json: accepted
gate: no compression: accepted
shape: a JSON object
field: success = true
field: transaction_id = "TX1000001"
field: order_id = "ORD1000001"
field: message = "Payment done"
field: signature = "3571eb4ecd0f854ff38c37bcaeb8e20e4bf37edc45188a5387b5b7a484793970"
signature: in the body
signed text: spliced: {"success":true,"transaction_id":"TX1000001","order_id":"ORD1000001","message":"Payment done"}
key: spliced: key 1 does not match
key: spliced: key 2 matches
verified: under scheme spliced with key 2
event: {"success":true,"transaction_id":"TX1000001","order_id":"ORD1000001","message":"Payment done"}
`, stepsOf(report))
	assert.Equal(t, payack.OutcomeAccepted, report.Outcome)
	assert.Equal(t, "ptop:v1::TX1000001:true", report.EventID)
	assert.Equal(t, 2, report.Key)
	assert.Equal(t, payack.Answer{Status: 200}, report.Answer)
	assert.Equal(t, "ORD1000001", report.Event.Order())
	assert.Equal(t, &diagnose.Advice{}, advice)
	text, err := json.Marshal(report)
	require.NoError(t, err)
	assert.Contains(t, string(text), `{"name":"key","text":"spliced: key 2 matches"}`)
}

// The broken examples in the providers' documents are explained with the offset of
// the mistake.
func TestExplainBrokenExamples(t *testing.T) {
	h := newPayatom(t, middleware.PayatomConfig{})
	for body, cause := range map[string]string{
		`{"order_id":"ORD1","amount:"100","status":"Approved"}`:           "the quote after a name is missing: it comes after the colon, at byte 26 (line 1, column 27)",
		`{"order_id":"ORD1","webhook_acknowledged", "0","status":"Late"}`: "there is a comma between a name and its value instead of a colon, at byte 41 (line 1, column 42)",
		"{\n\u00a0 \"order_id\":\"ORD1\"}":                                "there is U+00A0 in place of white space: it looks like a blank, but JSON allows blank, tab, CR and LF only, at byte 2 (line 2, column 1)",
	} {
		report, _ := both(t, h, delivery("application/json", body), diagnose.Options{})
		assert.Equal(t, payack.ReasonMalformed, report.Reason)
		assert.Equal(t, cause, report.Cause)
		assert.Contains(t, stepsOf(report), "cause: "+cause)
	}
}

// The contents of an envelope are shown if they verify or Options.Opened is set.
func TestExplainEnvelope(t *testing.T) {
	sealed := payacktest.PTS(payacktest.NewPTSKeys()).Envelope()
	genuine, forged := sealed.Callback(t), sealed.Callback(t).Tampered(t, payacktest.SetMember("accept_amount", "9100.50"))
	broken := resealed(t, payacktest.NewPTSKeys(), payacktest.PTS(payacktest.NewPTSKeys()).Callback(t), `"order_id":`, `"order_id", `)
	h := newPTS(t, nil)
	for name, tc := range map[string]struct {
		d     *payack.Delivery
		o     diagnose.Options
		shown bool
	}{
		"genuine":          {sent(genuine), diagnose.Options{}, true},
		"forged":           {sent(forged), diagnose.Options{}, false},
		"forged, asked":    {sent(forged), diagnose.Options{Opened: true}, true},
		"malformed inside": {broken, diagnose.Options{}, false},
	} {
		report, advice := both(t, h, tc.d, tc.o)
		all, err := json.Marshal([]any{report, advice})
		require.NoError(t, err)
		assert.Contains(t, string(all), "it opens with the safecode", name)
		assert.Equal(t, tc.shown, strings.Contains(string(all), "ORD1000001"), name)
		assert.Equal(t, tc.shown, strings.Contains(string(all), "GCASH") || strings.Contains(string(all), "channel"), name)
		assert.Equal(t, name == "forged", strings.Contains(string(all), "are left out"), name)
		if name == "malformed inside" {
			assert.Contains(t, report.Cause, "there is a comma between a name and its value")
		}
	}
}

func TestExplainSecrets(t *testing.T) {
	keys := payacktest.NewPtopKeys()
	key := `a "key" <with> \ é`
	body := `{"success":true,"transaction_id":"T","order_id":` + asJSON(t, key) + `,"message":` + asJSON(t, keys.SigningKey.Reveal()) + `,"signature":""}`
	h := newPtop(t, middleware.PtopConfig{SigningKeys: []payack.Secret{keys.SigningKey, payack.NewSecret(key)}})
	report, advice := both(t, h, delivery("application/json", body), diagnose.Options{})
	all, err := json.Marshal([]any{report, advice})
	require.NoError(t, err)
	assert.NotContains(t, string(all), keys.SigningKey.Reveal())
	assert.NotContains(t, string(all), "with")
	assert.Contains(t, string(all), "[redacted]")
}

func TestExplainWithoutKeys(t *testing.T) {
	failing := func(err error) *middleware.Handler {
		c := middleware.PtopConfig{KeyFunc: func(ctx context.Context, r *http.Request) (*verify.PtopKeys, error) {
			d, ok := payack.DeliveryFrom(ctx)
			assert.True(t, ok && d.Path == r.URL.Path)
			return nil, err
		}}
		return newPtop(t, c)
	}
	d := sent(payacktest.Ptop(payacktest.NewPtopKeys()).Callback(t))
	report, advice := both(t, failing(errors.New("no database")), d, diagnose.Options{})
	assert.Equal(t, payack.ReasonKeys, report.Reason)
	assert.Equal(t, "KeyFunc failed", report.Cause)
	assert.Contains(t, advice.Fix, "look for the error of KeyFunc")
	report, advice = both(t, failing(payack.ErrUnknownTenant), d, diagnose.Options{})
	assert.Equal(t, payack.ReasonUnknownTenant, report.Reason)
	assert.Contains(t, advice.Fix, "check how KeyFunc finds the tenant")

	panicking := newPtop(t, middleware.PtopConfig{KeyFunc: func(context.Context, *http.Request) (*verify.PtopKeys, error) { panic("no keys") }})
	report, advice = both(t, panicking, d, diagnose.Options{})
	assert.Equal(t, payack.ReasonPanic, report.Reason)
	assert.Contains(t, advice.Fix, "look for the stack")

	_, err := diagnose.Explain(t.Context(), nil, d, diagnose.Options{})
	assert.EqualError(t, err, "payack: diagnose: the receiver is nil; look at the error that its constructor returned")
	_, err = diagnose.Suggest(t.Context(), failing(nil), nil, diagnose.Options{})
	assert.EqualError(t, err, "payack: diagnose: the delivery is nil; give the one that was recorded")
	_, err = diagnose.Explain(t.Context(), failing(nil), &payack.Delivery{}, diagnose.Options{})
	assert.NoError(t, err)
}

// Explain and Suggest do not change the delivery, and may run concurrently.
func TestExplainIsConcurrent(t *testing.T) {
	h := newPTS(t, nil)
	d := sent(payacktest.PTS(payacktest.NewPTSKeys()).Callback(t).Tampered(t, payacktest.FlipSignature))
	was := *d
	was.Header = d.Header.Clone()
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			_, err := diagnose.Explain(t.Context(), h, d, diagnose.Options{})
			assert.NoError(t, err)
			_, err = diagnose.Suggest(t.Context(), h, d, diagnose.Options{})
			assert.NoError(t, err)
		}()
	}
	for range 4 {
		<-done
	}
	assert.Equal(t, was, *d)
}
