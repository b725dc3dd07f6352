// Package memstore remembers in memory which events were processed: what a
// receiver uses when its options name no other store.
//
// A restart forgets everything, and replicas don't share it, so an event that
// is sent again after a restart is processed again. Use a store on Redis or in
// your SQL database where that must not be.
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
	// DefaultEvents is how many entries a [Store] holds, of some 200
	// bytes each. An event is one; one of Payatom is two, with its hash.
	DefaultEvents = 100_000
	// longestKey is the length up to which ids are kept as they are.
	longestKey = 512
	// Retention is how long a done event is remembered at least, as long
	// as there is room.
	Retention = 7 * 24 * time.Hour
)

// ErrFull is returned by [Store.Claim] when everything it holds is
// claimed at this moment.
var ErrFull = errors.New("payack: the store in memory is full of claimed events; give it more room")

// Store is a [payack.Store] in memory. It remembers done events for 7
// days; when it is full it forgets the oldest done one, and never one that is
// claimed. A restart forgets everything, and replicas don't share it.
//
// It keeps the strings of ids up to 512 bytes, which all events' are, and digests
// of longer ones and of long fingerprints: an entry takes 700 bytes at the most,
// if its id is no part of a longer string. What it needed once it keeps for
// entries to come.
type Store struct {
	mu      sync.Mutex
	max     int
	entries map[string]*entry // by keyOf(id)
	// oldest and newest are the ends of the chain of done events.
	oldest, newest *entry
	free           *entry // the chain of those that are not in use
	tokens         claimtoken.Source
	base           time.Time // what entry.ends counts from
	home           string
}

var _ interface {
	payack.Store
	payack.Binder
	payack.InMemory
} = (*Store)(nil)

type digest [sha256.Size]byte

// fingerprintKey is a fingerprint: the text as far as there is room, and else its
// digest.
type fingerprintKey struct {
	bytes  digest
	length int8 // of the text, or -1 for a digest
}

type entry struct {
	key         string
	fingerprint fingerprintKey
	token       uint64        // 0 once it is done
	ends        time.Duration // of the lease, or of the retention
	next        *entry        // the next newer one, or the next free one
}

// New returns a store for this many events; 0 is
// [DefaultEvents].
func New(events int) *Store {
	if events <= 0 {
		events = DefaultEvents
	}
	return &Store{max: events, entries: make(map[string]*entry), base: time.Now(), home: "memory-" + strconv.FormatUint(made.Add(1), 10)}
}

// made counts the stores, so that each has a home of its own.
var made atomic.Uint64

// Home implements [payack.Store]: every store in memory is one of its own.
func (s *Store) Home() string { return s.home }

// InMemory implements [payack.InMemory]: it returns true.
func (s *Store) InMemory() bool { return true }

// now returns the time as entries count it, or the error of a context that is over.
func (s *Store) now(ctx context.Context) (time.Duration, error) {
	now := time.Since(s.base)
	return now, lazycontext.ErrAt(ctx, s.base.Add(now))
}

// Lookup implements [payack.Store].
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

// Claim implements [payack.Store]. The error is [ErrFull], or that of a
// context that is over: its caller would not come to give the claim up.
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

// Bind implements [payack.Binder]. The error is that of Claim.
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

// take returns an entry to be claimed, or why there is none.
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

// state reports what an entry says of a claim with this fingerprint.
func (e *entry) state(fp fingerprintKey, now time.Duration) payack.ClaimState {
	switch {
	case now >= e.ends: // it was claimed, and the lease has ended
		return payack.ClaimUnknown
	case e.fingerprint != fp:
		return payack.ClaimConflict
	case e.token == 0:
		return payack.ClaimDone
	}
	return payack.ClaimBusy
}

// done makes an entry the newest of those that are done.
func (s *Store) done(e *entry, now time.Duration) {
	e.token, e.ends = 0, now+Retention
	if s.newest != nil {
		s.newest.next = e
	} else {
		s.oldest = e
	}
	s.newest = e
}

// Commit implements [payack.Store].
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

// Release implements [payack.Store].
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

// Len returns how many events are remembered, claimed ones included.
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

// forgetOld drops done events past their retention. All are kept equally long,
// so the oldest end first.
func (s *Store) forgetOld(now time.Duration) {
	for s.oldest != nil && now >= s.oldest.ends {
		s.dropOldest()
	}
}

// makeRoom drops the oldest done event when the store is full, or else one
// whose lease has ended.
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

// drop forgets an event that stands in no chain.
func (s *Store) drop(e *entry) {
	delete(s.entries, e.key)
	*e = entry{next: s.free}
	s.free = e
}

// unused returns an entry without anything in it. They are made many at a time.
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

// keyOf returns an id, or the digest of one that is long, or that could be
// mistaken for a digest.
func keyOf(id string) string {
	if len(id) <= longestKey && len(id) != sha256.Size {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}

// fingerprintKeyOf does not allocate for texts of the usual length.
func fingerprintKeyOf(text string) (k fingerprintKey) {
	if len(text) <= len(k.bytes) {
		copy(k.bytes[:], text)
		k.length = int8(len(text))
		return k
	}
	var short [256]byte
	return fingerprintKey{sha256.Sum256(append(short[:0], text...)), -1}
}
