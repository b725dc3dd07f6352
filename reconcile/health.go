package reconcile

import (
	"sync"
	"time"
)

// The pause after a failure doubles with each, up to maxPause.
const (
	firstPause = time.Second
	maxPause   = time.Minute
)

// health is whether an account answers. While it doesn't, it is asked one question
// at a time, and seldom.
type health struct {
	mu       sync.Mutex
	failures int
	until    time.Time // no question before
}

// pause returns how long no question is to be asked, and whether the last one
// failed.
func (h *health) pause(now time.Time) (d time.Duration, unwell bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until.Sub(now), h.failures > 0
}

// felt notes how a question went that began at a time. Those that failed together
// count once.
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
