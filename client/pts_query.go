package client

import (
	"context"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
	"github.com/payack/payack/verify"
)

// PTSUnsignedBalance is what PTS answers to a balance request. Its signature
// covers user_id only, so the figures are as trustworthy as the TLS connection:
// show them, never pay out because of them.
type PTSUnsignedBalance struct {
	UserID string
	// Unsigned holds the figures as their text (a nested value as its literal).
	// Their names are not documented.
	Unsigned map[string]payack.Text
}

// PaymentQuery asks what became of a payment (payment_query_v2). The answer
// has a callback's members, signed alike, and is of this order. It is repeated
// when no answer comes. An order that PTS doesn't know is [ErrNotFound], which
// is not signed.
func (c *PTS) PaymentQuery(ctx context.Context, orderID string) (*payack.PTSEvent, error) {
	return c.queryOrder(ctx, verify.PTSPaymentQuery, orderID)
}

// WithdrawQuery asks what became of a withdraw (withdraw_query_v2), as
// PaymentQuery does for a payment, signed alike. Of its answer, Paid means that the money was
// sent.
func (c *PTS) WithdrawQuery(ctx context.Context, orderID string) (*payack.PTSEvent, error) {
	return c.queryOrder(ctx, verify.PTSWithdrawQuery, orderID)
}

func (c *PTS) queryOrder(ctx context.Context, m verify.PTSMessage, orderID string) (*payack.PTSEvent, error) {
	ev, err := c.query(ctx, m, orderID)
	if err != nil {
		return nil, err
	}
	if e := c.ofOrder(m, orderID, ev.OrderID); e != nil {
		return nil, e
	}
	return ev, nil
}

// query leaves it to the caller to compare the answer with the question.
func (c *PTS) query(ctx context.Context, m verify.PTSMessage, orderID string) (*payack.PTSEvent, error) {
	path := "/payment/query"
	if m == verify.PTSWithdrawQuery {
		path = "/withdraw/query"
	}
	if orderID == "" || !cleanText(orderID) {
		return nil, c.t.invalid(string(m), "the order's id is empty or no text; give the one that it was created with")
	}
	r, err := c.ask(ctx, m, verify.PTSQueryResponse, path, true, ptsRequest{OrderID: orderID})
	if err != nil {
		return nil, err
	}
	return r.Event, nil
}

// ofOrder refuses an answer to another question.
func (c *PTS) ofOrder(m verify.PTSMessage, asked, answered string) *Error {
	if asked != answered {
		return c.t.mismatch(string(m), "order_id")
	}
	return nil
}

// Balance asks for the merchant's balance (balance_v2). It is repeated when no
// answer comes. The figures are not signed.
func (c *PTS) Balance(ctx context.Context) (*PTSUnsignedBalance, error) {
	r, err := c.ask(ctx, verify.PTSBalance, verify.PTSBalanceResponse, "/balance", true, ptsRequest{})
	if err != nil {
		return nil, err
	}
	return &PTSUnsignedBalance{UserID: r.Signed["user_id"].String(), Unsigned: r.Unsigned}, nil
}

// Confirm asks by payment_query_v2 whether a paid payment is what its callback
// says. It fits the hook in one line: Confirm: pts.Confirm.
//
// The answer's signed members decide. Success with the event's order,
// transaction, amounts (by value) and currencies is confirmed, with
// accept_amount and accept_currency. A final answer that differs is
// [payack.ErrUnconfirmed]. Everything else is another error and means "send
// again": a status that is not final ([ErrPending]), no answer, a code other
// than 1000 (which is not signed, so it refuses nothing for good), and an event
// that is not paid or of another user.
//
// A withdraw's callback has the same members as a payment's, and payment_query_v2
// doesn't know its order: give withdraws a callback URL of their own, with
// ConfirmWithdraw.
//
// It takes [PTS.ConfirmTimeout] at most.
func (c *PTS) Confirm(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
	return c.confirm(ctx, ev, verify.PTSPaymentQuery)
}

// ConfirmWithdraw is Confirm for the callbacks of withdraws, by
// withdraw_query_v2: the answer's signed members decide. Its Paid means that the
// money was sent.
//
// It takes [PTS.ConfirmTimeout] at most.
func (c *PTS) ConfirmWithdraw(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
	return c.confirm(ctx, ev, verify.PTSWithdrawQuery)
}

// ConfirmTimeout returns how long Confirm and ConfirmWithdraw may take at most:
// the one of the options, or what all attempts take together where that is less.
func (c *PTS) ConfirmTimeout() time.Duration { return c.t.longestConfirm() }

func init() {
	confirming.Register(new(PTS).Confirm)
	confirming.Register(new(PTS).ConfirmWithdraw)
}

func (c *PTS) confirm(ctx context.Context, ev *payack.PTSEvent, m verify.PTSMessage) (*payack.Confirmation, error) {
	if confirming.Told(ctx, c.ConfirmTimeout()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.t.confirm)
	defer cancel()
	switch {
	case ev == nil || !ev.Paid():
		return nil, c.t.question("only a paid event can be confirmed")
	case ev.UserID != c.userID:
		return nil, c.t.question("the event is of another user than this client; use the client of that user")
	}
	got, err := c.query(ctx, m, ev.OrderID)
	if err != nil {
		return nil, err
	}
	if !got.Final() {
		return nil, c.t.pending(string(m), "the status is not final")
	}
	var differs []string
	compare := func(name string, same bool) {
		if !same {
			differs = append(differs, name)
		}
	}
	compare("order_id", got.OrderID == ev.OrderID)
	compare("transaction_id", got.TransactionID == ev.TransactionID)
	compare("status", got.Status == ev.Status)
	compare("submit_amount", got.SubmitAmount.Equal(ev.SubmitAmount))
	compare("submit_currency", got.SubmitCurrency.String() == ev.SubmitCurrency.String())
	compare("accept_amount", got.AcceptAmount.Equal(ev.AcceptAmount))
	compare("accept_currency", got.AcceptCurrency.String() == ev.AcceptCurrency.String())
	if differs != nil {
		return nil, c.t.contradiction(string(m), differs...)
	}
	return &payack.Confirmation{Paid: true, Status: string(got.Status), Amount: got.AcceptAmount, Currency: got.AcceptCurrency}, nil
}
