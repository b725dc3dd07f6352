package middleware

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/limitpolicy"
	"github.com/payack/payack/internal/nilness"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/store/memstore"
)

// Defaults of [Options].
const (
	DefaultMaxBody     = 64 << 10
	DefaultReadTimeout = 5 * time.Second
	// DefaultDeadline leaves Ptop, which waits 10 seconds, time for the answer.
	DefaultDeadline = 8 * time.Second
	maxMaxBody      = 64 << 20
	// leaseMargin is how long a claim outlives the deadline by default.
	leaseMargin = 30 * time.Second
)

// Options are what all receivers have in common. The zero value is a working
// choice: nothing is limited by address or rate, events are remembered in
// memory, and every delivery is one line of slog.Default.
type Options struct {
	// MaxBody is the largest body in bytes, at most 64 MiB; 0 is 64 KiB. The
	// announced length is allocated before the body has come.
	MaxBody int64
	// ReadTimeout bounds the reading of a body; 0 is 5 seconds, or half of the
	// Deadline where that is less. It must be shorter than the Deadline, and
	// replaces the server's own for the body. Where the server does not support
	// deadlines it has no effect.
	ReadTimeout time.Duration
	// Deadline bounds the whole processing through the context that hooks and
	// callbacks get, counted from the arrival; 0 is 8 seconds. A callback that
	// ignores its context delays the answer, and its result still counts.
	Deadline time.Duration

	// AllowedAddresses, when set, are the only addresses that may call. They are
	// then never refused for failures (ChargeFailures); the plain limit
	// (ChargeAll) counts for them too.
	AllowedAddresses []netip.Prefix
	// TrustedProxies are the peers whose ForwardedHeader is believed. None is
	// by default: the client is then the peer itself.
	TrustedProxies []netip.Prefix
	// TrustUnixSocket trusts every peer that has no IP address because it comes
	// over a Unix socket, as TrustedProxies does others: set it when a proxy stands
	// before the socket. Whoever may write to the socket can then be any client.
	// A request without ForwardedHeader is refused, since its client can't be told.
	TrustUnixSocket bool
	// ForwardedHeader names the header in which trusted proxies list the
	// addresses before them; empty is X-Forwarded-For. Forwarded is read by RFC
	// 7239, every other one as addresses with commas between them. The last
	// address that is no trusted proxy's counts; where that one is unknown or
	// obfuscated, the request is refused.
	ForwardedHeader string

	// Limiter, when set, limits how often a client may call. It is asked before
	// the body is read and before any cryptography. Give each receiver its own,
	// or share one: keys name the provider.
	//
	// Past its cap on keys, unknown clients share one bucket, which a flood from
	// very many addresses keeps empty: put the addresses that your provider
	// calls from into [ratelimit.Config.Own]. Behind a proxy, set
	// TrustedProxies, or all clients are one.
	Limiter ratelimit.Limiter
	// Charge says which requests are taken from the budget; empty is
	// [ratelimit.ChargeFailures]: only deliveries that don't verify, or that
	// turn out not to be true, so that a provider's genuine burst is never
	// refused. It protects from guessing and replaying.
	// [ratelimit.ChargeAll] takes every request: it bounds the load, and refuses
	// a genuine burst too.
	Charge ratelimit.Charge
	// LimitKey names whose budget a request belongs to; nil is provider and
	// client address, IPv6 by /64. An empty key is not limited.
	LimitKey func(r *http.Request, client netip.Addr) string
	// LimitPolicy, when set, adds the IETF RateLimit headers to answers under
	// this policy name. Retry-After is sent with every refusal anyway.
	LimitPolicy string

	// Store remembers which events were processed; nil is a [memstore.Store] of
	// this receiver's own. Restarts and other replicas don't share it, so make
	// the settling of an order idempotent all the same. Receivers of several
	// accounts that share one need a tenant each: without it, an event of one
	// is taken for the other's.
	//
	// The first delivery of an event decides: what a later one says in unsigned
	// members is not passed on.
	Store payack.Store
	// Lease is how long a claim holds when nothing ends it (a crash); 0 is the
	// deadline and 30 seconds. It must be longer than the deadline. An inbox has
	// leases of its own.
	Lease time.Duration
	// InsecureProcessWithoutStore calls the callback when the store fails. By
	// default the provider is asked to send again: with this set an event may be
	// processed more than once, and the callback must not mind.
	InsecureProcessWithoutStore bool

	// Inbox, when set, keeps what verified before the provider is told that it was
	// received, and has it processed later, with retries for days. Events are then
	// claimed in the inbox; a Store beside it is only looked into, for a receiver
	// that moves from one to the other.
	Inbox payack.Inbox
	// Name is what the inbox knows this receiver by, so that what was kept finds it
	// after a restart. Empty is the provider and the Tenant. Two receivers of one
	// inbox have two names.
	Name string

	// Validate holds the merchant's own rules for the event: a field's Go name
	// to validator/v10 tags, {"AcceptCurrency": "eq=PHP"}. An event that
	// breaks one is rejected as invalid.
	Validate map[string]string

	// Logger gets one line for each delivery, and warnings about the set-up;
	// nil is slog.Default. slog.New(slog.DiscardHandler) switches it off.
	Logger *slog.Logger
	// Observer, when set, is told of each delivery besides the log.
	Observer payack.Observer
}

// withDefaults returns the options completed, or an error that names the member
// and the fix.
func (o Options) withDefaults() (Options, error) {
	if o.MaxBody < 0 || o.ReadTimeout < 0 || o.Deadline < 0 || o.Lease < 0 {
		return o, errors.New("payack: MaxBody, ReadTimeout, Deadline and Lease can't be negative; leave them 0 for the defaults")
	}
	if o.MaxBody > maxMaxBody {
		return o, fmt.Errorf("payack: MaxBody: %d bytes for each request is no limit; give at most %d", o.MaxBody, maxMaxBody)
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Deadline == 0 {
		o.Deadline = DefaultDeadline
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = min(DefaultReadTimeout, o.Deadline/2)
	}
	if o.ReadTimeout >= o.Deadline {
		return o, fmt.Errorf("payack: ReadTimeout: a body may take %v and the deadline is %v, so that nothing would be left for the callback; lower it, or raise Deadline", o.ReadTimeout, o.Deadline)
	}
	if o.Lease == 0 {
		o.Lease = o.Deadline + leaseMargin
	}
	if o.Lease <= o.Deadline {
		return o, fmt.Errorf("payack: Lease: %v is not longer than the deadline of %v, so an event could be claimed twice; leave it 0 or raise it", o.Lease, o.Deadline)
	}
	for _, p := range o.TrustedProxies {
		if p.IsValid() && p.Bits() == 0 {
			return o, fmt.Errorf("payack: TrustedProxies: %v trusts everybody, and everybody can then be any client; name your proxies", p)
		}
	}
	for _, p := range append(append([]netip.Prefix(nil), o.AllowedAddresses...), o.TrustedProxies...) {
		if !p.IsValid() {
			return o, errors.New("payack: AllowedAddresses, TrustedProxies: an entry is no valid prefix; a single address ends in /32 or /128")
		}
		if p.Addr().Is4In6() {
			return o, fmt.Errorf("payack: AllowedAddresses, TrustedProxies: %v is an IPv4 prefix in IPv6 form, which matches no client; write it as IPv4", p)
		}
	}
	if o.TrustUnixSocket {
		o.TrustedProxies = append(slices.Clip(o.TrustedProxies), unixSocket)
	}
	if err := o.Charge.Validate(); err != nil {
		return o, errors.New("payack: " + strings.TrimPrefix(err.Error(), "ratelimit: "))
	}
	if err := limitpolicy.Check(o.LimitPolicy); err != nil {
		return o, fmt.Errorf("payack: LimitPolicy: %w", err)
	}
	switch {
	case o.ForwardedHeader != "" && len(o.TrustedProxies) == 0:
		return o, errors.New("payack: ForwardedHeader: without TrustedProxies nobody's header is believed; name your proxies, or leave it out")
	case o.Limiter == nil && (o.Charge != "" || o.LimitPolicy != "" || o.LimitKey != nil):
		return o, errors.New("payack: Charge, LimitPolicy and LimitKey have no effect without a Limiter; set one, or leave them out")
	}
	if o.ForwardedHeader == "" {
		o.ForwardedHeader = "X-Forwarded-For"
	}
	o.ForwardedHeader = textproto.CanonicalMIMEHeaderKey(o.ForwardedHeader)
	for name, value := range map[string]any{"Store": o.Store, "Limiter": o.Limiter, "Observer": o.Observer, "Inbox": o.Inbox} {
		if value != nil && nilness.Of(value) {
			return o, fmt.Errorf("payack: %s: it holds a nil pointer; leave it nil itself, or look at the error that the value's constructor returned", name)
		}
	}
	if o.Name != "" && o.Inbox == nil {
		return o, errors.New("payack: Name has no effect without an Inbox; set one, or leave it out")
	}
	if o.Store == nil && o.Inbox == nil {
		o.Store = memstore.New(0)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}

// sameFunc reports whether two functions are the same code.
func sameFunc(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
