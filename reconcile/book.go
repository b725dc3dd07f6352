package reconcile

import (
	"hash/maphash"
	"sync"
	"time"
)

// book remembers of each open order when it is due. Orders are known by a hash
// under a secret seed, so that a book of many is small.
type book struct {
	mu      sync.Mutex
	reading uint32 // counts the readings of the source
	entries map[uint64]entry
}

type entry struct {
	due   int64 // nanoseconds since 1970
	first int64 // when it was first seen
	seen  uint32
	state state
}

type state uint8

const (
	queued state = 1 << iota // waits in a queue, or is being asked about
	asked                    // was asked about once at least
	ended                    // is not asked about again
)

// keyOf returns what an order is known by.
func (r *Reconciler) keyOf(o *Order) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	for _, s := range [...]string{string(o.Provider), o.Account, o.Tenant, o.OrderID, o.Handle} {
		_, _ = h.WriteString(s)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

func (b *book) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = map[uint64]entry{}
}

// begin begins a reading of the source.
func (b *book) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading++
}

// end ends a reading. Of one that was whole, what it didn't see is no longer open.
func (b *book) end(whole bool) (open int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, e := range b.entries {
		if whole && e.seen != b.reading && e.state&queued == 0 {
			delete(b.entries, key)
		}
	}
	return len(b.entries)
}

// verdict is what follows for an order that was read.
type verdict int

const (
	notDue verdict = iota
	due
	givenUp
)

// read notes that an order is open, and says whether it is due, since when.
func (b *book) read(key uint64, o *Order, c *Config, now time.Time) (since int64, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, known := b.entries[key]
	if known && e.seen == b.reading {
		return 0, notDue // twice in the source
	}
	if !known {
		e.first = now.UnixNano()
		born := now
		if o.Created.Before(now) {
			born = o.Created
		}
		e.due = max(born.Add(c.Waits[0]).UnixNano(), e.first)
	}
	e.seen = b.reading
	switch {
	case e.state&(queued|ended) != 0 || e.due > now.UnixNano():
	case e.state&asked != 0 && e.age(o, now) >= c.GiveUp:
		e.state |= ended
		v = givenUp
	default:
		v = due
	}
	b.entries[key] = e
	return e.due, v
}

// age is the order's, or since when it is known: one that was created in the future
// grows old, too.
func (e *entry) age(o *Order, now time.Time) time.Duration {
	return max(o.age(now), now.Sub(time.Unix(0, e.first)))
}

func (b *book) queue(key uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	e.state |= queued
	b.entries[key] = e
}

// answered notes that an order was asked about, and when it is due again.
func (b *book) answered(key uint64, o *Order, c *Config, now time.Time, final bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	e.state = e.state&^queued | asked
	if final {
		e.state |= ended
	}
	e.due = now.Add(c.wait(e.age(o, now))).UnixNano()
	b.entries[key] = e
}
