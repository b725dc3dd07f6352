package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// pause waits before the next attempt. It is false when the context ends
// before that.
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

// longestPause is what the pause after an attempt stays below.
func longestPause(attempt int) time.Duration {
	return min(backoffMax, backoffBase<<min(attempt, 10))
}

// share is how long an attempt may take. One that may be repeated leaves half of
// what its context has left to the others: the first has the most, since a
// provider that is slow is so every time.
func (t *transport) share(ctx context.Context, c call, attempt int) time.Duration {
	if end, ok := ctx.Deadline(); ok && c.repeatable && attempt < t.retries {
		return min(t.timeout, time.Until(end)/2)
	}
	return t.timeout
}

// longestConfirm is how long a Confirm may take at most.
func (t *transport) longestConfirm() time.Duration {
	all := t.timeout
	for attempt := 0; attempt < t.retries && all < t.confirm; attempt++ {
		all += longestPause(attempt) + t.timeout
	}
	return min(all, t.confirm)
}
