package providers_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
)

func TestRegistry(t *testing.T) {
	r := providers.Registry[int]{}
	for i, p := range providers.All {
		r[p] = i
	}
	require.NoError(t, r.Check())
	for i, p := range providers.All {
		got, err := r.Of(p)
		require.NoError(t, err)
		assert.Equal(t, i, got)
	}
	for _, p := range []payack.Provider{"", "stripe", "PTS"} {
		_, err := r.Of(p)
		assert.EqualError(t, err, `there is no provider "`+string(p)+`"; there are `+providers.Names())
	}

	delete(r, payack.PTS)
	r["stripe"] = 7
	assert.EqualError(t, r.Check(), "the registry is incomplete: it lacks pts, stripe is not among providers.All")
}

func TestNames(t *testing.T) {
	assert.Equal(t, "ptop, pts and payatom", providers.Names())
	assert.Equal(t, "ptop|pts|payatom", providers.Join("|"))
}

// DecodeEvent knows the events of every provider.
func TestEventsAreKnown(t *testing.T) {
	for _, p := range providers.All {
		_, err := payack.DecodeEvent([]byte(`{"v":1,"provider":"` + string(p) + `","event":{}}`))
		assert.NoError(t, err, p)
	}
	_, err := payack.DecodeEvent([]byte(`{"v":1,"provider":"stripe","event":{}}`))
	assert.ErrorContains(t, err, "the provider is not known")
}
