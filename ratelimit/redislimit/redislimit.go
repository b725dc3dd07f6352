package redislimit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/payack/payack/internal/redisreply"
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
	// Burst. Own names keys that are never refused for failures. The other members
	// are for the limiter that stands in; Now is also the clock of the cool-down,
	// while buckets in Redis go by the server's.
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
	// Err is why, when Local: one line that names the fix, without credentials.
	Err error
}

// Validate returns an error that names the member and the fix, or nil. [New]
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
	close   func() error
	filter  redisreply.Filter
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
	return own(opts, cfg)
}

// own makes the limiter of a valid cfg, with a client of its own.
func own(opts *redis.Options, cfg Config) (*Limiter, error) {
	client := redis.NewClient(bounded(opts, cmp.Or(cfg.Timeout, MaxTimeout)))
	l, err := build(client, cfg)
	if err != nil {
		_ = client.Close() // it has connected to nothing
		return nil, err
	}
	l.close = client.Close
	return l, nil
}

// NewWithClient returns a limiter on what an existing client is connected to: a
// server, the primary that Sentinels name (redis.NewFailoverClient), a cluster
// (redis.NewClusterClient) or a ring. It does not connect. The client stays the
// caller's: [Limiter.Close] doesn't close it, and it must stay open for as long
// as the limiter is used.
//
// The client must be made with ContextTimeoutEnabled, without which a server
// that hangs holds connections long after a call has been answered locally.
// Leave its maintenance notifications off, and let DialTimeout be no longer than
// needed: a connection that nobody waits for any more is still made. MaxRetries
// and MaxRedirects don't matter, since no call is sent again that may have been
// charged.
//
// The error names the option and the fix where a client of those types is seen
// to be without that, and where the client is nil. What other types of clients
// do can't be seen.
func NewWithClient(client redis.UniversalClient, cfg Config) (*Limiter, error) {
	if err := checkClient(client); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return build(client, cfg)
}

// build makes the limiter of a valid cfg.
func build(client redis.UniversalClient, cfg Config) (*Limiter, error) {
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
	limit := limitOf(cfg.Budget)
	each := limit.Period.Seconds() / float64(limit.Rate)
	return &Limiter{
		close:  func() error { return nil },
		filter: filterOf(client),
		gcra:   redis_rate.NewLimiter(sender{client}),
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
	// A call's context ends earlier than these, a ping's does not.
	o.ReadTimeout = max(timeout, PingTimeout)
	o.WriteTimeout = max(timeout, PingTimeout)
	o.PoolTimeout = max(timeout, PingTimeout)
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

// Owns implements [ratelimit.Owner] by Config.Budget.Own.
func (l *Limiter) Owns(key string) bool { return l.local.Owns(key) }

// Close closes the connections of a limiter made by [Open] or [New]; calls after
// that are answered locally. It does nothing for one made by [NewWithClient].
func (l *Limiter) Close() error { return l.close() }

// PingTimeout is how long [Limiter.Ping] waits at most.
const PingTimeout = time.Second

// Ping reports whether Redis could answer calls now, by charging a bucket that
// nothing else uses. It waits for [PingTimeout] at most, so a Redis that is
// too slow for Config.Timeout passes. It asks Redis even while calls leave it
// alone, and is no part of what ends that, nor of [Limiter.Stats]. The error is
// one line that names the fix, without credentials.
func (l *Limiter) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redislimit: ping: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, PingTimeout)
	defer cancel()
	answers := make(chan answer, 1)
	go func() { answers <- l.call(ctx, l.redisKey("\x00ping"), 1) }()
	var err error
	select {
	case a := <-answers:
		err = a.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	return l.explain("ping", PingTimeout, err)
}

// explain returns an error of one line that names the fix and holds no
// credentials: a server's message may quote what it was sent, and that includes
// the authentication.
func (l *Limiter) explain(op string, within time.Duration, err error) error {
	var timeout net.Error
	var network *net.OpError
	var refused redis.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("redislimit: %s: %w", op, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Errorf("redislimit: %s: no answer from Redis within %v: check that it runs and is near: %w", op, within, context.DeadlineExceeded)
	case errors.As(err, &network) && !l.filter.Holds(network.Error()): // addresses and the system's reason
		return fmt.Errorf("redislimit: %s: check the address and that Redis runs: %w", op, network)
	case errors.Is(err, redis.ErrClosed):
		return fmt.Errorf("redislimit: %s: Close was called; make a new limiter or client: %w", op, redis.ErrClosed)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("redislimit: %s: Redis closed the connection: see its log, and use rediss:// if it wants TLS: %w", op, io.EOF)
	case errors.Is(err, errStrange):
		return fmt.Errorf("redislimit: %s: %w", op, errStrange)
	case errors.As(err, &refused):
		err = refused
	}
	return fmt.Errorf("redislimit: %s: %s", op, l.filter.Text(err.Error()))
}

// errStrange is for what the script doesn't answer.
var errStrange = errors.New("what Redis answered is not understood: check that a Redis server is at this address")

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
		a.err = ctx.Err()
	}
	if l.breaker.report(l.now(), probe, a.err == nil) {
		var why error
		if a.err != nil {
			why = l.explain("call", l.timeout, a.err)
		}
		l.change(Change{Local: a.err != nil, Err: why})
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
		if recover() != nil {
			a = answer{err: errStrange}
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
