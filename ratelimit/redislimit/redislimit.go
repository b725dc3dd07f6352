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
	// MaxTimeout is the largest Config.Timeout, and the default.
	MaxTimeout = 50 * time.Millisecond
	// DefaultFailures is used if Config.Failures is zero.
	DefaultFailures = 3
	// DefaultCoolDown is used if Config.CoolDown is zero.
	DefaultCoolDown = time.Second
	// DefaultPrefix is used if Config.Prefix is empty.
	DefaultPrefix = "payack"
	// MaxPerSecond bounds Config.Budget.PerSecond. The script computes in floats of
	// seconds since 2017; up to this rate the error is below 1%.
	MaxPerSecond = 100_000
)

// longKey is the greatest length in bytes of a key that goes to Redis unchanged. A
// longer one becomes a digest: path values can be as long as a request line.
const longKey = 128

// Config sets the budget of each key, and what happens when Redis doesn't answer.
type Config struct {
	// Budget is the budget of each key: Burst, and PerSecond of at most
	// [MaxPerSecond]. Own lists keys that are never refused for failures. The other
	// members are for the local limiter that answers without Redis. Now is also the
	// clock of the cool-down; buckets in Redis use the server's clock.
	Budget ratelimit.Config
	// Prefix begins all keys in Redis; empty means [DefaultPrefix]. Limiters with
	// the same prefix and the same budget share buckets. After a change of the budget,
	// all keys start with full buckets.
	Prefix string
	// Timeout is the longest time that a call waits for Redis, at most
	// [MaxTimeout]; zero means [MaxTimeout].
	Timeout time.Duration
	// Failures is the number of failures in a row after which calls stop using
	// Redis; zero means [DefaultFailures].
	Failures int
	// CoolDown is how long calls do without Redis after those failures, until one
	// call tries Redis again; zero means [DefaultCoolDown].
	CoolDown time.Duration
	// OnChange is called when calls stop using Redis and when they use it again:
	// once per change, not per call. It runs in the goroutine of a call, so it
	// should be quick, and must be safe for concurrent use.
	OnChange func(Change)
}

// Change is the argument of Config.OnChange.
type Change struct {
	// Local reports that calls are answered locally from now on. It is false when
	// Redis answers again.
	Local bool
	// Err is the cause if Local is true: one line that names the fix, without
	// credentials.
	Err error
}

// Validate returns an error that names the invalid member and the fix, or nil. The
// constructors call it.
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

// Limiter is the [ratelimit.Limiter] on Redis. It never returns an error, and no
// call takes longer than Config.Timeout. It is safe for concurrent use.
type Limiter struct {
	close   func() error
	filter  redisreply.Filter
	gcra    *redis_rate.Limiter
	limit   redis_rate.Limit
	each    float64 // seconds in which one call refills, as the script computes them
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

// Open is like [New] with a URL: redis://user:password@host:port/db, rediss:// for
// TLS, or unix://user:password@/path?db=n, with the parameters of redis.ParseURL.
// The error doesn't repeat the URL, which may hold a password.
func Open(url string, cfg Config) (*Limiter, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		// The error is not wrapped, because its text quotes the URL.
		return nil, errors.New("redislimit: the URL can't be parsed: write it as redis://user:password@host:port/db, rediss://… for TLS, or unix://…; percent-encode what is special in the password")
	}
	return New(opts, cfg)
}

// New returns a limiter on the Redis server in opts. It does not connect, so a
// service can start while Redis is down. Close the limiter after use. The error
// names the invalid member of cfg and the fix.
//
// New copies opts and overwrites what could break the bound on waiting: it sets
// ContextTimeoutEnabled, and replaces all retries and timeouts except DialTimeout;
// it switches maintenance notifications off. Connecting continues in the background
// for up to DialTimeout (a second if zero). If that takes longer than Config.Timeout,
// the connection still serves later calls.
func New(opts *redis.Options, cfg Config) (*Limiter, error) {
	if opts == nil {
		return nil, errors.New("redislimit: New was given no redis.Options: name the server in Addr")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return own(opts, cfg)
}

// own returns the limiter for a valid cfg. The limiter has its own client and closes it.
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

// NewWithClient returns a limiter on an existing client: of a server, the primary
// that Sentinels name (redis.NewFailoverClient), a cluster (redis.NewClusterClient)
// or a ring. It does not connect. The client stays yours: [Limiter.Close] doesn't
// close it, and it must stay open while the limiter is used.
//
// The client must have ContextTimeoutEnabled. Without it, a server that hangs holds
// connections long after the call was answered locally. Switch the client's
// maintenance notifications off. Keep DialTimeout short, because a connection is still
// made when nobody waits for it any more. MaxRetries and MaxRedirects have no effect: a
// call that may have been charged is never sent again.
//
// NewWithClient returns an error for a nil client, for an invalid cfg, and for a
// client of the types above without ContextTimeoutEnabled. It can't check clients
// of other types.
func NewWithClient(client redis.UniversalClient, cfg Config) (*Limiter, error) {
	if err := checkClient(client); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return build(client, cfg)
}

// build returns the limiter for a valid cfg.
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

// bounded returns a copy of opts that keeps commands from outliving their context.
// With go-redis's defaults, a hung server would hold a call for seconds.
func bounded(opts *redis.Options, timeout time.Duration) *redis.Options {
	o := *opts
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	o.DialerRetries = 1
	// Calls end earlier, by their context. These limits are for Ping.
	o.ReadTimeout = max(timeout, PingTimeout)
	o.WriteTimeout = max(timeout, PingTimeout)
	o.PoolTimeout = max(timeout, PingTimeout)
	if o.DialTimeout <= 0 {
		o.DialTimeout = time.Second
	}
	// Maintenance notifications move connections between servers, and lengthen
	// timeouts meanwhile.
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &o
}

// limitOf expresses a rate as whole calls in a period. It is exact for whole rates.
// For other rates it rounds the period of one call, or of a thousand calls, to a
// nanosecond.
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

// Close closes the connections of a limiter from [Open] or [New]. Later calls are
// answered locally. It does nothing for a limiter from [NewWithClient].
func (l *Limiter) Close() error { return l.close() }

// PingTimeout is the longest time that [Limiter.Ping] waits.
const PingTimeout = time.Second

// Ping returns an error if Redis does not answer. It charges a bucket that nothing
// else uses. It waits up to [PingTimeout], so it also succeeds with a Redis that is
// too slow for Config.Timeout. It asks Redis even during a cool-down. The result does
// not end the cool-down and does not count in [Limiter.Stats]. The error is one line
// that names the fix, without credentials.
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

// explain returns an error of one line that names the fix and holds no credentials.
// A server's message may quote the command that the server got, even AUTH with the
// password.
func (l *Limiter) explain(op string, within time.Duration, err error) error {
	var timeout net.Error
	var network *net.OpError
	var refused redis.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("redislimit: %s: %w", op, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Errorf("redislimit: %s: no answer from Redis within %v: check that it runs and is near: %w", op, within, context.DeadlineExceeded)
	case errors.As(err, &network) && !l.filter.Holds(network.Error()): // its text has only addresses and the system's reason
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

// errStrange is for an answer that the script can't give.
var errStrange = errors.New("what Redis answered is not understood: check that a Redis server is at this address")

// Stats counts how calls were answered since the limiter was made.
type Stats struct {
	// Shared is the number of calls that Redis answered. Local is the number of calls
	// that this process answered.
	Shared, Local uint64
	// Open reports that calls don't use Redis at the moment.
	Open bool
}

// Stats returns the counters, for metrics.
func (l *Limiter) Stats() Stats {
	return Stats{Shared: l.shared.Load(), Local: l.stoodIn.Load(), Open: l.breaker.isOpen()}
}

// Allow implements [ratelimit.Limiter]. The error is always nil. Allow uses the values
// of ctx and ignores its cancellation, because a client that hangs up early must not
// call for free. Config.Timeout bounds the call instead.
func (l *Limiter) Allow(ctx context.Context, key string) (ratelimit.Decision, error) {
	if d, ok := l.ask(ctx, key, 1); ok {
		return d, nil
	}
	return l.local.Allow(ctx, key)
}

// Peek implements [ratelimit.Limiter]. The error is always nil. Like Allow, it ignores
// the cancellation of ctx.
func (l *Limiter) Peek(ctx context.Context, key string) (ratelimit.Decision, error) {
	if d, ok := l.ask(ctx, key, 0); ok {
		return d, nil
	}
	return l.local.Peek(ctx, key)
}

// ask asks Redis for a decision. It returns false if Redis gave none.
func (l *Limiter) ask(ctx context.Context, key string, n int) (ratelimit.Decision, bool) {
	pass, probe := l.breaker.pass(l.now())
	if !pass {
		l.stoodIn.Add(1)
		return ratelimit.Decision{}, false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
	defer cancel()

	// The call runs in a goroutine, because parts of a client may ignore the context:
	// credential providers, dialers, OnConnect. If such a part hangs, the breaker
	// bounds how many goroutines pile up.
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
	strange bool          // an answer that this budget can't give
	err     error
}

// call makes the round trip. It never panics.
func (l *Limiter) call(ctx context.Context, key string, n int) (a answer) {
	defer func() {
		// redis_rate panics if an answer has unexpected types, for example from a
		// server that is not a Redis.
		if recover() != nil {
			a = answer{err: errStrange}
		}
	}()
	res, err := l.gcra.AllowN(ctx, key, l.limit, n)
	if err != nil {
		return answer{err: err}
	}
	if res.ResetAfter > l.window+time.Second {
		// The bucket fills later than an empty one would: the server's clock was put
		// back. Reset the bucket, or it would refuse calls until the clock has caught up.
		// Redis answers, so this does not count as a failure.
		if err := l.gcra.Reset(ctx, key); err != nil {
			return answer{err: err}
		}
		return answer{strange: true}
	}
	return answer{allowed: res.Allowed > 0, full: res.ResetAfter}
}

// decision derives everything from the time until the bucket is full. The other
// results of the script don't suffice. The number of remaining calls is truncated: it
// is 3 for 3.9999994. For a Peek the script does not say when a call is available.
func (l *Limiter) decision(allowed, peek bool, full time.Duration) ratelimit.Decision {
	// grain is the resolution of the server's clock. Rounding errors are smaller.
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
