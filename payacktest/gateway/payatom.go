package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/payack/payack"
)

// Payatom is a fake Payatom on a loopback port. It is safe for concurrent use.
//
// The endpoints take POST and application/json unless the list says otherwise:
//
//	/pay/request.php                         create; the answer has hash_value and ref_code
//	/pay/connect.php?code=                   GET, the customer's page
//	/api/status_polling.php                  the answer has a post_hash
//	/api/reconcile_polling.php               header Token
//	/api/wallet_balance.php                  header Authorization
//	/bot/api_v2/account_deposit.php          header Api-Key; a day's sums by status
//	/bot/api_v2/account_status.php           GET, header Api-Key; the accounts
//	/payout/api/request.php                  creates a payout
//	/payout/api/order_status_polling.php     a payout's state
//	/payout/api/payout_reconcile_polling.php header Token, 10 calls a day
//
// An invalid request gets {"status":"error","message":…}.
//
// Status polling takes the documented forms of request, with ref_code or with
// order_id, and also a request with both if they belong to the same payment. The
// post_hash of every form must cover the payment's ref_code and the pid. An amount
// in the request is ignored.
//
// Payatom's documents don't say the following, so all of it is unconfirmed:
//   - Refusals have HTTP status 200. A wrong Api-Key, and a wrong date or filter for
//     account_deposit.php, have status 401, as documented.
//   - redirect_url, wallet_type and the further members of a payout are optional
//     and ignored.
//   - An order_id can be used once, for a payment or for a payout. It has at
//     least 10 characters.
//   - The answer to a create has the ref_code, in a member of this name.
//   - The answers to a payout and to a payout's status are invented.
//   - A day's list has the orders that were created on that day in UTC.
//     [PayatomConfig].PaiseInLists chooses the unit of its amounts.
//   - The requests for both reconciliations are signed in the same way.
//   - The received amount is 0 until money comes in.
//   - A webhook is sent again unless it is answered with status 200 and
//     "acknowledge":"yes".
//
// Payouts send no webhook, because it is not known how a webhook of a payout is
// signed. The IP address that a request comes from is not checked. A wrong method
// gets 405, and an undocumented path gets 404. submit_complaint.php gets 404 too,
// because it is not known how a complaint is signed.
//
// Methods name payments and payouts by order_id. A change of a payment's status
// sends a webhook. The webhooks of one payment are sent in order: the next one
// waits until the one before it is acknowledged or has no retry left.
type Payatom struct {
	// URL is the base of all endpoints, without a slash at its end.
	URL string

	gateway
	config PayatomConfig
	forger payack.Secret // another merchant's key

	webhookURL string
	payments   map[string]*PayatomPayment
	byRef      map[string]*PayatomPayment
	pages      map[string]bool // by hash_value
	order      []string        // order_ids, the oldest first
	payouts    map[string]*PayatomPayout
	payoutDay  string
	payoutAsks int // reconciliations of payouts on payoutDay
}

// PayatomPayment is a payment that was requested at a fake Payatom.
type PayatomPayment struct {
	OrderID string
	// RefCode is the gateway's identifier of the payment. Webhooks contain it.
	RefCode   string
	HashValue string
	// ConnectURL is the page where the customer pays.
	ConnectURL string
	// RequestedAmount is the text that the merchant sent. ReceivedAmount is 0
	// until money comes in.
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

// NewPayatom starts a fake Payatom on a loopback port. Close it after use. The
// error names the invalid member of the configuration, or says why the fake can't
// listen.
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

// PID returns the merchant's pid.
func (gw *Payatom) PID() string { return gw.config.PID }

// OperatorEmail returns the e-mail address that wallet_balance.php requires.
func (gw *Payatom) OperatorEmail() string { return gw.config.OperatorEmail }

// VerificationCode returns the code that wallet_balance.php requires.
func (gw *Payatom) VerificationCode() payack.Secret { return gw.config.VerificationCode }

// SecretKey returns the merchant's secret_key.
func (gw *Payatom) SecretKey() payack.Secret { return gw.config.SecretKey }

// Token returns the value of the header Token, for reconciliations.
func (gw *Payatom) Token() payack.Secret { return gw.config.Token }

// APIKey returns the value of the header Api-Key.
func (gw *Payatom) APIKey() payack.Secret { return gw.config.APIKey }

// Authorization returns the value of the header Authorization.
func (gw *Payatom) Authorization() payack.Secret { return gw.config.Authorization }

// SetWebhookURL sets the URL for webhooks from now on, as the back office does. An
// empty URL switches webhooks off.
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

// Pay approves a payment or a payout, and sends a payment's webhook. The received
// amount is the requested one.
func (gw *Payatom) Pay(id string) error { return gw.Change(id, payack.PayatomApproved) }

// PayAmount is Pay for a payment whose received amount is not the requested one.
func (gw *Payatom) PayAmount(id, received string) error {
	return gw.change(id, payack.PayatomApproved, received, true)
}

// Decline declines a payment and sends its webhook.
func (gw *Payatom) Decline(id string) error { return gw.Change(id, payack.PayatomDeclined) }

// Cancel cancels a payment and sends its webhook.
func (gw *Payatom) Cancel(id string) error { return gw.Change(id, payack.PayatomCancelled) }

// Fail makes a payment or payout fail, and sends a payment's webhook.
func (gw *Payatom) Fail(id string) error { return gw.Change(id, payack.PayatomFailed) }

// TimeOut sets a payment's status to User Timed Out, which Late Approved may
// follow, and sends its webhook.
func (gw *Payatom) TimeOut(id string) error { return gw.Change(id, payack.PayatomTimedOut) }

// Refund initiates the refund of an approved payment and sends its webhook.
func (gw *Payatom) Refund(id string) error {
	return gw.Change(id, payack.PayatomRefundInitiated)
}

// CompleteRefund completes an initiated refund and sends its webhook.
func (gw *Payatom) CompleteRefund(id string) error {
	return gw.Change(id, payack.PayatomRefundCompleted)
}

// Change changes a payment's status and, if there is a URL for webhooks, sends its
// webhook in the background. For a payout, it changes the status and sends nothing.
//
// Change returns an error for an unknown order, and for an order whose status is
// final. The one exception is a refund. It leads from an approved status to Refund
// Initiated, and from there only to Refund Completed. Undocumented statuses are
// allowed, for tests of how a merchant handles them.
func (gw *Payatom) Change(id string, status payack.PayatomStatus) error {
	return gw.change(id, status, "", true)
}

// SetStatus is Change without a webhook, as if the webhook had been lost.
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
			return errors.New("gateway: the received amount is not a plain decimal; write it like 500 or 100.50")
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

// find is called with mu held.
func (gw *Payatom) find(id string) (*PayatomPayment, error) {
	if p, found := gw.payments[id]; found {
		return p, nil
	}
	return nil, fmt.Errorf("gateway: there is no payment %q", id)
}
