package verify_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// manglings are changes of base64 in transit, with the expected hint.
var manglings = map[string]struct {
	mangle func(string) string
	says   string
}{
	"line breaks":     {func(s string) string { return s[:76] + "\r\n" + s[76:] }, "line breaks"},
	"a last line":     {func(s string) string { return s + "\n" }, "line breaks"},
	"blanks for plus": {func(s string) string { return " " + s[1:] }, "blanks"},
	"URL alphabet":    {func(s string) string { return "_" + s[1:len(s)-4] + "A-A=" }, "URL alphabet"},
	"no padding":      {func(s string) string { return strings.TrimRight(s, "=")[:len(s)-5] }, "padding"},
	"quoted":          {func(s string) string { return `'` + s + `'` }, "characters that base64 doesn't have"},
	"nothing":         {func(string) string { return "" }, "it is empty"},
	"too much":        {func(s string) string { return s[:len(s)-4] + "====" }, "too much padding"},
}

func TestPTSHints(t *testing.T) {
	p := newPTSParty(t)
	sealed := seal(t, p, p.callback)
	verifyAs := func(contentType, body string) *payack.Error {
		ev, err := p.verifier.Verify(verify.Message{ContentType: contentType, Body: body}, p.keys)
		return refusedPTS(t, ev, err)
	}
	_, sign, _ := strings.Cut(strings.TrimSuffix(p.callback, `"}`), `"sign":"`)
	for name, m := range manglings {
		e := verifyAs("text/plain", m.mangle(sealed))
		assert.Equal(t, payack.ReasonEnvelope, e.Reason, name)
		assert.Contains(t, e.Detail, m.says, name)
		mangled := strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(m.mangle(sealed))
		e = verifyAs("application/json", `{"data":"`+mangled+`"}`)
		assert.Equal(t, payack.ReasonEnvelope, e.Reason, name)
		assert.Contains(t, e.Detail, m.says, name)
		mangled = strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(m.mangle(sign))
		e = verifyAs("application/json", strings.Replace(p.callback, sign, mangled, 1))
		assert.Equal(t, payack.ReasonSignature, e.Reason, name)
		assert.Contains(t, e.Detail, m.says, name)
	}
	assert.Equal(t, "it does not open with the safecode", verifyAs("text/plain", strings.Repeat("A", 64)).Detail, "nothing is known of it")

	e := verifyAs("text/plain", " "+p.callback)
	assert.Equal(t, payack.ReasonEnvelope, e.Reason)
	assert.Contains(t, e.Detail, "announced as application/json")
	e = verifyAs("application/json", sealed)
	assert.Equal(t, payack.ReasonMalformed, e.Reason)
	assert.Contains(t, e.Detail, "announced as text/plain")
	assert.Contains(t, verifyAs("application/json", sealed[:24]).Detail, "announced as text/plain", "a block, the shortest that can be")
	for _, body := range []string{"null", "true", `"` + sealed + `"`, "", sealed[:20]} {
		assert.NotContains(t, verifyAs("application/json", body).Detail, "text/plain", body)
	}
}

func TestPTSTransactionSignatureHints(t *testing.T) {
	p := newPTSParty(t)
	key := loadPTS(t).Keys["rsa2048"]
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		Safecode: p.safecode, PublicKeys: []string{key.PublicPEM}, TransactionSecret: payack.NewSecret(key.TransactionSecret),
	})
	require.NoError(t, err)
	sealed := seal(t, p, p.callback)
	inBase64, err := p.signer.TransactionSignature([]byte(sealed), verify.PTSBase64)
	require.NoError(t, err)
	inHex, err := p.signer.TransactionSignature([]byte(sealed), verify.PTSHex)
	require.NoError(t, err)
	for _, c := range []struct {
		encoding verify.PTSSignatureEncoding
		values   []string
		says     string
	}{
		{verify.PTSBase64, nil, "missing or given twice"},
		{verify.PTSBase64, []string{inBase64, inBase64}, "missing or given twice"},
		{verify.PTSBase64, []string{inHex}, "hex digits where base64 is expected"},
		{verify.PTSBase64, []string{strings.TrimRight(inBase64, "=")}, "padding"},
		{verify.PTSBase64, []string{inBase64[4:] + "AAA="}, "is wrong"},
		{verify.PTSHex, []string{inBase64}, "base64 where hex digits are expected"},
		{verify.PTSHex, []string{strings.ToUpper(inHex)}, "is wrong"},
		// A cause that doesn't hold is not named.
		{verify.PTSBase64, []string{"abcd"}, "is wrong"},
		{verify.PTSHex, []string{inHex[1:] + "0"}, "is wrong"},
		{verify.PTSHex, []string{"QUJD"}, "is wrong"},
		{verify.PTSHex, []string{"," + inBase64[1:]}, "is wrong"},
	} {
		v, err := verify.NewPTS(verify.PTSOptions{TransactionSignature: c.encoding})
		require.NoError(t, err)
		ev, err := v.Verify(verify.Message{ContentType: "text/plain", Body: sealed, Header: map[string][]string{verify.PTSTransactionHeader: c.values}}, keys)
		e := refusedPTS(t, ev, err)
		assert.Equal(t, payack.ReasonSignature, e.Reason)
		assert.Contains(t, e.Detail, c.says)
		if c.says == "is wrong" {
			assert.NotContains(t, e.Detail, "expected", c.values)
		}
	}
}

func TestPayatomHints(t *testing.T) {
	hash := newPayatomSigner(t, payatomSecret).PostHashIV([16]byte{0xfb, 0xef, 0xbe}, "O1", "5", "Approved")
	require.True(t, strings.HasPrefix(hash, "+"))
	body := func(hash string) string {
		hash = strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(hash)
		return `{"order_id":"O1","received_amount":"5","status":"Approved","post_hash":"` + hash + `"}`
	}
	for name, m := range manglings {
		ev, err := verifyPayatomJSON(t, body(m.mangle(hash)))
		e := refusedPayatom(t, ev, err)
		assert.Equal(t, payack.ReasonEnvelope, e.Reason, name)
		assert.Contains(t, e.Detail, m.says, name)
	}
	ev, err := verifyPayatomJSON(t, body(strings.Repeat("A", 128)))
	assert.Equal(t, "post_hash does not open with any secret key", refusedPayatom(t, ev, err).Detail)

	// An unescaped + in a form is decoded to a blank.
	form := newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm})
	m := verify.Message{ContentType: ptopFormType, Body: "order_id=O1&received_amount=5&status=Approved&post_hash=" + hash}
	ev, err = form.Verify(m, newPayatomKeys(t, "", payatomSecret))
	assert.Contains(t, refusedPayatom(t, ev, err).Detail, "send each + as %2B")
	m.Body = strings.Replace(m.Body, hash, url.QueryEscape(hash), 1)
	_, err = form.Verify(m, newPayatomKeys(t, "", payatomSecret))
	require.NoError(t, err)
}

func TestPtopHints(t *testing.T) {
	v, keys := newPtop(t, verify.PtopOptions{}), newPtopKeys(t, ptopKeyText)
	good := ptopSum(ptopKeyText, ptopJSON)
	raw, err := hex.DecodeString(good)
	require.NoError(t, err)
	for sent, says := range map[string]string{
		"":                      "it is empty",
		strings.ToUpper(good):   "upper-case digits",
		"sha256=" + good:        "begins with sha256=",
		encodeBase64(raw):       "it is base64",
		good + " ":              "white space",
		good[1:]:                "64 lower-case hex digits",
		strings.Repeat("x", 64): "64 lower-case hex digits",
	} {
		ev, err := v.Verify(ptopByHeader(ptopJSONType, ptopJSON, sent), keys)
		e := refusedPtop(t, ev, err)
		assert.Equal(t, payack.ReasonSignature, e.Reason)
		assert.Contains(t, e.Detail, says)
	}

	for _, sent := range []string{good[1:], encodeBase64(raw[:30]), "," + encodeBase64(raw)[1:]} { // a cause that doesn't hold is not named
		ev, err := v.Verify(ptopByHeader(ptopJSONType, ptopJSON, sent), keys)
		assert.Equal(t, "it is not 64 lower-case hex digits", refusedPtop(t, ev, err).Detail, sent)
	}

	// nginx drops headers with an underscore, such as the default header the_signature.
	// If such a header is configured and no signature is found, the error mentions nginx.
	ev, err := v.Verify(verify.Message{ContentType: ptopJSONType, Body: ptopJSON}, keys)
	e := refusedPtop(t, ev, err)
	assert.Contains(t, e.Detail, "The_signature")
	assert.Contains(t, e.Detail, "underscores_in_headers")
	named := newPtop(t, verify.PtopOptions{Headers: []string{"X-Signature"}})
	ev, err = named.Verify(verify.Message{ContentType: ptopJSONType, Body: ptopJSON}, keys)
	assert.Equal(t, "there is none in the body or in the configured headers", refusedPtop(t, ev, err).Detail)
}

// If SchemeHeader, which signs the raw body, is configured, the hint names a line break
// that was lost or added at the end of the body.
func TestPtopExplainsLineBreaks(t *testing.T) {
	v := newPtop(t, verify.PtopOptions{})
	ends := map[string]string{"": "without a line break", "\n": "with LF", "\r\n": "with CRLF"}
	keys, turned := newPtopKeys(t, "another", ptopKeyText), newPtopKeys(t, ptopKeyText, "another")
	for signed, says := range ends {
		for sent := range ends {
			keys, turned = turned, keys
			m := ptopByHeader(ptopJSONType, ptopJSON+sent, ptopSum(ptopKeyText, ptopJSON+signed))
			told := v.Explain(m, keys)
			ev, err := v.Verify(m, keys)
			require.Equal(t, err, told.Err)
			var hints []string
			for _, s := range told.Steps {
				if s.Name == "hint" {
					hints = append(hints, s.Text)
				}
			}
			if sent == signed {
				require.NoError(t, err)
				assert.Empty(t, hints)
				continue
			}
			assert.Equal(t, payack.ReasonSignature, refusedPtop(t, ev, err).Reason)
			if sent == "" && signed == "\r\n" { // not tried, so that a forgery costs one try less
				assert.Empty(t, hints)
				continue
			}
			require.Len(t, hints, 1, "%q for %q", sent, signed)
			assert.Equal(t, "no signing key matches it under the configured schemes: "+hints[0], refusedPtop(t, ev, err).Detail)
			pinned := newPtop(t, verify.PtopOptions{Schemes: []payack.Scheme{payack.SchemeSpliced}})
			ev, err = pinned.Verify(m, keys)
			assert.Equal(t, "no signing key matches it under the configured schemes", refusedPtop(t, ev, err).Detail)
			assert.Contains(t, hints[0], says)
			assert.NotContains(t, strings.Join(hints, ""), ptopSum(ptopKeyText, ptopJSON+signed))
		}
	}
	told := v.Explain(ptopByHeader(ptopJSONType, ptopJSON, ptopSum("third", ptopJSON)), keys)
	for _, s := range told.Steps {
		assert.NotEqual(t, "hint", s.Name)
	}
}

func encodeBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
