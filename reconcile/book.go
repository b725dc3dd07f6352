package reconcile

import (
	"hash/maphash"
	"slices"
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
	queued  state = 1 << iota // waits in a queue, or is being asked about
	asked                     // the provider has said something of it
	owed                      // the last answer was paid or final, and is not processed yet
	tooOld                    // was given up by its age at the last reading
	opposed                   // the last answer contradicts what was processed, or is just now
	settled                   // is not asked about again
)

// result is what came of a question.
type result int

const (
	unheard      result = iota // the provider said nothing of the order
	undecided                  // it is neither paid nor final, or not known
	unsettled                  // it is paid or final, and not processed yet
	contradicted               // it is final and in conflict with what the receiver knows
	over                       // it is final and processed
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
	// A clock that was ahead for a while made it due later than it ever is.
	e.due = min(e.due, now.Add(slices.Max(c.Waits)).UnixNano())
	switch {
	case e.state&(queued|settled) != 0 || e.due > now.UnixNano():
	case e.state&asked == 0, e.state&owed != 0, e.age(o, now) < c.GiveUp:
		e.state &^= tooOld // that clock again
		v = due
	case e.state&tooOld == 0: // said once
		e.state |= tooOld
		v = givenUp
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

// answered notes what came of a question about an order, and when it is due again.
func (b *book) answered(key uint64, o *Order, c *Config, now time.Time, came result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	e.state &^= queued
	switch before := e.state; came {
	case undecided:
		e.state = e.state&^(owed|opposed) | asked
	case unsettled:
		e.state = e.state&^opposed | asked | owed
	case contradicted:
		e.state |= asked | owed | opposed
		if before&opposed != 0 { // the other one was done, and not just being tried
			e.state |= settled
		}
	case over:
		e.state |= settled
	}
	e.due = now.Add(c.wait(e.age(o, now))).UnixNano()
	b.entries[key] = e
}
