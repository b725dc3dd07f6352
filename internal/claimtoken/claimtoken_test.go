package claimtoken_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack/internal/claimtoken"
)

func TestNext(t *testing.T) {
	var s claimtoken.Source
	seen := map[string]bool{}
	for i := range uint64(200) {
		n, text := s.Next()
		assert.Equal(t, i+1, n)
		assert.Equal(t, n, claimtoken.Number(text))
		assert.Len(t, text, 16)
		seen[text] = true
	}
	assert.Len(t, seen, 200)
	assert.True(t, seen["0000000000000001"])
	assert.True(t, seen["00000000000000c8"])
}

func TestNumber(t *testing.T) {
	assert.Equal(t, uint64(0xffffffffffffffff), claimtoken.Number("ffffffffffffffff"))
	for _, text := range []string{"", "1", "0000000000000000", "00000000000000001", "000000000000000g", "+000000000000001", "0x00000000000001"} {
		assert.Zero(t, claimtoken.Number(text), text)
	}
}

// 64 tokens cost at most two allocations.
func TestNextAllocatesRarely(t *testing.T) {
	var s claimtoken.Source
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		for range 64 {
			s.Next()
		}
	}), 2.0)
}
