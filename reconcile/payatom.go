package reconcile

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
)

// Payatom returns an account of Payatom for payins. They are asked about by status
// polling, whose answer has a post_hash over order, amount and status: Order.Handle
// is the ref_code that the create answered.
//
// Expect of the receiver is asked about what is found like about a webhook.
//
// The client repeats a question that had no answer, beyond the configured rate; its
// Options.Retries below 0 leave that to the schedule.
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
		ev.Unsigned.RefCode = payack.NewText(o.Handle) // what an inbox would confirm it by
		ev.Confirmed = &payack.Confirmation{Paid: ev.Paid(), Status: string(ev.Status), Amount: ev.ReceivedAmount}
		return finding{event: ev, status: string(ev.Status), amount: ev.ReceivedAmount, signed: true}, nil
	}
	return a
}
