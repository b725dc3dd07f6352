package vectors_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/internal/vectors"
)

// The table in testdata/vectors/README.md has the number of vectors with each verdict.
func TestReadmeCounts(t *testing.T) {
	readme, err := os.ReadFile("../../testdata/vectors/README.md")
	require.NoError(t, err)
	for provider := range vectors.Counts {
		f, err := vectors.Load(provider)
		require.NoError(t, err)
		n := map[string]int{}
		for _, v := range f.Vectors {
			n[v.Verdict]++
		}
		row := fmt.Sprintf("| %s | %d | %d | %d | %d |", provider,
			n[vectors.MustAccept], n[vectors.MustReject], n[vectors.PolicyReject], n[vectors.RecordReject])
		assert.Contains(t, string(readme), row)
		assert.Len(t, n, 4, "a verdict is not in the table")
	}
}
