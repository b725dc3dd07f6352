package reconcile

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
)

// Ptop returns an account of Ptop. It asks by payment-check. Order.Handle is
// required: it is the transaction_id, byte for byte as Ptop answered it when the
// payment was created. The transaction_id identifies the event, and the answer to
// payment-check does not repeat it.
//
// The answer is not signed, and according to Ptop's document it names no order. The
// event has the merchant's OrderID, the scheme [payack.SchemeQuery], and the answer
// in Confirmed. A pending payment makes no event, because Ptop's webhook can't
// express that state.
//
// The client's own repetitions of a question are not limited by Config.PerSecond.
// Set its Options.Retries below 0 to leave repetitions to the schedule.
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
