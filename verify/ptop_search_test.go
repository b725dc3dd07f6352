package verify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Seven texts of a body's length are hashed, and not one more.
func TestPtopSearchToItsBound(t *testing.T) {
	const start = `{"success":true,"transaction_id":"t","order_id":"O","message":"`
	body := start + strings.Repeat("a", 64<<10-len(start)-2) + `"}`
	for n, enough := range map[int]bool{7: true, 8: false} {
		keys := []string{ptopKeyText}
		for i := range n - 1 {
			keys = append([]string{fmt.Sprint("retired-", i)}, keys...)
		}
		_, err := newPtop(t, verify.PtopOptions{}).Verify(ptopByHeader(ptopJSONType, body, ptopSum(ptopKeyText, body)), newPtopKeys(t, keys...))
		assert.Equal(t, enough, err == nil, "%d keys: %v", n, err)
	}
}

// The worst case: the genuine key is the last one, and its scheme is tried last.
func TestPtopSearchIsBounded(t *testing.T) {
	const tooMuch = "too large to try every scheme with this many keys; pin Schemes"
	for _, c := range []struct {
		name string
		size int
		keys int
		o    verify.PtopOptions
		want string // part of the error
	}{
		{"a usual body, dozens of keys", 1 << 10, 60, verify.PtopOptions{}, ""},
		{"the largest body, two keys", 64 << 10, 2, verify.PtopOptions{}, ""},
		{"a larger body, two keys", 1 << 20, 2, verify.PtopOptions{}, ""},
		{"the largest body, many keys", 64 << 10, 8, verify.PtopOptions{}, tooMuch},
		{"a larger body, many keys", 1 << 20, 8, verify.PtopOptions{}, tooMuch},
		{"the largest body, six keys, pinned", 64 << 10, 6, verify.PtopOptions{Schemes: []payack.Scheme{payack.SchemeBlanked}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			const start = `{"success":true,"transaction_id":"t","order_id":"O","message":"`
			m := signPtop(t, payack.SchemeBlanked, verify.PtopMiddle, start+strings.Repeat("a", c.size-len(start)-96)+`"}`)
			var keys []string
			for i := range c.keys - 1 {
				keys = append(keys, fmt.Sprint("retired-", i))
			}
			v, k := newPtop(t, c.o), newPtopKeys(t, append(keys, ptopKeyText)...)
			ev, err := v.Verify(m, k)
			explained := v.Explain(m, k)
			if c.want == "" {
				require.NoError(t, err)
				assert.Equal(t, payack.SchemeBlanked, ev.VerifiedBy().Scheme)
				assert.NoError(t, explained.Err)
				return
			}
			require.ErrorIs(t, err, payack.ErrSignature)
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, err, explained.Err)
			last := explained.Steps[len(explained.Steps)-1]
			assert.Equal(t, "hint", last.Name)
			assert.Contains(t, last.Text, c.want)
		})
	}
}
