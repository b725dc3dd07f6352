package client

import (
	"context"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
)

// Confirm asks Payatom by status polling to confirm a paid webhook. Pass the method
// to a receiver: Confirm: payatom.Confirm.
//
// Confirm asks by ev.Expected.RefCode, or by the webhook's ref_code if Expect
// returned none. The webhook's ref_code is not signed, so only the signed members of
// the answer decide. They confirm the event if the order_id is the same, the amount
// is equal by value, and the status is Approved or Late Approved. The two statuses
// count as the same one.
//
// The error is [payack.ErrUnconfirmed] in these cases:
//   - The answer is final, and its status or amount differs.
//   - The answer is signed for another order, whatever its status.
//   - The gateway says that the ref_code does not exist: see
//     [PayatomConfig].UnknownRefCode.
//
// Every other error means that the provider should send the webhook again:
//   - [ErrPending]: the status is not final.
//   - [ErrUnreachable], [ErrStatus]: no answer came, or its HTTP status is not 2xx.
//   - [ErrResponse]: the answer does not verify.
//   - [ErrDeclined]: the gateway refused the request for another reason.
//   - [ErrRequest]: the event is not paid, or there is no ref_code. A ref_code is
//     not signed, so somebody may have removed it from a genuine webhook.
//
// Confirm takes at most [Payatom.ConfirmTimeout].
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
	case got.OrderID != ev.OrderID: // final: the ref_code belongs to another payment
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

// ConfirmTimeout returns the longest time that Confirm takes: the smaller of
// Options.ConfirmTimeout and the sum of all attempts and pauses.
func (c *Payatom) ConfirmTimeout() time.Duration { return c.t.longestConfirm() }

func init() { confirming.Register(new(Payatom).Confirm) }
