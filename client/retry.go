package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// pause waits before the next attempt. It reports false if the context ends, or
// would end, before that attempt.
func pause(ctx context.Context, attempt int) bool {
	wait := rand.N(longestPause(attempt))
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// longestPause returns the bound on the pause after an attempt.
func longestPause(attempt int) time.Duration {
	return min(backoffMax, backoffBase<<min(attempt, 10))
}

// share returns the timeout of an attempt. If the attempt may be repeated, the
// timeout is at most half of the time until the context's deadline. The first
// attempt gets the most: a slow provider is usually slow every time.
func (t *transport) share(ctx context.Context, c call, attempt int) time.Duration {
	if end, ok := ctx.Deadline(); ok && c.repeatable && attempt < t.retries {
		return min(t.timeout, time.Until(end)/2)
	}
	return t.timeout
}

// longestConfirm returns the longest time that a Confirm takes.
func (t *transport) longestConfirm() time.Duration {
	all := t.timeout
	for attempt := 0; attempt < t.retries && all < t.confirm; attempt++ {
		all += longestPause(attempt) + t.timeout
	}
	return min(all, t.confirm)
}
