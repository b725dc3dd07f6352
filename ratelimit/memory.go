package ratelimit

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// The defaults and bounds of Config.
const (
	// DefaultMaxKeys is how many keys are held when Config.MaxKeys is zero.
	DefaultMaxKeys = 100_000
	// DefaultIdleAfter is when an unused key may go if Config.IdleAfter is zero.
	DefaultIdleAfter = 10 * time.Minute
	// MaxWindow bounds Burst/PerSecond: an empty bucket must be full again
	// within a year, or durations lose their precision.
	MaxWindow = 366 * 24 * time.Hour
)

const (
	maxPerSecond = 1e9     // one call per nanosecond: the clock has no finer step
	maxBurst     = 1 << 30 // floats stay exact far above this
	shardCount   = 64
	// Below this many keys per limiter one shard is enough, and finds an idle
	// key at once where 64 would have to be visited one by one.
	fewKeys = 1024

	// How many keys are looked at for idleness: when a key is new, when the cap
	// is reached, and at every sweepEvery-th call for a known key. Constant
	// work, so no call ever waits for a scan.
	newcomerSteps = 2
	capSteps      = 8
	sweepEvery    = 16
)

// Config says how much each key may do. The zero Config is not valid.
type Config struct {
	// PerSecond is the sustained rate in calls per second and key. Above 0, at
	// most 1e9; fractions are fine (0.1 is one call in ten seconds).
	PerSecond float64
	// Burst is the size of the bucket: how many calls a key that was quiet may
	// make at once. At least 1. Burst/PerSecond is at most [MaxWindow].
	Burst int
	// MaxKeys is the hard cap on keys held, [DefaultMaxKeys] if zero. Past it,
	// newcomers share one bucket. A key takes some 170 bytes, however long its
	// text is.
	MaxKeys int
	// IdleAfter is how long a key must be unused before it may be evicted,
	// [DefaultIdleAfter] if zero. It is raised to the time in which a bucket
	// fills, so that eviction never gives anybody a fresh budget.
	IdleAfter time.Duration
	// Own lists keys that have buckets of their own outside the cap and are
	// never evicted, for the addresses that you know your providers call from.
	// Make them with [AddrKey] or [AddrKeys]. Their budget is the same, but under
	// [ChargeFailures] they are never refused.
	Own []string
	// Now is the clock, time.Now if nil. It is called from several goroutines.
	// While a clock that was put back catches up, buckets don't refill.
	Now func() time.Time
}

// Validate returns an error that names the member and the fix, or nil. [New]
// calls it.
func (c *Config) Validate() error {
	switch {
	case math.IsNaN(c.PerSecond) || c.PerSecond <= 0:
		return fmt.Errorf("ratelimit: Config.PerSecond is %v: set the calls per second that a key may sustain, above 0", c.PerSecond)
	case c.PerSecond > maxPerSecond:
		return fmt.Errorf("ratelimit: Config.PerSecond is %v: at most 1e9; leave the limiter out to limit nothing", c.PerSecond)
	case c.Burst < 1:
		return fmt.Errorf("ratelimit: Config.Burst is %d: set how many calls a key may make at once, at least 1", c.Burst)
	case c.Burst > maxBurst:
		return fmt.Errorf("ratelimit: Config.Burst is %d: at most %d; leave the limiter out to limit nothing", c.Burst, maxBurst)
	case float64(c.Burst)/c.PerSecond > MaxWindow.Seconds():
		return fmt.Errorf("ratelimit: Config.Burst of %d takes more than a year to refill at Config.PerSecond %v: lower Burst or raise PerSecond", c.Burst, c.PerSecond)
	case c.MaxKeys < 0:
		return fmt.Errorf("ratelimit: Config.MaxKeys is %d: set how many keys to hold at most, or 0 for %d", c.MaxKeys, DefaultMaxKeys)
	case c.IdleAfter < 0:
		return fmt.Errorf("ratelimit: Config.IdleAfter is %v: set how long a key is kept unused, or 0 for %v", c.IdleAfter, DefaultIdleAfter)
	}
	return nil
}

// Memory is the [Limiter] of one process: golang.org/x/time/rate limiters in
// shards. It is exact, never returns an error, never blocks, starts no
// goroutine and needs no closing. Calls for known keys don't allocate.
//
// Keys are held as 64-bit hashes under a secret seed, so that their length costs
// no memory. Two keys that fall together share a bucket; among 100,000 keys the
// odds that any two do are below one in a billion, and nobody can aim for it.
//
// It forgets when the process ends, and replicas don't share it.
type Memory struct {
	budget
	now  func() time.Time
	base time.Time // all times in here are durations since this one
	// longAgo is a time at which an empty bucket may start so that it is full now.
	longAgo time.Time
	idle    time.Duration
	max     int64
	own     map[string]bool

	held atomic.Int64  // keys that count against max
	next atomic.Uint64 // the shard that a newcomer at the cap helps to sweep
	seed maphash.Seed

	shards []shard
	shared shard // newcomers past the cap; holds one bucket in ring[0]
}

type shard struct {
	mu   sync.Mutex
	keys map[uint64]*bucket
	ring []*bucket // the evictable ones, in no order; hand goes round them
	hand int
	tick uint
	_    [64]byte // neighbours don't share a cache line
}

// bucket fills 128 bytes, so that it starts at a cache line, and what a refused
// call reads of it (up to the limiter's last time) is that one line.
type bucket struct {
	used time.Duration // when it was last looked at, since Memory.base
	lim  rate.Limiter
	key  uint64
	_    [32]byte
}

// New returns a limiter for one process, or an error that names what is wrong
// with cfg.
func New(cfg Config) (*Memory, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = DefaultMaxKeys
	}
	if cfg.IdleAfter == 0 {
		cfg.IdleAfter = DefaultIdleAfter
	}
	window := time.Duration(math.Ceil(float64(cfg.Burst) / cfg.PerSecond * float64(time.Second)))
	base := cfg.Now()
	m := &Memory{
		budget:  budget{rate: cfg.PerSecond, burst: cfg.Burst, window: window},
		now:     cfg.Now,
		base:    base,
		longAgo: base.Add(-2*window - time.Second),
		idle:    max(cfg.IdleAfter, window),
		max:     int64(cfg.MaxKeys),
		seed:    maphash.MakeSeed(),
		shards:  make([]shard, 1),
	}
	if cfg.MaxKeys >= fewKeys {
		m.shards = make([]shard, shardCount)
	}
	for i := range m.shards {
		m.shards[i].keys = make(map[uint64]*bucket)
	}
	m.shared.ring = []*bucket{m.fresh(0, 0)}
	m.own = make(map[string]bool, len(cfg.Own))
	for _, key := range cfg.Own {
		m.own[key] = true
		h := m.hash(key)
		// Not in the ring and not counted: never evicted, outside the cap.
		m.shard(h).keys[h] = m.fresh(h, 0)
	}
	return m, nil
}

// Owns implements [Owner].
func (m *Memory) Owns(key string) bool { return m.own[key] }

// Allow implements [Limiter]. The error is always nil.
func (m *Memory) Allow(_ context.Context, key string) (Decision, error) {
	now := m.now()
	at := now.Sub(m.base)
	h := m.hash(key)
	s := m.shard(h)
	s.mu.Lock()
	b := m.find(s, h, at)
	if b == nil {
		b = m.admit(s, h, at)
	}
	if b == nil {
		s.mu.Unlock()
		s = &m.shared
		s.mu.Lock()
		b = s.ring[0]
	}
	now = m.touch(b, now, at)
	// Looked at before it is taken, since a limiter doesn't say what it has left,
	// and under the shard's lock, so that nobody takes in between.
	tokens := b.lim.TokensAt(now)
	allowed := m.due(1-tokens) && b.lim.AllowN(now, 1)
	s.mu.Unlock()
	if allowed {
		tokens--
	}
	return m.decision(allowed, tokens), nil
}

// Peek implements [Limiter]. The error is always nil. Looking at an unknown key
// does not store it.
func (m *Memory) Peek(_ context.Context, key string) (Decision, error) {
	now := m.now()
	at := now.Sub(m.base)
	h := m.hash(key)
	s := m.shard(h)
	s.mu.Lock()
	b := m.find(s, h, at)
	if b == nil {
		room := m.makeRoom(s, at)
		s.mu.Unlock()
		if room {
			return m.decision(true, float64(m.burst)), nil
		}
		s = &m.shared
		s.mu.Lock()
		b = s.ring[0]
	}
	now = m.touch(b, now, at)
	tokens := b.lim.TokensAt(now)
	s.mu.Unlock()
	return m.decision(m.due(1-tokens), tokens), nil
}

// Len returns how many keys are held now and count against Config.MaxKeys. It
// never exceeds MaxKeys.
func (m *Memory) Len() int { return int(m.held.Load()) }

func (m *Memory) hash(key string) uint64 { return maphash.String(m.seed, key) }

func (m *Memory) shard(hash uint64) *shard {
	// The number of shards is a power of two.
	return &m.shards[hash&uint64(len(m.shards)-1)]
}

// find returns the bucket of a known key, and now and then sweeps a little, so
// that memory also shrinks when only known keys call. The shard is locked.
func (m *Memory) find(s *shard, key uint64, at time.Duration) *bucket {
	b := s.keys[key]
	if b == nil {
		return nil
	}
	if s.tick++; s.tick%sweepEvery == 0 {
		b.used = max(b.used, at) // or the sweep could evict this very one
		m.sweep(s, at, 1)
	}
	return b
}

// admit makes a bucket for an unknown key, or returns nil at the cap. The shard
// is locked.
func (m *Memory) admit(s *shard, key uint64, at time.Duration) *bucket {
	if !m.makeRoom(s, at) {
		return nil
	}
	// Other shards may have taken the room in the meantime; the cap is exact.
	for {
		n := m.held.Load()
		if n >= m.max {
			return nil
		}
		if m.held.CompareAndSwap(n, n+1) {
			break
		}
	}
	b := m.fresh(key, at)
	s.keys[key] = b
	s.ring = append(s.ring, b)
	return b
}

// makeRoom evicts what is idle within a few steps, and reports whether there is
// room for one more key. The shard is locked.
func (m *Memory) makeRoom(s *shard, at time.Duration) bool {
	m.sweep(s, at, newcomerSteps)
	if m.held.Load() < m.max {
		return true
	}
	m.sweep(s, at, capSteps)
	// The idle keys may all be in other shards. TryLock, since two newcomers
	// that waited for each other's shards would never end.
	other := &m.shards[m.next.Add(1)&uint64(len(m.shards)-1)]
	if other != s && other.mu.TryLock() {
		m.sweep(other, at, capSteps)
		other.mu.Unlock()
	}
	return m.held.Load() < m.max
}

// sweep looks at the next few buckets and evicts those that are idle. The shard
// is locked.
func (m *Memory) sweep(s *shard, at time.Duration, steps int) {
	for range min(steps, len(s.ring)) {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		b := s.ring[s.hand]
		if at-b.used < m.idle {
			s.hand++
			continue
		}
		last := len(s.ring) - 1
		s.ring[s.hand] = s.ring[last]
		s.ring[last] = nil
		s.ring = s.ring[:last]
		delete(s.keys, b.key)
		m.held.Add(-1)
	}
}

// touch notes that b is used now, and returns the time to reckon with: never
// before the one that b last saw. Callers read the clock before they wait for
// the shard, so they arrive out of order, and rate.Limiter pays the same
// interval out twice when its time goes back. The bucket's shard is locked.
func (m *Memory) touch(b *bucket, now time.Time, at time.Duration) time.Time {
	if at < b.used {
		return m.base.Add(b.used)
	}
	b.used = at
	return now
}

// fresh returns a full bucket. The limiter is part of it instead of coming from
// rate.NewLimiter: half the allocations, and one cache miss less per call. So
// it starts out empty, a good while ago.
func (m *Memory) fresh(key uint64, at time.Duration) *bucket {
	b := &bucket{key: key, used: max(at, 0)}
	b.lim.SetBurstAt(m.longAgo, m.burst)
	b.lim.SetLimitAt(m.longAgo, rate.Limit(m.rate))
	return b
}
