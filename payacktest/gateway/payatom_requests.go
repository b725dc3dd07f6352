package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

func payatomRefusal(message string) answer {
	return jsonAnswer(http.StatusOK, message, textMember("status", "error"), textMember("message", message))
}

// answer is called with mu held.
func (gw *Payatom) answer(r *http.Request, body []byte) answer {
	if r.URL.Path == "/pay/connect.php" {
		switch {
		case r.Method != http.MethodGet:
			return wrongMethod(http.MethodGet)
		case !gw.pages[r.URL.Query().Get("code")]:
			return htmlAnswer(http.StatusNotFound, "no payment has this code")
		}
		return customerPage()
	}
	e, found := gw.endpoint(r.URL.Path)
	switch {
	case !found:
		return unknownPath()
	case r.Method != orText(e.method, http.MethodPost):
		return wrongMethod(orText(e.method, http.MethodPost))
	case e.header != "" && (len(r.Header.Values(e.header)) != 1 || !sameSecret(r.Header.Get(e.header), e.key.Reveal())):
		refusal := payatomRefusal("the header " + e.header + " is missing, given twice or wrong")
		if e.header == "Api-Key" {
			refusal.status = http.StatusUnauthorized // as Payatom's documents say for this header
		}
		return refusal
	case e.method == http.MethodGet:
		return e.do(nil)
	case mediaType(r) != "application/json":
		return payatomRefusal("the content type is not application/json")
	}
	members := e.members
	f, wrong := readJSON(body, append([]string{"ref_code", "redirect_url", "wallet_type"}, members...))
	if wrong != "" {
		return payatomRefusal(wrong)
	}
	if name := f.missing(members...); name != "" {
		return payatomRefusal(name + " is missing, empty or of the wrong type")
	}
	if slices.Contains(members, "pid") && f.text("pid") != gw.config.PID {
		return payatomRefusal("pid is another's")
	}
	return e.do(f)
}

// payatomEndpoint describes one call: the header and the key that authenticate it,
// and the required members of its request.
type payatomEndpoint struct {
	method, header string
	key            payack.Secret
	members        []string
	do             func(fields) answer
}

func (gw *Payatom) endpoint(path string) (e payatomEndpoint, found bool) {
	c, day := &gw.config, []string{"pid", "date", "signature"}
	e, found = map[string]payatomEndpoint{
		"/pay/request.php":        {members: []string{"pid", "order_id", "amount", "name", "email", "phone"}, do: gw.request},
		"/api/status_polling.php": {members: []string{"pid", "post_hash"}, do: gw.poll},
		"/api/reconcile_polling.php": {
			header: "Token", key: c.Token, members: day, do: gw.reconcile,
		},
		"/api/wallet_balance.php": {
			header: "Authorization", key: c.Authorization, members: []string{"email", "verification_code"}, do: gw.balance,
		},
		"/bot/api_v2/account_deposit.php": {
			header: "Api-Key", key: c.APIKey, members: []string{"account_number", "filter_date_type", "filter_date"}, do: gw.summary,
		},
		"/bot/api_v2/account_status.php": {
			method: http.MethodGet, header: "Api-Key", key: c.APIKey, do: gw.accounts,
		},
		"/payout/api/request.php":              {members: []string{"payment_mode", "pid", "order_id", "amount"}, do: gw.payOut},
		"/payout/api/order_status_polling.php": {members: []string{"pid", "order_id", "post_hash"}, do: gw.payoutStatus},
		"/payout/api/payout_reconcile_polling.php": {
			header: "Token", key: c.Token, members: day, do: gw.reconcilePayouts,
		},
	}[path]
	return e, found
}

func (gw *Payatom) request(f fields) answer {
	p := &PayatomPayment{
		OrderID: f.text("order_id"), RequestedAmount: f.text("amount"), ReceivedAmount: "0",
		Name: f.str("name"), Email: f.str("email"), Phone: f.text("phone"),
		Status: payack.PayatomPending, Created: gw.options.Now(),
	}
	if wrong := gw.orderWrong(p.OrderID, p.RequestedAmount); wrong != "" {
		return payatomRefusal(wrong)
	}
	if !strings.Contains(p.Email, "@") || p.Name == "" {
		return payatomRefusal("name or email is wrong")
	}
	p.RefCode, p.HashValue = gw.nextID("payatom-"), freshHex()
	p.ConnectURL = gw.base + "/pay/connect.php?code=" + p.HashValue
	gw.payments[p.OrderID], gw.byRef[p.RefCode], gw.pages[p.HashValue] = p, p, true
	gw.order = append(gw.order, p.OrderID)
	return jsonAnswer(http.StatusOK, "", textMember("hash_value", p.HashValue), textMember("status", "ok"), textMember("ref_code", p.RefCode))
}

func (gw *Payatom) orderWrong(id, amount string) string {
	d, ok := parseDecimal(amount)
	switch {
	case len(id) < 10:
		return "order_id has fewer than 10 characters"
	case !ok || !d.IsPositive():
		return "amount is not a number above 0"
	case gw.payments[id] != nil || gw.payouts[id] != nil:
		return "order_id was used before"
	}
	return ""
}

func (gw *Payatom) poll(f fields) answer {
	p := gw.byRef[f.text("ref_code")]
	hasRef, hasOrder := strict.Find(f, "ref_code") != nil, strict.Find(f, "order_id") != nil
	if !hasRef {
		p = gw.payments[f.text("order_id")]
	}
	switch {
	case !hasRef && !hasOrder:
		return payatomRefusal("neither ref_code nor order_id is there")
	case p == nil || hasOrder && p.OrderID != f.text("order_id"):
		return payatomRefusal("there is no such payment")
	case !payatomOpens(gw.config.SecretKey, f.str("post_hash"), p.RefCode, gw.config.PID):
		return payatomRefusal("post_hash is wrong")
	}
	c := p.callback()
	c.ReceivedAmount, c.OrderID = orText(gw.faults.Amount, c.ReceivedAmount), orText(gw.faults.OrderID, c.OrderID)
	c.BadSignature = gw.faults.BadSignature
	n, acknowledged := gw.config.Numbers, "0"
	if gw.wasAcknowledged(p.OrderID) {
		acknowledged = "1"
	}
	amounts := []member{n.member("amount", c.ReceivedAmount)}
	if name := gw.config.PollingAmount; name != "amount" {
		amounts = []member{n.member("amount", c.RequestedAmount), n.member(name, c.ReceivedAmount)}
	}
	members := append([]member{textMember("order_id", c.OrderID), textMember("upi_id", "merchant@upi")}, amounts...)
	return jsonAnswer(http.StatusOK, "", append(members, textMember("webhook_acknowledged", acknowledged),
		textMember("status", string(c.Status)), textMember("post_hash", gw.hash(c, gw.config.Numbers)), member{"refund_info", c.RefundInfo},
		textMember("ref_code", c.RefCode), textMember("bank_ref", c.BankRef))...)
}

func (gw *Payatom) payOut(f fields) answer {
	mode := f.str("payment_mode")
	if mode != "imps" && mode != "upi" && mode != "wallet" {
		return payatomRefusal("payment_mode is none of imps, upi and wallet")
	}
	p := &PayatomPayout{
		OrderID: f.text("order_id"), PaymentMode: mode, Amount: f.text("amount"), Status: payack.PayatomPending, Created: gw.options.Now(),
	}
	if wrong := gw.orderWrong(p.OrderID, p.Amount); wrong != "" {
		return payatomRefusal(wrong)
	}
	gw.payouts[p.OrderID] = p
	gw.order = append(gw.order, p.OrderID)
	return jsonAnswer(http.StatusOK, "", textMember("status", "ok"), textMember("order_id", p.OrderID))
}

func (gw *Payatom) payoutStatus(f fields) answer {
	p := gw.payouts[f.text("order_id")]
	switch {
	case p == nil:
		return payatomRefusal("there is no such payout")
	case !payatomOpens(gw.config.SecretKey, f.str("post_hash"), p.OrderID, gw.config.PID):
		return payatomRefusal("post_hash is wrong")
	}
	return jsonAnswer(http.StatusOK, "", textMember("order_id", orText(gw.faults.OrderID, p.OrderID)),
		gw.config.Numbers.member("amount", orText(gw.faults.Amount, p.Amount)), textMember("status", string(p.Status)))
}
