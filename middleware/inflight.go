package middleware

import (
	"hash/maphash"
	"sync"
)

// flights holds the events that this process is working on. While the merchant's
// function runs for an event, a redelivery of the event is busy, even if the lease
// of its claim has ended. Receivers whose stores have the same home
// ([payack.Store]) share the events.
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
