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
	// Custom, when set, signs webhooks in place of Scheme: it gets the body without
	// a signature, for tests of a merchant's own reading ([verify.PtopReading]).
	Custom func(key payack.Secret, body string) (verify.Message, error)
	// Currencies are those that are taken; empty is USD, the only one documented.
	Currencies []string
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
// order_id, a URL over plain http that is not loopback's, a payment-check for an unknown transaction and a sendingTrx that
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
	// ReceiverEmail came as reviverEmail.
	ReceiverEmail string
	// Amount is the text that the merchant sent and signed.
	Amount string
}

// NewPtop starts a fake Ptop on a loopback port. Close it. An error
// names the member of the configuration, or says why it can't listen.
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

// find is called with mu held.
func (gw *Ptop) find(id string) (*PtopPayment, error) {
	if p, found := gw.payments[id]; found {
		return p, nil
	}
	return nil, fmt.Errorf("gateway: there is no payment %q", id)
}
