package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// A second partial refund has the same signed members as the first. It is answered
// as a duplicate, and the log warns a person.
func TestRefundWithOtherDetails(t *testing.T) {
	called := 0
	d := newDesk(t, nil, func(context.Context, *payack.PayatomEvent) error { called++; return nil })
	refund := func(info string) {
		r := payatomRequest(t, "ORD1", "500", "Refund Completed")
		setBody(r, strings.Replace(bodyOf(t, r), `"refund_info":[]`, `"refund_info":`+info, 1))
		require.Contains(t, serve(d.h, r).Body.String(), `"yes"`)
	}
	warned := func() (n int) {
		for _, line := range d.lines(t) {
			if strings.Contains(line["msg"].(string), "other details, which are not signed") {
				assert.Equal(t, "WARN", line["level"])
				assert.Equal(t, "payatom:v1::ORD1:Refund Completed:500", line["event_id"])
				n++
			}
		}
		return n
	}
	refund(`{"refund_amount":"100"}`)
	refund(`{"refund_amount":"100"}`)
	assert.Zero(t, warned(), "an identical delivery needs no person")
	refund(`{ "refund_amount" : "100" }`)
	assert.Zero(t, warned(), "nor is how it is written")
	refund(`{"refund_amount":"400"}`)
	assert.Equal(t, 1, warned())
	assert.Equal(t, payack.OutcomeDuplicate, d.last(t).Outcome)
	assert.Equal(t, 1, called)
}

// A form spreads refund_info over several names with brackets.
func TestRefundWithOtherDetailsInAForm(t *testing.T) {
	d := newDesk(t, func(c *middleware.PayatomConfig) { c.Body = verify.BodyForm }, func(context.Context, *payack.PayatomEvent) error { return nil })
	signer, err := verify.NewPayatomSigner(payack.NewSecret(payatomKey))
	require.NoError(t, err)
	warned := func(amount string) bool {
		pairs := url.Values{
			"order_id": {"ORD1"}, "received_amount": {"500"}, "status": {"Refund Completed"}, "post_hash": {signer.PostHash("ORD1", "500", "Refund Completed")},
			"refund_info[0][refund_amount]": {amount}, "bank_ref": {amount},
		}
		r := httptest.NewRequest(http.MethodPost, "/payatom", strings.NewReader(pairs.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		require.Contains(t, serve(d.h, r).Body.String(), `"yes"`)
		lines := d.lines(t)
		return strings.Contains(fmt.Sprint(lines), "other details, which are not signed")
	}
	assert.False(t, warned("100"))
	assert.False(t, warned("100"))
	assert.True(t, warned("400"))
}
