package client_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

func payin() client.PayatomPayin {
	return client.PayatomPayin{OrderID: "ORD1000001", Amount: payack.NewAmount("500.00"), Name: "Customer", Email: "a@b.example", Phone: "+91 1"}
}

func TestPayatomPayin(t *testing.T) {
	g := says(t, 200, `{"hash_value":"a b&c=","status":"ok"}`)
	payatom := newPayatom(t, g.URL)
	got, err := payatom.Payin(t.Context(), payin())
	require.NoError(t, err)
	assert.Equal(t, &client.PayatomPayinCreated{HashValue: "a b&c=", ConnectURL: g.URL + "/pay/connect.php?code=a+b%26c%3D"}, got)
	assert.Equal(t, got.ConnectURL, payatom.ConnectURL("a b&c="))
	assert.Empty(t, got.RefCode)
	kept, err := newPayatom(t, says(t, 200, `{"hash_value":"x","status":"ok","ref_code":17}`).URL).Payin(t.Context(), payin())
	require.NoError(t, err)
	assert.Equal(t, "17", kept.RefCode)
	r := g.only(t)
	assert.Equal(t, "POST /pay/request.php application/json", r.Method+" "+r.Path+" "+r.Type)
	assert.Equal(t, `{"pid":"316ec4afb35","order_id":"ORD1000001","amount":"500.00","name":"Customer","email":"a@b.example","phone":"+91 1"}`, r.Body)
	p := payin()
	p.RedirectURL, p.WalletType = "https://shop.example/r?a=1&b=2", "upi"
	_, err = payatom.Payin(t.Context(), p)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(g.requests()[1].Body, `,"redirect_url":"https://shop.example/r?a=1&b=2","wallet_type":"upi"}`))

	for body, want := range map[string]error{
		`{"status":"error","message":"bad pid"}`:                       client.ErrDeclined,
		`{"status":"ok"}`:                                              client.ErrResponse,
		`{"hash_value":"","status":"ok"}`:                              client.ErrResponse,
		`{"hash_value":"x"}`:                                           client.ErrResponse,
		`{"hash_value":"x","status":"OK"}`:                             client.ErrResponse,
		`{"hash_value":["x"],"status":"ok"}`:                           client.ErrResponse,
		`{"hash_value":"x","status":"ok","order_id":"ORD2"}`:           client.ErrMismatch,
		`{"hash_value":"x","status":"error","status":"ok"}`:            client.ErrResponse,
		`{"hash_value":"x","status":"error","Status":"ok"}`:            client.ErrResponse,
		`{"hash_value":"x","status":"error","message":{"x":"nested"}}`: client.ErrDeclined,
	} {
		_, err := newPayatom(t, says(t, 200, body).URL).Payin(t.Context(), payin())
		assert.ErrorIs(t, err, want, body)
	}
}

func TestPayatomInvalidRequestsAreNotSent(t *testing.T) {
	g := says(t, 200, `{}`)
	payatom := newPayatom(t, g.URL)
	for field, change := range map[string]func(*client.PayatomPayin){
		"OrderID":     func(p *client.PayatomPayin) { p.OrderID = "ORD100000" },
		"Amount":      func(p *client.PayatomPayin) { p.Amount = payack.NewAmount("1e2") },
		"Amount ":     func(p *client.PayatomPayin) { p.Amount = payack.NewAmount("007") },
		"Amount  ":    func(p *client.PayatomPayin) { p.Amount = payack.NewAmount("0.00") },
		"Name":        func(p *client.PayatomPayin) { p.Name = "" },
		"Email":       func(p *client.PayatomPayin) { p.Email = "HOSTILE" },
		"Phone":       func(p *client.PayatomPayin) { p.Phone = "" },
		"RedirectURL": func(p *client.PayatomPayin) { p.RedirectURL = "HOSTILE" },
		"WalletType":  func(p *client.PayatomPayin) { p.WalletType = "HOSTILE\x00" },
	} {
		p := payin()
		change(&p)
		_, err := payatom.Payin(t.Context(), p)
		require.ErrorIs(t, err, client.ErrRequest, field)
		assert.Contains(t, err.Error(), strings.TrimSpace(field))
		assert.NotContains(t, err.Error(), "HOSTILE")
	}
	p := client.PayatomPayout{OrderID: "P1", Amount: payack.NewAmount("5"), PaymentMode: "upi"}
	for field, change := range map[string]func(*client.PayatomPayout){
		"OrderID":     func(p *client.PayatomPayout) { p.OrderID = "" },
		"Amount":      func(p *client.PayatomPayout) { p.Amount = payack.NewAmount("x") },
		"PaymentMode": func(p *client.PayatomPayout) { p.PaymentMode = "neft" },
		"Members":     func(p *client.PayatomPayout) { p.Members = map[string]string{"Amount": "9"} },
	} {
		p := p
		change(&p)
		_, err := payatom.Payout(t.Context(), p)
		require.ErrorIs(t, err, client.ErrRequest, field)
		assert.Contains(t, err.Error(), field)
	}
	bare, err := client.NewPayatom(client.PayatomConfig{BaseURL: g.URL, PID: "p", SecretKeys: payack.Secrets("k")})
	require.NoError(t, err)
	for member, call := range map[string]func() error{
		"ReconcileToken":      func() error { _, err := bare.ReconcilePayins(t.Context(), clock); return err },
		"WalletAuthorization": func() error { _, err := bare.WalletBalance(t.Context(), payatomOperator()); return err },
		"APIKey":              func() error { _, err := bare.WalletTransactions(t.Context(), payatomWalletDay()); return err },
		"APIKey ":             func() error { _, err := bare.WalletData(t.Context()); return err },
		"order":               func() error { _, err := bare.PayoutStatus(t.Context(), ""); return err },
		"day":                 func() error { _, err := payatom.ReconcilePayouts(t.Context(), time.Time{}); return err },
		"RefCode":             func() error { _, err := bare.StatusPolling(t.Context(), client.PayatomQuery{OrderID: "O"}); return err },
		"VerificationCode": func() error {
			_, err := payatom.WalletBalance(t.Context(), client.PayatomOperator{Email: "a@b.example"})
			return err
		},
		"Email": func() error {
			_, err := payatom.WalletBalance(t.Context(), client.PayatomOperator{Email: "x", VerificationCode: payack.NewSecret("x")})
			return err
		},
		"AccountNumber": func() error {
			_, err := payatom.WalletTransactions(t.Context(), client.PayatomWalletDay{By: client.PayatomActionDate, Day: clock})
			return err
		},
		"By": func() error {
			_, err := payatom.WalletTransactions(t.Context(), client.PayatomWalletDay{AccountNumber: "1", By: "x", Day: clock})
			return err
		},
		"Day": func() error {
			_, err := payatom.WalletTransactions(t.Context(), client.PayatomWalletDay{AccountNumber: "1", By: client.PayatomActionDate})
			return err
		},
	} {
		err := call()
		require.ErrorIs(t, err, client.ErrRequest, member)
		assert.Contains(t, err.Error(), strings.TrimSpace(member))
	}
	assert.Empty(t, g.requests())
}

var postHash = regexp.MustCompile(`"post_hash":"([^"]*)"`)

// A hash has a random IV, so the test compares requests without their hashes, and
// opens the hashes.
func TestPayatomPollingVectors(t *testing.T) {
	f, err := vectors.Load("payatom")
	require.NoError(t, err)
	run := map[string]int{}
	for _, v := range f.Vectors {
		key := f.Keys[v.KeyID].SecretKey
		expect := func(name string) string {
			if s := v.Expect[name]; s != nil {
				return *s
			}
			return ""
		}
		body, err := v.Request.Body()
		require.NoError(t, err)
		switch v.Kind {
		case "polling_request":
			run[v.Kind]++
			g := says(t, 200, `{"status":"error","message":"no"}`)
			c := payatomConfig(g.URL)
			c.PID, c.SecretKeys, c.Polling = expect("pid"), payack.Secrets(key), client.PollingExample
			if strings.HasSuffix(v.Flavour, "step4") {
				c.Polling = client.PollingProse
			}
			payatom, err := client.NewPayatom(c)
			require.NoError(t, err)
			q := client.PayatomQuery{RefCode: expect("ref_code"), OrderID: expect("order_id")}
			if expect("amount") != "" {
				q.Amount = payack.NewAmount(expect("amount"))
			}
			_, err = payatom.StatusPolling(t.Context(), q)
			require.ErrorIs(t, err, client.ErrDeclined)
			got := g.only(t).Body
			assert.Equal(t, postHash.ReplaceAllString(string(body), "hash"), postHash.ReplaceAllString(got, "hash"), v.Name)
			signer, err := verify.NewPayatomSigner(payack.NewSecret(key))
			require.NoError(t, err)
			for _, text := range []string{string(body), got} {
				hash := strings.ReplaceAll(postHash.FindStringSubmatch(text)[1], `\/`, "/")
				assert.True(t, signer.Opens(hash, expect("ref_code"), expect("pid")), v.Name)
			}
		case "polling_response":
			run[v.Kind]++
			c := payatomConfig(says(t, 200, string(body)).URL)
			c.SecretKeys = payack.Secrets("another", key)
			payatom, err := client.NewPayatom(c)
			require.NoError(t, err)
			ev, err := payatom.StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1", OrderID: expect("order_id")})
			require.NoError(t, err, v.Name)
			assert.Equal(t, expect("order_id"), ev.OrderID)
			assert.Equal(t, expect("amount"), ev.ReceivedAmount.String())
			assert.Equal(t, expect("status"), string(ev.Status))
			assert.Equal(t, expect("upi_id"), ev.Unsigned.UPIID.String())
			assert.Equal(t, expect("webhook_acknowledged"), ev.Unsigned.WebhookAcknowledged.String())
			assert.Nil(t, ev.Unsigned.Extra)
			assert.Equal(t, 1, ev.Key)
			_, err = payatom.StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1", OrderID: "ORD1"})
			require.ErrorIs(t, err, client.ErrMismatch)
			_, err = newPayatom(t, c.BaseURL).StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1"})
			require.ErrorIs(t, err, payack.ErrEnvelope)
		}
	}
	assert.Equal(t, map[string]int{"polling_request": 3, "polling_response": 3}, run)
}

func TestPayatomPollingSets(t *testing.T) {
	for _, c := range []struct {
		set  client.PayatomPolling
		want string
	}{
		{"", `{"pid":"316ec4afb35","ref_code":"R1","order_id":"ORD1","hash"}`},
		{client.PollingAll, `{"pid":"316ec4afb35","ref_code":"R1","order_id":"ORD1","hash"}`},
		{client.PollingNewer, `{"pid":"316ec4afb35","ref_code":"R1","hash"}`},
	} {
		g := says(t, 200, `{}`)
		config := payatomConfig(g.URL)
		config.Polling = c.set
		payatom, err := client.NewPayatom(config)
		require.NoError(t, err)
		_, err = payatom.StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1", OrderID: "ORD1"})
		require.ErrorIs(t, err, payack.ErrMalformed)
		r := g.only(t)
		assert.Equal(t, "/api/status_polling.php", r.Path)
		assert.Equal(t, c.want, postHash.ReplaceAllString(r.Body, `"hash"`))
	}
	g := says(t, 200, `{}`)
	for set, member := range map[client.PayatomPolling]string{client.PollingProse: "OrderID", client.PollingExample: "Amount"} {
		config := payatomConfig(g.URL)
		config.Polling = set
		payatom, err := client.NewPayatom(config)
		require.NoError(t, err)
		_, err = payatom.StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1"})
		require.ErrorIs(t, err, client.ErrRequest)
		assert.Contains(t, err.Error(), member)
	}
	assert.Empty(t, g.requests())
}

func payatomHash(t *testing.T, order, amount, status string) string {
	s, err := verify.NewPayatomSigner(payack.NewSecret(payatomKey))
	require.NoError(t, err)
	return s.PostHash(order, amount, status)
}

// polled returns a response of status polling. amount is a literal.
func polled(t *testing.T, order, amount, status string) string {
	return `{"order_id":"` + order + `","received_amount":` + amount + `,"amount":9,"status":"` + status + `","ref_code":"R1","refund_info":[],"post_hash":"` +
		payatomHash(t, order, strings.Trim(amount, `"`), status) + `"}`
}

func TestPayatomStatusPolling(t *testing.T) {
	ask := func(body string) (*payack.PayatomEvent, error) {
		return newPayatom(t, says(t, 200, body).URL).StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1", OrderID: "ORD1"})
	}
	ev, err := ask(polled(t, "ORD1", `"500.00"`, "Approved"))
	require.NoError(t, err)
	assert.Equal(t, "500.00", ev.ReceivedAmount.String())
	ev, err = ask(strings.Replace(polled(t, "ORD1", "500.00", "Approved"), "received_amount", "recieved_amount", 1))
	require.NoError(t, err)
	assert.True(t, ev.Paid())
	for body, want := range map[string]error{
		polled(t, "ORD2", "500", "Approved"):                                                     client.ErrMismatch,
		strings.Replace(polled(t, "ORD1", "500", "Approved"), `"R1"`, `"R2"`, 1):                 client.ErrMismatch,
		strings.Replace(polled(t, "ORD1", "500", "Approved"), ":500,", ":5000,", 1):              payack.ErrSignature,
		strings.Replace(polled(t, "ORD1", "500", "Approved"), `"Approved"`, `"Declined"`, 1):     payack.ErrSignature,
		polled(t, "ORD1", `"05"`, "Approved"):                                                    payack.ErrInvalid,
		polled(t, "ORD1", `""`, "Approved"):                                                      payack.ErrInvalid,
		`{"status":"error","message":"unknown"}`:                                                 client.ErrDeclined,
		`{"order_id":"ORD1","amount":500,"status":"Approved"}`:                                   payack.ErrMalformed,
		`{"order_id":"ORD1","amount":500,"status":"Approved","post_hash":"x"}`:                   payack.ErrEnvelope,
		strings.Replace(polled(t, "ORD1", "5", "Approved"), "{", `{"status":"Approved",`, 1):     payack.ErrMalformed,
		strings.Replace(polled(t, "ORD1", "5", "Approved"), "{", `{"Received_Amount":9,`, 1):     payack.ErrMalformed,
		strings.Replace(polled(t, "ORD1", "5", "Approved"), "{", `{"Recieved_amount":"9",`, 1):   payack.ErrMalformed,
		strings.Replace(polled(t, "ORD1", "5", "Approved"), "{", "{\"order_id\u017F\":\"9\"", 1): payack.ErrMalformed,
	} {
		_, err := ask(body)
		assert.ErrorIs(t, err, want, body)
		silent(t, err)
	}
}

func TestPayatomConfirm(t *testing.T) {
	event := func() *payack.PayatomEvent {
		ev := &payack.PayatomEvent{OrderID: "ORD1000001", Status: payack.PayatomApproved, ReceivedAmount: payack.NewAmount("500")}
		ev.Unsigned.RefCode = payack.NewText("R1")
		return ev
	}
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"the same":             {polled(t, "ORD1000001", "500.00", "Approved"), nil},
		"another ref_code":     {strings.Replace(polled(t, "ORD1000001", "500.00", "Approved"), `"R1"`, `"R2"`, 1), nil},
		"pending":              {polled(t, "ORD1000001", "500.00", "Pending"), client.ErrPending},
		"timed out":            {polled(t, "ORD1000001", "0", "User Timed Out"), client.ErrPending},
		"refund begun":         {polled(t, "ORD1000001", "500.00", "Refund Initiated"), client.ErrPending},
		"unknown":              {polled(t, "ORD1000001", "500.00", "Under Review"), client.ErrPending},
		"another, not final":   {polled(t, "ORD2000002", "5", "Pending"), payack.ErrUnconfirmed},
		"another, unknown":     {polled(t, "ORD2000002", "5", "Under Review"), payack.ErrUnconfirmed},
		"another, no amount":   {polled(t, "ORD2000002", `""`, "Pending"), payack.ErrUnconfirmed},
		"another, declined":    {polled(t, "ORD2000002", "5", "Declined"), payack.ErrUnconfirmed},
		"declined":             {polled(t, "ORD1000001", "500.00", "Declined"), payack.ErrUnconfirmed},
		"late, another amount": {polled(t, "ORD1000001", "50", "Late Approved"), payack.ErrUnconfirmed},
		"refunded":             {polled(t, "ORD1000001", "500.00", "Refund Completed"), payack.ErrUnconfirmed},
		"another amount":       {polled(t, "ORD1000001", "50", "Approved"), payack.ErrUnconfirmed},
		"another order":        {polled(t, "ORD1000002", "500.00", "Approved"), payack.ErrUnconfirmed},
		"moved borders":        {polled(t, "ORD10000015", `"00"`, "Approved"), payack.ErrInvalid},
		"a forged answer":      {strings.Replace(polled(t, "ORD1000001", "500.00", "Declined"), "Declined", "Failed", 1), payack.ErrSignature},
		"an unsigned no":       {`{"status":"error","message":"try again later"}`, client.ErrDeclined},
		"no such payment":      {`{"status":"error","message":"no such payment"}`, payack.ErrUnconfirmed},
		"an unsigned Declined": {`{"order_id":"ORD1000001","amount":500,"status":"Declined"}`, client.ErrResponse},
	} {
		g := says(t, 200, c.body)
		got, err := newPayatom(t, g.URL).Confirm(t.Context(), event())
		assert.Contains(t, g.only(t).Body, `"ref_code":"R1"`)
		if c.want == nil {
			require.NoError(t, err, name)
			assert.Equal(t, &payack.Confirmation{Paid: true, Status: "Approved", Amount: payack.NewAmount("500.00")}, got)
			continue
		}
		assert.Nil(t, got)
		assert.ErrorIs(t, err, c.want, name)
		assert.Equal(t, c.want == payack.ErrUnconfirmed, isUnconfirmed(err), name)
	}
	// Approved and Late Approved confirm each other.
	for _, claimed := range []payack.PayatomStatus{payack.PayatomApproved, payack.PayatomLateApproved} {
		for _, answered := range []payack.PayatomStatus{payack.PayatomApproved, payack.PayatomLateApproved} {
			ev := event()
			ev.Status = claimed
			got, err := newPayatom(t, says(t, 200, polled(t, "ORD1000001", "500.0", string(answered))).URL).Confirm(t.Context(), ev)
			require.NoError(t, err)
			assert.Equal(t, &payack.Confirmation{Paid: true, Status: string(answered), Amount: payack.NewAmount("500.0")}, got)
		}
	}
	// A captured hash also verifies with digits moved from one member to the next.
	// The query contradicts such an event.
	forged := event()
	forged.OrderID, forged.ReceivedAmount = "ORD100000150", payack.NewAmount("0")
	_, err := newPayatom(t, says(t, 200, polled(t, "ORD1000001", "500", "Approved")).URL).Confirm(t.Context(), forged)
	assert.True(t, isUnconfirmed(err))

	g := says(t, 200, "{}")
	without, pending := event(), event()
	without.Unsigned.RefCode, pending.Status = payack.Text{}, payack.PayatomPending
	for _, ev := range []*payack.PayatomEvent{nil, without, pending} {
		_, err := newPayatom(t, g.URL).Confirm(t.Context(), ev)
		assert.ErrorIs(t, err, client.ErrRequest)
		assert.False(t, isUnconfirmed(err))
	}
	assert.Empty(t, g.requests())
}

func TestPayatomOtherCalls(t *testing.T) {
	for path, c := range map[string]struct {
		call         func(*client.Payatom) (*client.PayatomUnsignedReport, error)
		method, body string
		header       [2]string
	}{
		"/payout/api/request.php": {func(c *client.Payatom) (*client.PayatomUnsignedReport, error) {
			return c.Payout(t.Context(), client.PayatomPayout{OrderID: "P1", Amount: payack.NewAmount("5.00"), PaymentMode: "imps", Members: map[string]string{"ifsc": "X"}})
		}, "POST", `{"amount":"5.00","ifsc":"X","order_id":"P1","payment_mode":"imps","pid":"316ec4afb35"}`, [2]string{}},
		"/payout/api/order_status_polling.php": {func(c *client.Payatom) (*client.PayatomUnsignedReport, error) {
			return c.PayoutStatus(t.Context(), "P1")
		}, "POST", `{"order_id":"P1","pid":"316ec4afb35","hash"}`, [2]string{}},
	} {
		for body, want := range map[string]error{
			`{"order_id":"P1","balance":10.50,"rows":[{"a":1}]}`: nil,
			"\n" + ` [{"order_id":"P1"},{"order_id":"P2"}] `:     nil,
			`[]`:                                nil,
			`{}`:                                nil,
			`{"status":"error","message":"no"}`: client.ErrDeclined,
			`{"order_id":"P1","a":1,"a":2}`:     client.ErrResponse,
			`[{"a":1,"a":2}]`:                   client.ErrResponse,
			`[1],"x":2`:                         client.ErrResponse,
			`[1]}`:                              client.ErrResponse,
			`[1`:                                client.ErrResponse,
			`"text"`:                            client.ErrResponse,
			`<html>`:                            client.ErrResponse,
		} {
			g := says(t, 200, body)
			got, err := c.call(newPayatom(t, g.URL))
			r := g.only(t)
			assert.Equal(t, c.method+" "+path, r.Method+" "+r.Path)
			assert.Equal(t, c.body, postHash.ReplaceAllString(r.Body, `"hash"`))
			if c.header[0] != "" {
				assert.Equal(t, []string{c.header[1]}, r.Header[c.header[0]])
			}
			if want != nil {
				assert.ErrorIs(t, err, want, path, body)
				continue
			}
			require.NoError(t, err, path, body)
			assert.Equal(t, strings.TrimSpace(body), string(got.JSON))
			if strings.Contains(body, "balance") {
				assert.Equal(t, "10.50", got.Members["balance"].String())
				assert.Equal(t, `[{"a":1}]`, got.Members["rows"].String())
				assert.Equal(t, "P1", got.Members["order_id"].String())
			}
		}
		if strings.HasPrefix(path, "/payout/api/") && !strings.Contains(path, "reconcile") {
			_, err := c.call(newPayatom(t, says(t, 200, `{"order_id":"P2"}`).URL))
			assert.ErrorIs(t, err, client.ErrMismatch)
		}
	}
}
