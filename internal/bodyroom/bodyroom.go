// Package bodyroom pools the buffers that bodies are read into, which saves an
// allocation of a body's size for each delivery. The reader copies the body into a
// string before it gives the buffer back.
package bodyroom

import "sync"

// Pool holds the buffers that are not in use. It is safe for concurrent use. The
// zero value keeps no buffers.
type Pool struct {
	// Largest is the capacity in bytes of the largest buffer that is kept.
	Largest int

	rooms sync.Pool
}

// Take returns a buffer of any size that contains nothing of an earlier body. A
// caller who needs a larger one assigns it through the pointer.
func (p *Pool) Take() *[]byte {
	if room, ok := p.rooms.Get().(*[]byte); ok {
		return room
	}
	return new([]byte)
}

// GiveBack clears a buffer up to its length and keeps it for another body, unless
// it is too large. The caller sets the length to what was written, so that after a
// small body only a small part of a large buffer is cleared. Do not give back a
// buffer that somebody may still write to.
func (p *Pool) GiveBack(room *[]byte) {
	if cap(*room) <= p.Largest {
		clear(*room)
		*room = (*room)[:0]
		p.rooms.Put(room)
	}
}
