package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The defaults and bounds of Config.
const (
	// DefaultPrefix is Config.Prefix if empty.
	DefaultPrefix = "payack"
	// MinRetention is the shortest and the default Config.Retention. For how
	// long PTS and Payatom send again is not documented.
	MinRetention = 7 * 24 * time.Hour
	// DefaultTimeout is Config.Timeout if zero.
	DefaultTimeout = time.Second
	// MaxTimeout is the longest Config.Timeout: the receiver's deadline, 8
	// seconds by default, is for the merchant's function, too.
	MaxTimeout = 5 * time.Second
)

// Config says how events are remembered. The zero value is a working choice.
type Config struct {
	// Prefix begins all keys in Redis, [DefaultPrefix] if empty. Stores with the
	// same prefix on the same server and database share their events.
	Prefix string
	// Retention is how long an event stays done, counted from its commit; at
	// least [MinRetention], which it is if zero.
	Retention time.Duration
	// Timeout is how long a call waits for Redis at most, connecting included:
	// above 0 and at most [MaxTimeout], and [DefaultTimeout] if zero. A context
	// with an earlier end shortens it.
	Timeout time.Duration
}

// Validate returns an error that names the member and the mend, or nil. [New]
// calls it.
func (c *Config) Validate() error {
	switch {
	case c.Retention != 0 && c.Retention < MinRetention:
		return fmt.Errorf("redisstore: Config.Retention is %v: set how long a done event is remembered, at least %v, or 0 for that", c.Retention, MinRetention)
	case c.Timeout < 0 || c.Timeout > MaxTimeout:
		return fmt.Errorf("redisstore: Config.Timeout is %v: set how long a call may wait for Redis, at most %v, or 0 for %v", c.Timeout, MaxTimeout, DefaultTimeout)
	}
	return nil
}

// Store is the [payack.Store] on Redis. It is safe for use by several
// goroutines.
type Store struct {
	client    *redis.Client
	prefix    string
	retention time.Duration
	timeout   time.Duration
	// secrets are what must not appear in an error.
	secrets []string
	home    string
}

var _ payack.Store = (*Store)(nil)

// Open is [New] with a URL: redis://user:password@host:port/db, rediss:// for
// TLS, or unix://user:password@/path?db=n. Its parameters are those of
// redis.ParseURL. The error doesn't repeat the URL, which may hold a password.
func Open(url string, cfg Config) (*Store, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		// Not wrapped: its text quotes the URL.
		return nil, errors.New("redisstore: the URL can't be parsed: write it as redis://user:password@host:port/db, rediss://… for TLS, or unix://…; percent-encode what is special in the password")
	}
	return New(opts, cfg)
}

// New returns a store on the Redis server that opts names, or an error that
// names what is wrong with cfg. It does not connect: a service starts while
// Redis is down. Close it after use.
//
// Of opts a copy is taken, in which the members that a bounded wait and a call
// made only once hang on are overwritten: ContextTimeoutEnabled, all retries,
// all time-outs except a DialTimeout (Config.Timeout if zero), and the
// maintenance notifications (off).
func New(opts *redis.Options, cfg Config) (*Store, error) {
	if opts == nil {
		return nil, errors.New("redisstore: New was given no redis.Options: name the server in Addr")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return build(opts, cfg), nil
}

// build makes the store of a valid cfg.
func build(opts *redis.Options, cfg Config) *Store {
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	if cfg.Retention == 0 {
		cfg.Retention = MinRetention
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	s := &Store{
		client:    redis.NewClient(bounded(opts, cfg.Timeout)),
		prefix:    cfg.Prefix + ":once:",
		retention: cfg.Retention,
		timeout:   cfg.Timeout,
		home:      fmt.Sprintf("redis %s %s %d %s", opts.Network, opts.Addr, opts.DB, cfg.Prefix),
	}
	if opts.Password != "" {
		s.secrets = append(s.secrets, opts.Password)
	}
	return s
}

// bounded returns a copy of opts with which no command outlives its context or
// is sent twice: with go-redis's defaults a hung server holds a call for
// seconds, whatever the context says, and a lost answer is asked for again.
func bounded(opts *redis.Options, timeout time.Duration) *redis.Options {
	o := *opts
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ReadTimeout = timeout
	o.WriteTimeout = timeout
	o.PoolTimeout = timeout
	if o.DialTimeout <= 0 {
		o.DialTimeout = timeout
	}
	// They move connections between servers behind the pool's back and lengthen
	// time-outs while they do.
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &o
}

// Close closes the connections. Calls after that return an error.
func (s *Store) Close() error { return s.client.Close() }

// The value of a key is a letter, c for claimed and d for done, then the digest
// of the fingerprint in 43 characters, and for a claim its token. Its time to
// live is what is left of the lease, or of the retention.
var (
	claimScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if not v then
	redis.call('SET', KEYS[1], 'c' .. ARGV[1] .. ARGV[2], 'PX', ARGV[3])
	return 'claimed'
end
local state = string.sub(v, 1, 1)
if (state ~= 'c' and state ~= 'd') or #v < 44 then
	return 'strange'
end
if string.sub(v, 2, 44) ~= ARGV[1] then
	return 'conflict'
end
if state == 'd' then
	return 'done'
end
return 'busy'`)

	lookupScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if not v then
	return 'unknown'
end
local state = string.sub(v, 1, 1)
if (state ~= 'c' and state ~= 'd') or #v < 44 then
	return 'strange'
end
if string.sub(v, 2, 44) ~= ARGV[1] then
	return 'conflict'
end
if state == 'd' then
	return 'done'
end
return 'busy'`)

	commitScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if not v or string.sub(v, 1, 1) ~= 'c' or string.sub(v, 45) ~= ARGV[1] then
	return 'not held'
end
redis.call('SET', KEYS[1], 'd' .. string.sub(v, 2, 44), 'PX', ARGV[2])
return 'ok'`)

	releaseScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if not v or string.sub(v, 1, 1) ~= 'c' or string.sub(v, 45) ~= ARGV[1] then
	return 'not held'
end
redis.call('DEL', KEYS[1])
return 'ok'`)
)

// digest returns 43 characters for any text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// errStrange is for what this package's scripts don't answer.
var errStrange = errors.New("redisstore: what Redis answered is not understood; is something else writing to keys with this prefix?")

// Claim implements [payack.Store]. The lease must be above 0 and is rounded up
// to whole milliseconds. With an error nothing is known; should Redis have
// carried the claim out all the same, it is given up in the background, or ends
// with its lease.
func (s *Store) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	if lease <= 0 {
		return payack.Claim{}, fmt.Errorf("redisstore: claim: the lease is %v; give one above 0", lease)
	}
	// Made here and not by the server, so that the claim can be given up even if
	// no answer comes.
	token := rand.Text()
	answer, ended, err := s.run(ctx, "claim", claimScript, id, digest(fingerprint), token, milliseconds(lease))
	if err != nil {
		if ended != nil {
			go s.giveUp(ended, id, token)
		}
		return payack.Claim{}, err
	}
	switch answer {
	case "claimed":
		return payack.Claim{State: payack.ClaimGranted, Token: token}, nil
	case "busy":
		return payack.Claim{State: payack.ClaimBusy}, nil
	case "done":
		return payack.Claim{State: payack.ClaimDone}, nil
	case "conflict":
		return payack.Claim{State: payack.ClaimConflict}, nil
	}
	return payack.Claim{}, errStrange
}

// Home implements [payack.Store].
func (s *Store) Home() string { return s.home }

// Lookup implements [payack.Store].
func (s *Store) Lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	answer, _, err := s.run(ctx, "lookup", lookupScript, id, digest(fingerprint))
	if err != nil {
		return payack.ClaimUnknown, err
	}
	switch answer {
	case "unknown":
		return payack.ClaimUnknown, nil
	case "busy":
		return payack.ClaimBusy, nil
	case "done":
		return payack.ClaimDone, nil
	case "conflict":
		return payack.ClaimConflict, nil
	}
	return payack.ClaimUnknown, errStrange
}

// giveUp releases a claim of which nobody learnt, once the call that made it has
// ended.
func (s *Store) giveUp(ended <-chan struct{}, id, token string) {
	<-ended
	_ = s.Release(context.Background(), id, token) // or the lease ends it
}

// Commit implements [payack.Store]. After an error other than
// [payack.ErrNotHeld] the event may be done, or still be claimed.
func (s *Store) Commit(ctx context.Context, id, token string) error {
	answer, _, err := s.run(ctx, "commit", commitScript, id, token, milliseconds(s.retention))
	return settled(answer, err)
}

// Release implements [payack.Store]. After an error other than
// [payack.ErrNotHeld] the event may be free, or still be claimed.
func (s *Store) Release(ctx context.Context, id, token string) error {
	answer, _, err := s.run(ctx, "release", releaseScript, id, token)
	return settled(answer, err)
}

func settled(answer string, err error) error {
	switch {
	case err != nil:
		return err
	case answer == "ok":
		return nil
	case answer == "not held":
		return payack.ErrNotHeld
	}
	return errStrange
}

func milliseconds(d time.Duration) int64 { return int64((d-1)/time.Millisecond) + 1 }

// run makes one call and waits for its answer, no longer than the timeout and
// the context allow. After an error the call may have been carried out if ended
// is not nil; that is closed when the call itself is over.
func (s *Store) run(ctx context.Context, op string, script *redis.Script, id string, args ...any) (answer string, ended <-chan struct{}, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, fmt.Errorf("redisstore: %s: %w", op, err)
	}
	type reply struct {
		answer string
		err    error
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	over := make(chan struct{})
	replies := make(chan reply, 1)
	// In a goroutine of its own, because not everything in a client heeds a
	// context: a read heeds its deadline only, credential providers, dialers and
	// OnConnect may heed neither.
	go func() {
		defer close(over)
		v, err := script.Run(ctx, s.client, []string{s.prefix + digest(id)}, args...).Text()
		replies <- reply{v, err}
	}()
	var r reply
	select {
	case r = <-replies:
	case <-ctx.Done():
		r.err = ctx.Err()
	}
	if r.err == nil {
		return r.answer, nil, nil
	}
	var refused redis.Error
	if errors.As(r.err, &refused) {
		return "", nil, s.explain(op, r.err) // Redis said no, so nothing happened
	}
	return "", over, s.explain(op, r.err)
}

// explain returns an error that holds no credentials: a server's message may
// quote what it was sent, and that includes the authentication.
func (s *Store) explain(op string, err error) error {
	var timeout net.Error
	var network *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("redisstore: %s: %w", op, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Errorf("redisstore: %s: no answer from Redis in time (Config.Timeout is %v): %w", op, s.timeout, context.DeadlineExceeded)
	case errors.As(err, &network): // addresses and the system's reason
		return fmt.Errorf("redisstore: %s: %w", op, network)
	case errors.Is(err, redis.ErrClosed):
		return fmt.Errorf("redisstore: %s: %w", op, redis.ErrClosed)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("redisstore: %s: Redis closed the connection: %w", op, io.EOF)
	}
	text, _, _ := strings.Cut(err.Error(), ", with args")
	for _, secret := range s.secrets {
		if strings.Contains(text, secret) {
			text = "an error whose text is withheld, because it repeats a credential"
		}
	}
	const longest = 200
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return fmt.Errorf("redisstore: %s: %s", op, text)
}
