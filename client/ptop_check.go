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
// [ErrDeclined]: its status says nothing then. Nothing of the answer is signed: it
// is as good as the TLS connection.
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

// Confirm asks by payment-check whether a successful transaction is paid. It
// fits the hook in one line: Confirm: ptop.Confirm.
//
// Status 1 is confirmed, with Ptop's amount. Status 2, or an answer that is
// final and names another order or transaction, is [payack.ErrUnconfirmed].
// Everything else is another error and means "send again": status 0 and unknown
// ones ([ErrPending]), no answer, one that says that it failed whatever its status
// ([ErrDeclined]), and an event that doesn't say success.
//
// The answer is not signed: the confirmation is as good as the TLS connection to
// the base URL. It takes [Ptop.ConfirmTimeout] at most.
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
