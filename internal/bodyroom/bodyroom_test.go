//go:build !race

package bodyroom_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/bodyroom"
)

// Under the race detector a sync.Pool drops buffers at random, so builds with the
// race detector leave this file out.
func TestPool(t *testing.T) {
	p := bodyroom.Pool{Largest: 100}
	room := p.Take()
	require.Empty(t, *room)

	// Only the bytes that were written are cleared.
	*room = append(make([]byte, 0, 100), bytes.Repeat([]byte("x"), 100)...)[:7]
	p.GiveBack(room)
	again := taken(t, &p, 100)
	assert.Empty(t, again)
	assert.Equal(t, append(make([]byte, 7), bytes.Repeat([]byte("x"), 93)...), again[:100])

	larger := make([]byte, 101)
	p.GiveBack(&larger)
	for range 10 {
		assert.LessOrEqual(t, cap(*p.Take()), 100)
	}
}

// taken takes buffers from the pool until it gets one of this size. Before each
// further try it gives back a new buffer of this size, since the pool may hold an
// earlier one for another processor.
func taken(t *testing.T, p *bodyroom.Pool, size int) []byte {
	t.Helper()
	for range 100 {
		if room := p.Take(); cap(*room) == size {
			return *room
		}
		room := bytes.Repeat([]byte("x"), size)[:7]
		p.GiveBack(&room)
	}
	t.Fatal("no room comes back")
	return nil
}

// A body that fits into a kept buffer allocates none.
func TestPoolDoesNotAllocate(t *testing.T) {
	p := bodyroom.Pool{Largest: 1 << 10}
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		room := p.Take()
		if cap(*room) < 1<<10 {
			*room = make([]byte, 1<<10)
		}
		p.GiveBack(room)
	}), 0.1)
}
