package reconcile

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/nilness"
	"github.com/payack/payack/ratelimit"
)

// Defaults of [Config].
const (
	DefaultPerSecond = 5
	DefaultWorkers   = 8
	DefaultGiveUp    = 72 * time.Hour
)

// DefaultWaits are those of [Config].
func DefaultWaits() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
}

// Config says whom to ask about what. Orders and Accounts are needed; the zero
// value of everything else is its default.
type Config struct {
	// Orders returns the open orders, each once, in any order: those that are
	// neither paid nor closed by the merchant's records. It is called again and
	// again, and read to its end at once while Run runs. An error ends that reading.
	Orders func(ctx context.Context) iter.Seq2[Order, error]
	// Accounts are those that orders may name.
	Accounts []Account

	// PerSecond is how many questions a provider is asked in a second, over all of
	// its accounts; 5 if zero. (No provider documents a limit of its queries.)
	PerSecond float64
	// Limiters decide instead for the providers that they have, under one key for
	// each provider: give limiters that are shared by all replicas, such as those of
	// redislimit, or ones of another rate. While one fails, PerSecond counts.
	Limiters map[payack.Provider]ratelimit.Limiter
	// Workers is how many questions an account is asked at the same time, 8 if zero.
	Workers int

	// Waits are the waits before the first question, counted from the order's
	// creation, before the second, and so on; the last is that of all others.
	// Nil is [DefaultWaits].
	Waits []time.Duration
	// GiveUp is the age from which on an order is not asked about again, 72 hours if
	// zero. Each is asked about until the provider has said something of it once, and
	// what was found paid or final until it is processed.
	GiveUp time.Duration
	// Every is how often Orders is read, half of the first wait if zero. Where more
	// is due than was asked about meanwhile, it is read sooner.
	Every time.Duration

	// NotFinal hands on what is neither paid nor final, too, if the provider has
	// callbacks for it. Each change of an amount is then an event of its own.
	NotFinal bool

	// Logger gets what concerns no single event, such as orders that can't be asked
	// about; nil is slog.Default. What becomes of events is logged by the receivers.
	Logger *slog.Logger
}

// withDefaults returns the configuration completed, or an error that names the
// member and the fix.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Orders == nil:
		return c, errors.New("reconcile: Config.Orders is nil; give a function that returns the open orders")
	case len(c.Accounts) == 0:
		return c, errors.New("reconcile: Config.Accounts is empty; give whom to ask, such as reconcile.PTS(client, receiver)")
	case math.IsNaN(c.PerSecond) || c.PerSecond < 0 || c.PerSecond > maxPerSecond:
		return c, fmt.Errorf("reconcile: Config.PerSecond is %v; give the questions in a second, above 0 and at most %d", c.PerSecond, maxPerSecond)
	case c.Workers < 0:
		return c, fmt.Errorf("reconcile: Config.Workers is %d; give a number above 0, or 0 for %d", c.Workers, DefaultWorkers)
	case c.GiveUp < 0 || c.Every < 0:
		return c, errors.New("reconcile: Config.GiveUp and Every can't be negative; leave them 0 for the defaults")
	case slices.ContainsFunc(c.Waits, func(w time.Duration) bool { return w <= 0 }):
		return c, errors.New("reconcile: Config.Waits has one that is not above 0; give durations above 0, or nil for the default")
	}
	for p, l := range c.Limiters {
		if nilness.Of(l) {
			return c, fmt.Errorf("reconcile: Config.Limiters: that of %s is nil; leave it out, or look at the error that its constructor returned", p)
		}
	}
	if c.PerSecond == 0 {
		c.PerSecond = DefaultPerSecond
	}
	if c.Workers == 0 {
		c.Workers = DefaultWorkers
	}
	if len(c.Waits) == 0 {
		c.Waits = DefaultWaits()
	}
	c.Waits = slices.Clone(c.Waits)
	if c.GiveUp == 0 {
		c.GiveUp = DefaultGiveUp
	}
	if c.Every == 0 {
		c.Every = max(c.Waits[0]/2, time.Millisecond)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// maxPerSecond keeps the waits for a turn above what a timer can tell.
const maxPerSecond = 100_000

// wait is how long after a question about an order of this age the next one is
// due.
func (c *Config) wait(age time.Duration) time.Duration {
	var until time.Duration
	for _, w := range c.Waits {
		if until += w; age < until {
			return w
		}
	}
	return c.Waits[len(c.Waits)-1]
}

// Reconciler asks about open orders. It is safe for concurrent use.
type Reconciler struct {
	cfg      Config
	accounts map[accountKey]*account
	limiters map[payack.Provider]*limiter
	batch    int
	seed     maphash.Seed

	running atomic.Bool
	hungry  chan struct{} // an account asks for more than was read
	book    book
	counts  counts
	warned  warned
}

type accountKey struct {
	provider payack.Provider
	name     string
}

// New returns a Reconciler. The error names the member of the configuration, or
// the account, and the fix. Nobody is asked yet.
func New(c Config) (*Reconciler, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Reconciler{
		cfg: c, accounts: map[accountKey]*account{}, limiters: map[payack.Provider]*limiter{},
		batch: max(1000, int(10*c.PerSecond)), seed: maphash.MakeSeed(), hungry: make(chan struct{}, 1),
	}
	for _, a := range c.Accounts {
		if err := a.check(); err != nil {
			return nil, fmt.Errorf("reconcile: %w", err)
		}
		key := accountKey{a.provider, a.name}
		if r.accounts[key] != nil {
			return nil, fmt.Errorf("reconcile: %s is there twice; give each account a name of its own (Named)", a.title())
		}
		for _, other := range r.accounts {
			if other.receiver == a.receiver && other.asks != a.asks {
				return nil, fmt.Errorf("reconcile: %s and %s have one receiver, which couldn't tell their events apart; give each the receiver of its own callbacks", other.title(), a.title())
			}
		}
		r.accounts[key] = &account{Account: a, queue: queue{filled: make(chan struct{}, 1)}}
		if r.limiters[a.provider] == nil {
			if r.limiters[a.provider], err = newLimiter(a.provider, &c); err != nil {
				return nil, fmt.Errorf("reconcile: %w", err)
			}
		}
	}
	for p := range c.Limiters {
		if r.limiters[p] == nil {
			return nil, fmt.Errorf("reconcile: Config.Limiters has one for %s, and no account is of it; leave it out", p)
		}
	}
	return r, nil
}

// account is an Account at work.
type account struct {
	Account
	queue
	health
}

// find returns the account of an order.
func (r *Reconciler) find(o *Order) (*account, error) {
	a := r.accounts[accountKey{o.Provider, o.Account}]
	if a == nil {
		return nil, fmt.Errorf("there is no %s; Config.Accounts has to name each account that orders name",
			(&Account{provider: o.Provider, name: o.Account}).title())
	}
	return a, a.askable(o)
}
