package verify_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

// respond signs and wraps the members of a response's data, independently of the
// library's signer. A value that begins with a blank is written as a JSON literal,
// without quotes.
func respond(t testing.TB, key vectors.Key, m verify.PTSMessage, values map[string]string, extra string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(key.PrivatePEM))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	text, data := "", "{"+extra
	for _, name := range m.SignedMembers() {
		literal, found := strings.CutPrefix(values[name], " ")
		text += name + "=" + literal + "&"
		if !found {
			quoted, err := json.Marshal(literal)
			require.NoError(t, err)
			literal = string(quoted)
		}
		data += `"` + name + `":` + literal + ","
	}
	sum := sha256.Sum256([]byte(text + key.Safecode))
	signature, err := rsa.SignPKCS1v15(nil, parsed.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	require.NoError(t, err)
	return `{"code":"1000","message":"ok","data":` + data + `"sign":"` + base64.StdEncoding.EncodeToString(signature) + `"}}`
}

func TestPTSVerifyResponse(t *testing.T) {
	f, err := vectors.Load("pts")
	require.NoError(t, err)
	var key vectors.Key
	for _, k := range f.Keys {
		if k.RSABits >= 1024 && len(k.Safecode) == 32 && k.PrivatePEM != "" && (key.PrivatePEM == "" || k.PrivatePEM < key.PrivatePEM) {
			key = k
		}
	}
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		Tenant: "a", UserID: "1", Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM},
		TransactionSecret: payack.NewSecret("x"), // ignored for responses
	})
	require.NoError(t, err)
	v, err := verify.NewPTS(verify.PTSOptions{})
	require.NoError(t, err)
	values := map[string]string{
		"user_id": "1", "order_id": "O1", "transaction_id": "T1", "channel": "C", "submit_currency": "PHP", "submit_amount": " 100.50",
		"accept_currency": "PHP", "accept_amount": " 99.50", "exchange_rate": " 1", "pay_url": "https://p.example/?a=1&order_id=O1",
		"status": "2000", "timestamp": " 1700000000",
	}
	box, err := envelope.NewPTS(payack.NewSecret(key.Safecode), "")
	require.NoError(t, err)
	for _, m := range []verify.PTSMessage{verify.PTSPaymentResponse, verify.PTSWithdrawResponse, verify.PTSQueryResponse, verify.PTSBalanceResponse} {
		body := respond(t, key, m, values, `"figure":1.50,`)
		var parts struct{ Data json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(body), &parts))
		sealed := `{"code":1000,"data":"` + string(box.Seal(parts.Data)) + `"}`
		for _, body := range []string{body, sealed} {
			r, err := v.VerifyResponse(m, []byte(body), keys)
			require.NoError(t, err, m)
			assert.Equal(t, verify.PTSAccepted, r.Code)
			assert.Equal(t, "a", r.Tenant)
			assert.Equal(t, payack.SchemeLiteral, r.Scheme)
			assert.Len(t, r.Signed, len(m.SignedMembers()))
			assert.Equal(t, map[string]payack.Text{"figure": payack.NewText("1.50")}, r.Unsigned)
			assert.Equal(t, m == verify.PTSQueryResponse, r.Event != nil)
		}
		for name, c := range map[string]struct {
			body string
			want error
		}{
			"another user": {respond(t, key, m, map[string]string{
				"user_id": "2", "order_id": "O1", "transaction_id": "T1", "status": "2000", "timestamp": "1"}, ""), payack.ErrInvalid},
			"changed":     {strings.Replace(body, `"user_id":"1"`, `"user_id":"9"`, 1), payack.ErrSignature},
			"no sign":     {strings.Replace(body, `"sign":`, `"sing":`, 1), payack.ErrMalformed},
			"sign null":   {`{"code":"1000","data":{"user_id":"1","sign":null}}`, payack.ErrMalformed},
			"line breaks": {strings.Replace(body, `"sign":"`, `"sign":"\n`, 1), payack.ErrSignature},
			"twin":        {strings.Replace(body, `"sign":`, `"User_ID":"2","sign":`, 1), payack.ErrMalformed},
			"twice":       {strings.Replace(body, `"sign":`, `"user_id":"1","sign":`, 1), payack.ErrMalformed},
			"no envelope": {`{"code":"1000","data":"AAAA"}`, payack.ErrEnvelope},
			"no JSON":     {`{"code":"1000","data":"` + string(box.Seal([]byte("x"))) + `"}`, payack.ErrEnvelope},
			"half JSON":   {`{"code":"1000","data":"` + string(box.Seal([]byte(`{"sign"`))) + `"}`, payack.ErrMalformed},
			"a number":    {`{"code":"1000","data":1}`, payack.ErrMalformed},
			"nothing":     {``, payack.ErrMalformed},
			"no code":     {`{"data":{}}`, payack.ErrMalformed},
			"null code":   {`{"code":null,"data":{}}`, payack.ErrMalformed},
			"code 1000.0": {`{"code":1000.0,"data":{}}`, payack.ErrMalformed},
		} {
			_, err := v.VerifyResponse(m, []byte(c.body), keys)
			assert.ErrorIs(t, err, c.want, "%s: %s", m, name)
			var e *payack.Error
			assert.True(t, errors.As(err, &e) && e.Provider == payack.PTS)
			assert.NotContains(t, err.Error(), key.Safecode)
		}
		r, err := v.VerifyResponse(m, []byte(`{"code":"1003","message":"twice","data":{"user_id":"1"}}`), keys)
		require.NoError(t, err)
		assert.Equal(t, "1003", r.Code)
		assert.Equal(t, "twice", r.Message.String())
		assert.Nil(t, r.Signed)
		_, err = v.VerifyResponse(m, []byte(body), nil)
		assert.ErrorIs(t, err, payack.ErrUnknownTenant)
	}
	_, err = v.VerifyResponse(verify.PTSCallback, []byte(`{}`), keys)
	assert.ErrorIs(t, err, payack.ErrInvalid)

	// PHP's text of the numbers is accepted unless the literal is pinned.
	php := strings.Replace(respond(t, key, verify.PTSPaymentResponse, values, ""), "99.50", "99.500", 1)
	_, err = v.VerifyResponse(verify.PTSPaymentResponse, []byte(php), keys)
	assert.ErrorIs(t, err, payack.ErrSignature)
	values["submit_amount"], values["accept_amount"] = " 100.5", " 99.5"
	php = strings.Replace(respond(t, key, verify.PTSPaymentResponse, values, ""), "99.5", "99.50", 1)
	r, err := v.VerifyResponse(verify.PTSPaymentResponse, []byte(php), keys)
	require.NoError(t, err)
	assert.Equal(t, payack.SchemePHP, r.Scheme)
	assert.Equal(t, "99.50", r.Signed["accept_amount"].String())
	literal, err := verify.NewPTS(verify.PTSOptions{Numbers: []payack.Scheme{payack.SchemeLiteral}})
	require.NoError(t, err)
	_, err = literal.VerifyResponse(verify.PTSPaymentResponse, []byte(php), keys)
	assert.ErrorIs(t, err, payack.ErrSignature)

	// A URL may contain & and = around the names of other members, but not around
	// pay_url or submit_amount, which follows pay_url in the signed text.
	for url, want := range map[string]error{
		"https://p.example/?x&user_id=2&channel=c": nil,
		"https://p.example/?x&pay_url=2":           payack.ErrMalformed,
		"https://p.example/?x&submit_amount=2":     payack.ErrMalformed,
	} {
		values["pay_url"] = url
		_, err := v.VerifyResponse(verify.PTSPaymentResponse, []byte(strings.ReplaceAll(respond(t, key, verify.PTSPaymentResponse, values, ""), `\u0026`, "&")), keys)
		assert.Equal(t, want == nil, err == nil, url)
		if want != nil {
			assert.ErrorIs(t, err, want, url)
		}
	}
}
