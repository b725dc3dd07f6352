//go:build !race

package php_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack/internal/php"
)

// More is allocated under the race detector, so the tests in this file run without it.

// An object that is no list needs no space for edits, which are the places that change
// if an object becomes a list. The space for the edits of all lists is allocated once.
func TestReencodeAllocates(t *testing.T) {
	allocations := func(object string, n int) float64 {
		body := []byte(`{"v":[` + strings.TrimSuffix(strings.Repeat(object+",", n), ",") + `]}`)
		return testing.AllocsPerRun(100, func() { _, _, _ = php.Reencode(body, "signature") })
	}
	const plain, list = `{"a":1,"b":2}`, `{"0":1,"1":2}`
	one := allocations(plain, 1)
	assert.Equal(t, one+6*(allocations(plain, 2)-one), allocations(plain, 7))
	assert.LessOrEqual(t, allocations(list, 1000), allocations(plain, 1000)+2)
	slashes := func(n int) float64 {
		body := []byte(`{"v":"` + strings.Repeat("sixteen letters /", n) + `"}`)
		return testing.AllocsPerRun(100, func() { _, _, _ = php.Reencode(body, "signature") })
	}
	assert.Equal(t, slashes(1), slashes(60), "a slash here and there is reckoned with")
}

// A query without escapes fits into the buffer that is allocated first.
func TestBuildQueryAllocates(t *testing.T) {
	pairs := slices.Repeat([]php.Pair{{Name: "transaction_id", Value: "TX-1"}, {Name: "order_id", Value: "ORD-1"}}, 20)
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { php.BuildQuery(pairs) }), 2.0)
}
