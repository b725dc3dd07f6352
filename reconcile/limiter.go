package reconcile

import (
	"context"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/ratelimit"
)

// limiter limits the rate of questions to a provider.
type limiter struct {
	key    string
	shared ratelimit.Limiter // the one of Config.Limiters, or nil
	own    ratelimit.Limiter
}

func newLimiter(p payack.Provider, c *Config) (*limiter, error) {
	// The burst is the number of questions allowed in 0.1 s. It makes up for timers
	// that fire late.
	own, err := ratelimit.New(ratelimit.Config{PerSecond: c.PerSecond, Burst: max(1, int(c.PerSecond/10))})
	if err != nil {
		return nil, err
	}
	return &limiter{key: "reconcile:" + string(p), shared: c.Limiters[p], own: own}, nil
}

// turn waits until a question may be asked. It returns the context's error if the
// context ends first.
func (l *limiter) turn(ctx context.Context) error {
	for ctx.Err() == nil {
		d, err := l.allow(ctx)
		if err == nil && d.Allowed {
			return nil
		}
		sleep(ctx, max(d.RetryAfter, time.Millisecond)) // RetryAfter may be 0 for unknown
	}
	return ctx.Err()
}

// allow asks the shared limiter, or the own one while the shared one fails: there
// must always be a limit.
func (l *limiter) allow(ctx context.Context) (ratelimit.Decision, error) {
	if l.shared != nil {
		if d, err := l.shared.Allow(ctx, l.key); err == nil {
			return d, nil
		}
	}
	return l.own.Allow(ctx, l.key)
}

// sleep waits until the time has passed or the context ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
