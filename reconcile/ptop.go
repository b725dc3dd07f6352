package reconcile

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
)

// Ptop returns an account of Ptop. Orders are asked about by payment-check:
// Order.Handle is the transaction_id, byte for byte as the create answered it: the
// event is known by it, and the answer doesn't repeat it.
//
// The answer is not signed, and names no order by the documents: the event has the
// merchant's own, the scheme [payack.SchemeQuery], and the answer in Confirmed. A
// payment that is pending makes no event, because the webhook has no word for it.
//
// The client repeats a question that had no answer, beyond the configured rate; its
// Options.Retries below 0 leave that to the schedule.
func Ptop(c *client.Ptop, receiver *middleware.Handler) Account {
	a := Account{provider: payack.Ptop, receiver: receiver, handle: "transaction_id"}
	if c == nil {
		return a
	}
	a.ask = func(ctx context.Context, o Order, tenant string) (finding, error) {
		check, err := c.PaymentCheck(ctx, o.Handle)
		if err != nil {
			return finding{}, err
		}
		if id, named := check.OrderID.Get(); named && id != o.OrderID {
			return finding{}, otherOrder(payack.Ptop, "payment-check")
		}
		found := finding{status: string(check.Status), amount: check.Amount}
		if !check.Status.Final() {
			return found, nil
		}
		paid := check.Status.Paid()
		found.event = &payack.PtopEvent{
			Verification: payack.Verification{Tenant: tenant, Scheme: payack.SchemeQuery},
			Confirmed:    &payack.Confirmation{Paid: paid, Status: string(check.Status), Amount: check.Amount},
			Success:      paid, TransactionID: o.Handle, OrderID: o.OrderID,
		}
		return found, nil
	}
	return a
}
