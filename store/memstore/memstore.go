// Package memstore is an in-memory [payack.Store]. A receiver uses it when its
// options name no other store.
//
// A restart forgets everything, and replicas don't share the store. So an event
// that is delivered again after a restart, or to another replica, is processed
// again. Use package redisstore or sqlstore if that must not happen.
package memstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/claimtoken"
	"github.com/payack/payack/internal/lazycontext"
)

const (
	// DefaultEvents is the capacity of a [Store] that [New] makes for 0, in
	// entries of about 200 bytes each. An event takes one entry. An event of
	// Payatom takes two: one for the event and one for its hash.
	DefaultEvents = 100_000
	// longestKey is the length up to which an id is stored unchanged, unless it is
	// as long as a digest. Of any other id, only the digest is stored.
	longestKey = 512
	// Retention is how long a done event is remembered. A full store forgets the
	// oldest done events earlier.
	Retention = 7 * 24 * time.Hour
)

// ErrFull is returned by [Store.Claim] and [Store.Bind] when every entry is held
// by a claim whose lease is running.
var ErrFull = errors.New("payack: every entry of the in-memory store is claimed; make it larger with memstore.New")

// Store is a [payack.Store] in memory. It is safe for concurrent use. It
// remembers done events for [Retention]; when full, it forgets the oldest done
// event early, but never a claim whose lease is running. A restart forgets
// everything, and replicas don't share the store.
//
// An entry takes at most 700 bytes: ids over 512 bytes and long fingerprints are
// stored as digests. A shorter id is stored without a copy, so an id that is a
// substring keeps its whole string in memory. The memory of forgotten entries is
// reused, and never given back.
type Store struct {
	mu      sync.Mutex
	max     int
	entries map[string]*entry // by keyOf(id)
	// oldest and newest are the ends of the list of done events.
	oldest, newest *entry
	free           *entry // list of unused entries
	tokens         claimtoken.Source
	base           time.Time // the time that entry.ends counts from
	home           string
}

var _ interface {
	payack.Store
	payack.Binder
	payack.InMemory
} = (*Store)(nil)

type digest [sha256.Size]byte

// fingerprintKey holds a fingerprint of at most 32 bytes, or the digest of a
// longer one.
type fingerprintKey struct {
	bytes  digest
	length int8 // of the text, or -1 for a digest
}

type entry struct {
	key         string
	fingerprint fingerprintKey
	token       uint64        // 0 when done
	ends        time.Duration // end of the lease or the retention, as time since Store.base
	next        *entry        // the next newer done entry, or the next unused one
}

// New returns a store with room for this many entries; 0 or less means
// [DefaultEvents].
func New(events int) *Store {
	if events <= 0 {
		events = DefaultEvents
	}
	return &Store{max: events, entries: make(map[string]*entry), base: time.Now(), home: "memory-" + strconv.FormatUint(made.Add(1), 10)}
}

// made counts the stores of this process. A store's number is part of the name of
// its home.
var made atomic.Uint64

// Home implements [payack.Store]. Every store has a home of its own.
func (s *Store) Home() string { return s.home }

// InMemory implements [payack.InMemory]: it returns true.
func (s *Store) InMemory() bool { return true }

// now returns the time since s.base, or ctx's error once ctx has ended.
func (s *Store) now(ctx context.Context) (time.Duration, error) {
	now := time.Since(s.base)
	return now, lazycontext.ErrAt(ctx, s.base.Add(now))
}

// Lookup implements [payack.Store]. It returns an error only if ctx has ended.
func (s *Store) Lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.now(ctx)
	if err != nil {
		return payack.ClaimUnknown, err
	}
	s.forgetOld(now)
	e := s.entries[keyOf(id)]
	if e == nil {
		return payack.ClaimUnknown, nil
	}
	return e.state(fingerprintKeyOf(fingerprint), now), nil
}

// Claim implements [payack.Store]. The error is [ErrFull], or the error of ctx if
// ctx has ended.
func (s *Store) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.now(ctx)
	if err != nil {
		return payack.Claim{}, err
	}
	e, state, err := s.take(id, fingerprint, now)
	if e == nil {
		return payack.Claim{State: state}, err
	}
	number, token := s.tokens.Next()
	e.token, e.ends = number, now+min(lease, math.MaxInt64-now)
	return payack.Claim{State: payack.ClaimGranted, Token: token}, nil
}

// Bind implements [payack.Binder]. The error is [ErrFull], or the error of ctx if
// ctx has ended.
func (s *Store) Bind(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.now(ctx)
	if err != nil {
		return 0, err
	}
	e, state, err := s.take(id, fingerprint, now)
	if e == nil {
		return state, err
	}
	s.done(e, now)
	return payack.ClaimDone, nil
}

// take returns the entry of id for the caller to fill. If id is claimed or done, take
// returns nil and the state. If there is no room, take returns nil and ErrFull.
func (s *Store) take(id, fingerprint string, now time.Duration) (*entry, payack.ClaimState, error) {
	s.forgetOld(now)
	key, fp := keyOf(id), fingerprintKeyOf(fingerprint)
	e := s.entries[key]
	switch {
	case e == nil:
		if !s.makeRoom(now) {
			return nil, 0, ErrFull
		}
		e = s.unused()
		e.key = key
		s.entries[key] = e
	default:
		if state := e.state(fp, now); state != payack.ClaimUnknown {
			return nil, state, nil
		}
	}
	e.fingerprint = fp
	return e, payack.ClaimGranted, nil
}

// state returns the answer to a claim of this entry with this fingerprint.
func (e *entry) state(fp fingerprintKey, now time.Duration) payack.ClaimState {
	switch {
	case now >= e.ends: // a claim whose lease has ended; forgetOld has dropped the done events past their retention
		return payack.ClaimUnknown
	case e.fingerprint != fp:
		return payack.ClaimConflict
	case e.token == 0:
		return payack.ClaimDone
	}
	return payack.ClaimBusy
}

// done marks an entry done and makes it the newest of the done ones.
func (s *Store) done(e *entry, now time.Duration) {
	e.token, e.ends = 0, now+Retention
	if s.newest != nil {
		s.newest.next = e
	} else {
		s.oldest = e
	}
	s.newest = e
}

// Commit implements [payack.Store]. The only error is [payack.ErrNotHeld].
func (s *Store) Commit(_ context.Context, id, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.base)
	e := s.held(id, token, now)
	if e == nil {
		return payack.ErrNotHeld
	}
	s.done(e, now)
	return nil
}

// Release implements [payack.Store]. The only error is [payack.ErrNotHeld].
func (s *Store) Release(_ context.Context, id, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held(id, token, time.Since(s.base))
	if e == nil {
		return payack.ErrNotHeld
	}
	s.drop(e)
	return nil
}

// Len returns the number of entries in use: done events and claims, including
// claims whose lease has ended.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

func (s *Store) held(id, token string, now time.Duration) *entry {
	e := s.entries[keyOf(id)]
	if n := claimtoken.Number(token); n == 0 || e == nil || e.token != n || now >= e.ends {
		return nil
	}
	return e
}

// forgetOld drops done events past their retention. All done events have the same
// retention, so the oldest one ends first.
func (s *Store) forgetOld(now time.Duration) {
	for s.oldest != nil && now >= s.oldest.ends {
		s.dropOldest()
	}
}

// makeRoom reports whether there is room for one more entry. In a full store it
// drops the oldest done event, or else a claim whose lease has ended.
func (s *Store) makeRoom(now time.Duration) bool {
	if len(s.entries) < s.max {
		return true
	}
	if s.oldest != nil {
		s.dropOldest()
		return true
	}
	for _, e := range s.entries {
		if now >= e.ends {
			s.drop(e)
			return true
		}
	}
	return false
}

func (s *Store) dropOldest() {
	e := s.oldest
	if s.oldest = e.next; s.oldest == nil {
		s.newest = nil
	}
	s.drop(e)
}

// drop forgets an entry that is not in the list of done events.
func (s *Store) drop(e *entry) {
	delete(s.entries, e.key)
	*e = entry{next: s.free}
	s.free = e
}

// unused returns an empty entry. Entries are allocated up to 64 at a time.
func (s *Store) unused() *entry {
	if s.free == nil {
		slab := make([]entry, min(s.max, 64))
		for i := range slab {
			slab[i].next = s.free
			s.free = &slab[i]
		}
	}
	e := s.free
	s.free, e.next = e.next, nil
	return e
}

// keyOf returns the id itself, or its digest if the id is long or could be
// mistaken for a digest.
func keyOf(id string) string {
	if len(id) <= longestKey && len(id) != sha256.Size {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}

// fingerprintKeyOf returns the key of a fingerprint. It does not allocate for
// fingerprints up to 256 bytes.
func fingerprintKeyOf(text string) (k fingerprintKey) {
	if len(text) <= len(k.bytes) {
		copy(k.bytes[:], text)
		k.length = int8(len(text))
		return k
	}
	var short [256]byte
	return fingerprintKey{sha256.Sum256(append(short[:0], text...)), -1}
}
