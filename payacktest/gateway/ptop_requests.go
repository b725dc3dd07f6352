package gateway

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
)

func ptopRefusal(status int, message string) answer {
	return jsonAnswer(status, message, member{"success", "false"}, textMember("message", message))
}

var (
	ptopCreateMembers = []string{"website_id", "secret_key", "amount", "currency", "product", "order_id", "webhook_url", "success_url", "fail_url"}
	ptopCheckMembers  = []string{"website_id", "secret_key", "transaction_id"}
	ptopPayoutMembers = []string{"website_id", "secret_key", "reviverEmail", "amount", "signature", "sendingTrx"}
)

// answer is called with mu held.
func (gw *Ptop) answer(r *http.Request, body []byte) answer {
	var members []string
	var do func(fields) answer
	switch path := r.URL.Path; path {
	case "/api/v3/payment", "/api/test/v3/payment":
		members, do = ptopCreateMembers, func(f fields) answer { return gw.create(f, path != "/api/v3/payment") }
	case "/api/v3/payment-check":
		members, do = ptopCheckMembers, gw.check
	case "/api/api-payout":
		members, do = ptopPayoutMembers, gw.payout
	default:
		if id, isPage := strings.CutPrefix(path, "/pay/"); isPage && gw.byID[id] != nil {
			return customerPage()
		}
		return unknownPath()
	}
	if r.Method != http.MethodPost {
		return wrongMethod(http.MethodPost)
	}
	if mediaType(r) != "application/json" {
		return ptopRefusal(http.StatusBadRequest, "the content type is not application/json")
	}
	f, wrong := readJSON(body, members)
	if wrong != "" {
		return ptopRefusal(http.StatusBadRequest, wrong)
	}
	if !sameSecret(f.text("website_id"), gw.websiteID) || !sameSecret(f.text("secret_key"), gw.secretKey.Reveal()) {
		return ptopRefusal(http.StatusUnauthorized, "website_id or secret_key is wrong")
	}
	if name := f.missing(members...); name != "" {
		return ptopRefusal(http.StatusBadRequest, name+" is missing or empty")
	}
	return do(f)
}

func sameSecret(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

// isSecureURL reports whether s is an https URL, or a plain http URL on loopback.
// Tests use loopback.
func isSecureURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && addr.IsLoopback())
}

func (gw *Ptop) create(f fields, sandbox bool) answer {
	bad := func(message string) answer { return ptopRefusal(http.StatusBadRequest, message) }
	amount, notNumber := payack.NewAmount(f.text("amount")).Decimal()
	orderID := f.text("order_id")
	switch {
	case notNumber != nil || amount.LessThan(decimal.NewFromInt(1)):
		return bad("amount is not a number of at least 1")
	case !slices.Contains(gw.currencies, f.str("currency")):
		return bad("currency is not one that is taken")
	case !isSecureURL(f.str("webhook_url")) || !isSecureURL(f.str("success_url")) || !isSecureURL(f.str("fail_url")):
		return bad("webhook_url, success_url or fail_url is no https URL")
	case gw.payments[orderID] != nil:
		return bad("order_id was used before")
	}
	p := &PtopPayment{
		OrderID: orderID, TransactionID: gw.nextID("ptop-"),
		Amount: f.text("amount"), Currency: f.str("currency"), Product: f.text("product"),
		WebhookURL: f.str("webhook_url"), SuccessURL: f.str("success_url"), FailURL: f.str("fail_url"), Sandbox: sandbox,
	}
	p.PaymentURL = gw.base + "/pay/" + p.TransactionID
	gw.payments[orderID], gw.byID[p.TransactionID] = p, p
	return jsonAnswer(http.StatusOK, "", member{"success", "true"},
		textMember("transaction_id", p.TransactionID), textMember("payment_url", p.PaymentURL))
}

func (gw *Ptop) check(f fields) answer {
	p := gw.byID[f.text("transaction_id")]
	if p == nil {
		return ptopRefusal(http.StatusBadRequest, "there is no such transaction")
	}
	return jsonAnswer(http.StatusOK, "", member{"status", fmt.Sprint(int(p.Status))},
		Literal.member("amount", orText(gw.faults.Amount, p.Amount)))
}

func (gw *Ptop) payout(f fields) answer {
	email, text := f.str("reviverEmail"), f.text("amount")
	amount, notNumber := payack.NewAmount(text).Decimal()
	switch {
	case !strings.Contains(email, "@"):
		return ptopRefusal(http.StatusBadRequest, "reviverEmail is no address")
	case notNumber != nil || !amount.IsPositive():
		return ptopRefusal(http.StatusBadRequest, "amount is not a number above 0")
	}
	signed := strings.Join([]string{gw.websiteID, gw.secretKey.Reveal(), email, text}, "|")
	if strings.Count(signed, "|") != 3 {
		return ptopRefusal(http.StatusBadRequest, "a signed part contains |")
	}
	if !sameSecret(f.str("signature"), hex.EncodeToString(hmac256(gw.signingKey, signed))) {
		return ptopRefusal(http.StatusForbidden, "Invalid signature")
	}
	trx := f.text("sendingTrx")
	for _, p := range gw.payouts {
		if p.SendingTrx != trx {
			continue
		}
		if p.ReceiverEmail != email || p.Amount != text {
			return ptopRefusal(http.StatusBadRequest, "sendingTrx was used before, for another payout")
		}
		return ptopPaidOut(p)
	}
	p := PtopPayout{SendingTrx: trx, TransactionID: gw.nextID("ptop-"), ReceiverEmail: email, Amount: text}
	gw.payouts = append(gw.payouts, p)
	return ptopPaidOut(p)
}

func ptopPaidOut(p PtopPayout) answer {
	return jsonAnswer(http.StatusOK, "", member{"success", "true"}, textMember("transaction_id", p.TransactionID))
}
