// Package lazycontext is the context of a delivery's processing. It builds standard
// contexts on first use, which saves five allocations if the callback neither reads
// a value nor waits.
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

// Context has the values of a parent context and those that a Valuer adds. It has
// its own deadline, and is not cancelled with the parent, which is the context of a
// request or of a worker. Make it a field of a struct that is allocated anyway. It
// is safe for concurrent use after Start.
type Context struct {
	parent context.Context // only its values are used
	adds   Valuer
	end    time.Time

	mu     sync.Mutex
	err    error              // the error that Err has returned, or context.Canceled after Stop
	made   context.Context    // has the values of parent and adds; nil until Value or Done is called
	cancel context.CancelFunc // cancels the context in the field made; nil until Done is called
}

// Start initialises c with end as its deadline, and returns c. Call Start once,
// before anything else. WithValues of adds is called at most once.
func (c *Context) Start(parent context.Context, end time.Time, adds Valuer) context.Context {
	c.parent, c.end, c.adds = parent, end, adds
	return c
}

// values returns a context that has the values of parent and adds. The caller holds
// mu.
func (c *Context) values() context.Context {
	if c.made == nil {
		c.made = c.adds.WithValues(context.WithoutCancel(c.parent))
	}
	return c.made
}

// String makes fmt print a name. Otherwise fmt would read the fields while other
// goroutines write them.
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

// Err implements [context.Context]: after an error it returns the same one again.
func (c *Context) Err() error { return c.with(time.Until(c.end)) }

// with does the work of Err, given the time that is left until the deadline.
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

// ErrAt is ctx.Err for a caller who has just read the clock. It does not read the
// clock again if ctx is a [Context].
func ErrAt(ctx context.Context, now time.Time) error {
	if c, ok := ctx.(*Context); ok {
		return c.with(c.end.Sub(now))
	}
	return ctx.Err()
}

// Value implements [context.Context]. It passes every key on to the standard
// context, even the private key by which package context recognises its own types.
// So contexts that are derived from c need no goroutine.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	values := c.values()
	c.mu.Unlock()
	return values.Value(key)
}

// Stop ends the context after the processing.
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
