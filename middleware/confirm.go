package middleware

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
)

// ConfirmFunc asks the provider whether an event is genuine. It is called for
// events that report a payment, and must be safe for concurrent use. During the
// call the event is not yet claimed.
//
// Deliveries with the same path, tenant and body that arrive at the same time share
// one call. The context belongs to the call and not to a single delivery. It ends
// after [Options].Deadline. Decide by the event and not by the headers, since the
// other deliveries may have other headers.
//
// What to return:
//   - The provider's answer, with Paid set, when the provider confirms the event.
//     The callback finds it in the event's Confirmed.
//   - An error that matches [payack.ErrUnconfirmed] when the provider's answer is
//     final and differs in status, amount or order. The event is then rejected.
//   - Any other error while the payment is pending or the provider can't be
//     reached. The provider is then asked to send the callback again. With an inbox,
//     the inbox tries the event again instead.
//
// Package reconcile finds events by asking the provider. Your own function is
// called for these events, too. A Confirm method of package client is not called if
// such an event holds the provider's answer, since it would repeat the question. An
// inbox does not keep the answer, so with an inbox the method is called.
type ConfirmFunc[E payack.Event] func(ctx context.Context, ev E) (*payack.Confirmation, error)

// confirmer asks the provider to confirm events. Equal events that arrive together
// share one call of confirm.
type confirmer[E payack.Event] struct {
	confirm ConfirmFunc[E]
	timeout time.Duration
	// asksOnly reports that confirm is a method of package client, which only asks
	// the provider.
	asksOnly bool

	mu   sync.Mutex
	open map[question]*reply
}

// question is the key of a call of Confirm. Events with equal keys share the call
// while it runs.
type question struct {
	tenant, path, body string
	expected           payack.Expectation
}

// reply is the result of a question. Its last three members are set before done is
// closed.
type reply struct {
	asked     time.Time
	done      chan struct{}
	confirmed *payack.Confirmation
	err       error
	panicked  *hookPanic
}

// hookPanic carries a hook's panic out of the goroutine that it ran in.
type hookPanic struct {
	value any
	stack []byte
}

var errHookEnded = errors.New("the Confirm hook ended its goroutine")

// newConfirmer refuses a Confirm method of package client whose timeout is not
// shorter than the deadline.
func newConfirmer[E payack.Event](confirm ConfirmFunc[E], o *Options) (*confirmer[E], error) {
	timeout := o.Deadline
	if timeout <= 0 {
		timeout = DefaultDeadline
	}
	atMost, ours, err := confirming.Timeout(confirming.Func[E](confirm))
	if err != nil {
		return nil, fmt.Errorf("payack: Confirm: %w", err)
	}
	if ours && atMost >= timeout {
		return nil, fmt.Errorf("payack: Confirm: its client may take %v and the deadline is %v, so no time would be left for the callback; lower ConfirmTimeout in the client's Options, or raise Deadline", atMost, timeout)
	}
	return &confirmer[E]{confirm: confirm, timeout: timeout, asksOnly: ours, open: make(map[question]*reply)}, nil
}

// ask returns the provider's confirmation of an event, or an error.
func (c *confirmer[E]) ask(ctx context.Context, ev E) (*payack.Confirmation, error) {
	if said := ev.Found().Confirmed; c.asksOnly && said != nil && said.Paid {
		if d, ok := payack.DeliveryFrom(ctx); ok && d.Source == payack.SourceQuery {
			return said, nil // the event comes from the provider's answer
		}
	}
	r := c.question(ctx, ev)
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, guardError(ev.Provider(), payack.ReasonUnreachable, ctx.Err(), "the event could not be confirmed in time")
	}
	switch {
	case r.panicked != nil:
		panic(r.panicked)
	case errors.Is(r.err, payack.ErrUnconfirmed):
		return nil, guardError(ev.Provider(), payack.ReasonUnconfirmed, r.err, "the provider's answer contradicts the event")
	case errors.Is(r.err, confirming.ErrNotAsked):
		return nil, guardError(ev.Provider(), payack.ReasonUnreachable, r.err, "the provider was not asked to confirm the event")
	case r.err != nil:
		return nil, guardError(ev.Provider(), payack.ReasonUnreachable, r.err, "the event could not be confirmed yet")
	case r.confirmed == nil || !r.confirmed.Paid:
		return nil, guardError(ev.Provider(), payack.ReasonUnreachable, nil, fmt.Sprintf("Confirm returned neither a paid confirmation nor an error for a %s event", ev.Provider()))
	}
	own := *r.confirmed // a copy, since several callbacks may share the reply
	return &own, nil
}

// question calls Confirm. If the same question is open already, it returns the
// reply to that one and calls nothing.
func (c *confirmer[E]) question(ctx context.Context, ev E) *reply {
	q := question{tenant: ev.VerifiedBy().Tenant, expected: ev.Found().Expected}
	if d, ok := payack.DeliveryFrom(ctx); ok {
		q.path, q.body = d.Path, d.Body
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	// A Confirm that ignores its context must not keep the question open for ever.
	if r := c.open[q]; r != nil && q.body != "" && now.Sub(r.asked) < c.timeout {
		return r
	}
	r := &reply{asked: now, done: make(chan struct{}), err: errHookEnded}
	c.open[q] = r
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				r.panicked = &hookPanic{p, debug.Stack()}
			}
			c.mu.Lock()
			if c.open[q] == r {
				delete(c.open, q)
			}
			c.mu.Unlock()
			close(r.done)
		}()
		confirmed, err := c.confirm(ctx, ev)
		r.confirmed, r.err = confirmed, err
	}()
	return r
}
