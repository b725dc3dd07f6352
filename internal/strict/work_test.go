package strict_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/strict"
)

type hostileBody struct {
	name, body string
	allocate   float64
}

// hostile are bodies of up to 64 KiB that are as expensive as possible, with the
// number of allocations that each may cost.
func hostile() []hostileBody {
	const size = 64 << 10
	alike := func(n, size int) string { // members whose names differ only near their end
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"%s%03dx":1,`, strings.Repeat("x", size/n-9), i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	nested := "1"
	for range 16 {
		nested = "{" + alike(31, size/16-10) + `,"":` + nested + "}"
	}
	return []hostileBody{
		{"one string", `{"a":"` + strings.Repeat("x", size) + `"}`, 8},
		{"escapes", `{"a":"` + strings.Repeat(`\u0041`, size/6) + `"}`, 9},
		{"characters beyond ASCII", `{"a":"` + strings.Repeat("é", size/2) + `"}`, 8},
		{"digits", `{"a":` + strings.Repeat("9", size) + `}`, 8},
		{"empty arrays", `{"a":[` + strings.Repeat("[],", size/3) + `[]]}`, 8},
		{"white space", `{"a":` + strings.Repeat("\n", size) + `1}`, 8},
		{"512 members", members(512), 40},
		{"512 names alike", "{" + alike(512, size) + "}", 40},
		{"32 names alike", "{" + alike(32, size) + "}", 10},
		{"512 objects", `{"a":[` + strings.Repeat(`{"b":1},`, 510) + `{"b":1}]}`, 8},
		{"480 objects behind 31 members", strings.TrimSuffix(members(31), "}") + `,"a":[` + strings.Repeat(`{"b":1},`, 479) + `{"b":1}]}`, 2 * 512},
		{"479 objects within 33 members", strings.TrimSuffix(members(32), "}") + `,"a":[` + strings.Repeat(`{"b":1},`, 478) + `{"b":1}]}`, 20},
		{"16 objects in each other", nested, 200},
	}
}

func TestJSONHostileWork(t *testing.T) {
	dst := make([]strict.Field, 0, strict.MaxFields)
	for _, c := range hostile() {
		got := testing.AllocsPerRun(20, func() {
			_, err := strict.JSON(dst, c.body)
			require.NoError(t, err, c.name)
		})
		assert.LessOrEqual(t, got, c.allocate, "%s: allocations", c.name)
	}
}

// BenchmarkJSONHostile measures the most expensive bodies, per byte.
func BenchmarkJSONHostile(b *testing.B) {
	dst := make([]strict.Field, 0, strict.MaxFields)
	for _, c := range hostile() {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := strict.JSON(dst, c.body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
