package payacktest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/payack/payack"
)

// Captured is a merchant's function that records the events it is called with. It
// is safe for concurrent use.
type Captured[E payack.Event] struct {
	mu     sync.Mutex
	events []E
	next   func(context.Context, E) error
}

// Capture returns a function that records events and returns nil:
//
//	events := payacktest.Capture[*payack.PTSEvent]()
//	h, err := handlers.NewPTS(keys.Config(), events.Func)
func Capture[E payack.Event]() *Captured[E] { return &Captured[E]{} }

// CaptureAround returns a function that records events and then calls fn, the
// function under test.
func CaptureAround[E payack.Event](fn func(ctx context.Context, ev E) error) *Captured[E] {
	return &Captured[E]{next: fn}
}

// Return makes Func return err from now on, without calling the fn of [CaptureAround].
func (c *Captured[E]) Return(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = func(context.Context, E) error { return err }
}

// Func records ev. Pass it to a constructor of package handlers.
func (c *Captured[E]) Func(ctx context.Context, ev E) error {
	c.mu.Lock()
	c.events = append(c.events, ev)
	next := c.next
	c.mu.Unlock()
	if next == nil {
		return nil
	}
	return next(ctx, ev)
}

// Events returns the events so far, in the order of the calls.
func (c *Captured[E]) Events() []E {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// Reset forgets the events so far.
func (c *Captured[E]) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = nil
}

// One returns the only event. It ends the test unless there is exactly one.
func (c *Captured[E]) One(t testing.TB) E {
	t.Helper()
	events := c.Events()
	if len(events) != 1 {
		t.Fatalf("the callback was called with %d events, expected one%s", len(events), list(events))
	}
	return events[0]
}

// Saw asserts that the function was called with an event that has these members;
// other members are ignored.
func (c *Captured[E]) Saw(t testing.TB, want Members) bool {
	t.Helper()
	events := c.Events()
	var text strings.Builder
	for i, ev := range events {
		wrong := want.differences(MembersOf(ev))
		if len(wrong) == 0 {
			return true
		}
		fmt.Fprintf(&text, "\n    event %d, %s:\n        %s", i+1, ev.ID(), strings.Join(wrong, "\n        "))
	}
	if len(events) == 0 {
		text.WriteString("\n    it was not called at all")
	}
	t.Errorf("the callback was not called with the expected event%s", text.String())
	return false
}

// SawNothing asserts that the function was not called.
func (c *Captured[E]) SawNothing(t testing.TB) bool {
	t.Helper()
	events := c.Events()
	if len(events) > 0 {
		t.Errorf("the callback was called, expected not%s", list(events))
		return false
	}
	return true
}

func list[E payack.Event](events []E) string {
	var b strings.Builder
	for i, ev := range events {
		fmt.Fprintf(&b, "\n    event %d: %s", i+1, ev.ID())
	}
	return b.String()
}
