package middleware_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
)

// An unknown status may be a new word for paid, so the log warns of it.
func TestUnknownStatusIsAWarning(t *testing.T) {
	d := newDesk(t, nil, func(_ context.Context, ev *payack.PayatomEvent) error {
		if !ev.Status.Known() {
			assert.False(t, ev.Paid())
			assert.False(t, ev.Final())
		}
		return nil
	})
	for _, tc := range []struct {
		status string
		warned int
	}{{"Approved", 0}, {"Settled", 1}} {
		require.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "500", tc.status)).Body.String(), `"yes"`)
		n := 0
		for _, line := range d.lines(t) {
			if strings.Contains(line["msg"].(string), "neither paid nor final") {
				assert.Equal(t, "WARN", line["level"])
				n++
			}
		}
		assert.Equal(t, tc.warned, n, tc.status)
	}
}
