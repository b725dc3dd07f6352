package middleware

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"

	"github.com/payack/payack"
)

// callFunc is the merchant's function, without the type of its event.
type callFunc func(ctx context.Context, ev payack.Event, d *delivery) error

// callbackError tells a callback that ran out of time from one that failed, and
// from one that knows no such order.
func (rc *receiver) callbackError(ctx context.Context, err error) error {
	reason, detail := payack.ReasonCallback, "the callback failed"
	switch {
	case errors.Is(err, payack.ErrUnexpected):
		reason, detail = payack.ReasonUnexpected, "the callback says that it is not what it expects"
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		reason, detail = payack.ReasonDeadline, "the callback did not finish in time"
	}
	return &payack.Error{Provider: rc.stages.provider, Stage: payack.StageCall, Reason: reason, Detail: detail, Err: err}
}

// recovered turns a panic of the merchant's code into a failure. Defer it first, so
// that it runs after all other deferred calls.
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
	*err = d.fail(stage, payack.ReasonPanic, nil, "the merchant's code panicked; its stack is in the log")
}

// notAborted makes a failure of http.ErrAbortHandler where there is no connection
// to end.
func (d *delivery) notAborted(err *error) {
	if *err == http.ErrAbortHandler {
		*err = d.fail(payack.StageCall, payack.ReasonPanic, nil, "the merchant's code panicked with http.ErrAbortHandler")
	}
}

// aborts reports whether what was thrown is http.ErrAbortHandler. Its methods may
// panic themselves.
func aborts(p any) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	thrown, ok := p.(error)
	return ok && errors.Is(thrown, http.ErrAbortHandler)
}
