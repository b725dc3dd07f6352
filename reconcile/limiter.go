package reconcile

import (
	"context"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/ratelimit"
)

// limiter is the rate at which a provider is asked.
type limiter struct {
	key    string
	shared ratelimit.Limiter // nil where there is none
	own    ratelimit.Limiter
}

func newLimiter(p payack.Provider, c *Config) (*limiter, error) {
	// What a timer was late by is made up for: the burst is what comes in 0.1 s.
	own, err := ratelimit.New(ratelimit.Config{PerSecond: c.PerSecond, Burst: max(1, int(c.PerSecond/10))})
	if err != nil {
		return nil, err
	}
	return &limiter{key: "reconcile:" + string(p), shared: c.Limiters[p], own: own}, nil
}

// turn waits until a question may be asked. The error is that of the context.
func (l *limiter) turn(ctx context.Context) error {
	for ctx.Err() == nil {
		d, err := l.allow(ctx)
		if err == nil && d.Allowed {
			return nil
		}
		sleep(ctx, max(d.RetryAfter, time.Millisecond)) // a limiter may not know how long
	}
	return ctx.Err()
}

// allow asks the shared limiter, or while that fails the own one: it must never
// fall away.
func (l *limiter) allow(ctx context.Context) (ratelimit.Decision, error) {
	if l.shared != nil {
		if d, err := l.shared.Allow(ctx, l.key); err == nil {
			return d, nil
		}
	}
	return l.own.Allow(ctx, l.key)
}

// sleep returns when the time has passed, or the context ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
