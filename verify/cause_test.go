package verify_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// The error names the cause and the offset for callbacks with the same mistakes as
// the examples in the providers' documents.
func TestBrokenExamplesAreNamed(t *testing.T) {
	v, err := verify.NewPayatom(verify.PayatomOptions{})
	require.NoError(t, err)
	k, err := verify.NewPayatomKeys("", payack.NewSecret("payatom-secret-0123456789"))
	require.NoError(t, err)
	for body, says := range map[string]string{
		`{"order_id":"ORD1","received_amount:"100"}`:        "a name without its closing quote, so that its colon is within the quotes at byte 37",
		`{"order_id":"ORD1","received_amount", "100"}`:      "a comma where the colon after a name should be in received_amount at byte 36",
		"{\"order_id\":\"ORD1\",\u00a0\"status\":\"Late\"}": "white space that is U+00A0, a no-break space, which JSON doesn't have; write a plain blank at byte 19",
	} {
		_, err := v.Verify(verify.Message{ContentType: "application/json", Body: body}, k)
		require.ErrorIs(t, err, payack.ErrMalformed)
		assert.ErrorContains(t, err, says)
	}
}
