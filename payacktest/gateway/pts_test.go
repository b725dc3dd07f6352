package gateway_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/verify"
)

// ptsTime is the time of the requests, and of the gateways too. With a clock that runs,
// a request could arrive after the 5 seconds that PTS allows.
var ptsTime = time.Now()

func newPTS(t testing.TB, c gateway.PTSConfig) *gateway.PTS {
	t.Helper()
	if c.Now == nil {
		c.Now = func() time.Time { return ptsTime }
	}
	gw, err := gateway.NewPTS(c)
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	return gw
}

// ptsMerchant builds requests as the documents say, without package client.
type ptsMerchant struct{ gw *gateway.PTS }

func (m ptsMerchant) signer(t testing.TB) *verify.PTSSigner {
	t.Helper()
	s, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: m.gw.Safecode(), PrivateKey: m.gw.MerchantKey(), TransactionSecret: m.gw.TransactionSecret(),
	})
	require.NoError(t, err)
	return s
}

func ptsNow() string { return ptsAt(0) }

func ptsAt(d time.Duration) string { return strconv.FormatInt(ptsTime.Add(d).Unix(), 10) }

func (m ptsMerchant) payment(id, callback string) fields {
	return fields{
		"user_id": quoted(m.gw.UserID()), "order_id": quoted(id), "amount": `"100.50"`, "currency": `"PHP"`, "channel": `"GCASH"`,
		"timestamp": ptsNow(), "callback_url": quoted(callback), "redirect_url": `"https://shop.test/"`, "error_url": `null`,
		"remark": `""`, "details": `{}`,
	}
}

func (m ptsMerchant) query(id string) fields {
	return fields{"user_id": quoted(m.gw.UserID()), "order_id": quoted(id), "timestamp": ptsNow()}
}

func (m ptsMerchant) sign(t testing.TB, message verify.PTSMessage, f fields) fields {
	t.Helper()
	values := make(map[string]string)
	for _, name := range message.SignedMembers() {
		values[name] = f[name]
		if strings.HasPrefix(f[name], `"`) {
			var s string
			require.NoError(t, json.Unmarshal([]byte(f[name]), &s))
			values[name] = s
		}
	}
	sign, err := m.signer(t).Sign(message, values)
	require.NoError(t, err)
	return f.with("sign", quoted(sign))
}

// post seals a signed request and sends it.
func (m ptsMerchant) post(t testing.TB, path string, plain []byte) asked {
	t.Helper()
	sealed, err := m.signer(t).Seal(plain)
	require.NoError(t, err)
	return m.postBody(t, path, "text/plain", sealed)
}

func (m ptsMerchant) postBody(t testing.TB, path, contentType string, body []byte) asked {
	t.Helper()
	return m.postSigned(t, path, contentType, body, body)
}

// postSigned sends a body with X-Transaction-Signature over the text in covered.
func (m ptsMerchant) postSigned(t testing.TB, path, contentType string, body, covered []byte) asked {
	t.Helper()
	hmac, err := m.signer(t).TransactionSignature(covered, verify.PTSBase64)
	require.NoError(t, err)
	return ask(t, "POST", m.gw.URL+"/merchant/v2/"+m.gw.GUID()+path,
		http.Header{"Content-Type": {contentType}, "X-Transaction-Signature": {hmac}}, body)
}

func (m ptsMerchant) create(t testing.TB, id, callback string) asked {
	t.Helper()
	a := m.post(t, "/payment", m.sign(t, verify.PTSPayment, m.payment(id, callback)).json())
	require.Equal(t, "1000", a.member(t, "code"), a.body)
	return a
}

func (m ptsMerchant) ask(t testing.TB, id string) asked {
	t.Helper()
	return m.post(t, "/payment/query", m.sign(t, verify.PTSPaymentQuery, m.query(id)).json())
}

func (m ptsMerchant) keys(t testing.TB) *verify.PTSKeys {
	t.Helper()
	k, err := verify.NewPTSKeys(verify.PTSKeyConfig{UserID: m.gw.UserID(), Safecode: m.gw.Safecode(), PublicKeys: []string{m.gw.PublicKey()}})
	require.NoError(t, err)
	return k
}

// event verifies a query's answer, which is signed as a callback is.
func (m ptsMerchant) event(t testing.TB, a asked) (*payack.PTSEvent, error) {
	t.Helper()
	v, err := verify.NewPTS(verify.PTSOptions{})
	require.NoError(t, err)
	return v.Verify(verify.Message{ContentType: "application/json", Body: a.body}, m.keys(t))
}

func TestPTSPayment(t *testing.T) {
	gw := newPTS(t, gateway.PTSConfig{})
	m := ptsMerchant{gw}
	a := m.create(t, "order-1", "http://shop.test/hook")
	assert.Equal(t, 200, a.status)
	o, found := gw.Order("order-1")
	require.True(t, found)
	assert.Equal(t, payack.PTSWaiting, o.Status)
	assert.Equal(t, "http://shop.test/hook", o.CallbackURL)
	assert.Equal(t, o.PayURL, a.member(t, "data.pay_url"))
	assert.Equal(t, 200, ask(t, "GET", o.PayURL, nil, nil).status)
	assert.Contains(t, a.body, `"submit_amount":100.50,`)

	// The answer's signature covers the text that PTS's documents describe.
	text := "accept_amount=100.50&accept_currency=PHP&channel=GCASH&exchange_rate=1&order_id=order-1&pay_url=" + o.PayURL +
		"&submit_amount=100.50&submit_currency=PHP&transaction_id=" + o.TransactionID + "&user_id=1&" + gw.Safecode().Reveal()
	block, _ := pem.Decode([]byte(gw.PublicKey()))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	signature, err := base64.StdEncoding.DecodeString(a.member(t, "data.sign").(string))
	require.NoError(t, err)
	digest := sha256.Sum256([]byte(text))
	require.NoError(t, rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, digest[:], signature))

	// The JSON form of the envelope.
	sealed, err := m.signer(t).Seal(m.sign(t, verify.PTSPayment, m.payment("order-2", "http://shop.test/")).json())
	require.NoError(t, err)
	whole := []byte(`{"data":` + quoted(string(sealed)) + `}`)
	assert.Equal(t, "1010", m.postBody(t, "/payment", "application/json", whole).member(t, "code"), "the header covers the base64 text")
	a = m.postSigned(t, "/payment", "application/json", whole, sealed)
	assert.Equal(t, "1000", a.member(t, "code"), a.body)

	// With TransactionWholeBody the header covers the whole body.
	m = ptsMerchant{newPTS(t, gateway.PTSConfig{TransactionWholeBody: true})}
	sealed, err = m.signer(t).Seal(m.sign(t, verify.PTSPayment, m.payment("order-2", "http://shop.test/")).json())
	require.NoError(t, err)
	whole = []byte(`{"data":` + quoted(string(sealed)) + `}`)
	assert.Equal(t, "1010", m.postSigned(t, "/payment", "application/json", whole, sealed).member(t, "code"))
	assert.Equal(t, "1000", m.postBody(t, "/payment", "application/json", whole).member(t, "code"))
	m.create(t, "order-3", "http://shop.test/") // text/plain: the base64 text is the whole body
}

// In PTS's document the sample program sends the amount as a number, and the
// sample request sends it as a string. The sample request also has bank_code.
func TestPTSAmountsAsNumbers(t *testing.T) {
	for name, c := range map[string]struct{ literal, signed, amount, code string }{
		"a number":                  {"100.5", "100.5", "100.5", "1000"},
		"with its closing zero":     {"100.50", "100.50", "100.50", "1000"},
		"of which PHP signed 14":    {"123456789.123456", "123456789.12346", "123456789.123456", "1000"},
		"PHP's text of a zero":      {"100.50", "100.5", "100.50", "1000"},
		"a string as it is":         {`"100.50"`, "100.50", "100.50", "1000"},
		"a string, signed as PHP":   {`"100.50"`, "100.5", "", "1010"},
		"another amount":            {"100.5", "100.6", "", "1010"},
		"a number with seven":       {"1.0000001", "1.0000001", "", "1001"},
		"a number with an exponent": {"1e2", "1e2", "", "1001"},
	} {
		t.Run(name, func(t *testing.T) {
			gw := newPTS(t, gateway.PTSConfig{})
			m := ptsMerchant{gw}
			f := m.payment("order-1", "http://shop.test/").with("amount", quoted(c.signed))
			f = m.sign(t, verify.PTSPayment, f).with("amount", c.literal).with("bank_code", `""`)
			a := m.post(t, "/payment", f.json())
			require.Equal(t, c.code, a.member(t, "code"), a.body)
			o, _ := gw.Order("order-1")
			assert.Equal(t, c.amount, o.SubmitAmount)
		})
	}
}

func TestPTSKnownAnswer(t *testing.T) {
	c := gateway.PTSConfig{
		Safecode:          payack.NewSecret("8b998abba49ae33a194cb9677b13ecbe"),
		TransactionSecret: payack.NewSecret("f55c19747fde060a4af40dc6ed187ae3"),
	}
	gw := newPTS(t, c)
	header := http.Header{"Content-Type": {"text/plain"}, "X-Transaction-Signature": {"e61bgHW8EyVKH6PEcXWFTE37TF0HBnG3FfjsXAuP86s="}}
	a := ask(t, "POST", gw.URL+"/merchant/v2/guid-1/balance", header, []byte("hkRXSsHPJ+wSzEj48TYVwA=="))
	assert.JSONEq(t, `{"code":"1001","message":"field","data":null}`, a.body, "it opens, and only then lacks members")
	header.Set("X-Transaction-Signature", "f"+header.Get("X-Transaction-Signature")[1:])
	a = ask(t, "POST", gw.URL+"/merchant/v2/guid-1/balance", header, []byte("hkRXSsHPJ+wSzEj48TYVwA=="))
	assert.Equal(t, "1010", a.member(t, "code"))
}

func TestPTSRefusals(t *testing.T) {
	gw := newPTS(t, gateway.PTSConfig{
		Currencies: []string{"PHP", "USD"}, Channels: []string{"GCASH"}, MinAmount: "1", MaxAmount: "1000", Balances: map[string]string{"PHP": "150"},
	})
	m := ptsMerchant{gw}
	m.create(t, "known", "http://shop.test/")
	good := m.payment("order-1", "http://shop.test/")
	signed := func(message verify.PTSMessage, f fields) []byte { return m.sign(t, message, f).json() }
	pay := func(name, value string) []byte { return signed(verify.PTSPayment, good.with(name, value)) }
	unsignedOf := m.sign(t, verify.PTSPayment, good)
	for name, c := range map[string]struct {
		path  string
		plain []byte
		code  string
	}{
		"no JSON":             {"/payment", []byte("hello"), "1020"},
		"duplicate member":    {"/payment", append([]byte(`{"amount":"1",`), pay("remark", `"x"`)[1:]...), "1020"},
		"case":                {"/payment", pay("Amount", `"1"`), "1020"},
		"user":                {"/payment", pay("user_id", `"2"`), "1009"},
		"sign missing":        {"/payment", good.json(), "1001"},
		"sign of another":     {"/payment", unsignedOf.with("amount", `"1"`).json(), "1010"},
		"sign no base64":      {"/payment", good.with("sign", `"*"`).json(), "1010"},
		"currency missing":    {"/payment", unsignedOf.with("currency", "").json(), "1001"},
		"channel null":        {"/payment", unsignedOf.with("channel", "null").json(), "1001"},
		"order empty":         {"/payment", unsignedOf.with("order_id", `""`).json(), "1001"},
		"border in a value":   {"/payment", unsignedOf.with("channel", `"a&order_id=b"`).json(), "1010"},
		"callback_url":        {"/payment", pay("callback_url", `"shop"`), "1001"},
		"callback_url absent": {"/payment", unsignedOf.with("callback_url", "").json(), "1001"},
		"amount a boolean":    {"/payment", pay("amount", "true"), "1001"},
		"amount of 7":         {"/payment", pay("amount", `"1.0000001"`), "1001"},
		"amount zero":         {"/payment", pay("amount", `"0.000000"`), "1001"},
		"amount negative":     {"/payment", pay("amount", `"-1"`), "1001"},
		"amount low":          {"/payment", pay("amount", `"0.999999"`), "1006"},
		"amount high":         {"/payment", pay("amount", `"1000.000001"`), "1005"},
		"currency":            {"/payment", pay("currency", `"EUR"`), "1008"},
		"channel":             {"/payment", pay("channel", `"OTHER"`), "1015"},
		"late":                {"/payment", pay("timestamp", ptsAt(-8*time.Second)), "1020"},
		"early":               {"/payment", pay("timestamp", ptsAt(8*time.Second)), "1020"},
		"milliseconds":        {"/payment", pay("timestamp", ptsNow()+"000"), "1001"},
		"duplicate order":     {"/payment", pay("order_id", `"known"`), "1003"},
		"duplicate elsewhere": {"/withdraw", signed(verify.PTSWithdraw, good.with("order_id", `"known"`)), "1003"},
		"balance":             {"/withdraw", signed(verify.PTSWithdraw, good.with("amount", `"150.000001"`)), "1007"},
		"balance of another":  {"/withdraw", signed(verify.PTSWithdraw, good.with("currency", `"USD"`)), "1007"},
		"query unknown":       {"/payment/query", signed(verify.PTSPaymentQuery, m.query("unknown")), "1002"},
		"query other kind":    {"/withdraw/query", signed(verify.PTSWithdrawQuery, m.query("known")), "1002"},
		"query unsigned":      {"/payment/query", m.query("known").json(), "1001"},
	} {
		t.Run(name, func(t *testing.T) {
			a := m.post(t, c.path, c.plain)
			assert.Equal(t, 200, a.status)
			assert.Equal(t, c.code, a.member(t, "code"), "%+v", gw.Requests()[len(gw.Requests())-1].Refusal)
			assert.Nil(t, a.member(t, "data"))
			assert.NotEmpty(t, a.member(t, "message"))
		})
	}
	_, found := gw.Order("order-1")
	assert.False(t, found)

	sealed, err := m.signer(t).Seal(unsignedOf.json())
	require.NoError(t, err)
	code := func(a asked) any { return a.member(t, "code") }
	assert.Equal(t, "1017", code(m.postBody(t, "/payment", "text/plain", sealed[4:])))
	assert.Equal(t, "1017", code(m.postBody(t, "/payment", "text/plain", append(sealed, '\n'))))
	assert.Equal(t, "1020", code(m.postBody(t, "/payment", "application/xml", sealed)))
	assert.Equal(t, "1020", code(m.postBody(t, "/payment", "application/json", sealed)))
	assert.Equal(t, "1020", code(m.postBody(t, "/payment", "application/json", []byte(`{"data":{}}`))))
	url := gw.URL + "/merchant/v2/guid-1/payment"
	assert.Equal(t, "1010", code(ask(t, "POST", url, http.Header{"Content-Type": {"text/plain"}}, sealed)))
	hmac, err := m.signer(t).TransactionSignature(sealed, verify.PTSBase64)
	require.NoError(t, err)
	assert.Equal(t, "1010", code(ask(t, "POST", url, http.Header{"Content-Type": {"text/plain"}, "X-Transaction-Signature": {hmac, hmac}}, sealed)))
	assert.Equal(t, "1009", code(ask(t, "POST", gw.URL+"/merchant/v2/guid-2/payment", http.Header{"Content-Type": {"text/plain"}, "X-Transaction-Signature": {hmac}}, sealed)))
	assert.Equal(t, 405, ask(t, "GET", url, nil, nil).status)
	assert.Equal(t, 404, ask(t, "POST", gw.URL+"/merchant/v2/guid-1/refund", nil, nil).status)
	assert.Equal(t, 404, ask(t, "POST", gw.URL+"/pay/unknown", nil, nil).status)
	assert.Equal(t, "1000", code(m.postBody(t, "/payment", "text/plain", sealed)), "and nothing else was wrong with it")
	require.NoError(t, gw.SetFaults(gateway.Faults{Refusal: "1018"}))
	assert.JSONEq(t, `{"code":"1018","message":"IP","data":null}`, m.postBody(t, "/payment", "text/plain", sealed).body)
}

func TestPTSClock(t *testing.T) {
	now := time.Unix(1700000000, 900_000_000)
	gw := newPTS(t, gateway.PTSConfig{Options: gateway.Options{Now: func() time.Time { return now }}})
	m := ptsMerchant{gw}
	for timestamp, code := range map[string]string{
		"1699999995": "1000", "1700000005": "1000", "1699999994": "1020", "1700000006": "1020", `"1700000000"`: "1000", "1e9": "1001", "0170000000": "1020",
	} {
		f := m.sign(t, verify.PTSBalance, fields{"user_id": `"1"`, "timestamp": timestamp})
		assert.Equal(t, code, m.post(t, "/balance", f.json()).member(t, "code"), timestamp)
	}
}

func TestPTSStatesAndQueries(t *testing.T) {
	s := newShop(t, func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write([]byte("SUCCESS")) })
	gw := newPTS(t, gateway.PTSConfig{AcceptCurrency: "USDT", ExchangeRate: "0.017"})
	m := ptsMerchant{gw}
	m.create(t, "order-1", s.URL)
	status := func(want payack.PTSStatus) *payack.PTSEvent {
		t.Helper()
		ev, err := m.event(t, m.ask(t, "order-1"))
		require.NoError(t, err)
		assert.Equal(t, want, ev.Status)
		return ev
	}
	status(payack.PTSWaiting)
	require.NoError(t, gw.Process("order-1"))
	status(payack.PTSProcessing)
	require.NoError(t, gw.Expire("order-1"))
	status(payack.PTSExpired)
	require.NoError(t, gw.Pay("order-1"))
	ev := status(payack.PTSSuccess)
	assert.Equal(t, "1.7085", ev.AcceptAmount.String())
	assert.Equal(t, "USDT", ev.AcceptCurrency.String())
	assert.Equal(t, "0.017", ev.ExchangeRate.String())
	require.ErrorContains(t, gw.Fail("order-1"), "final")
	require.ErrorContains(t, gw.Fail("unknown"), "no order")
	require.Error(t, gw.Change("order-1", ""))
	require.NoError(t, gw.Wait(within(t)))
	var says []string
	for _, d := range gw.Deliveries("order-1") {
		assert.True(t, d.Acknowledged)
		says = append(says, d.Says)
	}
	assert.Equal(t, []string{"1000", "5000", "2000"}, says)

	for _, f := range []gateway.Faults{{Amount: "1"}, {OrderID: "order-2"}} {
		require.NoError(t, gw.SetFaults(f))
		ev, err := m.event(t, m.ask(t, "order-1"))
		require.NoError(t, err, "the gateway signs its lie")
		assert.NotEqual(t, "100.50 order-1", ev.SubmitAmount.String()+" "+ev.OrderID)
	}
	require.NoError(t, gw.SetFaults(gateway.Faults{BadSignature: true}))
	_, err := m.event(t, m.ask(t, "order-1"))
	require.ErrorIs(t, err, payack.ErrSignature)
}

func TestPTSWithdrawAndBalance(t *testing.T) {
	gw := newPTS(t, gateway.PTSConfig{Balances: map[string]string{"PHP": "200"}, SealResponses: true, Options: once})
	m := ptsMerchant{gw}
	balance := func() string {
		t.Helper()
		a := m.post(t, "/balance", m.sign(t, verify.PTSBalance, fields{"user_id": `"1"`, "timestamp": ptsNow()}).json())
		require.Equal(t, "1000", a.member(t, "code"), a.body)
		plain, err := m.signer(t).Open([]byte(a.member(t, "data").(string)))
		require.NoError(t, err)
		return asked{body: string(plain)}.member(t, "balances.PHP").(string)
	}
	withdraw := func(id string) asked {
		return m.post(t, "/withdraw", m.sign(t, verify.PTSWithdraw, m.payment(id, "http://127.0.0.1:1/")).json())
	}
	assert.Equal(t, "200", balance())
	require.Equal(t, "1000", withdraw("w-1").member(t, "code"))
	assert.Equal(t, "99.5", balance())
	require.Equal(t, "1007", withdraw("w-2").member(t, "code"))
	require.NoError(t, gw.Fail("w-1"))
	assert.Equal(t, "200", balance())
	require.Equal(t, "1000", withdraw("w-2").member(t, "code"))
	require.NoError(t, gw.SetStatus("w-2", payack.PTSSuccess))
	assert.Equal(t, "99.5", balance())
	o, _ := gw.Order("w-2")
	assert.True(t, o.Withdraw)
	assert.Empty(t, o.PayURL)

	m.create(t, "p-1", "http://127.0.0.1:1/")
	require.NoError(t, gw.SetStatus("p-1", payack.PTSSuccess))
	assert.Equal(t, "200", balance())
	a := m.post(t, "/withdraw/query", m.sign(t, verify.PTSWithdrawQuery, m.query("w-2")).json())
	ev, err := m.event(t, a)
	require.NoError(t, err)
	assert.Equal(t, payack.PTSSuccess, ev.Status)
	require.NoError(t, gw.Wait(within(t)))
}

func TestPTSEndToEnd(t *testing.T) {
	shapes := []gateway.PTSShape{gateway.PTSFlat, gateway.PTSSealed, gateway.PTSData, gateway.PTSNested}
	for _, shape := range shapes {
		for _, numbers := range []gateway.Numbers{gateway.Literal, gateway.PHP, gateway.Quoted} {
			t.Run(string(shape)+" "+string(numbers), func(t *testing.T) {
				sealed := shape == gateway.PTSSealed || shape == gateway.PTSData
				gw := newPTS(t, gateway.PTSConfig{Shape: shape, Numbers: numbers, SignEnvelopes: sealed, Options: fast})
				m := ptsMerchant{gw}
				var events seen[*payack.PTSEvent]
				c := middleware.PTSConfig{UserID: gw.UserID(), Safecode: gw.Safecode(), PublicKeys: []string{gw.PublicKey()}, Options: middleware.Options{Logger: quiet}}
				if sealed {
					c.TransactionSecret = gw.TransactionSecret()
				}
				c.Confirm = func(_ context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
					said, err := m.event(t, m.ask(t, ev.OrderID))
					switch {
					case err != nil:
						return nil, err
					case said.Final() && (!said.Paid() || said.OrderID != ev.OrderID || !said.AcceptAmount.Equal(ev.AcceptAmount)):
						return nil, payack.ErrUnconfirmed
					case !said.Paid():
						return nil, errors.New("pending")
					}
					return &payack.Confirmation{Paid: true, Status: string(said.Status), Amount: said.AcceptAmount}, nil
				}
				h, err := handlers.NewPTS(c, events.add)
				require.NoError(t, err)
				s := httptest.NewServer(h)
				t.Cleanup(s.Close)

				m.create(t, "order-1", s.URL)
				d, err := gw.Deliver(within(t), "order-1", func(c *gateway.PTSCallback) { c.Status = payack.PTSSuccess })
				require.NoError(t, err)
				assert.False(t, d.Acknowledged, "a lie")
				assert.Len(t, d.Attempts, 4)
				assert.Equal(t, "FAILED", d.Attempts[0].Body)
				require.Empty(t, events.all())

				require.NoError(t, gw.Pay("order-1"))
				require.NoError(t, gw.Wait(within(t)))
				ds := gw.Deliveries("order-1")
				require.Len(t, ds, 2)
				require.True(t, ds[1].Acknowledged, "%+v", ds[1].Attempts)
				assert.Equal(t, "SUCCESS", ds[1].Attempts[0].Body)
				require.Len(t, events.all(), 1)
				assert.Equal(t, "100.50", events.all()[0].AcceptAmount.String())
				want := payack.SchemeLiteral
				if numbers == gateway.PHP {
					want = payack.SchemePHP
				}
				assert.Equal(t, want, events.all()[0].Scheme)

				for name, edit := range map[string]func(*gateway.PTSCallback){
					"bad signature": func(c *gateway.PTSCallback) { c.BadSignature = true },
					"other amount":  func(c *gateway.PTSCallback) { c.AcceptAmount = "1" },
				} {
					d, err := gw.Deliver(within(t), "order-1", edit)
					require.NoError(t, err)
					assert.False(t, d.Acknowledged, name)
				}
				d, err = gw.Deliver(within(t), "order-1", func(c *gateway.PTSCallback) { // an earlier status, out of order
					c.Status, c.Extra = payack.PTSWaiting, map[string]string{"reference_number": "R-1"}
				})
				require.NoError(t, err)
				assert.True(t, d.Acknowledged)
				require.Len(t, events.all(), 2)
				assert.Equal(t, "R-1", events.all()[1].Unsigned.ReferenceNumber.String())
				d, err = gw.Redeliver(within(t), ds[1])
				require.NoError(t, err)
				assert.True(t, d.Acknowledged)
				assert.Len(t, events.all(), 2)
			})
		}
	}
}

func TestPTSConfigIsChecked(t *testing.T) {
	bad := payack.NewSecret("no PEM")
	for name, c := range map[string]gateway.PTSConfig{
		"Shape":         {Shape: "round"},
		"Numbers":       {Numbers: "roman"},
		"SignEnvelopes": {SignEnvelopes: true},
		"MinAmount":     {MinAmount: "x"},
		"MaxAmount":     {MaxAmount: "-1"},
		"ExchangeRate":  {ExchangeRate: "1e3"},
		"Balances":      {Balances: map[string]string{"PHP": ""}},
		"Safecode":      {Safecode: payack.NewSecret("short")},
		"SystemKey":     {SystemKey: bad},
		"MerchantKey":   {MerchantKey: bad},
	} {
		_, err := gateway.NewPTS(c)
		assert.ErrorContains(t, err, name)
	}
	gw := newPTS(t, gateway.PTSConfig{GUID: "g", UserID: "7", SafecodeEncoding: envelope.PTSHex})
	assert.Equal(t, "g", gw.GUID())
	assert.Equal(t, "7", gw.UserID())
	ptsMerchant{gw}.signer(t) // the default keys are good ones
	_, err := gw.Deliver(within(t), "unknown")
	require.ErrorContains(t, err, "no order")
	_, found := gw.Order("unknown")
	assert.False(t, found)
	assert.True(t, bytes.HasPrefix([]byte(gw.PublicKey()), []byte("-----BEGIN PUBLIC KEY-----")))
}

// The signed text escapes nothing, so some callbacks can't be made.
func TestPTSAmbiguousCallback(t *testing.T) {
	gw := newPTS(t, gateway.PTSConfig{})
	ptsMerchant{gw}.create(t, "order-1", "http://127.0.0.1:1/")
	_, err := gw.Deliver(within(t), "order-1", func(c *gateway.PTSCallback) { c.Channel = "a&status=2000" })
	require.ErrorContains(t, err, "channel")
	assert.Empty(t, gw.Deliveries("order-1"))
}

// The gateway and the verifier use the same PHP text of a number.
func TestPTSPHPNumbers(t *testing.T) {
	gw := newPTS(t, gateway.PTSConfig{Numbers: gateway.PHP, Options: once})
	m := ptsMerchant{gw}
	v, err := verify.NewPTS(verify.PTSOptions{Numbers: []payack.Scheme{payack.SchemePHP}})
	require.NoError(t, err)
	m.create(t, "order-1", "http://127.0.0.1:1/")
	for literal, text := range map[string]string{
		"100.50": "100.5", "40000.0": "40000", "0.00001": "1.0E-5", "0.000012": "1.2E-5", "0.0001": "0.0001", "0.10": "0.1", "0": "0", "0.0": "0", "1e3": "1000", "1.5E-7": "1.5E-7", "-1.50": "-1.5",
		"12345678.123456": "12345678.123456", "123456789.123456": "123456789.12346", "100000000000000000": "100000000000000000",
		"99999999999999.9": "1.0E+14", "100000000000000.5": "1.0E+14", "1000000000000000.5": "1.0E+15", "100000000000000.0": "1.0E+14", "500": "500",
	} {
		d, err := gw.Deliver(within(t), "order-1", func(c *gateway.PTSCallback) { c.SubmitAmount = literal })
		require.NoError(t, err)
		ev, err := v.Verify(verify.Message{ContentType: "application/json", Body: string(d.Body)}, m.keys(t))
		if assert.NoError(t, err, literal) {
			assert.Equal(t, literal, ev.SubmitAmount.Literal())
			assert.Equal(t, text, ev.SubmitAmount.SignedText())
			shown := literal
			if !payack.NewAmount(text).Equal(payack.NewAmount(literal)) { // only the signed text is authenticated
				shown = text
			}
			assert.Equal(t, shown, ev.SubmitAmount.String())
		}
	}
}

// The gateway takes given keys in the form PKCS#1.
func TestPTSOwnKeys(t *testing.T) {
	pkcs1 := func() (payack.Secret, *rsa.PrivateKey) {
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		require.NoError(t, err)
		return payack.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))), key
	}
	system, key := pkcs1()
	merchant, _ := pkcs1()
	gw := newPTS(t, gateway.PTSConfig{SystemKey: system, MerchantKey: merchant})
	block, _ := pem.Decode([]byte(gw.PublicKey()))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	assert.True(t, key.PublicKey.Equal(public))
	m := ptsMerchant{gw}
	m.create(t, "order-1", "http://shop.test/")
	_, err = m.event(t, m.ask(t, "order-1"))
	require.NoError(t, err)
}
