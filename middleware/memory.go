package middleware

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/payack/payack"
)

const (
	// DefaultMemoryEvents is how many entries a [MemoryStore] holds, of some 200
	// bytes each. An event is one; one of Payatom is two, with its hash.
	DefaultMemoryEvents = 100_000
	// longestKey is the length up to which ids are kept as they are.
	longestKey = 512
	// tokenLen is how many hex digits a token has.
	tokenLen = 16
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
// It keeps the strings of ids up to 512 bytes, which all events' are, and digests
// of longer ones and of long fingerprints: an entry takes 700 bytes at the most,
// if its id is no part of a longer string. What it needed once it keeps for
// entries to come.
type MemoryStore struct {
	mu      sync.Mutex
	max     int
	entries map[string]*entry // by keyOf(id)
	// oldest and newest are the ends of the chain of done events.
	oldest, newest *entry
	free           *entry    // the chain of those that are not in use
	issued         uint64    // the last token
	tokens         string    // the texts of the next ones, see newToken
	base           time.Time // what entry.ends counts from
}

type digest [sha256.Size]byte

// fingerprintKey is a fingerprint: the text as far as there is room, and else its digest.
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

// NewMemoryStore returns a store for this many events; 0 is
// [DefaultMemoryEvents].
func NewMemoryStore(events int) *MemoryStore {
	if events <= 0 {
		events = DefaultMemoryEvents
	}
	return &MemoryStore{max: events, entries: make(map[string]*entry), base: time.Now()}
}

// Claim implements [payack.Store]. The error is [ErrStoreFull], or that of a
// context that is over: its caller would not come to give the claim up.
func (s *MemoryStore) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	if err := ctx.Err(); err != nil {
		return payack.Claim{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.base)
	e, state, err := s.take(id, fingerprint, now)
	if e == nil {
		return payack.Claim{State: state}, err
	}
	number, token := s.newToken()
	e.token, e.ends = number, now+min(lease, math.MaxInt64-now)
	return payack.Claim{State: payack.Claimed, Token: token}, nil
}

// bind claims and commits in one step. Done is the answer to the first time and
// to those after it.
func (s *MemoryStore) bind(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.base)
	e, state, err := s.take(id, fingerprint, now)
	if e == nil {
		return state, err
	}
	s.done(e, now)
	return payack.Done, nil
}

// take returns an entry to be claimed, or why there is none.
func (s *MemoryStore) take(id, fingerprint string, now time.Duration) (*entry, payack.ClaimState, error) {
	s.forgetOld(now)
	key, fp := keyOf(id), fingerprintKeyOf(fingerprint)
	e := s.entries[key]
	switch {
	case e == nil:
		if !s.makeRoom(now) {
			return nil, 0, ErrStoreFull
		}
		e = s.unused()
		e.key = key
		s.entries[key] = e
	case now >= e.ends: // it was claimed, and the lease has ended
	case e.fingerprint != fp:
		return nil, payack.Conflict, nil
	case e.token == 0:
		return nil, payack.Done, nil
	default:
		return nil, payack.Busy, nil
	}
	e.fingerprint = fp
	return e, payack.Claimed, nil
}

// done makes an entry the newest of those that are done.
func (s *MemoryStore) done(e *entry, now time.Duration) {
	e.token, e.ends = 0, now+memoryRetention
	if s.newest != nil {
		s.newest.next = e
	} else {
		s.oldest = e
	}
	s.newest = e
}

// newToken returns a number that no claim had before, and its text. The texts
// are cut from one that is made for many, so that a claim costs none of its own.
func (s *MemoryStore) newToken() (uint64, string) {
	if s.tokens == "" {
		var numbers [64 * tokenLen / 2]byte
		for i := range uint64(64) {
			binary.BigEndian.PutUint64(numbers[8*i:], s.issued+1+i)
		}
		s.tokens = hex.EncodeToString(numbers[:])
	}
	s.issued++
	text := s.tokens[:tokenLen]
	s.tokens = s.tokens[tokenLen:]
	return s.issued, text
}

// Commit implements [payack.Store].
func (s *MemoryStore) Commit(_ context.Context, id, token string) error {
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
func (s *MemoryStore) Release(_ context.Context, id, token string) error {
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
func (s *MemoryStore) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

func (s *MemoryStore) held(id, token string, now time.Duration) *entry {
	e := s.entries[keyOf(id)]
	n, err := strconv.ParseUint(token, 16, 64)
	if err != nil || len(token) != tokenLen || n == 0 || e == nil || e.token != n || now >= e.ends {
		return nil
	}
	return e
}

// forgetOld drops done events past their retention. All are kept equally long,
// so the oldest end first.
func (s *MemoryStore) forgetOld(now time.Duration) {
	for s.oldest != nil && now >= s.oldest.ends {
		s.dropOldest()
	}
}

// makeRoom drops the oldest done event when the store is full, or else one
// whose lease has ended.
func (s *MemoryStore) makeRoom(now time.Duration) bool {
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

func (s *MemoryStore) dropOldest() {
	e := s.oldest
	if s.oldest = e.next; s.oldest == nil {
		s.newest = nil
	}
	s.drop(e)
}

// drop forgets an event that stands in no chain.
func (s *MemoryStore) drop(e *entry) {
	delete(s.entries, e.key)
	*e = entry{next: s.free}
	s.free = e
}

// unused returns an entry without anything in it. They are made many at a time.
func (s *MemoryStore) unused() *entry {
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
