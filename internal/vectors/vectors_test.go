package vectors_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/vectors"
)

// Every provider has vectors, as many as are counted.
func TestCounts(t *testing.T) {
	assert.Len(t, vectors.Counts, len(providers.All))
	for _, p := range providers.All {
		f, err := vectors.Load(string(p))
		require.NoError(t, err)
		assert.Len(t, f.Vectors, vectors.Counts[string(p)])
	}
	_, err := vectors.Load("stripe")
	assert.EqualError(t, err, `vectors: there are none of a provider "stripe"`)
}
