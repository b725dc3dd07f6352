package diagnose_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

func newPtop(t testing.TB, c middleware.PtopConfig) *middleware.Handler {
	if c.KeyFunc == nil && c.SigningKeys == nil {
		c.SigningKeys = []payack.Secret{payacktest.NewPtopKeys().SigningKey}
	}
	c.ConfirmInCallback, c.Options = true, quiet
	h, err := handlers.NewPtop(c, settled[*payack.PtopEvent])
	require.NoError(t, err)
	return h
}

func newPTS(t testing.TB, change func(c *middleware.PTSConfig)) *middleware.Handler {
	keys := payacktest.NewPTSKeys()
	c := middleware.PTSConfig{Safecode: keys.Safecode, PublicKeys: []string{keys.PublicKey}, Options: quiet}
	if change != nil {
		change(&c)
	}
	h, err := handlers.NewPTS(c, settled[*payack.PTSEvent])
	require.NoError(t, err)
	return h
}

func newPayatom(t testing.TB, c middleware.PayatomConfig) *middleware.Handler {
	if c.SecretKeys == nil {
		c.SecretKeys = []payack.Secret{payacktest.NewPayatomKeys().SecretKey}
	}
	c.ExpectInCallback, c.Options = true, quiet
	h, err := handlers.NewPayatom(c, settled[*payack.PayatomEvent])
	require.NoError(t, err)
	return h
}

func sent(cb payacktest.Callback) *payack.Delivery {
	return &payack.Delivery{Method: "POST", Path: "/", Header: cb.Header.Clone(), Body: string(cb.Body)}
}

// mangled replaces a text in a body, which must contain it.
func mangled(t testing.TB, cb payacktest.Callback, pairs ...string) *payack.Delivery {
	d := sent(cb)
	body := strings.NewReplacer(pairs...).Replace(d.Body)
	require.NotEqual(t, d.Body, body)
	d.Body = body
	return d
}

// lines inserts line breaks into a text, as an encoder for mail does.
func lines(text, end string) string {
	var b strings.Builder
	for len(text) > 64 {
		b.WriteString(text[:64] + end)
		text = text[64:]
	}
	return b.String() + text
}

// valueOf returns a member's text in a JSON body.
func valueOf(t testing.TB, cb payacktest.Callback, name string) string {
	var all map[string]any
	require.NoError(t, json.Unmarshal(cb.Body, &all))
	return all[name].(string)
}

func typed(d *payack.Delivery, contentType string) *payack.Delivery {
	d.Header.Set("Content-Type", contentType)
	return d
}

// Each case is a genuine callback that was changed in transit or meets a wrong
// configuration, with the expected advice.
func TestSuggest(t *testing.T) {
	ptopKeys, ptsKeys, payatomKeys := payacktest.NewPtopKeys(), payacktest.NewPTSKeys(), payacktest.NewPayatomKeys()
	ptop := payacktest.Ptop(ptopKeys)
	raw := ptop.Callback(t) // the signature is in a header
	spliced := ptop.Scheme(payack.SchemeSpliced).Callback(t)
	digits := valueOf(t, spliced, "signature")
	sum, err := hex.DecodeString(digits)
	require.NoError(t, err)
	header := func(name, value string) *payack.Delivery {
		d := sent(raw)
		d.Header.Del("X-Signature")
		d.Header[http.CanonicalHeaderKey(name)] = []string{value}
		return d
	}
	rawDigits := raw.Header.Get("X-Signature")
	signed := func(text string) *payack.Delivery { // the signature is in a header and covers this text
		mac, err := verify.SignPtopCallback(ptopKeys.SigningKey, payack.SchemeHeader, verify.PtopLast, text)
		require.NoError(t, err)
		d := delivery("application/json", text)
		d.Header.Set("X-Signature", http.Header(mac.Header).Get("X-Signature"))
		return d
	}
	passedOn := func(d *payack.Delivery, body string) *payack.Delivery { d.Body = body; return d }
	const pretty = "{\r\n  \"success\": true,\r\n  \"transaction_id\": \"T/1\",\r\n  \"order_id\": \"ORD1\"\r\n}"

	hexKeys := ptsKeys
	hexKeys.SafecodeEncoding = envelope.PTSHex
	pts := payacktest.PTS(ptsKeys)
	flat, sealed, inData := pts.Callback(t), pts.Envelope().Callback(t), pts.DataEnvelope().Callback(t)
	sign := valueOf(t, flat, "sign")
	require.True(t, strings.ContainsAny(sign, "+/") && strings.HasSuffix(sign, "="), sign)
	url := strings.NewReplacer("+", "-", "/", "_")
	withHeader := ptsKeys.WithTransactionSignature(verify.PTSHex)
	unset := func(c *middleware.PTSConfig) {}
	secret := func(c *middleware.PTSConfig) { c.TransactionSecret = withHeader.TransactionSecret }

	payatom := payacktest.Payatom(payatomKeys).IV([16]byte{1, 2, 3})
	webhook, form := payatom.Callback(t), payatom.Form().Callback(t)
	hash := valueOf(t, webhook, "post_hash")
	require.True(t, strings.Contains(hash, "+"), hash)
	quoted := func(s payack.Secret) payack.Secret { return payack.NewSecret(`"` + s.Reveal() + `"`) }

	for _, tc := range []struct {
		name string
		h    *middleware.Handler
		d    *payack.Delivery
		fix  string
	}{
		// A setting is wrong.
		{"scheme", newPtop(t, middleware.PtopConfig{Schemes: []payack.Scheme{"blanked"}}), sent(spliced), `set ptop.schemes to ["spliced"]`},
		{"body format", newPtop(t, middleware.PtopConfig{}), typed(sent(ptop.Form().Callback(t)), "application/json"), `set ptop.body to "form", and have it announced as application/x-www-form-urlencoded`},
		{"JSON under text/plain", newPtop(t, middleware.PtopConfig{}), typed(sent(spliced), "text/plain"), "have it announced as application/json, or set ptop.sniff to true"},
		{"no content type", newPayatom(t, middleware.PayatomConfig{}), typed(sent(webhook), ""), "set payatom.sniff to true"},
		{"a header of another name", newPtop(t, middleware.PtopConfig{}), header("The-Signature", rawDigits), `set ptop.signature_headers to ["The-Signature"]`},
		{"number text", newPTS(t, func(c *middleware.PTSConfig) { c.Numbers = []payack.Scheme{"php"} }), sent(sealed), `set pts.numbers to ["literal"]`},
		{"key encoding", newPTS(t, unset), sent(payacktest.PTS(hexKeys).DataEnvelope().Callback(t)), `set pts.safecode_encoding to "hex"`},
		{"envelopes switched off", newPTS(t, func(c *middleware.PTSConfig) { c.NoEnvelopes = true }), sent(sealed), "set pts.no_envelopes to false"},
		{"encoding of the header", newPTS(t, secret), sent(payacktest.PTS(withHeader).Envelope().Callback(t)), `set pts.transaction_signature to "hex"`},
		{"no header", newPTS(t, secret), sent(sealed), "check pts.transaction_secret, or leave it out"},
		{"number text and format", newPayatom(t, middleware.PayatomConfig{Body: verify.BodyForm, Numbers: []payack.Scheme{"literal"}}),
			sent(payatom.PHPNumbers().NumberAmount("500.00").Callback(t)), `set payatom.numbers to ["php"], and set payatom.body to "json"`},
		{"a key with its quotes", newPtop(t, middleware.PtopConfig{SigningKeys: []payack.Secret{quoted(ptopKeys.SigningKey)}}), sent(spliced), "write the key in ptop.signing_keys without the quotes around it"},
		{"a key in capitals", newPTS(t, func(c *middleware.PTSConfig) { c.Safecode = payack.NewSecret(strings.ToUpper(c.Safecode.Reveal())) }), sent(sealed), "write the key in pts.safecode in lower case"},
		{"a key in base64", newPayatom(t, middleware.PayatomConfig{SecretKeys: payack.Secrets(base64.StdEncoding.EncodeToString([]byte(payatomKeys.SecretKey.Reveal())))}),
			sent(webhook), "write the key in payatom.secret_keys decoded from base64"},

		// Ptop's signature is spelled in another way.
		{"capitals", newPtop(t, middleware.PtopConfig{}), header("X-Signature", strings.ToUpper(rawDigits)), "have the signature sent in lower-case digits"},
		{"a prefix", newPtop(t, middleware.PtopConfig{}), header("X-Signature", "sha256="+rawDigits), "without sha256= before it"},
		{"base64 for digits", newPtop(t, middleware.PtopConfig{}), mangled(t, spliced, digits, base64.StdEncoding.EncodeToString(sum)), "in hex digits instead of base64"},
		{"white space around", newPtop(t, middleware.PtopConfig{}), mangled(t, spliced, digits, digits+" "), "without white space around it"},
		{"a prefix in another header", newPtop(t, middleware.PtopConfig{}), header("X-Hub", "sha256="+rawDigits), `set ptop.signature_headers to ["X-Hub"], and have the signature sent without sha256=`},

		// The bytes of Ptop's body were changed in transit, but not its members.
		{"a line end added", newPtop(t, middleware.PtopConfig{}), passedOn(signed(pretty), pretty+"\n"), "without the line break at its end"},
		{"a line end lost", newPtop(t, middleware.PtopConfig{}), passedOn(signed(pretty+"\n"), pretty), "with the line feed at its end"},
		{"CRLF lost", newPtop(t, middleware.PtopConfig{}), passedOn(signed(pretty+"\r\n"), pretty), "with CRLF at its end"},
		{"LF for CRLF", newPtop(t, middleware.PtopConfig{}), passedOn(signed(pretty), strings.ReplaceAll(pretty, "\r", "")), "line breaks passed on as CRLF"},
		{"CRLF for LF", newPtop(t, middleware.PtopConfig{}), passedOn(signed(strings.ReplaceAll(pretty, "\r", "")), pretty), "line breaks passed on as LF"},
		{"made pretty", newPtop(t, middleware.PtopConfig{}), passedOn(signed(`{"success":true,"transaction_id":"T/1","order_id":"ORD1"}`), pretty), "without white space between members"},
		{"written by PHP", newPtop(t, middleware.PtopConfig{}), passedOn(signed(`{"success":true,"transaction_id":"T\/1","order_id":"ORD1"}`), pretty), "as PHP writes it"},
		{"a byte-order mark", newPtop(t, middleware.PtopConfig{}), passedOn(signed(pretty), "\ufeff"+pretty), "without the byte-order mark"},

		// Base64 changed in transit.
		{"blanks for +", newPTS(t, unset), mangled(t, flat, "+", " "), "have sign sent with + for its blanks"},
		{"lines", newPTS(t, unset), mangled(t, flat, sign, lines(sign, `\r\n`)), "have sign sent in one line"},
		{"URL alphabet", newPTS(t, unset), mangled(t, flat, sign, url.Replace(sign)), "have sign sent in the standard alphabet"},
		{"padding", newPTS(t, unset), mangled(t, flat, sign, strings.TrimRight(sign, "=")), "have sign sent with its padding"},
		{"all of it", newPTS(t, unset), mangled(t, flat, sign, strings.TrimRight(lines(url.Replace(sign), `\n`), "=")), "have sign sent in one line and in the standard alphabet, with + and / for - and _ and with its padding"},
		{"percent signs", newPTS(t, unset), mangled(t, flat, "+", "%2B", "/", "%2F"), "have sign sent without percent-encoding"},
		{"an envelope with a line end", newPTS(t, unset), passedOn(sent(sealed), string(sealed.Body)+"\n"), "have the envelope sent in one line"},
		{"an envelope in lines", newPTS(t, unset), passedOn(sent(sealed), lines(string(sealed.Body), "\r\n")), "have the envelope sent in one line"},
		{"an envelope with blanks", newPTS(t, unset), mangled(t, inData, "+", " "), "have the envelope sent with + for its blanks"},
		{"an envelope in quotes", newPTS(t, unset), passedOn(sent(sealed), `"`+string(sealed.Body)+`"`), "without the quotes around the whole of it"},
		{"a hash with blanks", newPayatom(t, middleware.PayatomConfig{}), mangled(t, webhook, hash, strings.ReplaceAll(hash, "+", " ")), "have post_hash sent with + for its blanks"},
		{"a form's unescaped +", newPayatom(t, middleware.PayatomConfig{Body: verify.BodyForm}), mangled(t, form, "%2B", "+"), "have post_hash sent with + for its blanks"},
		{"a hash in lines", newPayatom(t, middleware.PayatomConfig{}), mangled(t, webhook, hash, lines(hash, `\n`)), "have post_hash sent in one line"},
		{"a sealed sign in lines", newPTS(t, unset), resealed(t, ptsKeys, flat, sign, lines(sign, `\n`)), "have sign sent in one line"},

		// JSON changed in transit.
		{"no-break spaces", newPayatom(t, middleware.PayatomConfig{}), mangled(t, webhook, `,"status"`, ",\u00a0\"status\""), "no-break spaces (U+00A0)"},
		{"encoded twice", newPayatom(t, middleware.PayatomConfig{}), passedOn(sent(webhook), asJSON(t, string(webhook.Body))), "it was encoded as a JSON string"},
		{"escaped once more", newPayatom(t, middleware.PayatomConfig{}), mangled(t, webhook, `"`, `\"`), `without the \ before each quote`},
		{"UTF-16", newPTS(t, unset), passedOn(sent(flat), strings.Join(strings.Split(string(flat.Body), ""), "\x00")+"\x00"), "it is UTF-16"},
		{"Latin-1", newPTS(t, unset), mangled(t, pts.Set("error_message", "Ausf\u00fchrung").Callback(t), "\u00fc", "\xfc"), "it has bytes of Latin-1"},

		// The content type is wrong, or the gate refuses the delivery.
		{"an envelope as JSON", newPTS(t, unset), typed(sent(sealed), "application/json"), "have it announced as text/plain"},
		{"compressed, they say", newPTS(t, unset), withHeaderSet(sent(flat), "Content-Encoding", "gzip"), "have it sent without compression; after that, it verifies under scheme literal with key 1"},
		{"invalid then", newPayatom(t, middleware.PayatomConfig{Numbers: []payack.Scheme{"php"}}), sent(payatom.Amount("0").NumberAmount("0.00").Callback(t)),
			`set payatom.numbers to ["literal"]; but it is invalid then: received_amount is not above zero`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			report, advice := both(t, tc.h, tc.d, diagnose.Options{})
			assert.NotEqual(t, payack.OutcomeAccepted, report.Outcome)
			assert.Contains(t, advice.Fix, tc.fix, "%s\n%s", report.Cause, stepsOf(report))
			assert.True(t, advice.Verifies)
			assert.Equal(t, 1, advice.Key)
			assert.NotEmpty(t, advice.Scheme)
			assert.Contains(t, advice.Fix, "it verifies under scheme")
			for _, change := range advice.Changes {
				assert.Contains(t, advice.Fix, change.What)
				if change.Setting != "" {
					assert.Contains(t, change.What, change.Setting)
				}
			}
			t.Logf("%s -> %s (%d trials, %d checks)", report.Cause, advice.Fix, advice.Trials, advice.Checks)
		})
	}
}

func withHeaderSet(d *payack.Delivery, name, value string) *payack.Delivery {
	d.Header.Set(name, value)
	return d
}

func asJSON(t testing.TB, text string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(text))
	return strings.TrimSpace(b.String())
}

// resealed puts a changed body into an envelope.
func resealed(t testing.TB, keys payacktest.PTSKeys, cb payacktest.Callback, old, text string) *payack.Delivery {
	e, err := envelope.NewPTS(keys.Safecode, "")
	require.NoError(t, err)
	body := strings.Replace(string(cb.Body), old, text, 1)
	require.NotEqual(t, string(cb.Body), body)
	return delivery("text/plain", string(e.Seal([]byte(body))))
}

// Advice.Verifies is false for a delivery that no change makes verify.
func TestSuggestNothing(t *testing.T) {
	spliced := payacktest.Ptop(payacktest.NewPtopKeys()).Scheme(payack.SchemeSpliced).Callback(t)
	for name, tc := range map[string]struct {
		h   *middleware.Handler
		d   *payack.Delivery
		o   diagnose.Options
		fix string
	}{
		"forged":      {newPtop(t, middleware.PtopConfig{}), sent(spliced.Tampered(t, payacktest.FlipSignature)), diagnose.Options{}, "check the keys"},
		"wrong key":   {newPtop(t, middleware.PtopConfig{SigningKeys: payack.Secrets("another-key-altogether")}), sent(spliced), diagnose.Options{}, "check the keys"},
		"redacted":    {newPtop(t, middleware.PtopConfig{}), sent(spliced.Tampered(t, payacktest.DropSignature)), diagnose.Options{Redacted: []string{"x-signature"}}, "record it again and keep the header"},
		"perhaps":     {newPtop(t, middleware.PtopConfig{}), sent(spliced.Tampered(t, payacktest.DropSignature)), diagnose.Options{Redacted: []string{"X-Hash", "Cookie"}}, "in a header that was redacted (X-Hash)"},
		"incomplete":  {newPTS(t, nil), delivery("application/json", `{"sign":`), diagnose.Options{Incomplete: true, Length: 500}, "record it again, completely"},
		"no body":     {newPTS(t, nil), delivery("application/json", ""), diagnose.Options{}, "compare it with the provider's documents"},
		"consumed":    {newPTS(t, nil), delivery("application/json", ""), diagnose.Options{Length: 7}, "have it sent with a body"},
		"too large":   {newPTS(t, nil), delivery("application/json", strings.Repeat(" ", 64<<10)+"{}"), diagnose.Options{}, "raise max_body_bytes"},
		"wrong place": {newPayatom(t, middleware.PayatomConfig{}), sent(payacktest.PTS(payacktest.NewPTSKeys()).Callback(t)), diagnose.Options{}, "compare it with the provider's documents"},
	} {
		t.Run(name, func(t *testing.T) {
			report, advice := both(t, tc.h, tc.d, tc.o)
			assert.Contains(t, advice.Fix, tc.fix)
			assert.False(t, advice.Verifies)
			assert.Empty(t, advice.Changes)
			if name == "wrong place" {
				assert.Contains(t, report.Cause, "it has the signature of pts's callbacks")
			}
		})
	}
	_, advice := both(t, newPtop(t, middleware.PtopConfig{}), sent(spliced.Tampered(t, payacktest.DropSignature)), diagnose.Options{})
	assert.Contains(t, strings.Join(advice.Also, "; "), "if it is sent as the_signature, something in front may drop names with underscores: set underscores_in_headers on in nginx")
}

// The search ends with its context or at its bounds.
func TestSuggestIsBounded(t *testing.T) {
	keys := make([]string, 200)
	for i := range keys {
		keys[i] = strings.Repeat("k", 20) + string(rune('a'+i%26)) + strings.Repeat("x", i)
	}
	h := newPtop(t, middleware.PtopConfig{SigningKeys: payack.Secrets(keys...)})
	d := delivery("application/json", `{"success":true,"transaction_id":"`+strings.Repeat("x", 60000)+`","order_id":"1","signature":"`+strings.Repeat("A", 64)+`"}`)
	for i := range 30 {
		d.Header.Set("X-"+strings.Repeat("A", i+1), strings.Repeat("b", 64))
	}
	_, advice := both(t, h, d, diagnose.Options{})
	assert.False(t, advice.Verifies)
	assert.True(t, advice.Cut)
	assert.LessOrEqual(t, advice.Trials, diagnose.MaxTrials)
	assert.LessOrEqual(t, advice.Checks, diagnose.MaxChecks+10*len(keys))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	advice, err := diagnose.Suggest(ctx, h, d, diagnose.Options{})
	require.NoError(t, err)
	assert.Zero(t, advice.Trials)
	assert.True(t, advice.Cut)
	assert.Contains(t, advice.Fix, "before everything was tried")
}
