package gateway

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PtopStatus is the state of a payment in Ptop's payment-check.
type PtopStatus int

// The states. Paid and cancelled are final.
const (
	PtopPending   PtopStatus = 0
	PtopPaid      PtopStatus = 1
	PtopCancelled PtopStatus = 2
)

// PtopConfig says what a fake Ptop is like. The zero value is a working
// choice with throwaway keys.
type PtopConfig struct {
	// WebsiteID, SecretKey and SigningKey (the_signature) are the merchant's;
	// empty ones are made up.
	WebsiteID  string
	SecretKey  payack.Secret
	SigningKey payack.Secret

	// Scheme is where a webhook's signature is and over which text; empty is
	// spliced. (Which one is real is unconfirmed.)
	Scheme payack.Scheme
	// Place is where among the members a signature stands.
	Place verify.PtopPlace
	// Body is the format of webhooks; empty is JSON.
	Body verify.Body

	Options
}

// Ptop is a fake of Ptop's API v3 on a loopback port, made after the
// provider's documents. It is safe for concurrent use.
//
// Endpoints, POST and application/json:
//
//	/api/v3/payment        create; the answer has success, transaction_id, payment_url
//	/api/test/v3/payment   the same, for the sandbox
//	/api/v3/payment-check  the answer has status and amount
//	/api/api-payout        pay out, once for each sendingTrx
//
// Refusals have the documented statuses: 400 for what is no valid request, 401
// for website_id or secret_key, 403 for the signature of a payout, which is over
// the amount's text as it stands in the body.
//
// Where the documents are silent, and all of this is unconfirmed: the members
// listed for a create are all required; a second create with the same
// order_id, a payment-check for an unknown transaction and a sendingTrx that
// comes again with another request are 400; a refusal's body is
// {"success":false,"message":…}; the answer to a payout has success and
// transaction_id; another method than POST is 405. No callback tells of a
// payout. Everything else is not documented and answered 404, except the page
// under payment_url, which says that it is one.
//
// Payments are named by their order_id. A change of state sends a webhook, as
// documented: until it is answered with status 200 within 10 seconds, and up to
// 3 times again with growing pauses. Webhooks of one payment follow each other;
// the next begins when the one before it was acknowledged or given up.
type Ptop struct {
	// URL is the base of all endpoints, without a slash at its end.
	URL string

	gateway
	websiteID             string
	secretKey, signingKey payack.Secret
	scheme                payack.Scheme
	place                 verify.PtopPlace
	body                  verify.Body

	payments map[string]*PtopPayment
	byID     map[string]*PtopPayment // by transaction_id
	payouts  []PtopPayout
}

// PtopPayment is a payment that was created at a fake Ptop.
type PtopPayment struct {
	OrderID, TransactionID, PaymentURL string
	// Amount is the text that the merchant sent.
	Amount, Currency, Product       string
	WebhookURL, SuccessURL, FailURL string
	Sandbox                         bool
	Status                          PtopStatus
}

// PtopPayout is a payout that was made at a fake Ptop.
type PtopPayout struct {
	SendingTrx, TransactionID string
	// ReceiverEmail came as reviverEmail.
	ReceiverEmail string
	// Amount is the text that the merchant sent and signed.
	Amount string
}

// PtopCallback is what a webhook of Ptop says.
type PtopCallback struct {
	Success                         bool
	TransactionID, OrderID, Message string
	// BadSignature signs with a key that is not the gateway's.
	BadSignature bool
}

// NewPtop starts a fake Ptop on a loopback port. Close it. An error
// names the member of the configuration, or says why it can't listen.
func NewPtop(c PtopConfig) (*Ptop, error) {
	gw := &Ptop{
		websiteID: orText(c.WebsiteID, "website-1"), secretKey: secretOr(c.SecretKey), signingKey: secretOr(c.SigningKey),
		scheme: c.Scheme, place: c.Place, body: c.Body,
		payments: make(map[string]*PtopPayment), byID: make(map[string]*PtopPayment),
	}
	if gw.body == "" {
		gw.body = verify.BodyJSON
	}
	if gw.scheme == "" {
		gw.scheme = payack.SchemeSpliced
		if gw.body == verify.BodyForm {
			gw.scheme = payack.SchemeForm
		}
	}
	if _, err := gw.sign(PtopCallback{TransactionID: "1", OrderID: "1"}); err != nil {
		return nil, fmt.Errorf("gateway: Scheme, Body: %w", err)
	}
	gw.handle, gw.refuse = gw.answer, func(reason string) answer {
		return ptopRefusal(http.StatusInternalServerError, reason)
	}
	gw.acknowledged = func(status int, _ []byte) bool { return status == http.StatusOK }
	if err := gw.start(c.Options); err != nil {
		return nil, err
	}
	gw.URL = gw.base
	return gw, nil
}

// WebsiteID returns the merchant's website_id.
func (gw *Ptop) WebsiteID() string { return gw.websiteID }

// SecretKey returns the merchant's secret_key.
func (gw *Ptop) SecretKey() payack.Secret { return gw.secretKey }

// SigningKey returns the key that Ptop calls the_signature.
func (gw *Ptop) SigningKey() payack.Secret { return gw.signingKey }

// Payment returns a payment by its order_id.
func (gw *Ptop) Payment(id string) (PtopPayment, bool) {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	p, found := gw.payments[id]
	if !found {
		return PtopPayment{}, false
	}
	return *p, true
}

// Payouts returns the payouts that were made, the oldest first.
func (gw *Ptop) Payouts() []PtopPayout {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	return slices.Clone(gw.payouts)
}

// Pay makes a payment paid and sends its webhook.
func (gw *Ptop) Pay(id string) error { return gw.Change(id, PtopPaid) }

// Cancel makes a payment cancelled and sends its webhook.
func (gw *Ptop) Cancel(id string) error { return gw.Change(id, PtopCancelled) }

// Change gives a payment another status and sends its webhook in the
// background. An unknown payment, and one whose status is final, are errors.
func (gw *Ptop) Change(id string, status PtopStatus) error {
	return gw.change(id, status, true)
}

// SetStatus is Change without a webhook, as if that had been lost.
func (gw *Ptop) SetStatus(id string, status PtopStatus) error {
	return gw.change(id, status, false)
}

func (gw *Ptop) change(id string, status PtopStatus, announce bool) error {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	p, err := gw.find(id)
	switch {
	case err != nil:
		return err
	case status < PtopPending || status > PtopCancelled:
		return fmt.Errorf("gateway: ptop knows no status %d", status)
	case p.Status != PtopPending:
		return fmt.Errorf("gateway: payment %q has status %d, which is final", id, p.Status)
	}
	was := p.Status
	p.Status = status
	if !announce {
		return nil
	}
	m, err := gw.message(id, p.WebhookURL, p.callback())
	if err == nil {
		err = gw.announce(m)
	}
	if err != nil {
		p.Status = was
	}
	return err
}

// Deliver sends a webhook about a payment as it stands, with retries, and
// returns when it was acknowledged or given up. Each edit may change what the
// webhook says before it is signed: the gateway then lies, or tells of an
// earlier state. It does not wait for other deliveries. An error is for an
// unknown payment, a webhook that can't be made, the context, or a closed
// gateway; a webhook that was not acknowledged is none.
func (gw *Ptop) Deliver(ctx context.Context, id string, edit ...func(*PtopCallback)) (Delivery, error) {
	gw.mu.Lock()
	p, err := gw.find(id)
	if err != nil {
		gw.mu.Unlock()
		return Delivery{}, err
	}
	c, to := p.callback(), p.WebhookURL
	gw.mu.Unlock()
	for _, f := range edit {
		f(&c)
	}
	m, err := gw.message(id, to, c)
	if err != nil {
		return Delivery{}, err
	}
	return gw.deliver(ctx, m)
}

// find is called with mu held.
func (gw *Ptop) find(id string) (*PtopPayment, error) {
	if p, found := gw.payments[id]; found {
		return p, nil
	}
	return nil, fmt.Errorf("gateway: there is no payment %q", id)
}

func (p *PtopPayment) callback() PtopCallback {
	c := PtopCallback{
		Success: p.Status == PtopPaid, TransactionID: p.TransactionID, OrderID: p.OrderID, Message: "Payment pending",
	}
	switch p.Status {
	case PtopPaid:
		c.Message = "Payment successful"
	case PtopCancelled:
		c.Message = "Payment cancelled"
	}
	return c
}

func (gw *Ptop) message(id, to string, c PtopCallback) (message, error) {
	signed, err := gw.sign(c)
	if err != nil {
		return message{}, err
	}
	header := http.Header{"Content-Type": {signed.ContentType}}
	for name, values := range signed.Header {
		header[name] = values
	}
	return message{id: id, says: boolText(c.Success), url: to, header: header, body: []byte(signed.Body)}, nil
}

func (gw *Ptop) sign(c PtopCallback) (verify.Message, error) {
	var body []byte
	switch gw.body {
	case verify.BodyJSON:
		body = object(member{"success", boolText(c.Success)}, textMember("transaction_id", c.TransactionID),
			textMember("order_id", c.OrderID), textMember("message", c.Message))
	case verify.BodyForm:
		success := "0"
		if c.Success {
			success = "1"
		}
		body = encodeForm([2]string{"success", success}, [2]string{"transaction_id", c.TransactionID},
			[2]string{"order_id", c.OrderID}, [2]string{"message", c.Message})
	default:
		return verify.Message{}, errors.New(`the body is neither "json" nor "form"`)
	}
	key := gw.signingKey
	if c.BadSignature {
		key = payack.NewSecret(freshHex())
	}
	return verify.SignPtopCallback(key, gw.scheme, gw.place, string(body))
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

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

func (gw *Ptop) create(f fields, sandbox bool) answer {
	bad := func(message string) answer { return ptopRefusal(http.StatusBadRequest, message) }
	amount, notNumber := payack.NewAmount(f.text("amount")).Decimal()
	orderID := f.text("order_id")
	switch {
	case notNumber != nil || amount.LessThan(decimal.NewFromInt(1)):
		return bad("amount is not a number of at least 1")
	case f.str("currency") != "USD":
		return bad("currency is not USD")
	case !isURL(f.str("webhook_url")) || !isURL(f.str("success_url")) || !isURL(f.str("fail_url")):
		return bad("webhook_url, success_url or fail_url is no URL")
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
