package middleware

import (
	"context"
	"sync"
	"time"

	"github.com/payack/payack"
)

// deadline is the context of a delivery's processing. It keeps the values of the
// request's context but not its cancellation, adds the delivery and what is
// held, and has an end of its own. It is part of the delivery and builds
// standard contexts on first use, which saves five allocations for a callback
// that neither asks for a value nor waits.
type deadline struct {
	parent   context.Context // the request's, as it came
	delivery *delivery
	end      time.Time

	mu     sync.Mutex
	err    error           // once somebody was told, or it is over
	values context.Context // set when somebody asks for one; never done
	timed  context.Context // set when somebody waits
	cancel context.CancelFunc
}

// within gives the delivery its context, which ends at end, and returns it.
func (d *delivery) within(parent context.Context, end time.Time) context.Context {
	d.deadline.parent, d.deadline.delivery, d.deadline.end = parent, d, end
	return &d.deadline
}

// inherited returns the values; mu is held.
func (c *deadline) inherited() context.Context {
	if c.values == nil {
		c.values = payack.WithDelivery(context.WithoutCancel(c.parent), &c.delivery.Delivery)
		c.values = payack.WithHeld(c.values, &c.delivery.hold)
	}
	return c.values
}

// String is what fmt prints, instead of reading what others may be writing.
func (c *deadline) String() string { return "payack.Delivery with a deadline" }

func (c *deadline) Deadline() (time.Time, bool) { return c.end, true }

func (c *deadline) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.timed != nil:
	case c.err == context.Canceled:
		c.timed, c.cancel = context.WithCancel(c.inherited())
		c.cancel()
	default:
		c.timed, c.cancel = context.WithDeadline(c.inherited(), c.end)
	}
	return c.timed.Done()
}

// Err keeps to what it has once said.
func (c *deadline) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.timed != nil:
		return c.timed.Err()
	case c.err == nil && time.Until(c.end) <= 0:
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// Value asks the timed context once there is one: by it package context
// recognises its own, so that contexts made of this one need no goroutine.
func (c *deadline) Value(key any) any {
	c.mu.Lock()
	values := c.timed
	if values == nil {
		values = c.inherited()
	}
	c.mu.Unlock()
	return values.Value(key)
}

// stop ends the context; the processing is over.
func (c *deadline) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = context.Canceled
	}
	if c.cancel != nil {
		c.cancel()
	}
}
