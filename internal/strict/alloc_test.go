package strict_test

import (
	"strings"
	"testing"

	"github.com/payack/payack/internal/strict"
)

// Decoding a callback copies only texts that have escapes.
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
