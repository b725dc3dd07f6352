package redislimit

import (
	"sync"
	"time"
)

// breaker is a circuit breaker. It opens when the number of failures in a row reaches
// the field limit. While it is open, only one probe passes at the end of each
// cool-down.
type breaker struct {
	limit    int
	coolDown time.Duration

	mu       sync.Mutex
	failures int
	open     bool
	probing  bool
	until    time.Time
}

// pass reports whether the caller may use Redis, and whether it is the probe. A
// caller that passes must call report.
func (b *breaker) pass(now time.Time) (ok, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open:
		return true, false
	case b.probing || now.Before(b.until):
		return false, false
	}
	b.probing = true
	return true, true
}

// report records a result. It returns true if the result opened or closed the breaker.
func (b *breaker) report(now time.Time, probe, ok bool) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case probe:
		b.probing = false
		b.until = now.Add(b.coolDown)
		b.open = !ok
		b.failures = 0
		return ok
	case b.open:
		// This call passed before the breaker opened. Only the probe may close it.
		return false
	case ok:
		b.failures = 0
		return false
	}
	if b.failures++; b.failures < b.limit {
		return false
	}
	b.failures = 0
	b.open = true
	b.until = now.Add(b.coolDown)
	return true
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}
