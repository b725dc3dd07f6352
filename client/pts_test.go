package client_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

func ptsPayment() client.PTSPayment {
	return client.PTSPayment{
		OrderID: "O1", Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "GCASH",
		CallbackURL: "https://shop.example/hook",
	}
}

// transactionMAC computes X-Transaction-Signature as PTS's document says,
// independently of the library.
func transactionMAC(body string) string {
	h := hmac.New(sha256.New, []byte(ptsTxSecret))
	h.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func ptsEnvelope(t *testing.T) *envelope.PTS {
	e, err := envelope.NewPTS(payack.NewSecret(ptsSafecode), envelope.PTSRaw)
	require.NoError(t, err)
	return e
}

func TestPTSKnownAnswer(t *testing.T) {
	sealed := string(ptsEnvelope(t).Seal([]byte(`{"user_id":"1"}`)))
	assert.Equal(t, "hkRXSsHPJ+wSzEj48TYVwA==", sealed)
	assert.Equal(t, "e61bgHW8EyVKH6PEcXWFTE37TF0HBnG3FfjsXAuP86s=", transactionMAC(sealed))
}

func merchantSignature(t *testing.T, text string) string {
	merchant, _ := ptsKey()
	return ptsSignature(t, merchant.PrivatePEM, text)
}

// ptsSignature signs a text as PTS's document says, independently of the library.
func ptsSignature(t *testing.T, private, text string) string {
	block, _ := pem.Decode([]byte(private))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(text + "&" + ptsSafecode))
	s, err := rsa.SignPKCS1v15(nil, key.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(s)
}

// Signature and envelope are deterministic, so the test knows every byte of a
// request.
func TestPTSRequestBytes(t *testing.T) {
	full := ptsPayment()
	full.RedirectURL, full.ErrorURL, full.Remark, full.Email = "https://shop.example/r?a=1&b=2", "https://shop.example/e", "tea <3", "a@b.example"
	full.Details = map[string]string{"z": "1", "a": "2"}
	withdraw := client.PTSWithdraw{
		OrderID: "W1", Amount: payack.NewAmount("40000.000001"), Currency: "PHP", Channel: "BANK", CallbackURL: "https://shop.example/w",
		Details: client.PTSDetails{AccountNumber: "007", Name: "Customer"},
	}
	for _, c := range []struct {
		path, plain, signed string
		call                func(*client.PTS) error
	}{
		{
			"/payment",
			`{"user_id":"1","order_id":"O1","amount":"100.50","currency":"PHP","channel":"GCASH","timestamp":1700000000,"callback_url":"https://shop.example/hook","sign":"%s"}`,
			"amount=100.50&channel=GCASH&currency=PHP&order_id=O1&timestamp=1700000000&user_id=1",
			func(c *client.PTS) error { _, err := c.Payment(t.Context(), ptsPayment()); return err },
		},
		{
			"/payment",
			`{"user_id":"1","order_id":"O1","amount":"100.50","currency":"PHP","channel":"GCASH","timestamp":1700000000,"callback_url":"https://shop.example/hook",` +
				`"redirect_url":"https://shop.example/r?a=1&b=2","error_url":"https://shop.example/e","remark":"tea <3","email":"a@b.example","details":{"a":"2","z":"1"},"sign":"%s"}`,
			"amount=100.50&channel=GCASH&currency=PHP&order_id=O1&timestamp=1700000000&user_id=1",
			func(c *client.PTS) error { _, err := c.Payment(t.Context(), full); return err },
		},
		{
			"/withdraw",
			`{"user_id":"1","order_id":"W1","amount":"40000.000001","currency":"PHP","channel":"BANK","timestamp":1700000000,"callback_url":"https://shop.example/w",` +
				`"details":{"account_number":"007","name":"Customer"},"sign":"%s"}`,
			"amount=40000.000001&channel=BANK&currency=PHP&order_id=W1&timestamp=1700000000&user_id=1",
			func(c *client.PTS) error { _, err := c.Withdraw(t.Context(), withdraw); return err },
		},
		{
			"/payment/query", `{"user_id":"1","order_id":"O1","timestamp":1700000000,"sign":"%s"}`, "order_id=O1&timestamp=1700000000&user_id=1",
			func(c *client.PTS) error { _, err := c.PaymentQuery(t.Context(), "O1"); return err },
		},
		{
			"/withdraw/query", `{"user_id":"1","order_id":"W1","timestamp":1700000000,"sign":"%s"}`, "order_id=W1&timestamp=1700000000&user_id=1",
			func(c *client.PTS) error { _, err := c.WithdrawQuery(t.Context(), "W1"); return err },
		},
		{
			"/balance", `{"user_id":"1","timestamp":1700000000,"sign":"%s"}`, "timestamp=1700000000&user_id=1",
			func(c *client.PTS) error { _, err := c.Balance(t.Context()); return err },
		},
		{
			"/payment",
			`{"user_id":"1","order_id":"O1","amount":"100.50","currency":"PHP","channel":"GCASH","timestamp":1700000000,"callback_url":"https://shop.example/hook","sign":"%s","bank_code":"","memo":"é"}`,
			"amount=100.50&channel=GCASH&currency=PHP&order_id=O1&timestamp=1700000000&user_id=1",
			func(c *client.PTS) error {
				p := ptsPayment()
				p.Members = map[string]string{"bank_code": "", "memo": "é"}
				_, err := c.Payment(t.Context(), p)
				return err
			},
		},
		{
			"/withdraw",
			`{"user_id":"1","order_id":"W1","amount":"40000.000001","currency":"PHP","channel":"BANK","timestamp":1700000000,"callback_url":"https://shop.example/w",` +
				`"details":{"account_number":"007","name":"Customer"},"sign":"%s","bank_code":"BDO"}`,
			"amount=40000.000001&channel=BANK&currency=PHP&order_id=W1&timestamp=1700000000&user_id=1",
			func(c *client.PTS) error {
				withdraw := withdraw
				withdraw.Members = map[string]string{"bank_code": "BDO"}
				_, err := c.Withdraw(t.Context(), withdraw)
				return err
			},
		},
	} {
		plain := fmt.Sprintf(c.plain, merchantSignature(t, c.signed))
		sealed := string(ptsEnvelope(t).Seal([]byte(plain)))
		for _, form := range []client.PTSBody{"", client.PTSText, client.PTSJSON} {
			g := says(t, 200, `{"code":"1020","message":"no","data":null}`)
			config := ptsConfig(g.URL + "/")
			config.Body = form
			pts, err := client.NewPTS(config)
			require.NoError(t, err)
			require.ErrorIs(t, c.call(pts), client.ErrBadRequest)
			r := g.only(t)
			assert.Equal(t, "POST", r.Method)
			assert.Equal(t, "/merchant/v2/guid-1"+c.path, r.Path)
			if form == client.PTSJSON {
				assert.Equal(t, "application/json", r.Type)
				assert.Equal(t, `{"data":"`+sealed+`"}`, r.Body)
			} else {
				assert.Equal(t, "text/plain", r.Type)
				assert.Equal(t, sealed, r.Body)
			}
			assert.Equal(t, transactionMAC(sealed), r.Header.Get("X-Transaction-Signature"), "over the base64 text in both forms")

			config.TransactionWholeBody = true
			pts, err = client.NewPTS(config)
			require.NoError(t, err)
			require.ErrorIs(t, c.call(pts), client.ErrBadRequest)
			r = g.requests()[1]
			assert.Equal(t, transactionMAC(r.Body), r.Header.Get("X-Transaction-Signature"), "over the whole body")
		}
	}
}

// Each attempt has the time at which it is sent.
func TestPTSTimestampIsTheTimeOfSending(t *testing.T) {
	g := says(t, 503, "")
	c := ptsConfig(g.URL)
	now := clock.Unix()
	c.Retries, c.Now = 1, func() time.Time { now += 10; return time.Unix(now, 0) }
	pts, err := client.NewPTS(c)
	require.NoError(t, err)
	_, err = pts.Balance(t.Context())
	require.ErrorIs(t, err, client.ErrStatus)
	got := g.requests()
	require.Len(t, got, 2)
	for i, r := range got {
		plain, err := ptsEnvelope(t).Open([]byte(r.Body))
		require.NoError(t, err)
		assert.Contains(t, string(plain), fmt.Sprintf(`"timestamp":%d,`, clock.Unix()+int64(10*i+10)))
	}
	for _, bad := range []int64{0, -1700000000, 99999999999} {
		c.Now = func() time.Time { return time.Unix(bad, 0) }
		pts, err := client.NewPTS(c)
		require.NoError(t, err)
		_, err = pts.Balance(t.Context())
		assert.ErrorIs(t, err, client.ErrRequest)
	}
}

func TestPTSInvalidRequestsAreNotSent(t *testing.T) {
	g := says(t, 200, `{}`)
	pts := newPTS(t, g.URL)
	for field, change := range map[string]func(*client.PTSPayment){
		"OrderID":     func(p *client.PTSPayment) { p.OrderID = "" },
		"order_id":    func(p *client.PTSPayment) { p.OrderID = "HOSTILE&timestamp=1" },
		"Amount":      func(p *client.PTSPayment) { p.Amount = payack.NewAmount("1.0000001") },
		"Amount ":     func(p *client.PTSPayment) { p.Amount = payack.NewAmount("1e2") },
		"Amount  ":    func(p *client.PTSPayment) { p.Amount = payack.NewAmount("0") },
		"Amount   ":   func(p *client.PTSPayment) { p.Amount = payack.NewAmount("-1") },
		"Amount    ":  func(p *client.PTSPayment) { p.Amount = payack.Amount{} },
		"Amount     ": func(p *client.PTSPayment) { p.Amount = payack.NewAmount("HOSTILE") },
		"Currency":    func(p *client.PTSPayment) { p.Currency = "" },
		"Channel":     func(p *client.PTSPayment) { p.Channel = "" },
		"CallbackURL": func(p *client.PTSPayment) { p.CallbackURL = "HOSTILE" },
		"RedirectURL": func(p *client.PTSPayment) { p.RedirectURL = "ftp://HOSTILE" },
		"Email":       func(p *client.PTSPayment) { p.Email = "HOSTILE" },
		"Remark":      func(p *client.PTSPayment) { p.Remark = "HOSTILE\n" },
		"Details":     func(p *client.PTSPayment) { p.Details = map[string]string{"a": "HOSTILE\xff"} },
		"Members":     func(p *client.PTSPayment) { p.Members = map[string]string{"bank_code": "HOSTILE\n"} },
		"Members ":    func(p *client.PTSPayment) { p.Members = map[string]string{"": "HOSTILE"} },
		"amount":      func(p *client.PTSPayment) { p.Members = map[string]string{"Amount": "HOSTILE"} },
		"sign":        func(p *client.PTSPayment) { p.Members = map[string]string{"\u017Fign": "HOSTILE"} },
		"user_id":     func(p *client.PTSPayment) { p.Members = map[string]string{"user_id": "HOSTILE"} },
		"remark":      func(p *client.PTSPayment) { p.Members = map[string]string{"remark": "HOSTILE"} },
	} {
		p := ptsPayment()
		change(&p)
		_, err := pts.Payment(t.Context(), p)
		require.ErrorIs(t, err, client.ErrRequest, field)
		assert.Contains(t, err.Error(), strings.TrimSpace(field))
		assert.NotContains(t, err.Error(), "HOSTILE")
	}
	w := client.PTSWithdraw{OrderID: "W1", Amount: payack.NewAmount("1"), Currency: "PHP", Channel: "BANK", CallbackURL: "https://shop.example/w"}
	w.Details.Email = "nobody"
	_, err := pts.Withdraw(t.Context(), w)
	require.ErrorIs(t, err, client.ErrRequest)
	assert.Contains(t, err.Error(), "Email")
	_, err = pts.PaymentQuery(t.Context(), "")
	require.ErrorIs(t, err, client.ErrRequest)
	_, err = pts.WithdrawQuery(t.Context(), "\x01")
	require.ErrorIs(t, err, client.ErrRequest)
	assert.Empty(t, g.requests())
}

// ptsAnswer builds a response as PTS would: values are texts, or literals when
// they begin with a blank.
func ptsAnswer(t *testing.T, m verify.PTSMessage, values map[string]string, sealed bool) string {
	t.Helper()
	_, provider := ptsKey()
	texts, raw := map[string]string{}, map[string]json.RawMessage{}
	for name, v := range values {
		if literal, found := strings.CutPrefix(v, " "); found {
			texts[name], raw[name] = literal, json.RawMessage(literal)
		} else {
			quoted, err := json.Marshal(v)
			require.NoError(t, err)
			texts[name], raw[name] = v, quoted
		}
	}
	var pairs []string
	for _, name := range m.SignedMembers() {
		pairs = append(pairs, name+"="+texts[name])
	}
	sign, err := json.Marshal(ptsSignature(t, provider.PrivatePEM, strings.Join(pairs, "&")))
	require.NoError(t, err)
	raw["sign"] = sign
	data, err := json.Marshal(raw)
	require.NoError(t, err)
	if sealed {
		data, err = json.Marshal(string(ptsEnvelope(t).Seal(data)))
		require.NoError(t, err)
	}
	return `{"code":"1000","message":"ok","data":` + string(data) + `}`
}

// ptsCreated are the members of a payment's answer.
func ptsCreated() map[string]string {
	return map[string]string{
		"user_id": "1", "order_id": "O1", "transaction_id": "T1", "channel": "GCASH", "submit_currency": "PHP", "submit_amount": " 100.50",
		"accept_currency": "PHP", "accept_amount": " 99.50", "exchange_rate": " 1", "pay_url": "https://pay.example/?a=1&order_id=O1",
	}
}

func ptsState() map[string]string {
	return map[string]string{
		"user_id": "1", "order_id": "O1", "transaction_id": "T1", "channel": "GCASH", "submit_currency": "PHP", "submit_amount": " 100.50",
		"accept_currency": "PHP", "accept_amount": " 99.50", "exchange_rate": " 1", "status": "2000", "timestamp": " 1700000001",
	}
}

func with(m map[string]string, pairs ...string) map[string]string {
	out := maps.Clone(m)
	for i := 0; i < len(pairs); i += 2 {
		if out[pairs[i]] = pairs[i+1]; pairs[i+1] == "-" {
			delete(out, pairs[i])
		}
	}
	return out
}

func TestPTSCreated(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		g := says(t, 200, ptsAnswer(t, verify.PTSPaymentResponse, with(ptsCreated(), "fee", " 1.00"), sealed))
		got, err := newPTS(t, g.URL).Payment(t.Context(), ptsPayment())
		require.NoError(t, err)
		assert.Equal(t, "T1", got.TransactionID)
		assert.Equal(t, "100.50", got.SubmitAmount.String())
		assert.Equal(t, "99.50", got.AcceptAmount.String())
		assert.Equal(t, "https://pay.example/?a=1&order_id=O1", got.PayURL.String())
		assert.Equal(t, payack.SchemeLiteral, got.Scheme)
		assert.Equal(t, map[string]payack.Text{"fee": payack.NewText("1.00")}, got.Unsigned)

		g = says(t, 200, ptsAnswer(t, verify.PTSWithdrawResponse, with(ptsCreated(), "pay_url", "-", "order_id", "W1"), sealed))
		out, err := newPTS(t, g.URL).Withdraw(t.Context(), client.PTSWithdraw{
			OrderID: "W1", Amount: payack.NewAmount("1"), Currency: "PHP", Channel: "BANK", CallbackURL: "https://shop.example/w"})
		require.NoError(t, err)
		assert.Equal(t, "W1", out.OrderID)
		assert.Equal(t, "PHP", out.SubmitCurrency.String())
	}
}

func TestPTSResponsesThatAreRefused(t *testing.T) {
	good := ptsAnswer(t, verify.PTSPaymentResponse, ptsCreated(), false)
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"another order":          {ptsAnswer(t, verify.PTSPaymentResponse, with(ptsCreated(), "order_id", "O2"), false), client.ErrMismatch},
		"another user":           {ptsAnswer(t, verify.PTSPaymentResponse, with(ptsCreated(), "user_id", "2"), false), payack.ErrInvalid},
		"an empty transaction":   {ptsAnswer(t, verify.PTSPaymentResponse, with(ptsCreated(), "transaction_id", ""), false), payack.ErrInvalid},
		"a changed amount":       {strings.Replace(good, "99.50", "99.51", 1), payack.ErrSignature},
		"a changed URL":          {strings.Replace(good, "pay.example", "pay.hostile", 1), payack.ErrSignature},
		"no sign":                {strings.Replace(good, `"sign"`, `"sing"`, 1), payack.ErrMalformed},
		"a missing member":       {strings.Replace(good, `"channel"`, `"chanel"`, 1), payack.ErrMalformed},
		"a twin":                 {strings.Replace(good, `"sign"`, `"Pay_URL":"x","sign"`, 1), payack.ErrMalformed},
		"a member twice":         {strings.Replace(good, `"sign"`, `"order_id":"O1","sign"`, 1), payack.ErrMalformed},
		"no data":                {`{"code":"1000","message":"ok"}`, payack.ErrMalformed},
		"null data":              {`{"code":"1000","message":"ok","data":null}`, payack.ErrMalformed},
		"a list":                 {`{"code":"1000","message":"ok","data":[]}`, payack.ErrMalformed},
		"data that doesn't open": {`{"code":"1000","message":"ok","data":"hkRXSsHPJ+wSzEj48TYVwA=="}`, client.ErrResponse},
		"no code":                {`{"message":"ok","data":{}}`, payack.ErrMalformed},
		"a code twice":           {`{"code":"1003","code":"1000","data":{}}`, payack.ErrMalformed},
		"a code's twin":          {`{"code":"1003","Code":"1000","data":{}}`, payack.ErrMalformed},
		"another message":        {ptsAnswer(t, verify.PTSWithdrawResponse, with(ptsCreated(), "pay_url", "-"), false), payack.ErrMalformed},
		"an ambiguous URL":       {ptsAnswer(t, verify.PTSPaymentResponse, with(ptsCreated(), "pay_url", "https://p.example/?a&submit_amount=1"), false), payack.ErrMalformed},
		"an ambiguous channel":   {ptsAnswer(t, verify.PTSPaymentResponse, with(ptsCreated(), "channel", "a&order_id=1"), false), payack.ErrMalformed},
		"base64 alone":           {"hkRXSsHPJ+wSzEj48TYVwA==", client.ErrResponse},
	} {
		_, err := newPTS(t, says(t, 200, c.body).URL).Payment(t.Context(), ptsPayment())
		assert.ErrorIs(t, err, c.want, name)
		assert.False(t, c.want != client.ErrMismatch && !assert.ErrorIs(t, err, client.ErrResponse, name))
		silent(t, err)
	}
}

func TestPTSCodes(t *testing.T) {
	for code, want := range map[string]error{
		"1001": client.ErrField, "1002": client.ErrNotFound, "1003": client.ErrDuplicateOrder, "1004": client.ErrQuota,
		"1005": client.ErrAmountTooLarge, "1006": client.ErrAmountTooSmall, "1007": client.ErrBalance, "1008": client.ErrCurrency,
		"1009": client.ErrUnauthorized, "1010": client.ErrRequestSignature, "1011": client.ErrService, "1015": client.ErrChannel,
		"1017": client.ErrDecryption, "1018": client.ErrAddress, "1020": client.ErrBadRequest,
		"8000": client.ErrGateway, "8123": client.ErrGateway, "9000": client.ErrUpstream, "9998": client.ErrUpstream, "9999": client.ErrUnrecognised,
		"1012": nil, "": client.ErrResponse, "01003": nil, "80000": nil,
	} {
		for _, literal := range []string{`"` + code + `"`, code} {
			if literal == "" || literal[0] == '0' {
				continue // no JSON
			}
			for _, status := range []int{200, 400, 500} {
				body := `{"code":` + literal + `,"message":"why\nso","data":null}`
				_, err := newPTS(t, says(t, status, body).URL).Payment(t.Context(), ptsPayment())
				var e *client.Error
				require.ErrorAs(t, err, &e, code)
				if code == "" {
					assert.True(t, e.Uncertain())
					continue
				}
				if want != nil {
					assert.ErrorIs(t, err, want, code)
				}
				assert.Equal(t, code, e.Code)
				assert.Equal(t, "why so", e.Message)
				switch {
				case status == 200 || status == 400 && want != nil:
					assert.ErrorIs(t, err, client.ErrDeclined)
				default:
					assert.ErrorIs(t, err, client.ErrStatus)
					assert.True(t, e.Uncertain())
				}
				assert.NotErrorIs(t, err, payack.ErrUnconfirmed)
			}
		}
	}
	_, err := newPTS(t, says(t, 500, ptsAnswer(t, verify.PTSPaymentResponse, ptsCreated(), false)).URL).Payment(t.Context(), ptsPayment())
	require.ErrorIs(t, err, client.ErrStatus)
}

func TestPTSQueries(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		pts := newPTS(t, says(t, 200, ptsAnswer(t, verify.PTSQueryResponse, with(ptsState(), "reference_number", "R"), sealed)).URL)
		for _, query := range []func() (*payack.PTSEvent, error){
			func() (*payack.PTSEvent, error) { return pts.PaymentQuery(t.Context(), "O1") },
			func() (*payack.PTSEvent, error) { return pts.WithdrawQuery(t.Context(), "O1") },
		} {
			ev, err := query()
			require.NoError(t, err)
			assert.Equal(t, payack.PTSSuccess, ev.Status)
			assert.Equal(t, "99.50", ev.AcceptAmount.String())
			assert.Equal(t, "R", ev.Unsigned.ReferenceNumber.String())
		}
		_, err := pts.PaymentQuery(t.Context(), "O2")
		require.ErrorIs(t, err, client.ErrMismatch)
	}
	// PHP's text of numbers is accepted unless the literal is pinned.
	signed := ptsAnswer(t, verify.PTSQueryResponse, with(ptsState(), "submit_amount", " 100.5", "accept_amount", " 99.5"), false)
	sent := strings.NewReplacer("100.5", "100.50", "99.5", "99.50").Replace(signed)
	c := ptsConfig(says(t, 200, sent).URL)
	pts, err := client.NewPTS(c)
	require.NoError(t, err)
	ev, err := pts.PaymentQuery(t.Context(), "O1")
	require.NoError(t, err)
	assert.Equal(t, payack.SchemePHP, ev.Scheme)
	c.Numbers = []payack.Scheme{payack.SchemeLiteral}
	pts, err = client.NewPTS(c)
	require.NoError(t, err)
	_, err = pts.PaymentQuery(t.Context(), "O1")
	require.ErrorIs(t, err, payack.ErrSignature)
}

func TestPTSBalance(t *testing.T) {
	body := ptsAnswer(t, verify.PTSBalanceResponse, map[string]string{"user_id": "1", "balances": ` [{"currency":"PHP","amount":100.50}]`, "frozen": " 1.10"}, false)
	got, err := newPTS(t, says(t, 200, body).URL).Balance(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "1", got.UserID)
	assert.Equal(t, "1.10", got.Unsigned["frozen"].String())
	assert.Equal(t, `[{"currency":"PHP","amount":100.50}]`, got.Unsigned["balances"].String())
	_, err = newPTS(t, says(t, 200, strings.Replace(body, `"user_id":"1"`, `"user_id":"2"`, 1)).URL).Balance(t.Context())
	require.ErrorIs(t, err, payack.ErrSignature)
}

func TestPTSConfirm(t *testing.T) {
	ev := &payack.PTSEvent{
		UserID: "1", OrderID: "O1", TransactionID: "T1", Status: payack.PTSSuccess,
		SubmitCurrency: payack.NewText("PHP"), SubmitAmount: payack.NewAmount("100.5"),
		AcceptCurrency: payack.NewText("PHP"), AcceptAmount: payack.NewAmount("99.5"),
	}
	for name, c := range map[string]struct {
		values map[string]string
		want   error
	}{
		"the same":                   {ptsState(), nil},
		"another channel and rate":   {with(ptsState(), "channel", "X", "exchange_rate", " 2"), nil},
		"waiting":                    {with(ptsState(), "status", "0000"), client.ErrPending},
		"processing":                 {with(ptsState(), "status", "1000", "transaction_id", "T2"), client.ErrPending},
		"expired":                    {with(ptsState(), "status", "5000"), client.ErrPending},
		"a status that is not known": {with(ptsState(), "status", "7000"), client.ErrPending},
		"failed":                     {with(ptsState(), "status", "3000"), payack.ErrUnconfirmed},
		"order error":                {with(ptsState(), "status", "4000"), payack.ErrUnconfirmed},
		"another transaction":        {with(ptsState(), "transaction_id", "T2"), payack.ErrUnconfirmed},
		"another order":              {with(ptsState(), "order_id", "O2"), payack.ErrUnconfirmed},
		"another submit_amount":      {with(ptsState(), "submit_amount", " 100.51"), payack.ErrUnconfirmed},
		"another accept_amount":      {with(ptsState(), "accept_amount", " 9.95"), payack.ErrUnconfirmed},
		"no accept_amount":           {with(ptsState(), "accept_amount", ""), payack.ErrInvalid},
		"an accept_amount of zero":   {with(ptsState(), "accept_amount", " 0.00"), payack.ErrInvalid},
		"failed, no accept_amount":   {with(ptsState(), "status", "3000", "accept_amount", ""), payack.ErrUnconfirmed},
		"another submit_currency":    {with(ptsState(), "submit_currency", "USD"), payack.ErrUnconfirmed},
		"another accept_currency":    {with(ptsState(), "accept_currency", "USD"), payack.ErrUnconfirmed},
		"another user":               {with(ptsState(), "user_id", "2"), payack.ErrInvalid},
	} {
		g := says(t, 200, ptsAnswer(t, verify.PTSQueryResponse, c.values, false))
		pts := newPTS(t, g.URL)
		for path, confirm := range map[string]func() (*payack.Confirmation, error){
			"/payment/query":  func() (*payack.Confirmation, error) { return pts.Confirm(t.Context(), ev) },
			"/withdraw/query": func() (*payack.Confirmation, error) { return pts.ConfirmWithdraw(t.Context(), ev) },
		} {
			got, err := confirm()
			asked := g.requests()
			assert.True(t, strings.HasSuffix(asked[len(asked)-1].Path, path))
			if c.want == nil {
				require.NoError(t, err, name)
				assert.Equal(t, &payack.Confirmation{Paid: true, Status: "2000", Amount: payack.NewAmount("99.50"), Currency: payack.NewText("PHP")}, got)
				continue
			}
			assert.Nil(t, got)
			assert.ErrorIs(t, err, c.want, name)
			assert.Equal(t, c.want == payack.ErrUnconfirmed, isUnconfirmed(err), name)
		}
	}
	// An unsigned refusal is not final.
	for _, body := range []string{`{"code":"1002","message":"not found"}`, strings.Replace(ptsAnswer(t, verify.PTSQueryResponse, ptsState(), false), "2000", "3000", 1)} {
		_, err := newPTS(t, says(t, 200, body).URL).Confirm(t.Context(), ev)
		require.Error(t, err)
		assert.False(t, isUnconfirmed(err))
	}
	g := says(t, 200, "{}")
	for _, ev := range []*payack.PTSEvent{nil, {UserID: "1", OrderID: "O1", Status: payack.PTSFailed}, {UserID: "2", OrderID: "O1", Status: payack.PTSSuccess}} {
		_, err := newPTS(t, g.URL).Confirm(t.Context(), ev)
		assert.ErrorIs(t, err, client.ErrRequest)
	}
	assert.Empty(t, g.requests())
}

// For an event of another user, the error says which client to use. The
// receiver's error says that PTS was not asked, so that nobody looks for a fault
// of the network. PTS sends the event again.
func TestPTSConfirmOfAnotherUser(t *testing.T) {
	g := says(t, 200, "{}")
	pts := newPTS(t, g.URL)
	_, err := pts.Confirm(t.Context(), &payack.PTSEvent{UserID: strings.Repeat("7\n", 1000), OrderID: "O1", Status: payack.PTSSuccess})
	require.ErrorIs(t, err, client.ErrRequest)
	assert.Less(t, len(err.Error()), 400)
	assert.NotContains(t, err.Error(), "\n")

	keys := payacktest.FreshPTSKeys()
	keys.UserID = "42"
	c := keys.Config()
	c.Confirm = pts.Confirm
	var seen error
	c.Options = handlers.Options{Logger: slog.New(slog.DiscardHandler), Observer: payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { seen = o.Err })}
	h, err := handlers.NewPTS(c, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, payacktest.PTS(keys).Callback(t).Request("/pts"))
	assert.Equal(t, "FAILED", w.Body.String())
	assert.EqualError(t, seen, "payack: pts: unreachable: the provider was not asked to confirm the event: "+
		`payack: pts: confirm: the request is not valid: the event is of user "42", and this client is of user "1"; use a client whose PTSConfig.UserID is "42"`)
	assert.Empty(t, g.requests())
}
