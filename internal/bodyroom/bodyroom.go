// Package bodyroom lends buffers to read bodies into, which saves an allocation
// of a body's size for each delivery. What was read is copied into a string, which
// nobody can change.
package bodyroom

import "sync"

// Pool holds the buffers that are not in use. The zero value keeps none.
type Pool struct {
	// Largest is how large a buffer may be that is kept.
	Largest int

	rooms sync.Pool
}

// Take returns a buffer of any size, with nothing of an earlier body in it. Who
// needs a larger one puts it in its place.
func (p *Pool) Take() *[]byte {
	if room, ok := p.rooms.Get().(*[]byte); ok {
		return room
	}
	return new([]byte)
}

// GiveBack clears a buffer and keeps it for another body, unless it is too large.
// A buffer that somebody may still write to is not given back.
func (p *Pool) GiveBack(room *[]byte) {
	if cap(*room) <= p.Largest {
		clear((*room)[:cap(*room)])
		p.rooms.Put(room)
	}
}
