package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

// PtopConfig is what a client of Ptop (API v3) needs.
type PtopConfig struct {
	// BaseURL is the scheme and host of the API: https://ptop.me.
	BaseURL string
	// WebsiteID and SecretKey are those of Ptop's back office. Every request
	// carries both.
	WebsiteID string
	SecretKey payack.Secret
	// SigningKey is the_signature of the back office. Payouts need it, nothing
	// else does.
	SigningKey payack.Secret
	// Sandbox creates payments in the sandbox. The documents name no other
	// sandbox than that, so with it set a payout is refused, and a
	// payment-check goes where all of them go (whether it finds payments of
	// the sandbox is unconfirmed).
	Sandbox bool
	// PayoutAmount is how a payout's amount stands in the body; empty is
	// [PtopNumber].
	PayoutAmount PtopAmount

	Options
}

// PtopAmount is how an amount is written in JSON. The text is the same in both,
// and the one that is signed.
type PtopAmount string

// The ways to write it. Which one Ptop reads back to the same text is
// unconfirmed: a receiver in PHP that decodes the number 50.00 signs 50, so a
// number without a closing zero (50, 50.5) is right under every reading.
const (
	PtopNumber PtopAmount = "number"
	PtopString PtopAmount = "string"
)

// Ptop asks Ptop (API v3). Its responses are not signed: what they say is as
// trustworthy as the TLS connection to the base URL.
type Ptop struct {
	t          *transport
	website    string
	secret     payack.Secret
	signing    payack.Secret
	sandbox    bool
	withString bool
}

// NewPtop returns a client. Errors name the member of the configuration and the
// fix. No request is made.
func NewPtop(c PtopConfig) (*Ptop, error) {
	switch {
	case c.WebsiteID == "" || !cleanText(c.WebsiteID):
		return nil, errors.New("payack: ptop: WebsiteID: it is empty or no text; Ptop's back office shows it")
	case c.SecretKey.IsZero() || !cleanText(c.SecretKey.Reveal()):
		return nil, errors.New("payack: ptop: SecretKey: it is empty or no text; Ptop's back office shows it")
	case c.PayoutAmount != "" && c.PayoutAmount != PtopNumber && c.PayoutAmount != PtopString:
		return nil, fmt.Errorf(`payack: ptop: PayoutAmount: unknown way %q; choose "number" or "string"`, string(c.PayoutAmount))
	}
	if !c.SigningKey.IsZero() { // a key with the separator in it is found out here, not at the first payout
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
		sandbox: c.Sandbox, withString: c.PayoutAmount == PtopString,
	}, nil
}

// Format writes the type's name, whatever the verb.
func (Ptop) Format(f fmt.State, _ rune) { hiddenFormat(f, "Ptop") }

// PtopPayment is a payment to be created.
type PtopPayment struct {
	OrderID string `validate:"required,text,max=255"`
	// Amount is at least 1, and sent as a number with this very text.
	Amount payack.Amount `validate:"required,positive"`
	// Currency is USD when empty, the only one that the documents name.
	Currency string `validate:"omitempty,alpha,uppercase,len=3"`
	Product  string `validate:"required,text"`

	WebhookURL string `validate:"required,text,http_url"`
	SuccessURL string `validate:"required,text,http_url"`
	FailURL    string `validate:"required,text,http_url"`
}

// PtopPaymentCreated is Ptop's answer to a payment. It is not signed.
type PtopPaymentCreated struct {
	TransactionID string
	// PaymentURL is where the customer pays, an absolute https URL.
	PaymentURL string
	// Extra holds the members that the documents don't know, as their text.
	Extra map[string]payack.Text
}

// CreatePayment creates a payment. It is sent once and never repeated, because
// the documents name no idempotency key for it; see [Error.Uncertain].
func (c *Ptop) CreatePayment(ctx context.Context, p PtopPayment) (*PtopPaymentCreated, error) {
	const name = "payment"
	if e := c.t.check(name, p); e != nil {
		return nil, e
	}
	if !atLeast(p.Amount, 1) {
		return nil, c.t.invalid(name, "Amount is below 1, which is the least that Ptop takes")
	}
	if p.Currency == "" {
		p.Currency = "USD"
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

// PtopStatus is the state of a payment as payment-check gives it. A value that
// is not among the constants is neither paid nor final.
type PtopStatus string

// The states.
const (
	PtopPending   PtopStatus = "0"
	PtopPaid      PtopStatus = "1"
	PtopCancelled PtopStatus = "2"
)

// Paid reports whether the money came in.
func (s PtopStatus) Paid() bool { return s == PtopPaid }

// Final reports whether the status does not change again.
func (s PtopStatus) Final() bool { return s == PtopPaid || s == PtopCancelled }

// PtopCheck is Ptop's answer to a payment-check. It is not signed. The
// documents show status and amount only.
type PtopCheck struct {
	Status PtopStatus
	// Amount is there and above zero when the status is paid. Ptop names no
	// currency.
	Amount payack.Amount
	// TransactionID and OrderID are those that the answer names, if it does.
	TransactionID payack.Text
	OrderID       payack.Text
	// Extra holds the members that the documents don't know, as their text.
	Extra map[string]payack.Text
}

// PaymentCheck asks what became of a transaction. It is repeated when no answer
// comes. An answer that names another transaction is [ErrMismatch]. One that
// says beside its status that it failed (success false, an error) is
// [ErrDeclined]: its status says nothing then.
func (c *Ptop) PaymentCheck(ctx context.Context, transactionID string) (*PtopCheck, error) {
	out, err := c.check(ctx, transactionID)
	if err != nil {
		return nil, err
	}
	if id, named := out.TransactionID.Get(); named && id != transactionID {
		return nil, c.t.mismatch("payment-check", "transaction_id")
	}
	return out, nil
}

// check leaves it to the caller to compare the answer with the question.
func (c *Ptop) check(ctx context.Context, transactionID string) (*PtopCheck, error) {
	const name = "payment-check"
	if transactionID == "" || !cleanText(transactionID) {
		return nil, c.t.invalid(name, "the transaction's id is empty or no text; give the one that CreatePayment or the webhook names")
	}
	a, err := c.t.do(ctx, call{name: name, path: "/api/v3/payment-check", repeatable: true, build: func() (*message, error) {
		return c.message(struct {
			WebsiteID     string `json:"website_id"`
			SecretKey     string `json:"secret_key"`
			TransactionID string `json:"transaction_id"`
		}{c.website, c.secret.Reveal(), transactionID})
	}})
	if err != nil {
		return nil, err
	}
	m, e := c.answer(a, "status", "amount", "transaction_id", "order_id", "success")
	if e != nil {
		return nil, e
	}
	m.flag("success") // which must be a boolean
	if m.err == nil && denies(m) {
		return nil, c.declined(a, m)
	}
	out := &PtopCheck{
		Status: PtopStatus(m.required("status")), Amount: payack.AmountOf(m.word("amount")),
		TransactionID: m.id("transaction_id"), OrderID: m.id("order_id"), Extra: m.extra(),
	}
	if !out.Amount.IsEmpty() && !out.Amount.Valid() || out.Status.Paid() && sign(out.Amount.String()) <= 0 {
		m.fail(strict.Find(m.fields, "amount"), "amount", "is missing or no amount")
	}
	if e := c.typed(a, m); e != nil {
		return nil, e
	}
	return out, nil
}

// PtopPayout is money to be sent to a user of Ptop.
type PtopPayout struct {
	// SendingTrx is the idempotency key: the same one never pays twice, so
	// keep it with the order and use it again after an uncertain error. It is
	// not covered by the signature.
	SendingTrx string `validate:"required,text,max=255"`
	// ReceiverEmail and Amount are signed. Neither may hold a |.
	ReceiverEmail string        `validate:"required,text,email"`
	Amount        payack.Amount `validate:"required,positive"`
}

// PtopPayoutAnswer is Ptop's answer to a payout. What it holds is not
// documented, and it is not signed.
type PtopPayoutAnswer struct {
	// Success reports whether it says success. Where it says nothing of the kind,
	// Ptop answered with a status of success, and what that means is
	// unconfirmed.
	Success bool
	Message payack.Text
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// Payout sends money. It is repeated when no answer comes, with the same bytes
// and thus the same SendingTrx, by which Ptop knows it again.
func (c *Ptop) Payout(ctx context.Context, p PtopPayout) (*PtopPayoutAnswer, error) {
	const name = "api-payout"
	switch {
	case c.signing.IsZero():
		return nil, c.t.invalid(name, "SigningKey is not configured; give the_signature of Ptop's back office")
	case c.sandbox:
		return nil, c.t.invalid(name, "the documents know no sandbox for payouts, and this would move money; use a client without Sandbox")
	}
	if e := c.t.check(name, p); e != nil {
		return nil, e
	}
	amount := p.Amount.String()
	signature, err := verify.PtopPayoutSignature(c.signing, c.website, c.secret.Reveal(), p.ReceiverEmail, amount)
	if err != nil {
		return nil, c.t.invalid(name, err.Error())
	}
	literal := json.RawMessage(amount)
	if c.withString {
		literal = json.RawMessage(`"` + amount + `"`) // a number's text needs no escape
	}
	a, err := c.t.do(ctx, call{name: name, path: "/api/api-payout", repeatable: true, build: func() (*message, error) {
		m, err := c.message(struct {
			WebsiteID     string          `json:"website_id"`
			SecretKey     string          `json:"secret_key"`
			ReceiverEmail string          `json:"reviverEmail"` // Ptop's spelling
			Amount        json.RawMessage `json:"amount"`
			Signature     string          `json:"signature"`
			SendingTrx    string          `json:"sendingTrx"`
		}{c.website, c.secret.Reveal(), p.ReceiverEmail, literal, signature, p.SendingTrx})
		if err == nil {
			m.hide = []string{signature}
		}
		return m, err
	}})
	if err != nil {
		return nil, err
	}
	m, e := c.answer(a, "success", "message", "sendingTrx")
	if e != nil {
		return nil, e
	}
	success, found := m.flag("success")
	if found && !success {
		return nil, c.declined(a, m)
	}
	out := &PtopPayoutAnswer{Success: success, Message: m.word("message"), Extra: m.extra()}
	if e := c.typed(a, m); e != nil {
		return nil, e
	}
	if e := c.t.same(a, m, "sendingTrx", p.SendingTrx); e != nil {
		return nil, e
	}
	return out, nil
}

// Confirm asks by payment-check whether a successful transaction is paid. It
// fits the hook in one line: Confirm: ptop.Confirm.
//
// Status 1 is confirmed, with Ptop's amount. Status 2, or an answer that is
// final and names another order or transaction, is [payack.ErrUnconfirmed].
// Everything else is another error and means "send again": status 0 and unknown
// ones ([ErrPending]), no answer, one that says that it failed whatever its status
// ([ErrDeclined]), and an event that doesn't say success.
//
// It takes [Ptop.ConfirmTimeout] at most.
func (c *Ptop) Confirm(ctx context.Context, ev *payack.PtopEvent) (*payack.Confirmation, error) {
	if confirming.Told(ctx, c.ConfirmTimeout()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.t.confirm)
	defer cancel()
	if ev == nil || !ev.Success {
		return nil, c.t.question("only an event that says success can be confirmed")
	}
	check, err := c.check(ctx, ev.TransactionID)
	if err != nil {
		return nil, err
	}
	differs := func(named payack.Text, from string) bool {
		text, found := named.Get()
		return found && text != from
	}
	switch {
	case !check.Status.Final():
		return nil, c.t.pending("payment-check", "the status is not final")
	case !check.Status.Paid():
		return nil, c.t.contradiction("payment-check", "status")
	case differs(check.TransactionID, ev.TransactionID):
		return nil, c.t.contradiction("payment-check", "transaction_id")
	case differs(check.OrderID, ev.OrderID):
		return nil, c.t.contradiction("payment-check", "order_id")
	}
	return &payack.Confirmation{Paid: true, Status: string(check.Status), Amount: check.Amount}, nil
}

// ConfirmTimeout returns how long Confirm may take at most: the one of the
// options, or what all attempts take together where that is less.
func (c *Ptop) ConfirmTimeout() time.Duration { return c.t.longestConfirm() }

func init() { confirming.Register(new(Ptop).Confirm) }

// denies reports whether an answer says that it failed. Whatever else stands in
// it is then no answer to the question.
func denies(m *members) bool {
	for _, f := range m.fields {
		nothing := f.Kind == strict.Null || f.Kind == strict.False || slices.Contains(nothings, strings.ToLower(f.Text))
		switch strings.ToLower(f.Name) {
		case "success", "ok":
			if nothing && f.Kind != strict.Null {
				return true
			}
		case "error", "errors", "failed":
			if !nothing {
				return true
			}
		}
	}
	return false
}

// nothings are the texts and literals that say no, or nothing.
var nothings = []string{"", "0", "false", "no", "null", "[]", "{}"}

func (c *Ptop) message(body any) (*message, error) {
	b, err := encode(body)
	return &message{contentType: typeJSON, body: b}, err
}

// ptopStatuses are what the documents say of HTTP statuses.
var ptopStatuses = map[int]error{
	http.StatusBadRequest:          ErrField,
	http.StatusUnauthorized:        ErrUnauthorized,
	http.StatusForbidden:           ErrRequestSignature,
	http.StatusInternalServerError: ErrService,
}

func (c *Ptop) answer(a *answer, known ...string) (*members, *Error) {
	if e := c.t.ok(a); e != nil {
		e.Cause = ptopStatuses[a.status]
		if e.Cause != nil && a.status < 500 && e.Message != "" { // it was Ptop, and no proxy in between
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

// typed returns the error of the first member with the wrong type.
func (c *Ptop) typed(a *answer, m *members) *Error {
	if m.err == nil {
		return nil
	}
	return c.t.unreadable(a, payack.ErrMalformed, m.err.Error())
}

// same compares a member that need not be there with what was asked for.
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
