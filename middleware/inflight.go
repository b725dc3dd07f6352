package middleware

import (
	"hash/maphash"
	"sync"
)

// The events that this process works on, by the home of their store. They make a
// redelivery busy for as long as the function runs, even if the lease has ended and
// whichever receiver gets it.
var (
	flights    [64]flight
	flightSeed = maphash.MakeSeed()
)

type flight struct {
	mu     sync.Mutex
	events map[inFlight]struct{}
}

type inFlight struct{ home, id string }

func flightOf(id string) *flight {
	return &flights[maphash.String(flightSeed, id)%uint64(len(flights))]
}

// enter marks an event as in flight. It returns false if it was in flight already.
func enter(home, id string) bool {
	f := flightOf(id)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.events == nil {
		f.events = make(map[inFlight]struct{})
	}
	others := len(f.events)
	f.events[inFlight{home, id}] = struct{}{}
	return len(f.events) > others
}

func leave(home, id string) {
	f := flightOf(id)
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.events, inFlight{home, id})
}
