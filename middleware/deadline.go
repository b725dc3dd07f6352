package middleware

import (
	"context"
	"sync"
	"time"
)

// deadline is the context of a delivery's processing: the values of the
// request's, which must not end it, and an end of its own. It is part of the
// delivery, and makes its timer only when somebody waits for that end, which a
// short callback never does.
type deadline struct {
	values context.Context // never done
	end    time.Time

	mu     sync.Mutex
	err    error           // once somebody was told, or it is over
	timed  context.Context // set when somebody waits
	cancel context.CancelFunc
}

func (c *deadline) Deadline() (time.Time, bool) { return c.end, true }

func (c *deadline) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.timed != nil:
	case c.err == context.Canceled:
		c.timed, c.cancel = context.WithCancel(c.values)
		c.cancel()
	default:
		c.timed, c.cancel = context.WithDeadline(c.values, c.end)
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
	case c.err == nil && !time.Now().Before(c.end):
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// Value asks the timed context once there is one: by it package context
// recognises its own, so that contexts made of this one need no goroutine.
func (c *deadline) Value(key any) any {
	c.mu.Lock()
	values := c.values
	if c.timed != nil {
		values = c.timed
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
