package middleware

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"

	"github.com/payack/payack"
)

// callFunc is the merchant's function. It takes the event as a payack.Event.
type callFunc func(ctx context.Context, ev payack.Event, d *delivery) error

// callbackError distinguishes a callback that does not expect the event, one that
// ran out of time, and one that failed otherwise.
func (rc *receiver) callbackError(ctx context.Context, err error) error {
	reason, detail := payack.ReasonCallback, "your function failed"
	switch {
	case errors.Is(err, payack.ErrUnexpected):
		reason, detail = payack.ReasonUnexpected, "your function returned ErrUnexpected"
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		reason, detail = payack.ReasonDeadline, "your function did not finish in time"
	}
	return &payack.Error{Provider: rc.stages.provider, Stage: payack.StageCall, Reason: reason, Detail: detail, Err: err}
}

// recovered turns a panic of the merchant's code into an error. Defer it before all
// other calls except notAborted, so that only notAborted runs after it.
func (rc *receiver) recovered(d *delivery, err *error) {
	p := recover()
	if p == nil {
		return
	}
	stack := debug.Stack()
	if hook, ok := p.(*hookPanic); ok {
		p, stack = hook.value, hook.stack
	}
	if aborts(p) {
		*err = http.ErrAbortHandler
		return
	}
	d.observation.Stack = string(stack)
	stage := payack.StageCall
	if d.observation.EventID == "" {
		stage = payack.StageVerify
	}
	*err = d.fail(stage, payack.ReasonPanic, nil, "your code panicked; its stack is in the log")
}

// notAborted replaces http.ErrAbortHandler by a failure, for deliveries that have
// no connection to end.
func (d *delivery) notAborted(err *error) {
	if *err == http.ErrAbortHandler {
		*err = d.fail(payack.StageCall, payack.ReasonPanic, nil, "your code panicked with http.ErrAbortHandler")
	}
}

// aborts reports whether a panic's value is http.ErrAbortHandler. The methods of the
// value may panic in turn; aborts recovers from that.
func aborts(p any) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	thrown, ok := p.(error)
	return ok && errors.Is(thrown, http.ErrAbortHandler)
}
