package reconcile

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// question is an order that is due.
type question struct {
	Order
	key   uint64
	since int64 // when the order became due, in nanoseconds since 1970
	seq   int   // the order's position in the source
}

func earlier(a, b question) int {
	return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.seq, b.seq))
}

func later(a, b question) int { return earlier(b, a) }

// queue holds some of the orders of an account that are due.
type queue struct {
	mu     sync.Mutex
	due    []question    // the one that has been due for longest is the last
	more   bool          // the source has more due orders
	filled chan struct{} // receives after put
}

// clear empties the queue.
func (q *queue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due, q.more = nil, false
}

// put adds due orders that were read from the source. more reports that the source
// had further due orders, which were left out.
func (q *queue) put(found []question, more bool) {
	q.mu.Lock()
	q.due = append(q.due, found...)
	slices.SortFunc(q.due, later)
	q.more = more
	q.mu.Unlock()
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.due)
}

// next waits for an order and removes it from the queue. hungry reports that few
// orders are left and that the source has more. The source should then be read
// now. Only one call after each put reports hungry. ok is false if the context
// ends.
func (q *queue) next(ctx context.Context, low int) (next question, hungry, ok bool) {
	for {
		q.mu.Lock()
		if last := len(q.due) - 1; last >= 0 {
			next, q.due[last] = q.due[last], question{} // for the garbage collector
			q.due = q.due[:last]
			hungry = q.more && len(q.due) <= low
			q.more = q.more && !hungry
			q.mu.Unlock()
			return next, hungry, true
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return question{}, false, false
		case <-q.filled:
		}
	}
}

// choice selects the orders of an account that have been due for longest. The field
// room is the largest number of orders to select.
type choice struct {
	room    int
	found   []question
	dropped bool
}

func (c *choice) add(q question) {
	if c.found = append(c.found, q); len(c.found) >= 2*c.room+100 {
		c.cut()
	}
}

func (c *choice) cut() {
	slices.SortFunc(c.found, earlier)
	if len(c.found) > c.room {
		clear(c.found[c.room:]) // for the garbage collector
		c.found, c.dropped = c.found[:c.room], true
	}
}
