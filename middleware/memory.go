package middleware

import (
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/payack/payack"
)

const (
	// DefaultMemoryEvents is how many entries a [MemoryStore] holds, of some 300
	// bytes each. An event is one; one of Payatom is two, with its hash.
	DefaultMemoryEvents = 100_000
	// memoryRetention is how long a done event is remembered at least, as long
	// as there is room.
	memoryRetention = 7 * 24 * time.Hour
)

// ErrStoreFull is returned by [MemoryStore.Claim] when everything it holds is
// claimed at this moment.
var ErrStoreFull = errors.New("payack: the store in memory is full of claimed events; give it more room")

// MemoryStore is a [payack.Store] in memory. It remembers done events for 7
// days; when it is full it forgets the oldest done one, and never one that is
// claimed. A restart forgets everything, and replicas don't share it.
//
// It keeps digests of ids and fingerprints, so its memory does not depend on
// their length.
type MemoryStore struct {
	mu      sync.Mutex
	max     int
	entries map[digest]*entry
	// oldest and newest are the ends of the chain of done events.
	oldest, newest *entry
	tokens         uint64
}

type digest [sha256.Size]byte

type entry struct {
	id, fingerprint digest
	token           uint64    // 0 once it is done
	ends            time.Time // of the lease, or of the retention
	older, newer    *entry    // of the done ones
}

// NewMemoryStore returns a store for this many events; 0 is
// [DefaultMemoryEvents].
func NewMemoryStore(events int) *MemoryStore {
	if events <= 0 {
		events = DefaultMemoryEvents
	}
	return &MemoryStore{max: events, entries: make(map[digest]*entry)}
}

// Claim implements [payack.Store]. The error is [ErrStoreFull], or that of a
// context that is over: its caller would not come to give the claim up.
func (s *MemoryStore) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	if err := ctx.Err(); err != nil {
		return payack.Claim{}, err
	}
	key, print := digestOf(id), digestOf(fingerprint)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.forgetOld(now)
	e := s.entries[key]
	if e != nil && now.Before(e.ends) {
		switch {
		case e.fingerprint != print:
			return payack.Claim{State: payack.Conflict}, nil
		case e.token == 0:
			return payack.Claim{State: payack.Done}, nil
		}
		return payack.Claim{State: payack.Busy}, nil
	}
	if e == nil {
		if !s.makeRoom(now) {
			return payack.Claim{}, ErrStoreFull
		}
		e = &entry{id: key}
		s.entries[key] = e
	}
	s.tokens++
	e.token, e.fingerprint, e.ends = s.tokens, print, now.Add(lease)
	return payack.Claim{State: payack.Claimed, Token: strconv.FormatUint(e.token, 10)}, nil
}

// Commit implements [payack.Store].
func (s *MemoryStore) Commit(_ context.Context, id, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held(id, token)
	if e == nil {
		return payack.ErrNotHeld
	}
	e.token, e.ends = 0, time.Now().Add(memoryRetention)
	if e.older = s.newest; e.older != nil {
		e.older.newer = e
	} else {
		s.oldest = e
	}
	s.newest = e
	return nil
}

// Release implements [payack.Store].
func (s *MemoryStore) Release(_ context.Context, id, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.held(id, token)
	if e == nil {
		return payack.ErrNotHeld
	}
	delete(s.entries, e.id)
	return nil
}

// Len returns how many events are remembered, claimed ones included.
func (s *MemoryStore) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

func (s *MemoryStore) held(id, token string) *entry {
	e := s.entries[digestOf(id)]
	n, err := strconv.ParseUint(token, 10, 64)
	if err != nil || n == 0 || e == nil || e.token != n || !time.Now().Before(e.ends) {
		return nil
	}
	return e
}

// forgetOld drops done events past their retention. All are kept equally long,
// so the oldest end first.
func (s *MemoryStore) forgetOld(now time.Time) {
	for s.oldest != nil && !now.Before(s.oldest.ends) {
		s.drop(s.oldest)
	}
}

// makeRoom drops the oldest done event when the store is full, or else one
// whose lease has ended.
func (s *MemoryStore) makeRoom(now time.Time) bool {
	if len(s.entries) < s.max {
		return true
	}
	if s.oldest != nil {
		s.drop(s.oldest)
		return true
	}
	for _, e := range s.entries {
		if !now.Before(e.ends) {
			s.drop(e)
			return true
		}
	}
	return false
}

// drop forgets the oldest done event, or one that was claimed.
func (s *MemoryStore) drop(e *entry) {
	delete(s.entries, e.id)
	if e != s.oldest {
		return
	}
	if s.oldest = e.newer; s.oldest != nil {
		s.oldest.older = nil
	} else {
		s.newest = nil
	}
}

// digestOf does not allocate for ids of the usual length.
func digestOf(text string) digest {
	var short [256]byte
	return sha256.Sum256(append(short[:0], text...))
}
