package middleware

import (
	"context"
	"errors"
	"fmt"

	"github.com/payack/payack"
)

// ConfirmFunc asks the provider whether what an event says is true. It runs
// only for events that say that money came in, and is safe for concurrent use.
//
// Return what the provider said when it says the same: it is handed to the
// callback in Confirmed. Return [payack.ErrUnconfirmed] when the provider's
// answer is final and differs in status, amount or order: the event is then
// rejected. Return any other error while it is still pending or can't be
// reached: the provider of the callback is then asked to send again.
type ConfirmFunc[E payack.Event] func(ctx context.Context, ev E) (*payack.Confirmation, error)

func (confirm ConfirmFunc[E]) run(ctx context.Context, ev E, claimsMoney bool) error {
	if confirm == nil || !claimsMoney {
		return nil
	}
	fail := func(reason payack.Reason, err error, detail string) error {
		return &payack.Error{Provider: ev.Provider(), Stage: payack.StageGuard, Reason: reason, Err: err, Detail: detail}
	}
	c, err := confirm(ctx, ev)
	switch {
	case errors.Is(err, payack.ErrUnconfirmed):
		return fail(payack.ReasonUnconfirmed, err, "the provider says something else")
	case err != nil:
		return fail(payack.ReasonUnreachable, err, "the event could not be confirmed yet")
	case c == nil || !c.Paid:
		return fail(payack.ReasonUnreachable, nil, fmt.Sprintf("Confirm returned neither a paid confirmation nor an error for a %s event", ev.Provider()))
	}
	ev.Verified().Confirmed = c
	return nil
}
