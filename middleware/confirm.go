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

// ConfirmFunc asks the provider whether what an event says is true. It runs
// only for events that say that money came in, and is safe for concurrent use.
// Nothing is held while it runs. Deliveries with the same path, tenant and body
// that come at the same time are asked about once. The context is that of the
// question and not of one of the deliveries: it ends after [Options].Deadline.
// Decide by the event and not by the delivery's headers.
//
// A function of yours is asked about events that were found by asking, too (package
// reconcile). Confirm methods of package client are not while the event has the
// provider's answer: they would ask the same again. An inbox doesn't keep the
// answer, so there they are asked.
//
// Return what the provider said when it says the same: it is handed to the
// callback in Confirmed. Return [payack.ErrUnconfirmed] when the provider's
// answer is final and differs in status, amount or order: the event is then
// rejected. Return any other error while it is still pending or can't be
// reached: the provider of the callback is then asked to send again.
type ConfirmFunc[E payack.Event] func(ctx context.Context, ev E) (*payack.Confirmation, error)

// confirmer has events confirmed, equal ones together.
type confirmer[E payack.Event] struct {
	confirm ConfirmFunc[E]
	timeout time.Duration
	// asksOnly reports that confirm is a method of a client of ours, which does
	// nothing but ask.
	asksOnly bool

	mu   sync.Mutex
	open map[question]*reply
}

// question is what makes two questions the same: what Confirm decides by.
type question struct {
	tenant, path, body string
	expected           payack.Expectation
}

// reply is what becomes of a question; its members are set when done is closed.
type reply struct {
	asked     time.Time
	done      chan struct{}
	confirmed *payack.Confirmation
	err       error
	panicked  *hookPanic
}

// hookPanic is the panic of a hook that ran in a goroutine of its own.
type hookPanic struct {
	value any
	stack []byte
}

var errHookEnded = errors.New("the Confirm hook ended its goroutine")

// newConfirmer refuses the Confirm method of a client of ours that may still be
// asking when the deadline has passed.
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
		return nil, fmt.Errorf("payack: Confirm: its client may take %v and the deadline is %v, so that nothing would be left for the callback; lower ConfirmTimeout in the client's Options, or raise Deadline", atMost, timeout)
	}
	return &confirmer[E]{confirm: confirm, timeout: timeout, asksOnly: ours, open: make(map[question]*reply)}, nil
}

// ask returns what the provider confirmed.
func (c *confirmer[E]) ask(ctx context.Context, ev E) (*payack.Confirmation, error) {
	if said := ev.Found().Confirmed; c.asksOnly && said != nil && said.Paid {
		if d, ok := payack.DeliveryFrom(ctx); ok && d.Source == payack.SourceQuery {
			return said, nil // the provider has just been asked
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
		return nil, guardError(ev.Provider(), payack.ReasonUnconfirmed, r.err, "the provider says something else")
	case r.err != nil:
		return nil, guardError(ev.Provider(), payack.ReasonUnreachable, r.err, "the event could not be confirmed yet")
	case r.confirmed == nil || !r.confirmed.Paid:
		return nil, guardError(ev.Provider(), payack.ReasonUnreachable, nil, fmt.Sprintf("Confirm returned neither a paid confirmation nor an error for a %s event", ev.Provider()))
	}
	own := *r.confirmed // several callbacks may get it
	return &own, nil
}

// question asks, unless the same question is open already.
func (c *confirmer[E]) question(ctx context.Context, ev E) *reply {
	q := question{tenant: ev.VerifiedBy().Tenant, expected: ev.Found().Expected}
	if d, ok := payack.DeliveryFrom(ctx); ok {
		q.path, q.body = d.Path, d.Body
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	// One that heeds no context would keep its question open for good.
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
