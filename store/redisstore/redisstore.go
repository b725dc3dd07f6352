package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/redisreply"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Defaults and bounds of Config.
const (
	// DefaultPrefix is used if Config.Prefix is empty.
	DefaultPrefix = "payack"
	// MinRetention is the shortest Config.Retention, and the default. It is a week
	// because PTS and Payatom don't document for how long they repeat a delivery.
	MinRetention = 7 * 24 * time.Hour
	// DefaultTimeout is used if Config.Timeout is zero.
	DefaultTimeout = time.Second
	// MaxTimeout is the longest Config.Timeout. A call to Redis and the
	// merchant's function share the receiver's deadline, 8 seconds by default.
	MaxTimeout = 5 * time.Second
)

// Config says how events are remembered. The zero value is valid.
type Config struct {
	// Prefix is the beginning of the names of all keys in Redis. If it is empty,
	// [DefaultPrefix] is used. Stores with the same prefix on the same database or
	// cluster share their events.
	Prefix string
	// Retention is how long an event stays done after its commit. It is at least
	// [MinRetention]; zero means MinRetention.
	Retention time.Duration
	// Timeout bounds each call, including the time to connect. It is at most
	// [MaxTimeout]; zero means [DefaultTimeout]. A context may end a call earlier.
	Timeout time.Duration
}

// Validate returns an error that names the member and the fix, or nil. [New] and
// [NewWithClient] call it.
func (c *Config) Validate() error {
	switch {
	case c.Retention != 0 && c.Retention < MinRetention:
		return fmt.Errorf("redisstore: Config.Retention is %v: set how long a done event is remembered, at least %v, or 0 for that", c.Retention, MinRetention)
	case c.Timeout < 0 || c.Timeout > MaxTimeout:
		return fmt.Errorf("redisstore: Config.Timeout is %v: set how long a call may wait for Redis, at most %v, or 0 for %v", c.Timeout, MaxTimeout, DefaultTimeout)
	}
	return nil
}

// Store is a [payack.Store] on Redis. It is safe for concurrent use.
type Store struct {
	client    sender
	close     func() error
	prefix    string
	retention time.Duration
	timeout   time.Duration
	filter    redisreply.Filter
	home      string
}

var _ interface {
	payack.Store
	payack.Binder
} = (*Store)(nil)

// Open is [New] with a URL: redis://user:password@host:port/db, rediss:// for
// TLS, or unix://user:password@/path?db=n. The URL's parameters are those of
// redis.ParseURL. The error doesn't repeat the URL, which may hold a password.
func Open(url string, cfg Config) (*Store, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		// err is not wrapped, because its text quotes the URL.
		return nil, errors.New("redisstore: the URL can't be parsed: write it as redis://user:password@host:port/db, rediss://… for TLS, or unix://…; percent-encode what is special in the password")
	}
	return New(opts, cfg)
}

// New returns a store on the Redis server that opts names. The error names what
// is wrong with opts or cfg. New does not connect, so a service can start while
// Redis is down. Close the store after use.
//
// New copies opts, and overrides the options that would let a call outlast its
// timeout or be sent twice. It sets ContextTimeoutEnabled, and switches off all
// retries and the maintenance notifications. It sets all timeouts to
// Config.Timeout, except a DialTimeout above zero.
func New(opts *redis.Options, cfg Config) (*Store, error) {
	if opts == nil {
		return nil, errors.New("redisstore: New was given no redis.Options: name the server in Addr")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return own(opts, cfg), nil
}

// own makes a store with a client of its own. cfg must be valid.
func own(opts *redis.Options, cfg Config) *Store {
	client := redis.NewClient(bounded(opts, cmp.Or(cfg.Timeout, DefaultTimeout)))
	s := build(client, cfg)
	s.close = client.Close
	return s
}

// NewWithClient returns a store that uses an existing client. The client is for a
// single server, for the primary behind Sentinels (redis.NewFailoverClient), or for
// a cluster (redis.NewClusterClient). NewWithClient does not connect. The caller
// keeps the client open for as long as the store is used; [Store.Close] doesn't
// close it.
//
// Make the client with ContextTimeoutEnabled: without it, a hung server holds
// connections long after a call has returned. Leave its maintenance notifications
// off. Keep DialTimeout short, since a dial goes on after its call has returned.
// MaxRetries and MaxRedirects don't matter: the store never repeats a call that
// may have been carried out.
//
// NewWithClient refuses a nil client, a *redis.Client or *redis.ClusterClient
// without ContextTimeoutEnabled, and a *redis.Ring. A Ring moves keys to another
// server while one is down, and so forgets events. The error names the fix.
// NewWithClient can't check clients of other types.
func NewWithClient(client redis.UniversalClient, cfg Config) (*Store, error) {
	if err := checkClient(client); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return build(client, cfg), nil
}

// build makes the store of a valid cfg.
func build(client redis.UniversalClient, cfg Config) *Store {
	prefix := cmp.Or(cfg.Prefix, DefaultPrefix)
	return &Store{
		client:    sender{client},
		close:     func() error { return nil },
		prefix:    prefix + ":once:",
		retention: cmp.Or(cfg.Retention, MinRetention),
		timeout:   cmp.Or(cfg.Timeout, DefaultTimeout),
		filter:    filterOf(client),
		home:      fmt.Sprintf("%s %q", homeOf(client), prefix),
	}
}

// bounded returns a copy of opts that keeps commands from outliving their context
// and from being sent twice. With go-redis's defaults, a hung server holds a call
// for seconds after its context has ended, and a command whose answer was lost is
// repeated.
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
	// Maintenance notifications move pooled connections to other servers and
	// lengthen timeouts meanwhile.
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &o
}

// Close closes the connections of a store made by [Open] or [New]; later calls
// return an error. It does nothing for a store made by [NewWithClient].
func (s *Store) Close() error { return s.close() }

// Ping reports whether events can be claimed now. It runs a script that writes a
// key with a time to live of a millisecond. So it also returns an error for a Redis
// server that is a replica or is full, and for a user who may not run scripts or
// write. It returns within Config.Timeout. The error is one line that names the fix
// and holds no credentials.
func (s *Store) Ping(ctx context.Context) error {
	answer, _, err := s.run(ctx, "ping", pingScript, s.prefix+"ping")
	if err != nil {
		return err
	}
	if answer != "ok" {
		return errStrange
	}
	return nil
}

// The value of a key is a letter (c for claimed, d for done) and the digest of the
// fingerprint in 43 characters. In a claim, the token follows. The key's time to
// live is the rest of the lease or of the retention.
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

	bindScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if not v then
	redis.call('SET', KEYS[1], 'd' .. ARGV[1], 'PX', ARGV[2])
	return 'done'
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

	pingScript = redis.NewScript(`
redis.call('SET', KEYS[1], '', 'PX', 1)
return 'ok'`)
)

// digest returns 43 characters for a text of any length.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *Store) key(id string) string { return s.prefix + digest(id) }

// errStrange is the error for an answer that no script of this package gives.
var errStrange = errors.New("redisstore: Redis gave an unknown answer: set a Config.Prefix that no other program writes to, and check that the address is that of a Redis server")

// Claim implements [payack.Store]. The lease must be above 0; it is rounded up to
// whole milliseconds. After an error, the claim may have been made nevertheless.
// Such a claim is released in the background, or ends with its lease.
func (s *Store) Claim(ctx context.Context, id, fingerprint string, lease time.Duration) (payack.Claim, error) {
	if lease <= 0 {
		return payack.Claim{}, fmt.Errorf("redisstore: claim: the lease is %v; give one above 0", lease)
	}
	// The token is made here and not by the server, so that the claim can be
	// released even if the answer is lost.
	token := rand.Text()
	answer, ended, err := s.run(ctx, "claim", claimScript, s.key(id), digest(fingerprint), token, milliseconds(lease))
	if err != nil {
		if ended != nil {
			go s.giveUp(ended, id, token)
		}
		return payack.Claim{}, err
	}
	switch state, known := states[answer]; {
	case answer == "claimed":
		return payack.Claim{State: payack.ClaimGranted, Token: token}, nil
	case known:
		return payack.Claim{State: state}, nil
	}
	return payack.Claim{}, errStrange
}

// states maps the scripts' answers to the states of an event.
var states = map[string]payack.ClaimState{
	"done":     payack.ClaimDone,
	"busy":     payack.ClaimBusy,
	"conflict": payack.ClaimConflict,
}

// Home implements [payack.Store]. It is built from the addresses in the client's
// options, the database and the prefix, and holds no credentials.
//
// Stores that use different addresses of one server have different homes. All
// clients behind Sentinels have the same home for the same database and prefix,
// since their options don't name the primary: give each primary a Config.Prefix of
// its own. A client of a type other than *redis.Client and *redis.ClusterClient has
// a home of its own.
func (s *Store) Home() string { return s.home }

// Lookup implements [payack.Store]. After an error nothing is known.
func (s *Store) Lookup(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	answer, _, err := s.run(ctx, "lookup", lookupScript, s.key(id), digest(fingerprint))
	if err != nil {
		return payack.ClaimUnknown, err
	}
	if state, known := states[answer]; known || answer == "unknown" {
		return state, nil
	}
	return payack.ClaimUnknown, errStrange
}

// Bind implements [payack.Binder]. After an error the event may or may not be
// done with this fingerprint; calling Bind again is safe.
func (s *Store) Bind(ctx context.Context, id, fingerprint string) (payack.ClaimState, error) {
	answer, _, err := s.run(ctx, "bind", bindScript, s.key(id), digest(fingerprint), milliseconds(s.retention))
	if err != nil {
		return payack.ClaimUnknown, err
	}
	if state, known := states[answer]; known {
		return state, nil
	}
	return payack.ClaimUnknown, errStrange
}

// giveUp releases a claim whose answer was lost, once the call that made it has
// ended.
func (s *Store) giveUp(ended <-chan struct{}, id, token string) {
	<-ended
	_ = s.Release(context.Background(), id, token) // if this fails, the claim ends with its lease
}

// Commit implements [payack.Store]. It returns [payack.ErrNotHeld] when the claim
// is not held. After any other error the event may be done, or still claimed.
func (s *Store) Commit(ctx context.Context, id, token string) error {
	answer, _, err := s.run(ctx, "commit", commitScript, s.key(id), token, milliseconds(s.retention))
	return settled(answer, err)
}

// Release implements [payack.Store]. It returns [payack.ErrNotHeld] when the
// claim is not held. After any other error the event may be free, or still
// claimed.
func (s *Store) Release(ctx context.Context, id, token string) error {
	answer, _, err := s.run(ctx, "release", releaseScript, s.key(id), token)
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

// run runs a script and waits for its answer until the timeout or the end of ctx.
// If run returns an error and ended is not nil, Redis may have run the script.
// ended is closed after the client's call has returned.
func (s *Store) run(ctx context.Context, op string, script *redis.Script, key string, args ...any) (answer string, ended <-chan struct{}, err error) {
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
	// The client's call has a goroutine of its own, because parts of a client
	// ignore the context. A read from a connection ends only at its deadline. A
	// credential provider, a dialer or OnConnect may not end at all.
	go func() {
		defer close(over)
		v, err := script.Run(ctx, s.client, []string{key}, args...).Text()
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
		return "", nil, s.explain(op, r.err) // Redis refused, so nothing was done
	}
	return "", over, s.explain(op, r.err)
}

// explain returns an error of one line that names the fix and holds no credentials.
// A server's own message may quote a command, and AUTH contains credentials.
func (s *Store) explain(op string, err error) error {
	var timeout net.Error
	var network *net.OpError
	var refused redis.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("redisstore: %s: %w", op, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Errorf("redisstore: %s: no answer from Redis in time (Config.Timeout is %v): check that it runs and is near: %w", op, s.timeout, context.DeadlineExceeded)
	case errors.As(err, &network) && !s.filter.Holds(network.Error()): // its text has only addresses and the system's reason
		return fmt.Errorf("redisstore: %s: check the address and that Redis runs: %w", op, network)
	case errors.Is(err, redis.ErrClosed):
		return fmt.Errorf("redisstore: %s: Close was called; make a new store or client: %w", op, redis.ErrClosed)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("redisstore: %s: Redis closed the connection: see its log, and use rediss:// if it wants TLS: %w", op, io.EOF)
	case errors.As(err, &refused):
		err = refused
	}
	return fmt.Errorf("redisstore: %s: %s", op, s.filter.Text(err.Error()))
}
