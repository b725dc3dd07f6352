package reconcile

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
)

// PTS returns an account of PTS (Pagarstar) for payments. It asks by
// payment_query_v2, whose answer has the eleven signed members of a callback.
// Order.Handle is ignored.
//
// The client's own repetitions of a question are not limited by Config.PerSecond.
// Set its Options.Retries below 0 to leave repetitions to the schedule.
func PTS(c *client.PTS, receiver *middleware.Handler) Account {
	a := Account{provider: payack.PTS, receiver: receiver}
	if c == nil {
		return a
	}
	a.ask = func(ctx context.Context, o Order, tenant string) (finding, error) {
		ev, err := c.PaymentQuery(ctx, o.OrderID)
		if err != nil {
			return finding{}, err
		}
		ev.Confirmed = &payack.Confirmation{Paid: ev.Paid(), Status: string(ev.Status), Amount: ev.AcceptAmount, Currency: ev.AcceptCurrency}
		return ptsFinding(ev, tenant), nil
	}
	return a
}

// PTSWithdraws is [PTS] for withdraws. It asks by withdraw_query_v2, and the account
// has the name "withdraws". Give it the receiver of withdraw callbacks. [New] refuses
// the receiver of an account of payments, because no signed member tells the two
// kinds of events apart. For the same reason the answer does not replace the
// receiver's Confirm.
func PTSWithdraws(c *client.PTS, receiver *middleware.Handler) Account {
	a := Account{provider: payack.PTS, name: "withdraws", asks: "withdraws", receiver: receiver}
	if c == nil {
		return a
	}
	a.ask = func(ctx context.Context, o Order, tenant string) (finding, error) {
		ev, err := c.WithdrawQuery(ctx, o.OrderID)
		if err != nil {
			return finding{}, err
		}
		return ptsFinding(ev, tenant), nil
	}
	return a
}

func ptsFinding(ev *payack.PTSEvent, tenant string) finding {
	ev.Tenant = tenant
	return finding{event: ev, status: string(ev.Status), amount: ev.AcceptAmount, signed: true}
}
