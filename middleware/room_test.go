//go:build !race

package middleware_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// The pool outlives a request. Under the race detector it forgets at random, so
// this is tested without it.
func TestRoomsKeepNoBody(t *testing.T) {
	h := ptopHandler(t, middleware.Options{MaxBody: 1 << 20}, acceptAll)
	for _, body := range []string{"{}", ptopBody("T1"), strings.Repeat("x", middleware.DefaultMaxBody), strings.Repeat("x", 1<<20)} {
		for _, announced := range []int64{int64(len(body)), -1} {
			var room []byte
			for range 100 { // another processor may have the room
				r := httptest.NewRequest("POST", "/", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.ContentLength = announced
				serve(h, r)
				if room = middleware.PooledRoom(); len(room) > 0 || len(body) > middleware.DefaultMaxBody {
					break
				}
			}
			if len(body) <= middleware.DefaultMaxBody {
				require.NotEmpty(t, room)
			}
			require.LessOrEqual(t, len(room), 2*middleware.DefaultMaxBody)
			require.Empty(t, bytes.Trim(room, "\x00"))
		}
	}
}

// givenUp is a body of somebody who gives a read up that goes on behind his back.
type givenUp struct{ late func([]byte) }

func (b *givenUp) Read(p []byte) (int, error) {
	b.late(p)
	return 0, os.ErrDeadlineExceeded
}

func (*givenUp) Close() error { return nil }

func TestRoomOfAFailedReadIsNotUsedAgain(t *testing.T) {
	var room []byte
	h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, _ *payack.PtopEvent) error { return nil })
	r := ptopRequest(t, "late")
	r.Body = &givenUp{func(p []byte) { room = p }}
	require.Equal(t, 500, serve(h, r).Code)
	copy(middleware.PooledRoom(), "{}")
	require.NotContains(t, string(room), "{}")
	require.Equal(t, 200, serve(h, ptopRequest(t, "genuine")).Code)
}
