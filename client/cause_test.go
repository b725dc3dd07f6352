package client_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
)

// An error names the mistake and its offset for answers that are broken in the same
// way as the examples in the providers' documents.
func TestBrokenExamplesAreNamed(t *testing.T) {
	for body, says := range map[string]string{
		`{"status":"Approved","order_id":"ORD1000001","amount:"100"}`: "a name without its closing quote, so that its colon is within the quotes at byte 54",
		`{"order_id":"ORD1000001","webhook_acknowledged", "0"}`:       "a comma where the colon after a name should be at byte 47",
		"{\"order_id\":\"ORD1000001\",\u00a0\"status\":\"Approved\"}": "white space that is U+00A0, a no-break space",
		"\u00a0{\"order_id\":\"ORD1000001\"}":                         "white space that is U+00A0, a no-break space",
	} {
		g := says200(t, body)
		_, err := newPayatom(t, g).StatusPolling(t.Context(), client.PayatomQuery{RefCode: "R1"})
		require.ErrorIs(t, err, payack.ErrMalformed, body)
		assert.ErrorContains(t, err, says)
	}
}

func says200(t *testing.T, body string) string { return says(t, 200, body).URL }
