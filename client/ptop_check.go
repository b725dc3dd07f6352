package client

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
	"github.com/payack/payack/internal/strict"
)

// PtopStatus is the state of a payment in the answer to payment-check. An unknown
// value is neither paid nor final.
type PtopStatus string

// The states.
const (
	PtopPending   PtopStatus = "0"
	PtopPaid      PtopStatus = "1"
	PtopCancelled PtopStatus = "2"
)

// Paid reports whether the money came in.
func (s PtopStatus) Paid() bool { return s == PtopPaid }

// Final reports whether the status will not change again.
func (s PtopStatus) Final() bool { return s == PtopPaid || s == PtopCancelled }

// PtopCheck is Ptop's answer to a payment-check. It is not signed. Ptop's document
// shows status and amount only.
type PtopCheck struct {
	Status PtopStatus
	// Amount is above zero if the status is paid, and may be absent otherwise. The
	// answer names no currency.
	Amount payack.Amount
	// TransactionID and OrderID are absent if the answer does not have them.
	TransactionID payack.Text
	OrderID       payack.Text
	// Extra holds the undocumented members, as their text.
	Extra map[string]payack.Text
}

// PaymentCheck asks for the state of a transaction (POST /api/v3/payment-check). An
// answer about another transaction is [ErrMismatch]. An answer that reports a
// failure (success false, or an error) is [ErrDeclined] whatever its status says.
// Only the TLS connection authenticates the answer, which is not signed. The call
// is repeatable: see [Options].Retries.
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

// check asks for the state of a transaction. It does not compare the transaction in
// the answer with transactionID: the caller does.
func (c *Ptop) check(ctx context.Context, transactionID string) (*PtopCheck, error) {
	const name = "payment-check"
	if transactionID == "" || !cleanText(transactionID) {
		return nil, c.t.invalid(name, "the transaction's id is empty or not plain UTF-8; give the one that CreatePayment or the webhook names")
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
	m.flag("success") // fails unless it is a boolean, null or missing
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

// Confirm asks Ptop by payment-check to confirm a successful transaction. Pass the
// method to a receiver: Confirm: ptop.Confirm.
//
// Status 1 (paid) confirms the event, and the Confirmation has Ptop's amount. The
// error is [payack.ErrUnconfirmed] for status 2 (cancelled), and for status 1 with
// another transaction or order.
//
// Every other error means that the provider should send the callback again:
//   - [ErrPending]: the status is 0 or unknown.
//   - [ErrUnreachable], [ErrStatus]: no answer came, or its HTTP status is not
//     2xx.
//   - [ErrResponse]: the answer can't be read.
//   - [ErrDeclined]: the answer reports a failure.
//   - [ErrRequest]: the event's Success is false.
//
// Only the TLS connection authenticates the answer, which is not signed. Confirm
// takes at most [Ptop.ConfirmTimeout].
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

// ConfirmTimeout returns the longest time that Confirm takes: the smaller of
// Options.ConfirmTimeout and the sum of all attempts and pauses.
func (c *Ptop) ConfirmTimeout() time.Duration { return c.t.longestConfirm() }

func init() { confirming.Register(new(Ptop).Confirm) }

// denies reports whether an answer reports a failure. In that case the other
// members of the answer have no meaning.
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

// nothings are the texts and literals that mean "no" or "nothing".
var nothings = []string{"", "0", "false", "no", "null", "[]", "{}"}
