package reconcile

import (
	"sync"
	"time"
)

// After a failure, an account is asked again after firstPause. The pause doubles
// with each failure in a row, up to maxPause.
const (
	firstPause = time.Second
	maxPause   = time.Minute
)

// health tracks whether an account answers. While it doesn't, it is asked one
// question at a time, with pauses.
type health struct {
	mu       sync.Mutex
	failures int
	until    time.Time // the end of the pause
}

// pause returns how long to wait before the next question, and whether the last
// question failed.
func (h *health) pause(now time.Time) (d time.Duration, unwell bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until.Sub(now), h.failures > 0
}

// felt notes whether a question failed. began is when the question began.
// Concurrent failures count once.
func (h *health) felt(began, now time.Time, failed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !failed:
		h.failures, h.until = 0, time.Time{}
	case !began.Before(h.until):
		h.until = now.Add(min(maxPause, firstPause<<min(h.failures, 10)))
		h.failures++
	}
}
