package strict_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/strict"
)

// hostile are bodies of 64 KiB, made to cost as much as they can.
func hostile() map[string]string {
	const size = 64 << 10
	alike := func(n, size int) string { // members whose names differ in little, and late
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
	return map[string]string{
		"one string":                    `{"a":"` + strings.Repeat("x", size) + `"}`,
		"escapes":                       `{"a":"` + strings.Repeat(`\u0041`, size/6) + `"}`,
		"characters beyond ASCII":       `{"a":"` + strings.Repeat("é", size/2) + `"}`,
		"digits":                        `{"a":` + strings.Repeat("9", size) + `}`,
		"empty arrays":                  `{"a":[` + strings.Repeat("[],", size/3) + `[]]}`,
		"white space":                   `{"a":` + strings.Repeat("\n", size) + `1}`,
		"512 members":                   members(512),
		"512 names alike":               "{" + alike(512, size) + "}",
		"32 names alike":                "{" + alike(32, size) + "}",
		"512 objects":                   `{"a":[` + strings.Repeat(`{"b":1},`, 510) + `{"b":1}]}`,
		"480 objects behind 31 members": strings.TrimSuffix(members(31), "}") + `,"a":[` + strings.Repeat(`{"b":1},`, 479) + `{"b":1}]}`,
		"16 objects in each other":      nested,
	}
}

// What is refused costs as much as what is accepted: a body of 64 KiB allocates no
// more than a few times its size, and no more often than it has names.
func TestJSONHostileWork(t *testing.T) {
	for name, body := range hostile() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := strict.JSON(nil, body)
		runtime.ReadMemStats(&after)
		require.NoError(t, err, name)
		assert.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<10), "%s: bytes allocated", name)
		assert.LessOrEqual(t, after.Mallocs-before.Mallocs, uint64(2*strict.MaxFields), "%s: allocations", name)
	}
}

// BenchmarkJSONHostile shows what a byte costs at worst.
func BenchmarkJSONHostile(b *testing.B) {
	for name, body := range hostile() {
		dst := make([]strict.Field, 0, strict.MaxFields)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = strict.JSON(dst, body)
			}
		})
	}
}
