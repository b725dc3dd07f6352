package middleware_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// A rehearsal predicts the answer to a request that is served for the first time,
// without any effect.
func TestRehearse(t *testing.T) {
	long := strings.Repeat("x", middleware.DefaultMaxBody+1)
	for name, tc := range map[string]struct {
		request func() *http.Request
		reason  payack.Reason
	}{
		"genuine":      {func() *http.Request { return payatomRequest(t, "ORD1", "500", "Approved") }, ""},
		"unexpected":   {func() *http.Request { return payatomRequest(t, "ORD1", "501", "Approved") }, payack.ReasonUnexpected},
		"invalid":      {func() *http.Request { return payatomRequest(t, "ORD1", "0", "Approved") }, payack.ReasonInvalid},
		"wrong method": {func() *http.Request { r := payatomRequest(t, "ORD1", "500", "Approved"); r.Method = "PUT"; return r }, payack.ReasonMethod},
		"not JSON":     {func() *http.Request { return posted("{", "application/json") }, payack.ReasonMalformed},
		"empty":        {func() *http.Request { return posted("", "application/json") }, payack.ReasonMalformed},
		"large":        {func() *http.Request { return posted(long, "application/json") }, payack.ReasonTooLarge},
		"another type": {func() *http.Request { return posted("{}", "text/html") }, payack.ReasonContentType},
	} {
		t.Run(name, func(t *testing.T) {
			called := 0
			d := newDesk(t, func(c *middleware.PayatomConfig) {
				c.ExpectInCallback = false
				c.Expect = func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
					return payack.Expectation{Found: true, Amount: payack.NewAmount("500")}, nil
				}
			}, func(context.Context, *payack.PayatomEvent) error { called++; return nil })
			rehearsed := d.h.Rehearse(tc.request())
			assert.Equal(t, tc.reason, rehearsed.Reason)
			assert.Equal(t, tc.reason.Outcome(), rehearsed.Outcome)
			assert.Zero(t, called)
			assert.Zero(t, d.count())
			assert.Empty(t, d.lines(t))
			w := serve(d.h, tc.request())
			assert.Equal(t, w.Code, rehearsed.Answer.Status)
			assert.Equal(t, w.Body.String(), rehearsed.Answer.Body)
			o := d.last(t)
			assert.Equal(t, o.Outcome, rehearsed.Outcome)
			assert.Equal(t, o.EventID, rehearsed.EventID)
		})
	}
}

// Verifier returns the keys together with the verifier.
func TestVerifierOfAHandler(t *testing.T) {
	d := newDesk(t, nil, func(context.Context, *payack.PayatomEvent) error { return nil })
	verifier, keys, err := d.h.Verifier(t.Context(), kept(t, "ORD1", "500", "Approved"))
	require.NoError(t, err)
	assert.IsType(t, (*verify.Payatom)(nil), verifier)
	require.IsType(t, (*verify.PayatomKeys)(nil), keys)
	assert.Len(t, keys.(*verify.PayatomKeys).Secrets(), 1)
	assert.EqualValues(t, middleware.DefaultMaxBody, d.h.MaxBody())
}

// With an inbox every event that verified is answered as kept, even an invalid one.
func TestRehearseWithAnInbox(t *testing.T) {
	k := newKeeping()
	d := newDesk(t, func(c *middleware.PayatomConfig) { c.Inbox = k }, func(context.Context, *payack.PayatomEvent) error { return nil })
	for _, amount := range []string{"500", "0"} {
		rehearsed := d.h.Rehearse(payatomRequest(t, "ORD1", amount, "Approved"))
		assert.True(t, rehearsed.Kept)
		assert.Contains(t, rehearsed.Answer.Body, `"HashMatched","acknowledge":"yes"`)
		assert.Equal(t, amount == "0", rehearsed.Reason == payack.ReasonInvalid)
	}
	assert.False(t, d.h.Rehearse(posted("{}", "application/json")).Kept)
	assert.Empty(t, k.kept)
}
