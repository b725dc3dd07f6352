package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PtopConfig configures a client of Ptop (API v3). BaseURL, WebsiteID and SecretKey
// are required.
type PtopConfig struct {
	// BaseURL is the scheme and host of the API: https://ptop.me.
	BaseURL string
	// WebsiteID and SecretKey are shown in Ptop's back office. Every request carries
	// both.
	WebsiteID string
	SecretKey payack.Secret
	// SigningKey is the_signature of the back office. Only Payout requires it.
	SigningKey payack.Secret
	// Sandbox creates payments in Ptop's sandbox. The document has no sandbox for
	// the other calls: Payout is refused, and PaymentCheck uses the ordinary path.
	// Whether that path finds payments of the sandbox is unconfirmed.
	Sandbox bool
	// AnyCurrency allows payments in currencies other than USD, the only one that
	// the document names. It is unsafe unless Ptop has agreed to the currency: see
	// [PtopPayment].
	AnyCurrency bool
	// PayoutAmount is how a payout's amount is written in JSON; empty is
	// [PtopNumber].
	PayoutAmount PtopAmount

	Options
}

// Ptop is a client of Ptop (API v3). It is safe for concurrent use. Ptop does not
// sign its responses: only the TLS connection to the base URL authenticates them.
type Ptop struct {
	t          *transport
	website    string
	secret     payack.Secret
	signing    payack.Secret
	sandbox    bool
	anyMoney   bool // AnyCurrency
	withString bool
}

// NewPtop returns a client. It sends no request. An error names the member of the
// configuration and the fix.
func NewPtop(c PtopConfig) (*Ptop, error) {
	client, err := newPtop(c)
	return client, named(payack.Ptop, err)
}

func newPtop(c PtopConfig) (*Ptop, error) {
	if err := checkCredential("WebsiteID", c.WebsiteID, "Ptop"); err != nil {
		return nil, err
	}
	if err := checkCredential("SecretKey", c.SecretKey.Reveal(), "Ptop"); err != nil {
		return nil, err
	}
	if c.PayoutAmount != "" && c.PayoutAmount != PtopNumber && c.PayoutAmount != PtopString {
		return nil, fmt.Errorf(`payack: PayoutAmount: unknown way %q; choose "number" or "string"`, string(c.PayoutAmount))
	}
	if !c.SigningKey.IsZero() { // refuses a WebsiteID or SecretKey that contains the separator |
		if _, err := verify.PtopPayoutSignature(c.SigningKey, c.WebsiteID, c.SecretKey.Reveal(), "", ""); err != nil {
			return nil, err
		}
	}
	t, err := newTransport(payack.Ptop, c.BaseURL, c.Options, c.SecretKey, c.SigningKey)
	if err != nil {
		return nil, err
	}
	return &Ptop{
		t: t, website: c.WebsiteID, secret: c.SecretKey, signing: c.SigningKey,
		sandbox: c.Sandbox, anyMoney: c.AnyCurrency, withString: c.PayoutAmount == PtopString,
	}, nil
}

// Format writes the type's name under every verb, so that printing a client shows no
// secret.
func (Ptop) Format(f fmt.State, _ rune) { hiddenFormat(f, "Ptop") }

// PtopPayment is a payment to be created. It is not signed: the secret key in the
// request authenticates it. The package documentation explains the tags.
type PtopPayment struct {
	OrderID string `validate:"required,text,max=255"`
	// Amount is at least 1. It is sent as a JSON number with this text.
	Amount payack.Amount `validate:"required,positive"`
	// Currency is USD if empty. Another currency is refused unless
	// [PtopConfig].AnyCurrency is set: Ptop's answers name no currency, so Confirm
	// can't tell 100 of another currency from 100 USD.
	Currency string `validate:"omitempty,alpha,uppercase,len=3"`
	Product  string `validate:"required,text"`

	// Ptop's document requires HTTPS for these. Plain http is for loopback only.
	WebhookURL string `validate:"required,text,secure_url"`
	SuccessURL string `validate:"required,text,secure_url"`
	FailURL    string `validate:"required,text,secure_url"`
}

// PtopPaymentCreated is Ptop's answer to a payment. It is not signed.
type PtopPaymentCreated struct {
	TransactionID string
	// PaymentURL is where the customer pays, an absolute https URL.
	PaymentURL string
	// Extra holds the undocumented members, as their text.
	Extra map[string]payack.Text
}

// CreatePayment creates a payment (POST /api/v3/payment). The request is sent
// once, because Ptop documents no idempotency key: see [Error.Uncertain] before
// you create the payment again. The answer is not signed.
func (c *Ptop) CreatePayment(ctx context.Context, p PtopPayment) (*PtopPaymentCreated, error) {
	const name = "payment"
	if e := c.t.check(name, p); e != nil {
		return nil, e
	}
	if !atLeast(p.Amount, 1) {
		return nil, c.t.invalid(name, "Amount is below 1, which is the least that Ptop takes")
	}
	switch {
	case p.Currency == "":
		p.Currency = "USD"
	case p.Currency != "USD" && !c.anyMoney:
		return nil, c.t.invalid(name, "Currency is not USD, the only one that Ptop documents, and its answers name none; leave it out, or set AnyCurrency if Ptop has agreed")
	}
	path := "/api/v3/payment"
	if c.sandbox {
		path = "/api/test/v3/payment"
	}
	a, err := c.t.do(ctx, call{name: name, path: path, build: func() (*message, error) {
		return c.message(struct {
			WebsiteID  string      `json:"website_id"`
			SecretKey  string      `json:"secret_key"`
			Amount     json.Number `json:"amount"`
			Currency   string      `json:"currency"`
			Product    string      `json:"product"`
			OrderID    string      `json:"order_id"`
			WebhookURL string      `json:"webhook_url"`
			SuccessURL string      `json:"success_url"`
			FailURL    string      `json:"fail_url"`
		}{
			c.website, c.secret.Reveal(), json.Number(p.Amount.String()), p.Currency, p.Product, p.OrderID,
			p.WebhookURL, p.SuccessURL, p.FailURL,
		})
	}})
	if err != nil {
		return nil, err
	}
	m, e := c.answer(a, "success", "transaction_id", "payment_url", "order_id")
	if e != nil {
		return nil, e
	}
	success, found := m.flag("success")
	if found && !success {
		return nil, c.declined(a, m)
	}
	if !found {
		m.fail(nil, "success", "is missing")
	}
	out := &PtopPaymentCreated{TransactionID: m.required("transaction_id"), PaymentURL: m.word("payment_url").String(), Extra: m.extra()}
	if err := checkPayURL(out.PaymentURL); err != nil {
		m.fail(nil, "payment_url", err.Error())
	}
	if e := c.typed(a, m); e != nil {
		return nil, e
	}
	if e := c.t.same(a, m, "order_id", p.OrderID); e != nil {
		return nil, e
	}
	return out, nil
}

func (c *Ptop) message(body any) (*message, error) {
	b, err := encode(body)
	return &message{contentType: typeJSON, body: b}, err
}

// ptopStatuses are the HTTP statuses that Ptop's document explains.
var ptopStatuses = map[int]error{
	http.StatusBadRequest:          ErrField,
	http.StatusUnauthorized:        ErrUnauthorized,
	http.StatusForbidden:           ErrRequestSignature,
	http.StatusInternalServerError: ErrService,
}

func (c *Ptop) answer(a *answer, known ...string) (*members, *Error) {
	if e := c.t.ok(a); e != nil {
		e.Cause = ptopStatuses[a.status]
		if e.Cause != nil && a.status < 500 && e.Message != "" { // a proxy would send no message in JSON
			e.Kind = ErrDeclined
		}
		return nil, e
	}
	return c.t.object(a, known...)
}

func (c *Ptop) declined(a *answer, m *members) *Error {
	text := m.word("message").String()
	if text == "" {
		text = m.word("error").String()
	}
	return c.t.said(c.t.fail(a, ErrDeclined, nil, ""), a, "", text)
}

// typed returns the error of the first member that could not be read, or nil.
func (c *Ptop) typed(a *answer, m *members) *Error {
	if m.err == nil {
		return nil
	}
	return c.t.unreadable(a, payack.ErrMalformed, m.err.Error())
}

// same returns an error if an answer has the member called name and the member's text
// is not asked, the text in the request.
func (t *transport) same(a *answer, m *members, name, asked string) *Error {
	text, found := m.id(name).Get()
	switch {
	case m.err != nil:
		return t.unreadable(a, payack.ErrMalformed, m.err.Error())
	case found && text != asked:
		return t.mismatch(a.call, name)
	}
	return nil
}
