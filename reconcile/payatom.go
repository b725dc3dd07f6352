package reconcile

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
)

// Payatom returns an account of Payatom for payins. It asks by status polling, whose
// answer has a post_hash over order, amount and status. Order.Handle is required: it
// is the ref_code in the answer to the payin.
//
// The receiver's Expect is called for an answer as for a webhook.
//
// The client's own repetitions of a question are not limited by Config.PerSecond.
// Set its Options.Retries below 0 to leave repetitions to the schedule.
func Payatom(c *client.Payatom, receiver *middleware.Handler) Account {
	a := Account{provider: payack.Payatom, receiver: receiver, handle: "ref_code"}
	if c == nil {
		return a
	}
	a.ask = func(ctx context.Context, o Order, tenant string) (finding, error) {
		ev, err := c.StatusPolling(ctx, client.PayatomQuery{RefCode: o.Handle, OrderID: o.OrderID, Amount: o.Amount})
		if err != nil {
			return finding{}, err
		}
		ev.Tenant = tenant
		ev.Unsigned.RefCode = payack.NewText(o.Handle) // the handle for a later Confirm by an inbox
		ev.Confirmed = &payack.Confirmation{Paid: ev.Paid(), Status: string(ev.Status), Amount: ev.ReceivedAmount}
		return finding{event: ev, status: string(ev.Status), amount: ev.ReceivedAmount, signed: true}, nil
	}
	return a
}
