package client

import (
	"context"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
	"github.com/payack/payack/verify"
)

// PTSUnsignedBalance is PTS's answer to a balance request. Its signature covers
// user_id only. Only the TLS connection authenticates the figures: show them, but
// don't base payouts on them.
type PTSUnsignedBalance struct {
	UserID string
	// Unsigned holds the figures as their text, nested values as their literals.
	// Their names are not documented.
	Unsigned map[string]payack.Text
}

// PaymentQuery asks for the state of a payment (payment_query_v2). The answer has
// the members of a callback, and PTS signs the same members as in a callback. An
// answer about another order is [ErrMismatch]. An order that PTS does not know is
// [ErrNotFound]; that answer is not signed. The call is repeatable: see
// [Options].Retries.
func (c *PTS) PaymentQuery(ctx context.Context, orderID string) (*payack.PTSEvent, error) {
	return c.queryOrder(ctx, verify.PTSPaymentQuery, orderID)
}

// WithdrawQuery is like PaymentQuery, but asks for the state of a withdraw
// (withdraw_query_v2). The same members are signed. If the result's Paid reports
// true, the money was sent.
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

// query asks for the state of an order and verifies the answer. It does not compare
// the order in the answer with orderID: the caller does.
func (c *PTS) query(ctx context.Context, m verify.PTSMessage, orderID string) (*payack.PTSEvent, error) {
	path := "/payment/query"
	if m == verify.PTSWithdrawQuery {
		path = "/withdraw/query"
	}
	if orderID == "" || !cleanText(orderID) {
		return nil, c.t.invalid(string(m), "the order's id is empty or not plain UTF-8; give the one that it was created with")
	}
	r, err := c.ask(ctx, m, verify.PTSQueryResponse, path, true, ptsRequest{OrderID: orderID})
	if err != nil {
		return nil, err
	}
	return r.Event, nil
}

// ofOrder returns [ErrMismatch] for an answer about another order.
func (c *PTS) ofOrder(m verify.PTSMessage, asked, answered string) *Error {
	if asked != answered {
		return c.t.mismatch(string(m), "order_id")
	}
	return nil
}

// Balance asks for the merchant's balance (balance_v2). The figures are not signed.
// The call is repeatable: see [Options].Retries.
func (c *PTS) Balance(ctx context.Context) (*PTSUnsignedBalance, error) {
	r, err := c.ask(ctx, verify.PTSBalance, verify.PTSBalanceResponse, "/balance", true, ptsRequest{})
	if err != nil {
		return nil, err
	}
	return &PTSUnsignedBalance{UserID: r.Signed["user_id"].String(), Unsigned: r.Unsigned}, nil
}

// Confirm asks PTS by payment_query_v2 to confirm the callback of a paid payment.
// Pass the method to a receiver: Confirm: pts.Confirm.
//
// The signed members of the answer decide. They confirm the event if status, order,
// transaction and currencies are the same and the amounts are equal by value. The
// Confirmation has accept_amount and accept_currency. The error is
// [payack.ErrUnconfirmed] if the answer is final and differs.
//
// Every other error means that the provider should send the callback again:
//   - [ErrPending]: the status is not final.
//   - [ErrUnreachable], [ErrStatus]: no answer came, or its HTTP status is not
//     2xx.
//   - [ErrResponse]: the answer does not verify.
//   - [ErrDeclined]: the answer's code is not 1000. Such an answer is not signed.
//   - [ErrRequest]: the event is not paid, or belongs to another user.
//
// The callback of a withdraw has the same members as that of a payment, but
// payment_query_v2 does not find its order. Give withdraws a callback URL of their
// own and confirm them by ConfirmWithdraw.
//
// Confirm takes at most [PTS.ConfirmTimeout].
func (c *PTS) Confirm(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
	return c.confirm(ctx, ev, verify.PTSPaymentQuery)
}

// ConfirmWithdraw is like Confirm, but for the callbacks of withdraws. It asks by
// withdraw_query_v2. The signed members of the answer decide. If the
// Confirmation's Paid is true, the money was sent.
func (c *PTS) ConfirmWithdraw(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
	return c.confirm(ctx, ev, verify.PTSWithdrawQuery)
}

// ConfirmTimeout returns the longest time that Confirm and ConfirmWithdraw take: the
// smaller of Options.ConfirmTimeout and the sum of all attempts and pauses.
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
		theirs, ours := quoted(ev.UserID), quoted(c.userID)
		return nil, c.t.question("the event is of user " + theirs + ", and this client is of user " + ours + "; use a client whose PTSConfig.UserID is " + theirs)
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
