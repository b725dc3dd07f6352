package reconcile

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// book keeps when each open order is due. An order is identified by a hash under a
// secret seed, which takes less memory than its texts.
type book struct {
	mu      sync.Mutex
	reading uint32 // the number of the current reading of the source
	entries map[uint64]entry
}

type entry struct {
	due   int64  // nanoseconds since 1970
	first int64  // when the order was first read, in nanoseconds too
	seen  uint32 // the last reading that had the order
	state state
}

type state uint8

const (
	queued  state = 1 << iota // the order waits in a queue, or is being asked about
	asked                     // the provider has answered about the order
	owed                      // the last answer was paid or final and is not processed
	tooOld                    // the last reading gave the order up for its age
	opposed                   // the last answer conflicts with a processed event, or one being processed
	settled                   // the order is not asked about again
)

// result is the result of a question.
type result int

const (
	unheard      result = iota // no answer about the order
	undecided                  // neither paid nor final, paid and processed but not final, or an error about the order alone
	unsettled                  // paid or final, and not processed
	contradicted               // final, and in conflict with what the receiver knows
	over                       // final and processed
)

// keyOf returns the hash that identifies an order.
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

// begin starts a reading of the source.
func (b *book) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading++
}

// end ends a reading and returns the number of open orders. After a whole reading it
// drops the orders that the source no longer has.
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

// verdict says what to do with an order that was read.
type verdict int

const (
	notDue verdict = iota
	due
	givenUp
)

// read notes that an order is open. It returns what to do with the order, and
// since when the order is due.
func (b *book) read(key uint64, o *Order, c *Config, now time.Time) (since int64, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, known := b.entries[key]
	if known && e.seen == b.reading {
		return 0, notDue // the source lists the order twice
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
	// A clock that was ahead for a while may have set e.due too late.
	e.due = min(e.due, now.Add(slices.Max(c.Waits)).UnixNano())
	switch {
	case e.state&(queued|settled) != 0 || e.due > now.UnixNano():
	case e.state&asked == 0, e.state&owed != 0, e.age(o, now) < c.GiveUp:
		e.state &^= tooOld // a clock that was ahead may have set it
		v = due
	case e.state&tooOld == 0: // report this once
		e.state |= tooOld
		v = givenUp
	}
	b.entries[key] = e
	return e.due, v
}

// age returns the age of the order, or the time since it was first read if that is
// longer: an order that was created in the future must grow old too.
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

// answered notes the result of a question about an order, and when to ask again.
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
		if before&opposed != 0 { // twice in a row: the event that it conflicts with must be processed by now
			e.state |= settled
		}
	case over:
		e.state |= settled
	}
	e.due = now.Add(c.wait(e.age(o, now))).UnixNano()
	b.entries[key] = e
}
