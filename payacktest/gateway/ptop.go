package gateway

import (
	"fmt"
	"net/http"
	"slices"

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

// PtopConfig configures a fake Ptop. The zero value is usable: it generates keys.
type PtopConfig struct {
	// WebsiteID, SecretKey and SigningKey (the_signature) are the merchant's. An
	// empty WebsiteID is website-1; empty keys are generated.
	WebsiteID  string
	SecretKey  payack.Secret
	SigningKey payack.Secret

	// Scheme says where a webhook's signature is and which text it covers; empty is
	// [payack.SchemeSpliced] for JSON and [payack.SchemeForm] for a form. Which scheme
	// is real is unconfirmed.
	Scheme payack.Scheme
	// Custom, when set, signs webhooks instead of Scheme, for tests of a merchant's
	// own reading ([verify.PtopReading]). It gets the body without a signature.
	Custom func(key payack.Secret, body string) (verify.Message, error)
	// Currencies are the accepted currencies; empty is USD, the only one that Ptop
	// documents.
	Currencies []string
	// Place is the position of the signature among the members, for schemes that send
	// it as a member.
	Place verify.PtopPlace
	// Body is the format of webhooks; empty is JSON.
	Body verify.Body

	Options
}

// Ptop is a fake Ptop (API v3) on a loopback port. It is safe for concurrent use.
//
// The endpoints take POST and application/json:
//
//	/api/v3/payment        create; the answer has success, transaction_id, payment_url
//	/api/test/v3/payment   the same, for the sandbox
//	/api/v3/payment-check  the answer has status and amount
//	/api/api-payout        pays out, once for each sendingTrx
//
// Refusals have the documented statuses: 400 for an invalid request, 401 for a
// wrong website_id or secret_key, 403 for a wrong signature of a payout. That
// signature covers the amount's text in the body.
//
// Ptop's documents don't say the following, so all of it is unconfirmed:
//   - All members that the documents list for a create are required.
//   - 400 is the status for a second create with the same order_id, for a plain
//     http URL that is not on loopback, for a payment-check of an unknown
//     transaction, and for a sendingTrx that was used for another payout.
//   - A refusal's body is {"success":false,"message":…}.
//   - The answer to a payout has success and transaction_id.
//   - Payouts send no webhook.
//
// A wrong method gets 405, an undocumented path 404. The payment_url shows a
// placeholder for the page where the customer pays.
//
// Methods name payments by order_id. A change of status sends a webhook. As
// documented, status 200 within 10 seconds acknowledges the webhook. Otherwise
// the webhook is sent up to 3 times more, with growing pauses. The webhooks of
// one payment are sent in order: the next one waits until the one before it is
// acknowledged or has no retry left.
type Ptop struct {
	// URL is the base of all endpoints, without a slash at its end.
	URL string

	gateway
	websiteID             string
	secretKey, signingKey payack.Secret
	scheme                payack.Scheme
	place                 verify.PtopPlace
	body                  verify.Body
	custom                func(key payack.Secret, body string) (verify.Message, error)
	currencies            []string

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
	// ReceiverEmail is the member that Ptop spells reviverEmail.
	ReceiverEmail string
	// Amount is the text that the merchant sent and signed.
	Amount string
}

// NewPtop starts a fake Ptop on a loopback port. Close it after use. The error
// names the invalid member of the configuration, or says why the fake can't listen.
func NewPtop(c PtopConfig) (*Ptop, error) {
	gw := &Ptop{
		websiteID: orText(c.WebsiteID, "website-1"), secretKey: secretOr(c.SecretKey), signingKey: secretOr(c.SigningKey),
		scheme: c.Scheme, place: c.Place, body: c.Body, custom: c.Custom, currencies: slices.Clone(c.Currencies),
		payments: make(map[string]*PtopPayment), byID: make(map[string]*PtopPayment),
	}
	if gw.body == "" {
		gw.body = verify.BodyJSON
	}
	if len(gw.currencies) == 0 {
		gw.currencies = []string{"USD"}
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

// Pay sets a payment's status to paid and sends its webhook.
func (gw *Ptop) Pay(id string) error { return gw.Change(id, PtopPaid) }

// Cancel sets a payment's status to cancelled and sends its webhook.
func (gw *Ptop) Cancel(id string) error { return gw.Change(id, PtopCancelled) }

// Change changes a payment's status and sends its webhook in the background. It
// returns an error for an unknown payment and for one whose status is final.
func (gw *Ptop) Change(id string, status PtopStatus) error {
	return gw.change(id, status, true)
}

// SetStatus is Change without a webhook, as if the webhook had been lost.
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
		return fmt.Errorf("gateway: ptop knows no status %d; choose PtopPending, PtopPaid or PtopCancelled", status)
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

// find is called with mu held.
func (gw *Ptop) find(id string) (*PtopPayment, error) {
	if p, found := gw.payments[id]; found {
		return p, nil
	}
	return nil, fmt.Errorf("gateway: there is no payment %q", id)
}
