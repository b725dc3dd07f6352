package reconcile

import (
	"context"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/middleware"
)

// PTS returns an account of PTS (Pagarstar) for payments. They are asked about by
// payment_query_v2, whose answer has the eleven signed members of a callback.
// Order.Handle is not needed.
//
// The client repeats a question that had no answer, beyond the configured rate; its
// Options.Retries below 0 leave that to the schedule.
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

// PTSWithdraws is [PTS] for withdraws, by withdraw_query_v2, under the name
// withdraws. Give it the receiver of withdraw callbacks; that of an account of
// payments is refused, because nothing that is signed tells the two kinds apart.
// For the same reason Confirmed is left to the receiver's own Confirm.
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
