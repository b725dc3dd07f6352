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
	over   bool
	timed  context.Context // set when somebody waits
	cancel context.CancelFunc
}

func (c *deadline) Deadline() (time.Time, bool) { return c.end, true }

func (c *deadline) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadline(c.values, c.end)
		if c.over {
			c.cancel()
		}
	}
	return c.timed.Done()
}

func (c *deadline) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.timed != nil:
		return c.timed.Err()
	case c.over:
		return context.Canceled
	case !time.Now().Before(c.end):
		return context.DeadlineExceeded
	}
	return nil
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
	c.over = true
	if c.cancel != nil {
		c.cancel()
	}
}
