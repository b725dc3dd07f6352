package main

import (
	"errors"
	"log/slog"
	"strings"

	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/ratelimit/redislimit"
)

// limiter returns the configured rate limiter: in this process, or shared through
// Redis.
func (c *config) limiter(logger *slog.Logger) (ratelimit.Limiter, error) {
	budget := ratelimit.Config{PerSecond: *c.RateLimit.PerSecond, Burst: *c.RateLimit.Burst}
	for _, p := range providers.All {
		// Each allowed address gets a bucket of its own. Whole networks don't.
		if keys, err := ratelimit.AddrKeys(string(p), c.allowed...); err == nil {
			budget.Own = append(budget.Own, keys...)
		}
	}
	if c.RateLimit.Redis == "" {
		l, err := ratelimit.New(budget)
		return l, limitError(err)
	}
	l, err := redislimit.Open(c.RateLimit.Redis, redislimit.Config{Budget: budget, OnChange: func(ch redislimit.Change) {
		if ch.Local {
			logger.Warn("rate_limit.redis does not answer; this process limits on its own until it does", "error", ch.Err)
		} else {
			logger.Info("rate_limit.redis answers again")
		}
	}})
	if err != nil {
		return nil, limitError(err)
	}
	return l, nil
}

// limitError rewrites an error of the limiter with the names of the
// configuration.
func limitError(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(limitNames.Replace(err.Error()))
}

var limitNames = strings.NewReplacer(
	"redislimit: the URL", "rate_limit.redis", "redislimit: ", "", "ratelimit: ", "", "Config.Budget: ", "",
	"Config.Budget.PerSecond", "rate_limit.per_second",
	"Config.PerSecond", "rate_limit.per_second", "Config.Burst", "rate_limit.burst",
	"leave the limiter out", "leave rate_limit out",
)
