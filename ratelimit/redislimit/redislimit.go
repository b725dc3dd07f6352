package redislimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/payack/payack/ratelimit"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The defaults and bounds of Config.
const (
	// MaxTimeout is the longest and the default Config.Timeout.
	MaxTimeout = 50 * time.Millisecond
	// DefaultFailures is Config.Failures if zero.
	DefaultFailures = 3
	// DefaultCoolDown is Config.CoolDown if zero.
	DefaultCoolDown = time.Second
	// DefaultPrefix is Config.Prefix if empty.
	DefaultPrefix = "payack"
	// MaxPerSecond bounds Config.Budget.PerSecond: the script reckons in floats
	// of seconds since 2017, and at this rate is still within 1% of it.
	MaxPerSecond = 100_000
)

// longKey is the longest key that goes to Redis as it is; a path value may be as
// long as a request line.
const longKey = 128

// Config says how much each key may do, and what happens when Redis doesn't
// answer.
type Config struct {
	// Budget is what each key may do: PerSecond, of at most [MaxPerSecond], and
	// Burst. The other members are for the limiter that stands in; Now is also
	// the clock of the cool-down, while buckets in Redis go by the server's.
	Budget ratelimit.Config
	// Prefix begins all keys in Redis, [DefaultPrefix] if empty. Limiters that
	// have the same prefix and the same budget share their buckets; with another
	// budget they don't, so that a roll-out with a new one starts afresh.
	Prefix string
	// Timeout is how long a call waits for Redis at most: above 0 and at most
	// [MaxTimeout], which it is if zero.
	Timeout time.Duration
	// Failures is after how many failures in a row Redis is left alone,
	// [DefaultFailures] if zero.
	Failures int
	// CoolDown is for how long, until one call tries again; [DefaultCoolDown] if
	// zero.
	CoolDown time.Duration
	// OnChange is told when calls begin to be answered without Redis, and when
	// Redis answers again: once per change, not per call. It is called in the
	// goroutine of a call that waits for it, so it should be quick. It may be
	// called from several goroutines.
	OnChange func(Change)
}

// Change is what Config.OnChange is told.
type Change struct {
	// Local is true when Redis is left alone from now on, and false when it
	// answers again.
	Local bool
	// Err is why, when Local.
	Err error
}

// Validate returns an error that names the member and the mend, or nil. [New]
// calls it.
func (c *Config) Validate() error {
	if err := c.Budget.Validate(); err != nil {
		return fmt.Errorf("redislimit: Config.Budget: %w", err)
	}
	switch {
	case c.Budget.PerSecond > MaxPerSecond:
		return fmt.Errorf("redislimit: Config.Budget.PerSecond is %v: at most %d; leave the limiter out to limit nothing", c.Budget.PerSecond, MaxPerSecond)
	case c.Timeout < 0 || c.Timeout > MaxTimeout:
		return fmt.Errorf("redislimit: Config.Timeout is %v: set how long a call may wait for Redis, at most %v, or 0 for that", c.Timeout, MaxTimeout)
	case c.Failures < 0:
		return fmt.Errorf("redislimit: Config.Failures is %d: set after how many failures in a row Redis is left alone, or 0 for %d", c.Failures, DefaultFailures)
	case c.CoolDown < 0:
		return fmt.Errorf("redislimit: Config.CoolDown is %v: set how long Redis is left alone, or 0 for %v", c.CoolDown, DefaultCoolDown)
	}
	return nil
}

// Limiter is the [ratelimit.Limiter] on Redis. It never returns an error, and
// never blocks longer than Config.Timeout. It is safe for use by several
// goroutines.
type Limiter struct {
	client  *redis.Client
	gcra    *redis_rate.Limiter
	limit   redis_rate.Limit
	each    float64 // seconds in which one call comes back, as the script has it
	burst   int
	window  time.Duration
	prefix  string
	timeout time.Duration
	now     func() time.Time
	change  func(Change)

	local   *ratelimit.Memory
	breaker breaker

	shared, stoodIn atomic.Uint64
}

// Open is [New] with a URL: redis://user:password@host:port/db, rediss:// for
// TLS, or unix://user:password@/path?db=n. Its parameters are those of
// redis.ParseURL. The error doesn't repeat the URL, which may hold a password.
func Open(url string, cfg Config) (*Limiter, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		// Not wrapped: its text quotes the URL.
		return nil, errors.New("redislimit: the URL can't be parsed: write it as redis://user:password@host:port/db, rediss://… for TLS, or unix://…; percent-encode what is special in the password")
	}
	return New(opts, cfg)
}

// New returns a limiter on the Redis server that opts names, or an error that
// names what is wrong with cfg. It does not connect: a service starts while
// Redis is down. Close it after use.
//
// Of opts a copy is taken, in which the members that a bounded wait hangs on are
// overwritten: ContextTimeoutEnabled, all retries and time-outs except a
// DialTimeout, and the maintenance notifications (off). Connecting goes on in
// the background for up to DialTimeout (a second if zero), so a server that is
// too far away to connect within Config.Timeout still serves the next call.
func New(opts *redis.Options, cfg Config) (*Limiter, error) {
	if opts == nil {
		return nil, errors.New("redislimit: New was given no redis.Options: name the server in Addr")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return build(opts, cfg)
}

// build makes the limiter of a valid cfg.
func build(opts *redis.Options, cfg Config) (*Limiter, error) {
	local, err := ratelimit.New(cfg.Budget)
	if err != nil {
		return nil, fmt.Errorf("redislimit: Config.Budget: %w", err)
	}
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = MaxTimeout
	}
	if cfg.Failures == 0 {
		cfg.Failures = DefaultFailures
	}
	if cfg.CoolDown == 0 {
		cfg.CoolDown = DefaultCoolDown
	}
	if cfg.Budget.Now == nil {
		cfg.Budget.Now = time.Now
	}
	if cfg.OnChange == nil {
		cfg.OnChange = func(Change) {}
	}
	client := redis.NewClient(bounded(opts, cfg.Timeout))
	limit := limitOf(cfg.Budget)
	each := limit.Period.Seconds() / float64(limit.Rate)
	return &Limiter{
		client: client,
		gcra:   redis_rate.NewLimiter(client),
		limit:  limit,
		each:   each,
		burst:  limit.Burst,
		window: seconds(each * float64(limit.Burst)),
		prefix: cfg.Prefix + ":" + strconv.FormatFloat(cfg.Budget.PerSecond, 'g', -1, 64) +
			":" + strconv.Itoa(limit.Burst) + ":",
		timeout: cfg.Timeout,
		now:     cfg.Budget.Now,
		change:  cfg.OnChange,
		local:   local,
		breaker: breaker{limit: cfg.Failures, coolDown: cfg.CoolDown},
	}, nil
}

// bounded returns a copy of opts with which no command outlives its context:
// with go-redis's defaults a hung server holds a call for seconds, whatever the
// context says.
func bounded(opts *redis.Options, timeout time.Duration) *redis.Options {
	o := *opts
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ReadTimeout = timeout
	o.WriteTimeout = timeout
	o.PoolTimeout = timeout
	if o.DialTimeout <= 0 {
		o.DialTimeout = time.Second
	}
	// They move connections between servers behind the pool's back and lengthen
	// time-outs while they do.
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &o
}

// limitOf writes a rate as whole calls in a period: exact for whole rates, and
// for others to the nanosecond in a period of one or a thousand calls.
func limitOf(b ratelimit.Config) redis_rate.Limit {
	l := redis_rate.Limit{Burst: b.Burst}
	switch {
	case b.PerSecond == math.Trunc(b.PerSecond):
		l.Rate, l.Period = int(b.PerSecond), time.Second
	case b.PerSecond < 1:
		l.Rate, l.Period = 1, seconds(1/b.PerSecond)
	default:
		l.Rate, l.Period = 1000, seconds(1000/b.PerSecond)
	}
	return l
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

// Close closes the connections. Calls after that are answered locally.
func (l *Limiter) Close() error { return l.client.Close() }

// Stats is how calls were answered since the limiter was made.
type Stats struct {
	// Shared calls were answered by Redis, Local ones by this process.
	Shared, Local uint64
	// Open tells that Redis is left alone at the moment.
	Open bool
}

// Stats returns how calls were answered, for metrics.
func (l *Limiter) Stats() Stats {
	return Stats{Shared: l.shared.Load(), Local: l.stoodIn.Load(), Open: l.breaker.isOpen()}
}

// Allow implements [ratelimit.Limiter]. The error is always nil. Of ctx only the
// values are used: its cancellation would let whoever hangs up early call for
// free, and Config.Timeout bounds the call anyway.
func (l *Limiter) Allow(ctx context.Context, key string) (ratelimit.Decision, error) {
	if d, ok := l.ask(ctx, key, 1); ok {
		return d, nil
	}
	return l.local.Allow(ctx, key)
}

// Peek implements [ratelimit.Limiter]. The error is always nil. As for ctx, see
// Allow.
func (l *Limiter) Peek(ctx context.Context, key string) (ratelimit.Decision, error) {
	if d, ok := l.ask(ctx, key, 0); ok {
		return d, nil
	}
	return l.local.Peek(ctx, key)
}

// ask has Redis decide, or returns false when it can't.
func (l *Limiter) ask(ctx context.Context, key string, n int) (ratelimit.Decision, bool) {
	pass, probe := l.breaker.pass(l.now())
	if !pass {
		l.stoodIn.Add(1)
		return ratelimit.Decision{}, false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
	defer cancel()

	// In a goroutine of its own, because not everything in a client heeds a
	// context: credential providers, dialers, OnConnect. The breaker bounds how
	// many of these a hung one can pile up.
	answers := make(chan answer, 1)
	go func() { answers <- l.call(ctx, l.redisKey(key), n) }()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = fmt.Errorf("redislimit: no answer from Redis within %v", l.timeout)
	}
	if l.breaker.report(l.now(), probe, a.err == nil) {
		l.change(Change{Local: a.err != nil, Err: a.err})
	}
	if a.err != nil || a.strange {
		l.stoodIn.Add(1)
		return ratelimit.Decision{}, false
	}
	l.shared.Add(1)
	return l.decision(a.allowed, n == 0, a.full), true
}

type answer struct {
	allowed bool
	full    time.Duration // until the bucket is full
	strange bool          // an answer, but not one that this budget can give
	err     error
}

// call makes the round trip. It never panics.
func (l *Limiter) call(ctx context.Context, key string, n int) (a answer) {
	defer func() {
		// redis_rate asserts the types of the answer's parts, and what answers
		// need not be a Redis.
		if p := recover(); p != nil {
			a = answer{err: fmt.Errorf("redislimit: what Redis answered is not understood: %v", p)}
		}
	}()
	res, err := l.gcra.AllowN(ctx, key, l.limit, n)
	if err != nil {
		return answer{err: err}
	}
	if res.ResetAfter > l.window+time.Second {
		// Only a server whose clock was put back has buckets that are emptier
		// than empty; left alone they would refuse for as long as it was put
		// back. It answers, so it isn't broken.
		if err := l.gcra.Reset(ctx, key); err != nil {
			return answer{err: err}
		}
		return answer{strange: true}
	}
	return answer{allowed: res.Allowed > 0, full: res.ResetAfter}
}

// decision reckons everything from the time until the bucket is full. The
// script's own count of what remains is cut, not rounded, and says 3 for
// 3.9999994; and asked for no call at all, it never says when there is one.
func (l *Limiter) decision(allowed, peek bool, full time.Duration) ratelimit.Decision {
	// The resolution of the server's clock, and more than floats lose.
	const grain = time.Microsecond
	wait := full - seconds(l.each*float64(l.burst-1))
	if peek {
		allowed = wait < grain
	}
	d := ratelimit.Decision{Allowed: allowed, Limit: l.burst, Window: l.window}
	d.ResetAfter = min(max(full, 0), l.window)
	if !d.Allowed {
		d.RetryAfter = max(wait, 0) + grain
		d.ResetAfter = max(d.ResetAfter, d.RetryAfter)
		return d
	}
	left := float64(l.burst) - (d.ResetAfter-grain).Seconds()/l.each
	d.Remaining = min(max(int(left), 0), l.burst)
	return d
}

// redisKey returns the key in Redis.
func (l *Limiter) redisKey(key string) string {
	if len(key) > longKey {
		sum := sha256.Sum256([]byte(key))
		key = "\x00sha256 " + hex.EncodeToString(sum[:])
	}
	return l.prefix + key
}
