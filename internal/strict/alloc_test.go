//go:build !race

package strict_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/payack/payack/internal/strict"
)

// Under the race detector the pool forgets at random, so this is measured
// without it.
func TestJSONAllocations(t *testing.T) {
	for _, c := range []struct {
		name, body string
		most       float64
	}{
		{"no escape", strings.ReplaceAll(ptsLike, `\/`, "/"), 0},
		{"one string with escapes", ptsLike, 2},
	} {
		dst := make([]strict.Field, 0, 32)
		got := testing.AllocsPerRun(200, func() {
			fields, err := strict.JSON(dst, c.body)
			if err != nil || len(fields) != 14 {
				t.Fatal(err, len(fields))
			}
		})
		if got > c.most {
			t.Errorf("%s, %d bytes: %.0f allocations, want at most %.0f", c.name, len(c.body), got, c.most)
		}
	}
}

// The pool outlives a request, and what was decrypted must not live on in it.
func TestJSONKeepsNoBodyAlive(t *testing.T) {
	for _, body := range []string{ptsLike, `{"a":`, `[1]`, `{"a":1,"a":2}`, `{"a":"` + strings.Repeat("x", 100_000) + `"}`} {
		_, _ = strict.JSON(nil, ptsLike) // so that there is a decoder with room
		_, _ = strict.JSON(nil, body)
		kept := strict.Pooled()
		if len(kept) == 0 && len(body) < 1000 || len(kept) > 64<<10 {
			t.Errorf("%.20s…: the pooled decoder has room for %d bytes", body, len(kept))
		}
		if bytes.Trim(kept, "\x00") != nil {
			t.Errorf("%.20s… is still in the pool", body)
		}
	}
}
