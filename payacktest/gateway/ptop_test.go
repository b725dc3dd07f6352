package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/verify"
)

func ptopOrder(gw *gateway.Ptop, id, webhook string) fields {
	return fields{
		"website_id": quoted(gw.WebsiteID()), "secret_key": quoted(gw.SecretKey().Reveal()), "amount": "100.50", "currency": `"USD"`,
		"product": `"A book"`, "order_id": quoted(id), "webhook_url": quoted(webhook),
		"success_url": `"https://shop.test/ok"`, "fail_url": `"https://shop.test/no"`,
	}
}

func ptopCreate(t testing.TB, gw *gateway.Ptop, id, webhook string) gateway.PtopPayment {
	t.Helper()
	a := ask(t, "POST", gw.URL+"/api/v3/payment", jsonHeader(), ptopOrder(gw, id, webhook).json())
	require.Equal(t, 200, a.status, a.body)
	p, found := gw.Payment(id)
	require.True(t, found)
	return p
}

func ptopCheck(gw *gateway.Ptop, transaction string) (asked, error) {
	return tryAsk("POST", gw.URL+"/api/v3/payment-check", jsonHeader(), fields{
		"website_id": quoted(gw.WebsiteID()), "secret_key": quoted(gw.SecretKey().Reveal()), "transaction_id": quoted(transaction),
	}.json())
}

func TestPtopCreate(t *testing.T) {
	gw := newPtop(t, gateway.PtopConfig{WebsiteID: "w"})
	a := ask(t, "POST", gw.URL+"/api/v3/payment", jsonHeader(), ptopOrder(gw, "order-1", "https://shop.test/hook").json())
	require.Equal(t, 200, a.status)
	assert.Equal(t, "application/json", a.header.Get("Content-Type"))
	assert.JSONEq(t, `{"success":true,"transaction_id":"ptop-00000001","payment_url":"`+gw.URL+`/pay/ptop-00000001"}`, a.body)
	p, _ := gw.Payment("order-1")
	assert.Equal(t, gateway.PtopPayment{
		OrderID: "order-1", TransactionID: "ptop-00000001", PaymentURL: gw.URL + "/pay/ptop-00000001", Amount: "100.50", Currency: "USD",
		Product: "A book", WebhookURL: "https://shop.test/hook", SuccessURL: "https://shop.test/ok", FailURL: "https://shop.test/no",
	}, p)
	assert.Equal(t, 200, ask(t, "GET", p.PaymentURL, nil, nil).status)

	a = ask(t, "POST", gw.URL+"/api/test/v3/payment", jsonHeader(), ptopOrder(gw, "order-2", "https://shop.test/").with("amount", `"1"`).json())
	require.Equal(t, 200, a.status)
	p, _ = gw.Payment("order-2")
	assert.True(t, p.Sandbox)
	_, found := gw.Payment("order-3")
	assert.False(t, found)
}

func TestPtopRefusals(t *testing.T) {
	gw := newPtop(t, gateway.PtopConfig{})
	good := ptopOrder(gw, "order-1", "https://shop.test/")
	ptopCreate(t, gw, "known", "https://shop.test/")
	create := "/api/v3/payment"
	for name, c := range map[string]struct {
		path   string
		body   []byte
		status int
		says   string
	}{
		"no JSON":            {create, []byte("{"), 400, "JSON ends too early"},
		"two objects":        {create, append(good.json(), "{}"...), 400, "something after"},
		"duplicate member":   {create, append([]byte(`{"amount":2,`), good.json()[1:]...), 400, "twice"},
		"escaped duplicate":  {create, append([]byte(`{"\u0061mount":2,`), good.json()[1:]...), 400, "twice"},
		"case":               {create, good.with("Amount", "2").json(), 400, "case"},
		"website":            {create, good.with("website_id", `"x"`).json(), 401, "website_id"},
		"secret":             {create, good.with("secret_key", `"x"`).json(), 401, "secret_key"},
		"secret missing":     {create, good.with("secret_key", "").json(), 401, "secret_key"},
		"amount missing":     {create, good.with("amount", "").json(), 400, "amount is missing"},
		"amount low":         {create, good.with("amount", "0.99").json(), 400, "at least 1"},
		"amount negative":    {create, good.with("amount", "-5").json(), 400, "at least 1"},
		"amount exponent":    {create, good.with("amount", "1e41").json(), 400, "at least 1"},
		"currency":           {create, good.with("currency", `"EUR"`).json(), 400, "currency"},
		"product null":       {create, good.with("product", "null").json(), 400, "product is missing"},
		"order missing":      {create, good.with("order_id", `""`).json(), 400, "order_id is missing"},
		"order again":        {create, good.with("order_id", `"known"`).json(), 400, "used before"},
		"webhook no URL":     {create, good.with("webhook_url", `"shop.test"`).json(), 400, "no https URL"},
		"success_url no URL": {create, good.with("success_url", `"/ok"`).json(), 400, "no https URL"},
		"fail_url in clear":  {create, good.with("fail_url", `"http://shop.test/"`).json(), 400, "no https URL"},
		"check unknown":      {"/api/v3/payment-check", good.with("transaction_id", `"x"`).json(), 400, "no such transaction"},
		"check nothing":      {"/api/v3/payment-check", good.json(), 400, "transaction_id is missing"},
		"path":               {"/api/v3/refund", good.json(), 404, "not documented"},
		"page":               {"/pay/unknown", nil, 404, "not documented"},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, "POST", gw.URL+c.path, jsonHeader(), c.body)
			assert.Equal(t, c.status, a.status)
			assert.Contains(t, a.body, c.says)
			if c.status != 404 {
				assert.Equal(t, false, a.member(t, "success"))
			}
		})
	}
	_, found := gw.Payment("order-1")
	assert.False(t, found)

	a := ask(t, "GET", gw.URL+create, jsonHeader(), nil)
	assert.Equal(t, 405, a.status)
	assert.Equal(t, "POST", a.header.Get("Allow"))
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", ";"} {
		assert.Equal(t, 400, ask(t, "POST", gw.URL+create, http.Header{"Content-Type": {contentType}}, good.json()).status, contentType)
	}
	assert.Equal(t, 400, ask(t, "POST", gw.URL+create, http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, good.json()).status)
	assert.Equal(t, 200, ask(t, "POST", gw.URL+create, http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, good.json()).status)
}

func TestPtopStates(t *testing.T) {
	s := newShop(t, func(http.ResponseWriter, *http.Request, int) {})
	gw := newPtop(t, gateway.PtopConfig{})
	paid, cancelled, silent := ptopCreate(t, gw, "paid", s.URL), ptopCreate(t, gw, "cancelled", s.URL), ptopCreate(t, gw, "silent", s.URL)
	check := func(p gateway.PtopPayment, want string) {
		t.Helper()
		a, err := ptopCheck(gw, p.TransactionID)
		require.NoError(t, err)
		assert.Equal(t, want, a.body)
	}
	check(paid, `{"status":0,"amount":100.50}`)
	require.NoError(t, gw.Pay("paid"))
	require.NoError(t, gw.Cancel("cancelled"))
	require.NoError(t, gw.SetStatus("silent", gateway.PtopPaid))
	check(paid, `{"status":1,"amount":100.50}`)
	check(cancelled, `{"status":2,"amount":100.50}`)
	check(silent, `{"status":1,"amount":100.50}`)
	require.ErrorContains(t, gw.Cancel("paid"), "final")
	require.ErrorContains(t, gw.Pay("unknown"), "no payment")
	require.ErrorContains(t, gw.SetStatus("paid", 7), "knows no status")
	require.NoError(t, gw.Wait(within(t)))
	assert.Len(t, gw.Deliveries("paid"), 1)
	assert.Empty(t, gw.Deliveries("silent"))
	assert.Equal(t, "false", gw.Deliveries("cancelled")[0].Says)

	require.NoError(t, gw.SetFaults(gateway.Faults{Amount: "5"}))
	check(paid, `{"status":1,"amount":5}`)
	_, err := gw.Deliver(within(t), "unknown")
	require.ErrorContains(t, err, "no payment")
}

func TestPtopPayout(t *testing.T) {
	gw := newPtop(t, gateway.PtopConfig{})
	request := func(email, amount, trx string) fields {
		f := fields{"website_id": quoted(gw.WebsiteID()), "secret_key": quoted(gw.SecretKey().Reveal()),
			"reviverEmail": quoted(email), "amount": amount, "sendingTrx": quoted(trx), "signature": `"x"`}
		if sig, err := verify.PtopPayoutSignature(gw.SigningKey(), gw.WebsiteID(), gw.SecretKey().Reveal(), email, strings.Trim(amount, `"`)); err == nil {
			f["signature"] = quoted(sig)
		}
		return f
	}
	send := func(f fields) asked { return ask(t, "POST", gw.URL+"/api/api-payout", jsonHeader(), f.json()) }

	first := send(request("payee@example.com", "50.00", "trx-1"))
	require.Equal(t, 200, first.status, first.body)
	assert.Equal(t, true, first.member(t, "success"))
	again := send(request("payee@example.com", "50.00", "trx-1"))
	assert.Equal(t, first.status, again.status)
	assert.Equal(t, first.body, again.body)
	assert.Equal(t, []gateway.PtopPayout{{SendingTrx: "trx-1", TransactionID: "ptop-00000001", ReceiverEmail: "payee@example.com", Amount: "50.00"}}, gw.Payouts())

	for name, c := range map[string]struct {
		f      fields
		status int
		says   string
	}{
		"another amount":   {request("payee@example.com", "51.00", "trx-1"), 400, "another payout"},
		"another text":     {request("payee@example.com", "50", "trx-1"), 400, "another payout"},
		"another email":    {request("other@example.com", "50.00", "trx-1"), 400, "another payout"},
		"signature":        {request("payee@example.com", "50.00", "trx-2").with("signature", `"00"`), 403, "Invalid signature"},
		"amount's text":    {request("payee@example.com", "50.00", "trx-2").with("amount", "50"), 403, "Invalid signature"},
		"signature absent": {request("payee@example.com", "50.00", "trx-2").with("signature", ""), 400, "signature is missing"},
		"no trx":           {request("payee@example.com", "50.00", "trx-2").with("sendingTrx", ""), 400, "sendingTrx is missing"},
		"spelled receiver": {request("payee@example.com", "50.00", "trx-2").with("reviverEmail", "").with("receiverEmail", `"payee@example.com"`), 400, "reviverEmail is missing"},
		"separator":        {request("a|b@example.com", "50.00", "trx-2"), 400, "|"},
		"no address":       {request("payee", "50.00", "trx-2"), 400, "address"},
		"nothing":          {request("payee@example.com", "0", "trx-2"), 400, "above 0"},
		"secret":           {request("payee@example.com", "50.00", "trx-2").with("secret_key", `"x"`), 401, "secret_key"},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(c.f)
			assert.Equal(t, c.status, a.status)
			assert.Contains(t, a.body, c.says)
		})
	}
	assert.Len(t, gw.Payouts(), 1)
	assert.Equal(t, 200, send(request("payee@example.com", `"7.5"`, "trx-3")).status, "the amount as a string")
	assert.Len(t, gw.Payouts(), 2)
}

func TestPtopSchemes(t *testing.T) {
	for _, c := range []gateway.PtopConfig{
		{}, {Scheme: payack.SchemeHeader}, {Scheme: payack.SchemeSpliced, Place: verify.PtopFirst}, {Scheme: payack.SchemeReencoded, Place: verify.PtopMiddle},
		{Scheme: payack.SchemeBlanked}, {Body: verify.BodyForm}, {Body: verify.BodyForm, Scheme: payack.SchemeFormRebuilt}, {Body: verify.BodyForm, Scheme: payack.SchemeHeader},
	} {
		t.Run(string(c.Body+" "+verify.Body(c.Scheme)), func(t *testing.T) {
			c.Options = fast
			gw := newPtop(t, c)
			want := c.Scheme
			if want == "" && c.Body == verify.BodyForm {
				want = payack.SchemeForm
			} else if want == "" {
				want = payack.SchemeSpliced
			}
			var events seen[*payack.PtopEvent]
			h, err := handlers.NewPtop(middleware.PtopConfig{
				SigningKeys: []payack.Secret{gw.SigningKey()}, Body: c.Body, Schemes: []payack.Scheme{want}, ConfirmInCallback: true,
				Options: middleware.Options{Logger: quiet},
			}, events.add)
			require.NoError(t, err)
			s := httptest.NewServer(h)
			t.Cleanup(s.Close)
			p := ptopCreate(t, gw, "order-1", s.URL)
			require.NoError(t, gw.Pay("order-1"))
			require.NoError(t, gw.Wait(within(t)))
			require.Len(t, events.all(), 1, "%+v", gw.Deliveries("order-1"))
			assert.Equal(t, want, events.all()[0].Scheme)
			assert.Equal(t, p.TransactionID, events.all()[0].TransactionID)
			assert.Equal(t, "Payment successful", events.all()[0].Message.String())

			d, err := gw.Deliver(within(t), "order-1", func(c *gateway.PtopCallback) { c.BadSignature = true })
			require.NoError(t, err)
			assert.False(t, d.Acknowledged)
			assert.Equal(t, []int{403, 403, 403, 403}, statuses(d))
			assert.Equal(t, "Invalid signature", d.Attempts[0].Body)
		})
	}
	for _, c := range []gateway.PtopConfig{{Scheme: "other"}, {Body: "xml"}, {Body: verify.BodyForm, Scheme: payack.SchemeBlanked}} {
		_, err := gateway.NewPtop(c)
		assert.ErrorContains(t, err, "Scheme, Body")
	}
}

// ptopConfirm asks the gateway as the documents say, without package client.
func ptopConfirm(gw *gateway.Ptop) middleware.ConfirmFunc[*payack.PtopEvent] {
	return func(_ context.Context, ev *payack.PtopEvent) (*payack.Confirmation, error) {
		a, err := ptopCheck(gw, ev.TransactionID)
		if err != nil {
			return nil, err
		}
		var said struct {
			Status *int
			Amount json.Number
		}
		if json.Unmarshal([]byte(a.body), &said) != nil || a.status != 200 || said.Status == nil {
			return nil, errors.New("no answer")
		}
		switch *said.Status {
		case 0:
			return nil, errors.New("pending")
		case 1:
			return &payack.Confirmation{Paid: true, Status: "1", Amount: payack.NewAmount(string(said.Amount))}, nil
		}
		return nil, payack.ErrUnconfirmed
	}
}

func TestPtopEndToEnd(t *testing.T) {
	gw := newPtop(t, gateway.PtopConfig{Options: fast})
	var events seen[*payack.PtopEvent]
	settled := func(id string) (amounts string) {
		for _, ev := range events.all() {
			if ev.OrderID == id && ev.Paid() {
				amounts += ev.Confirmed.Amount.String() + ";"
			}
		}
		return amounts
	}
	h, err := handlers.NewPtop(middleware.PtopConfig{
		SigningKeys: []payack.Secret{gw.SigningKey()}, Confirm: ptopConfirm(gw), Options: middleware.Options{Logger: quiet},
	}, events.add)
	require.NoError(t, err)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)

	ptopCreate(t, gw, "paid", s.URL)
	require.NoError(t, gw.Pay("paid"))
	require.NoError(t, gw.Wait(within(t)))
	d := gw.Deliveries("paid")
	require.Len(t, d, 1)
	assert.True(t, d[0].Acknowledged)

	again, err := gw.Redeliver(within(t), d[0]) // a duplicate
	require.NoError(t, err)
	assert.True(t, again.Acknowledged)
	assert.Equal(t, "100.50;", settled("paid"))

	t.Run("a lie while the query says pending, then the truth", func(t *testing.T) {
		ptopCreate(t, gw, "lie", s.URL)
		d, err := gw.Deliver(within(t), "lie", func(c *gateway.PtopCallback) { c.Success = true })
		require.NoError(t, err)
		assert.Equal(t, []int{500, 500, 500, 500}, statuses(d))
		require.NoError(t, gw.Pay("lie"))
		require.NoError(t, gw.Wait(within(t)))
		assert.Equal(t, "100.50;", settled("lie"))
	})
	t.Run("a lie while the query says cancelled", func(t *testing.T) {
		ptopCreate(t, gw, "cancelled", s.URL)
		require.NoError(t, gw.SetStatus("cancelled", gateway.PtopCancelled))
		d, err := gw.Deliver(within(t), "cancelled", func(c *gateway.PtopCallback) { c.Success = true })
		require.NoError(t, err)
		assert.Equal(t, []int{422, 422, 422, 422}, statuses(d))
		assert.Empty(t, settled("cancelled"))
	})
	t.Run("the query is down for the first attempts", func(t *testing.T) {
		ptopCreate(t, gw, "down", s.URL)
		require.NoError(t, gw.SetFaults(gateway.Faults{Refuse: true}))
		require.NoError(t, gw.SetStatus("down", gateway.PtopPaid))
		d, err := gw.Deliver(within(t), "down")
		require.NoError(t, err)
		assert.False(t, d.Acknowledged)
		require.NoError(t, gw.SetFaults(gateway.Faults{}))
		d, err = gw.Redeliver(within(t), d)
		require.NoError(t, err)
		assert.True(t, d.Acknowledged)
		assert.Equal(t, "100.50;", settled("down"))
	})
}

// A fake Ptop creates a payment, and sends the webhook to the handler under test.
func ExampleNewPtop() {
	gw, err := gateway.NewPtop(gateway.PtopConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer gw.Close()

	receiver, err := handlers.NewPtop(middleware.PtopConfig{
		SigningKeys: []payack.Secret{gw.SigningKey()}, Confirm: ptopConfirm(gw), Options: middleware.Options{Logger: quiet},
	}, func(_ context.Context, ev *payack.PtopEvent) error {
		fmt.Println(ev.OrderID, "is paid:", ev.Confirmed.Amount)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	shop := httptest.NewServer(receiver)
	defer shop.Close()

	// What the program under test would send.
	created, err := tryAsk("POST", gw.URL+"/api/v3/payment", jsonHeader(), ptopOrder(gw, "order-1", shop.URL).json())
	fmt.Println(created.status, err)

	_ = gw.Pay("order-1") // the customer pays, and the webhook is sent
	_ = gw.Wait(context.Background())
	for _, d := range gw.Deliveries("order-1") {
		fmt.Println(len(d.Attempts), "attempt, acknowledged:", d.Acknowledged)
	}
	// Output:
	// 200 <nil>
	// order-1 is paid: 100.50
	// 1 attempt, acknowledged: true
}

// The gateway takes payout requests that programs in other languages made. It
// verifies the signature over the amount's text in the body.
func TestPtopTakesTheVectorsPayouts(t *testing.T) {
	file, err := vectors.Load("ptop")
	require.NoError(t, err)
	got := make(map[string]int)
	for _, v := range file.Vectors {
		if v.Kind != "payout_request" {
			continue
		}
		key := file.Keys[v.KeyID]
		gw := newPtop(t, gateway.PtopConfig{
			WebsiteID: key.WebsiteID, SecretKey: payack.NewSecret(key.SecretKey), SigningKey: payack.NewSecret(key.TheSignature),
		})
		body, err := v.Request.Body()
		require.NoError(t, err)
		a := ask(t, "POST", gw.URL+"/api/api-payout", jsonHeader(), body)
		got[fmt.Sprint(v.Verdict, " ", v.Flavour, ": ", a.status)]++
		gw.Close()
	}
	assert.Equal(t, map[string]int{
		"must_accept payout_literal: 200": 10, "must_accept payout_string: 200": 1,
		"must_accept payout_php_float: 200": 3, "must_accept payout_php_float: 403": 4, // 200 if the literal is also PHP's text, 403 otherwise
		"must_reject payout_literal: 403": 3, "policy_reject payout_literal: 403": 1,
		"record_reject payout_string: 400": 1, "record_reject payout_string: 401": 1,
	}, got)
}
