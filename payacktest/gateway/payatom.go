package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

// PayatomConfig says what a fake Payatom is like. The zero value is a
// working choice with throwaway keys, and no webhook URL.
type PayatomConfig struct {
	// PID and SecretKey are the merchant's; empty ones are made up.
	PID       string
	SecretKey payack.Secret
	// Token, APIKey and Authorization are the values of the headers Token,
	// Api-Key and Authorization; empty ones are made up.
	Token, APIKey, Authorization payack.Secret

	// WebhookURL is where webhooks go, as set in the back office; see also
	// SetWebhookURL. While it is empty none are sent.
	WebhookURL string
	// Body is the format of webhooks; empty is JSON.
	Body verify.Body
	// FormAmount is the name of the received amount in a form; empty is
	// received_amount, the older generation also writes amount.
	FormAmount string
	// Numbers is how amounts are written and signed; empty is quoted.
	Numbers Numbers
	// PollingAmount is the name of the received amount in the answer of
	// status_polling.php: amount (when empty), received_amount or
	// recieved_amount. With the latter two, amount is what was requested.
	PollingAmount string
	// Balance is what wallet_balance.php says; empty is 0.
	Balance string

	Options
}

// Payatom is a fake of Payatom on a loopback port, made after the
// provider's documents. It is safe for concurrent use.
//
// Endpoints, POST and application/json unless said otherwise:
//
//	/pay/request.php                         create; the answer has hash_value
//	/pay/connect.php?code=                   GET, the page of the customer
//	/api/status_polling.php                  the answer has a post_hash
//	/api/reconcile_polling.php               header Token
//	/api/wallet_balance.php                  header Authorization
//	/bot/api_v2/account_deposit.php          header Api-Key
//	/payout/api/request.php                  pay out
//	/payout/api/order_status_polling.php     a payout's state
//	/payout/api/payout_reconcile_polling.php header Token, 10 calls a day
//
// What is not a valid request is answered {"status":"error","message":…}.
//
// Status polling takes the documents' three forms of request: ref_code or
// order_id or both, which then must belong together; its amount is not looked
// at. The post_hash is over the payment's ref_code and pid in all of them.
//
// Where the documents are silent, and all of this is unconfirmed: refusals have
// HTTP status 200; redirect_url and wallet_type are optional and not looked at;
// an order_id is used once for payments and payouts together and also a
// payout's has at least 10 characters; a payout's further members are not
// looked at; the answers to a payout, to a payout's status and to a wallet
// balance, and what a reconciliation and a transaction summary list; days are
// those of UTC; the same recipe signs both reconciliations; until money came in
// the received amount is 0; a webhook is sent again when its answer is not 200
// with "acknowledge":"yes". Payouts send no webhook, because its recipe is not
// known. Another method is 405.
//
// Not documented, and answered 404: the complaint (submit_complaint.php), whose
// signature is not known, wallet data, whose path is not known, and everything
// else. The IP whitelist is not played.
//
// Payments and payouts are named by their order_id. A change of a payment's
// state sends a webhook. Webhooks of one payment follow each other; the next
// begins when the one before it was acknowledged or given up.
type Payatom struct {
	// URL is the base of all endpoints, without a slash at its end.
	URL string

	gateway
	config         PayatomConfig
	signer, forger *verify.PayatomSigner

	webhookURL string
	payments   map[string]*PayatomPayment
	byRef      map[string]*PayatomPayment
	pages      map[string]bool // by hash_value
	order      []string        // order_ids, the oldest first
	payouts    map[string]*PayatomPayout
	payoutDay  string
	payoutAsks int // reconciliations of payouts on that day
}

// PayatomPayment is a payment that was requested at a fake Payatom.
type PayatomPayment struct {
	OrderID string
	// RefCode is the gateway's own name for it; webhooks tell it.
	RefCode   string
	HashValue string
	// ConnectURL is where the customer is sent.
	ConnectURL string
	// RequestedAmount is the text that the merchant sent; ReceivedAmount is 0
	// until money came in.
	RequestedAmount, ReceivedAmount string
	Name, Email, Phone              string
	Status                          payack.PayatomStatus
	// WebhookAcknowledged reports whether the merchant acknowledged any webhook
	// of this payment.
	WebhookAcknowledged bool
	Created             time.Time
	RefundInitiated     time.Time
	RefundCompleted     time.Time
}

// PayatomPayout is a payout that was requested at a fake Payatom.
type PayatomPayout struct {
	OrderID, PaymentMode, Amount string
	Status                       payack.PayatomStatus
	Created                      time.Time
}

// PayatomCallback is what a webhook, or a polling answer, of Payatom
// says. OrderID, ReceivedAmount and Status are covered by the post_hash.
type PayatomCallback struct {
	OrderID, ReceivedAmount string
	Status                  payack.PayatomStatus

	RequestedAmount, BankRef, SenderUPI, RefCode string
	// RefundInfo is a JSON literal.
	RefundInfo string
	// BadSignature makes the post_hash with a key that is not the merchant's.
	BadSignature bool
	// PostHash, when set, is sent as it is: the hash of another webhook, say.
	PostHash string
}

// NewPayatom starts a fake Payatom on a loopback port. Close it. An
// error names the member of the configuration, or says why it can't listen.
func NewPayatom(c PayatomConfig) (*Payatom, error) {
	gw := &Payatom{
		webhookURL: c.WebhookURL, payments: make(map[string]*PayatomPayment), byRef: make(map[string]*PayatomPayment),
		pages: make(map[string]bool), payouts: make(map[string]*PayatomPayout),
	}
	if err := gw.configure(c); err != nil {
		return nil, err
	}
	gw.handle, gw.refuse = gw.answer, payatomRefusal
	gw.acknowledged = payatomAcknowledged
	if err := gw.start(c.Options); err != nil {
		return nil, err
	}
	gw.URL = gw.base
	return gw, nil
}

func (gw *Payatom) configure(c PayatomConfig) error {
	var err error
	c.PID, c.SecretKey = orText(c.PID, "pid-1"), secretOr(c.SecretKey)
	c.Token, c.APIKey, c.Authorization = secretOr(c.Token), secretOr(c.APIKey), secretOr(c.Authorization)
	if c.Numbers, err = c.Numbers.orDefault(Quoted); err != nil {
		return err
	}
	c.PollingAmount = orText(c.PollingAmount, "amount")
	c.FormAmount = orText(c.FormAmount, "received_amount")
	c.Balance = orText(c.Balance, "0")
	if c.Body == "" {
		c.Body = verify.BodyJSON
	}
	_, balanceOK := parseDecimal(c.Balance)
	switch {
	case c.Body != verify.BodyJSON && c.Body != verify.BodyForm:
		return fmt.Errorf(`gateway: Body: unknown format %q; choose "json" or "form"`, string(c.Body))
	case c.FormAmount != "received_amount" && c.FormAmount != "amount":
		return errors.New("gateway: FormAmount: choose received_amount or amount")
	case c.PollingAmount != "amount" && c.PollingAmount != "received_amount" && c.PollingAmount != "recieved_amount":
		return errors.New("gateway: PollingAmount: choose amount, received_amount or recieved_amount")
	case c.WebhookURL != "" && !isURL(c.WebhookURL):
		return errors.New("gateway: WebhookURL: it is no URL")
	case !balanceOK:
		return errors.New("gateway: Balance: it is not a plain decimal number")
	}
	if gw.signer, err = verify.NewPayatomSigner(c.SecretKey); err != nil {
		return fmt.Errorf("gateway: SecretKey: %w", err)
	}
	gw.forger, err = verify.NewPayatomSigner(payack.NewSecret(freshHex()))
	gw.config = c
	return err
}

// PID returns the merchant's pid.
func (gw *Payatom) PID() string { return gw.config.PID }

// SecretKey returns the merchant's secret_key.
func (gw *Payatom) SecretKey() payack.Secret { return gw.config.SecretKey }

// Token returns the value of the header Token, for reconciliations.
func (gw *Payatom) Token() payack.Secret { return gw.config.Token }

// APIKey returns the value of the header Api-Key.
func (gw *Payatom) APIKey() payack.Secret { return gw.config.APIKey }

// Authorization returns the value of the header Authorization.
func (gw *Payatom) Authorization() payack.Secret { return gw.config.Authorization }

// SetWebhookURL sets where webhooks go from now on, as in the back office. An
// empty one switches them off.
func (gw *Payatom) SetWebhookURL(to string) {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	gw.webhookURL = to
}

// Payment returns a payment by its order_id.
func (gw *Payatom) Payment(id string) (PayatomPayment, bool) {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	p, found := gw.payments[id]
	if !found {
		return PayatomPayment{}, false
	}
	out := *p
	out.WebhookAcknowledged = gw.wasAcknowledged(id)
	return out, true
}

// wasAcknowledged is called with mu held.
func (gw *Payatom) wasAcknowledged(id string) bool {
	for _, d := range gw.deliveries {
		if d.ID == id && d.Acknowledged {
			return true
		}
	}
	return false
}

// Payout returns a payout by its order_id.
func (gw *Payatom) Payout(id string) (PayatomPayout, bool) {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	p, found := gw.payouts[id]
	if !found {
		return PayatomPayout{}, false
	}
	return *p, true
}

// Pay approves a payment or a payout, and sends a payment's webhook. The amount
// received is the one requested.
func (gw *Payatom) Pay(id string) error { return gw.Change(id, payack.PayatomApproved) }

// PayAmount is Pay for a payment of which another amount came in.
func (gw *Payatom) PayAmount(id, received string) error {
	return gw.change(id, payack.PayatomApproved, received, true)
}

// Decline declines a payment and sends its webhook.
func (gw *Payatom) Decline(id string) error { return gw.Change(id, payack.PayatomDeclined) }

// Cancel cancels a payment and sends its webhook.
func (gw *Payatom) Cancel(id string) error { return gw.Change(id, payack.PayatomCancelled) }

// Fail makes a payment or payout fail, and sends a payment's webhook.
func (gw *Payatom) Fail(id string) error { return gw.Change(id, payack.PayatomFailed) }

// TimeOut makes a payment one whose user timed out, after which a late approval
// may follow, and sends its webhook.
func (gw *Payatom) TimeOut(id string) error { return gw.Change(id, payack.PayatomTimedOut) }

// Refund initiates the refund of an approved payment and sends its webhook.
func (gw *Payatom) Refund(id string) error {
	return gw.Change(id, payack.PayatomRefundInitiated)
}

// CompleteRefund completes an initiated refund and sends its webhook.
func (gw *Payatom) CompleteRefund(id string) error {
	return gw.Change(id, payack.PayatomRefundCompleted)
}

// Change gives a payment another status and sends its webhook in the
// background, when there is a URL for webhooks; a payout's is changed and
// nothing is sent. An unknown order is an error, and so is a change from a
// final status, except that an approved payment can be refunded; only those
// can. A status that the documents don't know is taken, for tests of what a
// merchant does with it.
func (gw *Payatom) Change(id string, status payack.PayatomStatus) error {
	return gw.change(id, status, "", true)
}

// SetStatus is Change without a webhook, as if that had been lost.
func (gw *Payatom) SetStatus(id string, status payack.PayatomStatus) error {
	return gw.change(id, status, "", false)
}

func (gw *Payatom) change(id string, status payack.PayatomStatus, received string, announce bool) error {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	if status == "" {
		return errors.New("gateway: the status is empty")
	}
	if p, found := gw.payouts[id]; found {
		switch {
		case received != "":
			return fmt.Errorf("gateway: %q is a payout; it receives nothing", id)
		case p.Status.Final():
			return fmt.Errorf("gateway: payout %q is %s, which is final", id, p.Status)
		}
		p.Status = status
		return nil
	}
	p, err := gw.find(id)
	if err != nil {
		return err
	}
	next := *p
	next.Status = status
	refund := status == payack.PayatomRefundInitiated || status == payack.PayatomRefundCompleted
	switch {
	case refund && !(status == payack.PayatomRefundInitiated && p.Status.Paid()) &&
		!(status == payack.PayatomRefundCompleted && p.Status == payack.PayatomRefundInitiated):
		return fmt.Errorf("gateway: payment %q is %s, so its status can't become %s", id, p.Status, status)
	case !refund && (p.Status.Final() || p.Status == payack.PayatomRefundInitiated):
		return fmt.Errorf("gateway: payment %q is %s, so its status can't become %s", id, p.Status, status)
	case status.Paid():
		next.ReceivedAmount = orText(received, p.RequestedAmount)
		if _, ok := parseDecimal(next.ReceivedAmount); !ok {
			return errors.New("gateway: the received amount is not a plain decimal number")
		}
	case status == payack.PayatomRefundInitiated:
		next.RefundInitiated = gw.options.Now()
	case status == payack.PayatomRefundCompleted:
		next.RefundCompleted = gw.options.Now()
	}
	if announce && gw.webhookURL != "" {
		if err := gw.announce(gw.message(id, gw.webhookURL, next.callback())); err != nil {
			return err
		}
	}
	*p = next
	return nil
}

// Deliver sends a webhook about a payment as it stands, with retries, and
// returns when it was acknowledged or given up. Each edit may change what the
// webhook says before it is signed: the gateway then lies, or tells of an
// earlier state. It does not wait for other deliveries. An error is for an
// unknown payment, a missing webhook URL, the context, or a closed gateway; a
// webhook that was not acknowledged is none.
func (gw *Payatom) Deliver(ctx context.Context, id string, edit ...func(*PayatomCallback)) (Delivery, error) {
	gw.mu.Lock()
	p, err := gw.find(id)
	if err == nil && gw.webhookURL == "" {
		err = errors.New("gateway: there is no webhook URL; set WebhookURL or call SetWebhookURL")
	}
	if err != nil {
		gw.mu.Unlock()
		return Delivery{}, err
	}
	c, to := p.callback(), gw.webhookURL
	gw.mu.Unlock()
	for _, f := range edit {
		f(&c)
	}
	return gw.deliver(ctx, gw.message(id, to, c))
}

// find is called with mu held.
func (gw *Payatom) find(id string) (*PayatomPayment, error) {
	if p, found := gw.payments[id]; found {
		return p, nil
	}
	return nil, fmt.Errorf("gateway: there is no payment %q", id)
}

func (p *PayatomPayment) callback() PayatomCallback {
	c := PayatomCallback{
		OrderID: p.OrderID, ReceivedAmount: p.ReceivedAmount, Status: p.Status,
		RequestedAmount: p.RequestedAmount, RefCode: p.RefCode, RefundInfo: "[]",
	}
	if p.ReceivedAmount != "0" {
		c.BankRef, c.SenderUPI = "bank-"+p.RefCode, "payer@upi"
	}
	if !p.RefundInitiated.IsZero() {
		status, completed := "Initiated", ""
		if !p.RefundCompleted.IsZero() {
			status, completed = "Completed", payatomTime(p.RefundCompleted)
		}
		c.RefundInfo = string(object(textMember("refunded_upi", "payer@upi"), textMember("refund_amount", p.ReceivedAmount),
			textMember("refund_initiated_time", payatomTime(p.RefundInitiated)), textMember("refund_completed_time", completed),
			textMember("refund_status", status), textMember("refund_notes", "")))
	}
	return c
}

func payatomTime(t time.Time) string { return t.UTC().Format(time.DateTime) }

func (gw *Payatom) hash(c PayatomCallback, n Numbers) string {
	signer := gw.signer
	switch {
	case c.PostHash != "":
		return c.PostHash
	case c.BadSignature:
		signer = gw.forger
	}
	return signer.PostHash(c.OrderID, n.signed(c.ReceivedAmount), string(c.Status))
}

func (gw *Payatom) message(id, to string, c PayatomCallback) message {
	m := message{id: id, says: string(c.Status), url: to, header: http.Header{"Content-Type": {"application/json"}}}
	if gw.config.Body == verify.BodyForm {
		m.header.Set("Content-Type", "application/x-www-form-urlencoded")
		m.body = encodeForm([2]string{"order_id", c.OrderID}, [2]string{"requested_amount", c.RequestedAmount},
			[2]string{"status", string(c.Status)}, [2]string{"post_hash", gw.hash(c, Quoted)}, // a form has texts only

			[2]string{gw.config.FormAmount, c.ReceivedAmount}, [2]string{"bank_ref", c.BankRef},
			[2]string{"sender_upi", c.SenderUPI}, [2]string{"ref_code", c.RefCode}, [2]string{"refund_info", c.RefundInfo})
		return m
	}
	m.body = object(textMember("order_id", c.OrderID), gw.config.Numbers.member("requested_amount", c.RequestedAmount),
		textMember("status", string(c.Status)), textMember("post_hash", gw.hash(c, gw.config.Numbers)),
		gw.config.Numbers.member("received_amount", c.ReceivedAmount), textMember("bank_ref", c.BankRef),
		textMember("sender_upi", c.SenderUPI), textMember("ref_code", c.RefCode), member{"refund_info", orText(c.RefundInfo, "[]")})
	return m
}

func payatomAcknowledged(status int, body []byte) bool {
	if status != http.StatusOK {
		return false
	}
	f, wrong := readJSON(body, []string{"hash_status", "acknowledge"})
	return wrong == "" && f.str("acknowledge") == "yes"
}

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
	// Which header authenticates the call, with what, and the members of the
	// request that must be there.
	var header string
	var key payack.Secret
	var members []string
	var do func(fields) answer
	reconcile := []string{"pid", "date", "signature"}
	switch r.URL.Path {
	case "/pay/request.php":
		members, do = []string{"pid", "order_id", "amount", "name", "email", "phone"}, gw.request
	case "/api/status_polling.php":
		members, do = []string{"pid", "post_hash"}, gw.poll
	case "/api/reconcile_polling.php":
		header, key, members, do = "Token", gw.config.Token, reconcile, gw.reconcile
	case "/api/wallet_balance.php":
		header, key, do = "Authorization", gw.config.Authorization, gw.balance
	case "/bot/api_v2/account_deposit.php":
		header, key, do = "Api-Key", gw.config.APIKey, gw.summary
	case "/payout/api/request.php":
		members, do = []string{"payment_mode", "pid", "order_id", "amount"}, gw.payOut
	case "/payout/api/order_status_polling.php":
		members, do = []string{"pid", "order_id", "post_hash"}, gw.payoutStatus
	case "/payout/api/payout_reconcile_polling.php":
		header, key, members, do = "Token", gw.config.Token, reconcile, gw.reconcilePayouts
	default:
		return unknownPath()
	}
	switch {
	case r.Method != http.MethodPost:
		return wrongMethod(http.MethodPost)
	case header != "" && (len(r.Header.Values(header)) != 1 || !sameSecret(r.Header.Get(header), key.Reveal())):
		return payatomRefusal("the header " + header + " is missing, given twice or wrong")
	case members == nil && len(body) == 0: // what these take is not known
		return do(nil)
	case mediaType(r) != "application/json":
		return payatomRefusal("the content type is not application/json")
	}
	f, wrong := readJSON(body, append([]string{"ref_code", "redirect_url", "wallet_type"}, members...))
	if wrong != "" {
		return payatomRefusal(wrong)
	}
	if name := f.missing(members...); name != "" {
		return payatomRefusal(name + " is missing, empty or of the wrong type")
	}
	if members != nil && f.text("pid") != gw.config.PID {
		return payatomRefusal("pid is another's")
	}
	return do(f)
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
	return jsonAnswer(http.StatusOK, "", textMember("hash_value", p.HashValue), textMember("status", "ok"))
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
	case !gw.signer.Opens(f.str("post_hash"), p.RefCode, gw.config.PID):
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
	case !gw.signer.Opens(f.str("post_hash"), p.OrderID, gw.config.PID):
		return payatomRefusal("post_hash is wrong")
	}
	return jsonAnswer(http.StatusOK, "", textMember("order_id", orText(gw.faults.OrderID, p.OrderID)),
		gw.config.Numbers.member("amount", orText(gw.faults.Amount, p.Amount)), textMember("status", string(p.Status)))
}

const payatomDate = "02-01-2006"

// reconcileWrong checks what both reconciliations ask for.
func (gw *Payatom) reconcileWrong(f fields) string {
	date := f.str("date")
	if _, err := time.Parse(payatomDate, date); err != nil {
		return "date is not DD-MM-YYYY"
	}
	if !sameSecret(f.str("signature"), gw.signer.ReconcileSignature(gw.config.PID, date)) {
		return "signature is wrong"
	}
	return ""
}

func (gw *Payatom) reconcile(f fields) answer {
	if wrong := gw.reconcileWrong(f); wrong != "" {
		return payatomRefusal(wrong)
	}
	return gw.list(f.str("date"), false)
}

func (gw *Payatom) reconcilePayouts(f fields) answer {
	if wrong := gw.reconcileWrong(f); wrong != "" {
		return payatomRefusal(wrong)
	}
	if today := gw.options.Now().UTC().Format(payatomDate); gw.payoutDay != today {
		gw.payoutDay, gw.payoutAsks = today, 0
	}
	if gw.payoutAsks == 10 {
		return payatomRefusal("more than 10 calls a day")
	}
	gw.payoutAsks++
	return gw.list(f.str("date"), true)
}

// list answers with what was created on a day.
func (gw *Payatom) list(date string, payouts bool) answer {
	on := func(t time.Time) bool { return t.UTC().Format(payatomDate) == date }
	n := gw.config.Numbers
	var rows []string
	for _, id := range gw.order {
		if p := gw.payments[id]; p != nil && !payouts && on(p.Created) {
			rows = append(rows, string(object(textMember("order_id", id), textMember("ref_code", p.RefCode),
				n.member("requested_amount", p.RequestedAmount), n.member("received_amount", p.ReceivedAmount), textMember("status", string(p.Status)))))
		}
		if p := gw.payouts[id]; p != nil && payouts && on(p.Created) {
			rows = append(rows, string(object(textMember("order_id", id), n.member("amount", p.Amount), textMember("status", string(p.Status)))))
		}
	}
	return jsonAnswer(http.StatusOK, "", textMember("status", "ok"), member{"data", "[" + strings.Join(rows, ",") + "]"})
}

func (gw *Payatom) balance(fields) answer {
	return jsonAnswer(http.StatusOK, "", textMember("status", "ok"),
		gw.config.Numbers.member("balance", orText(gw.faults.Amount, gw.config.Balance)))
}

// summary tells the number of payments and the sum of what came in.
func (gw *Payatom) summary(fields) answer {
	var total decimal.Decimal
	for _, p := range gw.payments {
		d, _ := parseDecimal(p.ReceivedAmount)
		total = total.Add(d)
	}
	return jsonAnswer(http.StatusOK, "", textMember("status", "ok"), member{"count", fmt.Sprint(len(gw.payments))},
		gw.config.Numbers.member("total", orText(gw.faults.Amount, total.String())))
}
