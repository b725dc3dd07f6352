package diagnose_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/internal/e2e/field"
)

var update = flag.Bool("update", false, "write the golden files")

// own are the reasons that depend on the delivery alone.
var own = []payack.Reason{
	payack.ReasonMethod, payack.ReasonContentType, payack.ReasonContentEncoding, payack.ReasonTooLarge,
	payack.ReasonMalformed, payack.ReasonEnvelope, payack.ReasonSignature, payack.ReasonInvalid,
}

// TestRefusedInTheField compares the cause and the advice for each refused delivery
// of package field with testdata/field.golden.
func TestRefusedInTheField(t *testing.T) {
	cases, err := field.Load()
	require.NoError(t, err)
	var table strings.Builder
	refused := 0
	for _, c := range cases {
		if c.Error != "" {
			continue
		}
		key, err := c.Key()
		require.NoError(t, err)
		h := receiverOf(t, &c, key)
		for i := range c.Deliveries {
			del := &c.Deliveries[i]
			if del.Orders != nil {
				c.Config.Orders = del.Orders
			}
			if del.Outcome == payack.OutcomeAccepted || del.Outcome == payack.OutcomeDuplicate {
				continue
			}
			refused++
			m, _, err := c.Message(del, key)
			require.NoError(t, err)
			d := &payack.Delivery{Method: m.Method, Path: m.Target, Header: m.Header, Body: m.Body}
			at := fmt.Sprintf("%s/%d", c.Name, i+1)
			report, advice := both(t, h, d, diagnose.Options{Reason: del.Reason})
			assert.Equal(t, del.Outcome, report.Outcome, at)
			assert.Equal(t, del.Reason, report.Reason, at)
			if slices.Contains(own, del.Reason) {
				blind, _ := both(t, h, d, diagnose.Options{})
				assert.Equal(t, report, blind, "%s: the reason is found without being told", at)
			}
			fmt.Fprintf(&table, "%s\t%s\n\tcause: %s\n\tfix:   %s\n", at, report.Reason, report.Cause, advice.Fix)
		}
	}
	assert.GreaterOrEqual(t, refused, 200)
	file := filepath.Join("testdata", "field.golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(table.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	wanted, got := strings.Split(string(want), "\n"), strings.Split(table.String(), "\n")
	for i := range min(len(wanted), len(got)) {
		require.Equal(t, wanted[i], got[i], "line %d of %s", i+1, file)
	}
	require.Len(t, got, len(wanted))
}
