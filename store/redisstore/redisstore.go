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
	// same prefix on the same server and database, or in the same cluster, share
	// their events.
	Prefix string
	// Retention is how long an event stays done, counted from its commit; at
	// least [MinRetention], which it is if zero.
	Retention time.Duration
	// Timeout is how long a call waits for Redis at most, connecting included:
	// above 0 and at most [MaxTimeout], and [DefaultTimeout] if zero. A context
	// with an earlier end shortens it.
	Timeout time.Duration
}

// Validate returns an error that names the member and the fix, or nil. [New]
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
	return own(opts, cfg), nil
}

// own makes the store of a valid cfg, with a client of its own.
func own(opts *redis.Options, cfg Config) *Store {
	client := redis.NewClient(bounded(opts, cmp.Or(cfg.Timeout, DefaultTimeout)))
	s := build(client, cfg)
	s.close = client.Close
	return s
}

// NewWithClient returns a store on what an existing client is connected to: a
// server, the primary that Sentinels name (redis.NewFailoverClient) or a cluster
// (redis.NewClusterClient). It does not connect. The client stays the caller's:
// [Store.Close] doesn't close it, and it must stay open for as long as the store
// is used.
//
// The client must be made with ContextTimeoutEnabled, without which a server
// that hangs holds connections long after a call has ended. Leave its
// maintenance notifications off, and let DialTimeout be no longer than needed:
// a connection that nobody waits for any more is still made. MaxRetries and
// MaxRedirects don't matter, since no call is sent again that may have been
// carried out.
//
// The error names the option and the fix where a *redis.Client or a
// *redis.ClusterClient is seen to be without that, where the client is nil, and
// for a *redis.Ring: that takes keys to another server while one is away, and so
// forgets. What other types of clients do can't be seen.
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

// Close closes the connections of a store made by [Open] or [New]; calls after
// that return an error. It does nothing for one made by [NewWithClient].
func (s *Store) Close() error { return s.close() }

// Ping reports whether events could be claimed now: it writes a key that ends
// after a millisecond, so a replica, a full server and a user without the rights
// are errors, too. It takes no longer than Config.Timeout. The error is one line
// that names the fix, without credentials.
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

// digest returns 43 characters for any text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// key returns the key of an id.
func (s *Store) key(id string) string { return s.prefix + digest(id) }

// errStrange is for what this package's scripts don't answer.
var errStrange = errors.New("redisstore: what Redis answered is not understood, as if something else wrote to keys with this prefix: set a Config.Prefix of its own, and check that a Redis server is at this address")

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

// states are the answers of scripts.
var states = map[string]payack.ClaimState{
	"done":     payack.ClaimDone,
	"busy":     payack.ClaimBusy,
	"conflict": payack.ClaimConflict,
}

// Home implements [payack.Store]. It is made of the addresses in the client's
// options, the database and the prefix, and holds no credentials. Two names of
// one server are two homes. All clients that ask Sentinels have one home for
// each database and prefix, since they don't show which primary they ask for:
// give each primary a Config.Prefix of its own. Clients of types other than
// *redis.Client and *redis.ClusterClient are known by the client itself.
func (s *Store) Home() string { return s.home }

// Lookup implements [payack.Store].
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

// Bind implements [payack.Binder]. After an error the id may be done with this
// fingerprint, or not; calling again is safe.
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

// giveUp releases a claim of which nobody learnt, once the call that made it has
// ended.
func (s *Store) giveUp(ended <-chan struct{}, id, token string) {
	<-ended
	_ = s.Release(context.Background(), id, token) // or the lease ends it
}

// Commit implements [payack.Store]. After an error other than
// [payack.ErrNotHeld] the event may be done, or still be claimed.
func (s *Store) Commit(ctx context.Context, id, token string) error {
	answer, _, err := s.run(ctx, "commit", commitScript, s.key(id), token, milliseconds(s.retention))
	return settled(answer, err)
}

// Release implements [payack.Store]. After an error other than
// [payack.ErrNotHeld] the event may be free, or still be claimed.
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

// run makes one call and waits for its answer, no longer than the timeout and
// the context allow. After an error the call may have been carried out if ended
// is not nil; that is closed when the call itself is over.
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
	// In a goroutine of its own, because not everything in a client heeds a
	// context: a read heeds its deadline only, credential providers, dialers and
	// OnConnect may heed neither.
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
		return "", nil, s.explain(op, r.err) // Redis said no, so nothing happened
	}
	return "", over, s.explain(op, r.err)
}

// explain returns an error of one line that names the fix and holds no
// credentials: a server's message may quote what it was sent, and that includes
// the authentication.
func (s *Store) explain(op string, err error) error {
	var timeout net.Error
	var network *net.OpError
	var refused redis.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("redisstore: %s: %w", op, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Errorf("redisstore: %s: no answer from Redis in time (Config.Timeout is %v): check that it runs and is near: %w", op, s.timeout, context.DeadlineExceeded)
	case errors.As(err, &network) && !s.filter.Holds(network.Error()): // addresses and the system's reason
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
