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
	// DefaultMaxKeys is used if Config.MaxKeys is zero.
	DefaultMaxKeys = 100_000
	// DefaultIdleAfter is used if Config.IdleAfter is zero.
	DefaultIdleAfter = 10 * time.Minute
	// MaxWindow bounds Burst/PerSecond: an empty bucket must fill within a year,
	// because durations lose precision beyond that.
	MaxWindow = 366 * 24 * time.Hour
)

const (
	maxPerSecond = 1e9     // one call per nanosecond, the resolution of the clock
	maxBurst     = 1 << 30 // floats stay exact far above this
	shardCount   = 64
	// A limiter whose Config.MaxKeys is below fewKeys has one shard. It then finds idle
	// keys at once. With 64 shards it would have to look into one shard after the other.
	fewKeys = 1024

	// A call for a new key checks newcomerSteps keys for idleness, and capSteps more
	// if the cap is reached. Of the calls for known keys, every sweepEvery-th checks
	// one key. The work is bounded, so no call waits for a scan of all keys.
	newcomerSteps = 2
	capSteps      = 8
	sweepEvery    = 16
)

// Config sets the budget of each key. The zero Config is invalid.
type Config struct {
	// PerSecond is the sustained rate of each key in calls per second, above 0 and
	// at most 1e9. Fractions are allowed: 0.1 is one call in ten seconds.
	PerSecond float64
	// Burst is the size of the bucket: how many calls a key may make at once after
	// a quiet time. It is at least 1, and Burst/PerSecond at most [MaxWindow].
	Burst int
	// MaxKeys bounds how many keys are held; zero means [DefaultMaxKeys]. Beyond it
	// new keys share one bucket. A key takes about 170 bytes, whatever its length.
	MaxKeys int
	// IdleAfter is how long a key must be unused before it may be evicted; zero
	// means [DefaultIdleAfter]. It is raised to the time in which a bucket fills,
	// so that eviction never gives a key a fresh budget.
	IdleAfter time.Duration
	// Own lists keys that always have a bucket of their own: they don't count
	// against MaxKeys and are never evicted. Use it for the addresses that your
	// providers call from, with keys from [AddrKey] or [AddrKeys]. Their budget is
	// the same, but under [ChargeFailures] they are never refused.
	Own []string
	// Now is the clock; nil means time.Now. It must be safe for concurrent use. If
	// the clock goes back, buckets don't refill until it has caught up.
	Now func() time.Time
}

// Validate returns an error that names the invalid member and the fix, or nil.
// [New] calls it.
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

// Memory is a [Limiter] in one process, made of golang.org/x/time/rate limiters in
// shards. It is exact, never returns an error, never blocks, and starts no
// goroutine, so it needs no closing. Calls for known keys don't allocate.
//
// It holds keys as 64-bit hashes under a secret seed, so that a key's length costs
// no memory. Two keys with the same hash share a bucket. Among 100,000 keys the
// probability that any two do is below one in a billion. As the seed is secret,
// nobody can choose keys that do.
//
// Its memory is lost when the process ends, and replicas don't share it.
type Memory struct {
	budget
	now  func() time.Time
	base time.Time // buckets hold times as durations since base
	// longAgo is so far in the past that a bucket which was empty then is full now.
	longAgo time.Time
	idle    time.Duration
	max     int64
	own     map[string]bool

	held atomic.Int64  // keys that count against max
	next atomic.Uint64 // the next shard to sweep for a new key at the cap
	seed maphash.Seed

	shards []shard
	shared shard // for new keys beyond the cap; its only bucket is ring[0]
}

type shard struct {
	mu   sync.Mutex
	keys map[uint64]*bucket
	ring []*bucket // the evictable buckets, unordered; hand is the next one to check
	hand int
	tick uint
	_    [64]byte // keeps shards in different cache lines
}

// bucket has 128 bytes, so that it starts at a cache line. The fields that a refused
// call reads, from used to the field last of rate.Limiter, then fit into that line.
type bucket struct {
	used time.Duration // time of the last call, since Memory.base
	lim  rate.Limiter
	key  uint64
	_    [32]byte
}

// New returns a limiter for one process. The error names the invalid member of cfg
// and the fix.
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
		// The bucket is not in ring, so it is never evicted. It is not in held, so it
		// doesn't count.
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
	// AllowN doesn't return the tokens, so read them first. The shard's lock keeps
	// other calls from coming in between.
	tokens := b.lim.TokensAt(now)
	allowed := m.due(1-tokens) && b.lim.AllowN(now, 1)
	s.mu.Unlock()
	if allowed {
		tokens--
	}
	return m.decision(allowed, tokens), nil
}

// Peek implements [Limiter]. The error is always nil. It does not store an unknown
// key.
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

// Len returns how many keys are held and count against Config.MaxKeys. It never
// exceeds MaxKeys.
func (m *Memory) Len() int { return int(m.held.Load()) }

func (m *Memory) hash(key string) uint64 { return maphash.String(m.seed, key) }

func (m *Memory) shard(hash uint64) *shard {
	// The number of shards is a power of two.
	return &m.shards[hash&uint64(len(m.shards)-1)]
}

// find returns the bucket of a known key. Every sweepEvery-th call checks a bucket
// for idleness, so that memory shrinks even if only known keys call. The caller
// holds the shard's lock.
func (m *Memory) find(s *shard, key uint64, at time.Duration) *bucket {
	b := s.keys[key]
	if b == nil {
		return nil
	}
	if s.tick++; s.tick%sweepEvery == 0 {
		b.used = max(b.used, at) // so that the sweep can't evict this one
		m.sweep(s, at, 1)
	}
	return b
}

// admit returns a new bucket for an unknown key, or nil at the cap. The caller
// holds the shard's lock.
func (m *Memory) admit(s *shard, key uint64, at time.Duration) *bucket {
	if !m.makeRoom(s, at) {
		return nil
	}
	// Another shard may have taken the room meanwhile, so reserve it atomically.
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

// makeRoom evicts idle keys in a few steps, and reports whether there is room for
// one more key. The caller holds the shard's lock.
func (m *Memory) makeRoom(s *shard, at time.Duration) bool {
	m.sweep(s, at, newcomerSteps)
	if m.held.Load() < m.max {
		return true
	}
	m.sweep(s, at, capSteps)
	// The idle keys may all be in other shards, so sweep one of those, too. TryLock
	// is needed because two calls that wait for each other's shards would deadlock.
	other := &m.shards[m.next.Add(1)&uint64(len(m.shards)-1)]
	if other != s && other.mu.TryLock() {
		m.sweep(other, at, capSteps)
		other.mu.Unlock()
	}
	return m.held.Load() < m.max
}

// sweep checks the next few buckets and evicts idle ones. The caller holds the
// shard's lock.
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

// touch marks b as used, and returns the time to compute with. That time never goes
// back, because rate.Limiter would then refill for the same interval twice. Without
// touch it could go back: callers read the clock before they lock the shard, so they
// arrive out of order. The caller holds the lock of b's shard.
func (m *Memory) touch(b *bucket, now time.Time, at time.Duration) time.Time {
	if at < b.used {
		return m.base.Add(b.used)
	}
	b.used = at
	return now
}

// fresh returns a full bucket. The bucket embeds its rate.Limiter instead of calling
// rate.NewLimiter, which saves half the allocations and one cache miss per call. A
// limiter made in this way starts empty, so it starts at longAgo and is full by now.
func (m *Memory) fresh(key uint64, at time.Duration) *bucket {
	b := &bucket{key: key, used: max(at, 0)}
	b.lim.SetBurstAt(m.longAgo, m.burst)
	b.lim.SetLimitAt(m.longAgo, rate.Limit(m.rate))
	return b
}
