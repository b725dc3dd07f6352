package client

import (
	"context"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
)

// Confirm asks by status polling whether an approved order is what its webhook
// says. It fits the hook in one line: Confirm: payatom.Confirm.
//
// It asks by ev.Expected.RefCode where Expect gave one, and otherwise by the
// webhook's own ref_code, which is not signed and serves as a handle only; the
// answer's own signed members decide. Approved or late approved with the event's
// order_id and amount (by value) is confirmed: either word confirms the other.
//
// A final answer with another status or amount is [payack.ErrUnconfirmed]. So is
// an answer that refutes the handle: one that is signed for another order,
// whatever its status, and one by which the gateway says that there is no such
// ref_code (see UnknownRefCode in [PayatomConfig]).
//
// Everything else is another error and means "ask again": a status that is not
// final ([ErrPending]), no answer, one that doesn't verify, one that declines for
// another reason ([ErrDeclined]), and an event that is not paid. An event without
// any ref_code can't be asked about. That too is such an error ([ErrRequest]),
// because what is unsigned may be missing for no fault of the order.
//
// It takes [Payatom.ConfirmTimeout] at most.
func (c *Payatom) Confirm(ctx context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
	const name = "status_polling"
	if confirming.Told(ctx, c.ConfirmTimeout()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.t.confirm)
	defer cancel()
	if ev == nil || !ev.Paid() {
		return nil, c.t.question("only a paid event can be confirmed")
	}
	refCode := ev.Unsigned.RefCode.String()
	if ev.Expected.Found && ev.Expected.RefCode != "" {
		refCode = ev.Expected.RefCode
	}
	if refCode == "" {
		return nil, c.t.question("neither Expect nor the webhook names a ref_code to ask by; keep the create's and return it from Expect")
	}
	got, err := c.poll(ctx, PayatomQuery{RefCode: refCode, OrderID: ev.OrderID, Amount: ev.ReceivedAmount})
	if declined, ok := err.(*Error); ok && declined.Cause == ErrNotFound {
		declined.Kind = payack.ErrUnconfirmed
	}
	switch {
	case err != nil:
		return nil, err
	case got.OrderID != ev.OrderID: // the ref_code is another payment's, and stays so
		return nil, c.t.contradiction(name, "order_id")
	case !got.Final():
		return nil, c.t.pending(name, "the status is not final")
	}
	var differs []string
	if !got.Paid() {
		differs = append(differs, "status")
	}
	if !got.ReceivedAmount.Equal(ev.ReceivedAmount) {
		differs = append(differs, "amount")
	}
	if differs != nil {
		return nil, c.t.contradiction(name, differs...)
	}
	return &payack.Confirmation{Paid: true, Status: string(got.Status), Amount: got.ReceivedAmount}, nil
}

// ConfirmTimeout returns how long Confirm may take at most: the one of the
// options, or what all attempts take together where that is less.
func (c *Payatom) ConfirmTimeout() time.Duration { return c.t.longestConfirm() }

func init() { confirming.Register(new(Payatom).Confirm) }
