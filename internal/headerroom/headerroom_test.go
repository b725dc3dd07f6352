package headerroom_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack/internal/headerroom"
)

func TestSet(t *testing.T) {
	var r headerroom.Room
	h := http.Header{"Content-Type": {"text/html", "and more"}}
	r.Set(h, "Content-Type", "text/plain")
	r.Set(h, "Allow", "POST")
	assert.Equal(t, http.Header{"Content-Type": {"text/plain"}, "Allow": {"POST"}}, h)

	// A value that is added to one header does not overwrite the other one.
	h.Add("Content-Type", "application/json")
	assert.Equal(t, []string{"text/plain", "application/json"}, h["Content-Type"])
	assert.Equal(t, []string{"POST"}, h["Allow"])
	assert.Panics(t, func() { r.Set(h, "Connection", "close") }, "there is room for two")
}

func TestSetDoesNotAllocate(t *testing.T) {
	h := http.Header{"Content-Type": nil, "Allow": nil}
	var rooms [201]headerroom.Room
	next := 0
	assert.Zero(t, testing.AllocsPerRun(200, func() {
		rooms[next].Set(h, "Content-Type", "text/plain")
		rooms[next].Set(h, "Allow", "POST")
		next++
	}))
}
