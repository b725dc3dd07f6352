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

// DefaultWaits returns the default of [Config].Waits.
func DefaultWaits() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
}

// Config configures a [Reconciler]. Orders and Accounts are required.
type Config struct {
	// Orders returns the open orders, each once, in any order. An order is open if
	// the merchant's records say neither that it is paid nor that it is closed. Run
	// calls Orders at intervals of Every, one call at a time. It reads each iterator
	// to its end without waiting for answers. An error ends that reading, and Orders
	// is called again later.
	Orders func(ctx context.Context) iter.Seq2[Order, error]
	// Accounts are the accounts that orders may refer to.
	Accounts []Account

	// PerSecond is the number of questions per second for each provider, over all of
	// its accounts; 0 is [DefaultPerSecond], and the maximum is 100000. No provider
	// documents a limit for its queries.
	PerSecond float64
	// Limiters replace PerSecond for some providers, for example by a limiter that
	// replicas share, such as one of redislimit. A limiter is asked with one key for
	// each provider. While it returns errors, PerSecond applies.
	Limiters map[payack.Provider]ratelimit.Limiter
	// Workers is the number of concurrent questions for each account; 0 is
	// [DefaultWorkers].
	Workers int

	// Waits are the times to wait before the questions about an order. The first wait
	// counts from the order's creation, each later one from the previous question.
	// The last wait repeats. Nil is [DefaultWaits].
	Waits []time.Duration
	// GiveUp is the age at which an order is no longer asked about; 0 is
	// [DefaultGiveUp]. Two kinds of orders are asked about beyond that age: those
	// about which the provider has never answered, and those with a paid or final
	// answer that is not processed yet.
	GiveUp time.Duration
	// Every is the time between two readings of Orders; 0 is half of the first wait.
	// Orders is read sooner if it had more due orders than fitted into the queues.
	Every time.Duration

	// NotFinal also passes answers to the receiver that are neither paid nor final,
	// if the provider sends callbacks for such states. While a state is not final, each
	// change of an amount is an event of its own.
	NotFinal bool

	// Logger logs what concerns no single event, such as orders that can't be asked
	// about; nil is slog.Default. Receivers log the outcome of events.
	Logger *slog.Logger
}

// withDefaults returns the configuration with its defaults. An error names the
// member and the fix.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Orders == nil:
		return c, errors.New("reconcile: Config.Orders is nil; give a function that returns the open orders")
	case len(c.Accounts) == 0:
		return c, errors.New("reconcile: Config.Accounts is empty; give the accounts to ask, such as reconcile.PTS(client, receiver)")
	case math.IsNaN(c.PerSecond) || c.PerSecond < 0 || c.PerSecond > maxPerSecond:
		return c, fmt.Errorf("reconcile: Config.PerSecond is %v; give the number of questions in a second, above 0 and at most %d", c.PerSecond, maxPerSecond)
	case c.Workers < 0:
		return c, fmt.Errorf("reconcile: Config.Workers is %d; give a number above 0, or 0 for %d", c.Workers, DefaultWorkers)
	case c.GiveUp < 0 || c.Every < 0:
		return c, errors.New("reconcile: Config.GiveUp and Every can't be negative; leave them 0 for the defaults")
	case slices.ContainsFunc(c.Waits, func(w time.Duration) bool { return w <= 0 }):
		return c, errors.New("reconcile: Config.Waits has a duration that is not above 0; give durations above 0, or nil for the default")
	}
	for p, l := range c.Limiters {
		if nilness.Of(l) {
			return c, fmt.Errorf("reconcile: Config.Limiters: the limiter for %s is nil; leave it out, or look at the error that its constructor returned", p)
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

// maxPerSecond keeps the wait for a turn above the resolution of timers.
const maxPerSecond = 100_000

// wait returns the time between a question about an order of this age and the next
// question.
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
	hungry  chan struct{} // a queue runs low, and the source has more
	book    book
	counts  counts
	warned  warned
}

type accountKey struct {
	provider payack.Provider
	name     string
}

// New returns a Reconciler. It asks no provider yet. An error names the member of
// the configuration or the account, and the fix. New refuses a receiver whose store
// is in memory only.
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
			return nil, fmt.Errorf("reconcile: Config.Accounts has %s twice; give each account a name of its own (Named)", a.title())
		}
		for _, other := range r.accounts {
			if other.receiver == a.receiver && other.asks != a.asks {
				return nil, fmt.Errorf("reconcile: %s and %s have the same receiver, which can't tell their events apart; give each the receiver of its own callbacks", other.title(), a.title())
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
			return nil, fmt.Errorf("reconcile: Config.Limiters has a limiter for %s, which no account is of; leave it out", p)
		}
	}
	return r, nil
}

// account is an Account with its queue and health.
type account struct {
	Account
	queue
	health
}

// find returns the account of an order.
func (r *Reconciler) find(o *Order) (*account, error) {
	a := r.accounts[accountKey{o.Provider, o.Account}]
	if a == nil {
		return nil, fmt.Errorf("there is no %s; add each account that orders refer to to Config.Accounts",
			(&Account{provider: o.Provider, name: o.Account}).title())
	}
	return a, a.askable(o)
}
