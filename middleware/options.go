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
	// DefaultDeadline leaves time for the answer: Ptop waits 10 seconds for it.
	DefaultDeadline = 8 * time.Second
	maxMaxBody      = 64 << 20
	// leaseMargin is the default time from the deadline to the end of a claim's
	// lease.
	leaseMargin = 30 * time.Second
)

// Options are common to all receivers. The zero value is usable: it limits neither
// addresses nor rates, remembers events in memory, and logs every delivery as one
// line to slog.Default.
type Options struct {
	// MaxBody is the largest body in bytes, at most 64 MiB; 0 means 64 KiB. The
	// length that a request announces is allocated before its body has arrived.
	MaxBody int64
	// ReadTimeout bounds the time for reading a body; 0 means 5 seconds, or half of
	// Deadline if that is less. It must be shorter than Deadline, and replaces the
	// server's own timeout for the body. It has no effect where the server does not
	// support read deadlines.
	ReadTimeout time.Duration
	// Deadline bounds the whole processing, counted from the arrival; 0 means 8
	// seconds. Hooks and callbacks get it in their context. A callback that ignores
	// its context delays the answer, and its result still counts.
	Deadline time.Duration

	// AllowedAddresses, when set, are the only addresses that may call. Under
	// ChargeFailures they are then never refused for failures; under ChargeAll the
	// limit applies to them, too.
	AllowedAddresses []netip.Prefix
	// TrustedProxies are the peers whose ForwardedHeader is believed. By default no
	// peer is believed, and the peer itself counts as the client.
	TrustedProxies []netip.Prefix
	// TrustUnixSocket trusts peers that connect over a Unix socket. They have no IP
	// address, so TrustedProxies can't list them. Set it when a proxy connects to
	// the socket. It is unsafe otherwise: every program that may write to the
	// socket can then claim any client address. A request over the socket without
	// ForwardedHeader is refused, because its client is unknown.
	TrustUnixSocket bool
	// ForwardedHeader names the header in which trusted proxies list the addresses
	// that a request came through; empty means X-Forwarded-For. The header
	// Forwarded is parsed by RFC 7239, and every other header as a comma-separated
	// list of addresses. The client is the last address in the list that is not a
	// trusted proxy's. A request is refused if that address is unknown or
	// obfuscated.
	ForwardedHeader string

	// Limiter, when set, limits how often a client may call. It is asked before the
	// body is read and before any cryptography. Receivers can share one limiter,
	// since the keys name the provider unless LimitKey is set.
	//
	// Once the limiter holds as many keys as it can, all further clients share one
	// bucket, and a flood from very many addresses keeps that bucket empty. So list
	// your provider's addresses in [ratelimit.Config.Own]. Behind a proxy, set
	// TrustedProxies; without them all clients count as one.
	Limiter ratelimit.Limiter
	// Charge says which requests use up the budget. Empty means
	// [ratelimit.ChargeFailures]: it charges only deliveries that are too large, do
	// not arrive whole and in time, do not verify, or turn out to be untrue. It
	// protects against guessing and replaying, and never refuses a genuine burst.
	// [ratelimit.ChargeAll] charges every request: it bounds the load, but refuses a
	// genuine burst, too.
	Charge ratelimit.Charge
	// LimitKey returns the key of the budget that a request uses; nil means the
	// provider and the client's address, with one key for each /64 of IPv6. A
	// request with an empty key is not limited.
	LimitKey func(r *http.Request, client netip.Addr) string
	// LimitPolicy, when set, adds the IETF RateLimit headers under this policy name
	// to answers. Every rate refusal has a Retry-After header in any case.
	LimitPolicy string

	// Store remembers which events were processed; nil means a new [memstore.Store]
	// of this receiver, or none with an Inbox. A memstore.Store is lost on a restart
	// and not shared with other replicas, so make the settling of an order idempotent
	// all the same. Receivers for several accounts that share a store need different
	// tenants; without them, events of different accounts can be mistaken for one
	// another.
	//
	// The first delivery of an event counts: unsigned members of later deliveries
	// are not passed on.
	Store payack.Store
	// Lease is how long a claim lasts when nothing ends it, as after a crash; 0
	// means Deadline plus 30 seconds. It must be longer than Deadline. An inbox has
	// leases of its own.
	Lease time.Duration
	// InsecureProcessWithoutStore calls the callback although the store has failed.
	// An event may then be processed more than once, so it is unsafe unless the
	// callback is idempotent. By default the event fails: the provider is asked to
	// send it again, or the Inbox tries it again.
	InsecureProcessWithoutStore bool

	// Inbox, when set, keeps verified events before the provider is answered, and
	// processes them later, with retries for days. Events are then claimed in the
	// inbox. Store, when set as well, is only read: that is for a receiver that
	// moves from a store to an inbox.
	Inbox payack.Inbox
	// Name identifies this receiver in the inbox, so that kept events find it after
	// a restart. Empty means the provider and the Tenant. Each receiver of an inbox
	// needs a name of its own.
	Name string

	// Validate holds the merchant's own rules. It maps the Go name of a field of
	// the event to validator/v10 tags, for example {"AcceptCurrency": "eq=PHP"}. An
	// event that breaks a rule is rejected as invalid.
	Validate map[string]string

	// Logger gets one line for each delivery, and warnings about the set-up; nil
	// means slog.Default. slog.New(slog.DiscardHandler) switches logging off.
	Logger *slog.Logger
	// Observer, when set, is called for each delivery, in addition to the log.
	Observer payack.Observer
}

// withDefaults returns the options with defaults filled in, or an error that names
// the member and the fix.
func (o Options) withDefaults() (Options, error) {
	if o.MaxBody < 0 || o.ReadTimeout < 0 || o.Deadline < 0 || o.Lease < 0 {
		return o, errors.New("payack: MaxBody, ReadTimeout, Deadline and Lease can't be negative; leave them 0 for the defaults")
	}
	if o.MaxBody > maxMaxBody {
		return o, fmt.Errorf("payack: MaxBody: %d bytes for each request is too large; give at most %d", o.MaxBody, maxMaxBody)
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
		return o, fmt.Errorf("payack: ReadTimeout: a body may take %v and the deadline is %v, so no time would be left for the callback; lower ReadTimeout, or raise Deadline", o.ReadTimeout, o.Deadline)
	}
	if o.Lease == 0 {
		o.Lease = o.Deadline + leaseMargin
	}
	if o.Lease <= o.Deadline {
		return o, fmt.Errorf("payack: Lease: %v is not longer than the deadline of %v, so an event could be claimed twice; leave it 0 or raise it", o.Lease, o.Deadline)
	}
	for _, p := range o.TrustedProxies {
		if p.IsValid() && p.Bits() == 0 {
			return o, fmt.Errorf("payack: TrustedProxies: %v trusts every peer, so anybody could claim any client address; name your proxies", p)
		}
	}
	for _, p := range append(append([]netip.Prefix(nil), o.AllowedAddresses...), o.TrustedProxies...) {
		if !p.IsValid() {
			return o, errors.New("payack: AllowedAddresses, TrustedProxies: an entry is not a valid prefix; write a single address with /32 (IPv4) or /128 (IPv6)")
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
		return o, errors.New("payack: ForwardedHeader: without TrustedProxies the header is never believed; name your proxies, or leave ForwardedHeader out")
	case o.Limiter == nil && (o.Charge != "" || o.LimitPolicy != "" || o.LimitKey != nil):
		return o, errors.New("payack: Charge, LimitPolicy and LimitKey have no effect without a Limiter; set one, or leave them out")
	}
	if o.ForwardedHeader == "" {
		o.ForwardedHeader = "X-Forwarded-For"
	}
	o.ForwardedHeader = textproto.CanonicalMIMEHeaderKey(o.ForwardedHeader)
	for name, value := range map[string]any{"Store": o.Store, "Limiter": o.Limiter, "Observer": o.Observer, "Inbox": o.Inbox} {
		if value != nil && nilness.Of(value) {
			return o, fmt.Errorf("payack: %s: the interface holds a nil pointer; set it to nil, or check the error that the value's constructor returned", name)
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

// sameFunc reports whether a and b are the same function.
func sameFunc(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
