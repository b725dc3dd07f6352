// Package lazycontext has the context of a delivery's processing. It builds the
// standard contexts that it is made of on first use, which saves five allocations
// for a callback that neither asks for a value nor waits.
package lazycontext

import (
	"context"
	"sync"
	"time"
)

// Valuer adds values to a context.
type Valuer interface {
	WithValues(context.Context) context.Context
}

// Context keeps the values of the request's context but not its cancellation,
// adds values and has an end of its own. It is to be a member of something that
// is allocated anyway.
type Context struct {
	parent context.Context // the request's, as it came
	adds   Valuer
	end    time.Time

	mu     sync.Mutex
	err    error              // once somebody was told, or it is over
	made   context.Context    // has the values, from when somebody asks for one
	cancel context.CancelFunc // ends made, from when somebody waits
}

// Start makes c the context of a delivery until end, and returns it. It is called
// once, before anything else. What adds the values is asked once at the most.
func (c *Context) Start(parent context.Context, end time.Time, adds Valuer) context.Context {
	c.parent, c.end, c.adds = parent, end, adds
	return c
}

// values returns a context that has the values; mu is held.
func (c *Context) values() context.Context {
	if c.made == nil {
		c.made = c.adds.WithValues(context.WithoutCancel(c.parent))
	}
	return c.made
}

// String is what fmt prints, instead of reading what others may be writing.
func (c *Context) String() string { return "payack.Delivery with a deadline" }

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) { return c.end, true }

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cancel != nil:
	case c.err == context.Canceled:
		c.made, c.cancel = context.WithCancel(c.values())
		c.cancel()
	default:
		c.made, c.cancel = context.WithDeadline(c.values(), c.end)
	}
	return c.made.Done()
}

// Err keeps to what it has once said.
func (c *Context) Err() error { return c.with(time.Until(c.end)) }

// with is Err while so much time is left.
func (c *Context) with(left time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cancel != nil:
		return c.made.Err()
	case c.err == nil && left <= 0:
		c.err = context.DeadlineExceeded
	}
	return c.err
}

// ErrAt is ctx.Err for a caller who has just read the clock. It saves another
// reading where ctx is a [Context].
func ErrAt(ctx context.Context, now time.Time) error {
	if c, ok := ctx.(*Context); ok {
		return c.with(c.end.Sub(now))
	}
	return ctx.Err()
}

// Value asks the context that ends once there is one: by it package context
// recognises its own, so that contexts made of this one need no goroutine.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	values := c.values()
	c.mu.Unlock()
	return values.Value(key)
}

// Stop ends the context; the processing is over.
func (c *Context) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = context.Canceled
	}
	if c.cancel != nil {
		c.cancel()
	}
}
