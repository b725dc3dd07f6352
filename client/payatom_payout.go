package client

import (
	"context"
	"maps"
	"slices"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/payatom"
)

// PayatomPayout is money to be sent. Nothing signs it: Payatom knows the merchant
// by the address that it comes from.
type PayatomPayout struct {
	// OrderID has fewer than 64 bytes.
	OrderID string `validate:"required,text,hashable"`
	// Amount is a plain decimal of at most 18 digits, sent as this very text.
	Amount payack.Amount `validate:"required,plain,positive"`
	// PaymentMode is imps, upi or wallet.
	PaymentMode string `validate:"required,oneof=imps upi wallet"`
	// Members are sent besides, as strings: who gets the money. The documents
	// known here don't name them; take them from Payatom's manual for the mode.
	Members map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
}

// Payout sends money. It is sent once and never repeated; after an error that
// is [Error.Uncertain], ask PayoutStatus. How payouts are answered, and how
// their webhook is signed, is not known.
func (c *Payatom) Payout(ctx context.Context, p PayatomPayout) (*PayatomUnsignedReport, error) {
	const name = "payout"
	if e := c.t.check(name, p); e != nil {
		return nil, e
	}
	body := map[string]string{"pid": c.pid, "order_id": p.OrderID, "amount": p.Amount.String(), "payment_mode": p.PaymentMode}
	if e := c.t.foreign(name, p.Members, slices.Collect(maps.Keys(body))...); e != nil {
		return nil, e
	}
	maps.Copy(body, p.Members)
	return c.report(ctx, call{name: name, path: "/payout/api/request.php"}, body, p.OrderID)
}

// PayoutStatus asks what became of a payout. Whether and how the answer is
// signed is not known, so it is passed on as unsigned. It is repeated when no
// answer comes. (The names of the request's members are inferred.)
func (c *Payatom) PayoutStatus(ctx context.Context, orderID string) (*PayatomUnsignedReport, error) {
	const name = "payout_status"
	if orderID == "" || !cleanText(orderID) {
		return nil, c.t.invalid(name, "the order's id is empty or no text; give the one that it was created with")
	}
	if !payatom.OrderID(orderID) {
		return nil, c.t.invalid(name, "the order's id "+tooLong)
	}
	hash := c.signer.PayoutStatusHash(orderID, c.pid)
	body := map[string]string{"pid": c.pid, "order_id": orderID, "post_hash": hash}
	return c.report(ctx, call{name: name, path: "/payout/api/order_status_polling.php", repeatable: true}, body, orderID, hash)
}
