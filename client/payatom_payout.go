package client

import (
	"context"
	"maps"
	"slices"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/payatom"
)

// PayatomPayout is a payout to be made. It is not signed: Payatom authenticates the
// merchant by the IP address that the request comes from. The package documentation
// explains the tags.
type PayatomPayout struct {
	// OrderID has at most 63 bytes.
	OrderID string `validate:"required,text,hashable"`
	// Amount is a plain decimal of at most 18 digits, sent as this text.
	Amount payack.Amount `validate:"required,plain,positive"`
	// PaymentMode is imps, upi or wallet.
	PaymentMode string `validate:"required,oneof=imps upi wallet"`
	// Members are additional members of the request, sent as strings. They name the
	// recipient. Payatom's manual for a payment mode says which members the mode
	// needs; the public documents don't. A name that the client sends itself is
	// refused.
	Members map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
}

// Payout makes a payout (POST /payout/api/request.php). It is sent once: after an
// error that is [Error.Uncertain], ask PayoutStatus. Payatom's documents don't say
// what the answer looks like or how payout webhooks are signed.
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

// PayoutStatus asks for the state of a payout. The answer counts as unsigned,
// because Payatom's documents don't say how it is signed. The names of the
// request's members are inferred. The call is repeatable: see [Options].Retries.
func (c *Payatom) PayoutStatus(ctx context.Context, orderID string) (*PayatomUnsignedReport, error) {
	const name = "payout_status"
	if orderID == "" || !cleanText(orderID) {
		return nil, c.t.invalid(name, "the order's id is empty or not plain UTF-8; give the one that it was created with")
	}
	if !payatom.OrderID(orderID) {
		return nil, c.t.invalid(name, "the order's id "+tooLong)
	}
	hash := c.signer.PayoutStatusHash(orderID, c.pid)
	body := map[string]string{"pid": c.pid, "order_id": orderID, "post_hash": hash}
	return c.report(ctx, call{name: name, path: "/payout/api/order_status_polling.php", repeatable: true}, body, orderID, hash)
}
