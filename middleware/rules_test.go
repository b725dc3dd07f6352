package middleware_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/middleware"
)

// ptsDelivery returns a signed callback without an envelope. literals maps the names
// of members to the JSON literals that replace their values.
func ptsDelivery(t testing.TB, literals map[string]string) *http.Request {
	t.Helper()
	return e2e.PTSMessage(t, literals, nil).Request()
}

func ptsHandler(t testing.TB, o middleware.Options, fn func(context.Context, *payack.PTSEvent) error) http.Handler {
	t.Helper()
	key := ptsVectorKey(t)
	rc, err := middleware.NewPTS(middleware.PTSConfig{Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}, Options: o})
	require.NoError(t, err)
	h, err := middleware.Handle(rc, fn)
	require.NoError(t, err)
	return h
}

func TestMerchantsOwnRules(t *testing.T) {
	for _, tc := range []struct {
		name     string
		rules    map[string]string
		literals map[string]string
		broken   string
	}{
		{"satisfied", map[string]string{"AcceptCurrency": "eq=PHP"}, nil, ""},
		{"several rules", map[string]string{"AcceptCurrency": "eq=PHP", "Channel": "oneof=QRPH GCASH", "UserID": "numeric,len=3"}, nil, ""},
		{"broken", map[string]string{"AcceptCurrency": "eq=PHP"}, map[string]string{"accept_currency": `"USD"`}, "AcceptCurrency"},
		{"a required member is null", map[string]string{"AcceptAmount": "required"}, map[string]string{"accept_amount": "null", "status": `"1000"`}, "AcceptAmount"},
		{"a required member is empty", map[string]string{"AcceptAmount": "required"}, map[string]string{"accept_amount": `""`, "status": `"1000"`}, "AcceptAmount"},
		{"an amount's text", map[string]string{"AcceptAmount": "eq=100.50"}, nil, ""},
		{"amounts compare by value", map[string]string{"AcceptAmount": "eq=100.5,gt=9,lt=1000,min=1.005e2"}, nil, ""},
		{"another amount", map[string]string{"AcceptAmount": "eq=100.05"}, nil, "AcceptAmount"},
		{"amounts do not compare by length", map[string]string{"AcceptAmount": "gte=101"}, nil, "AcceptAmount"},
		{"a rule for the status", map[string]string{"Status": "oneof=2000 3000"}, map[string]string{"status": `"5000"`}, "Status"},
		{"the event's own rule still applies", map[string]string{"AcceptAmount": "omitempty"}, map[string]string{"accept_amount": "1e99"}, "accept_amount"},
		{"the rule of a required member still applies", map[string]string{"OrderID": "omitempty,max=5"}, map[string]string{"order_id": `""`}, "order_id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWatch()
			o := w.options()
			o.Validate = tc.rules
			called := false
			h := ptsHandler(t, o, func(context.Context, *payack.PTSEvent) error { called = true; return nil })
			in := serve(h, ptsDelivery(t, tc.literals))
			seen := w.last(t)
			if tc.broken == "" {
				assert.Equal(t, "SUCCESS", in.Body.String(), "%v", seen.Err)
				assert.True(t, called)
				return
			}
			assert.Equal(t, "FAILED", in.Body.String())
			require.Equal(t, payack.ReasonInvalid, seen.Reason)
			assert.ErrorIs(t, seen.Err, payack.ErrInvalid)
			assert.Contains(t, seen.Err.Error(), tc.broken)
			assert.NotNil(t, seen.Delivery.Event, "it verified")
			assert.False(t, called)
			for _, value := range []string{"USD", "5000", "1e99", "20240001"} {
				assert.NotContains(t, seen.Err.Error(), value)
			}
		})
	}
}

// A rule that can't be applied is refused when the receiver is made, and not only
// when the first callback arrives.
func TestRulesThatCanNotBeApplied(t *testing.T) {
	for _, rule := range []string{"len=abc", "required,len=abc", "required,min=x", "omitempty,max=", "nosuchtag", "required,nosuchtag", "eq=1|nosuchtag"} {
		_, err := middleware.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true,
			Options: middleware.Options{Validate: map[string]string{"OrderID": rule}}})
		if assert.Error(t, err, rule) {
			assert.Contains(t, err.Error(), "payack: ptop: Validate: ", rule)
		}
	}
}

func TestRulesOfTheOtherProviders(t *testing.T) {
	w := newWatch()
	o := w.options()
	o.Validate = map[string]string{"OrderID": "startswith=ORD", "Success": "eq=true", "Message": "max=20"}
	assert.Equal(t, http.StatusOK, serve(ptopHandler(t, o, acceptAll), ptopRequest(t, "T1")).Code)
	o.Validate = map[string]string{"Message": "max=3"}
	assert.Equal(t, http.StatusBadRequest, serve(ptopHandler(t, o, acceptAll), ptopRequest(t, "T1")).Code)

	o.Validate = map[string]string{"Status": "ne=Pending", "ReceivedAmount": "max=500"}
	rc, err := middleware.NewPayatom(middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKey), ExpectInCallback: true, Options: o})
	require.NoError(t, err)
	h, err := middleware.Handle(rc, func(context.Context, *payack.PayatomEvent) error { return nil })
	require.NoError(t, err)
	assert.Contains(t, serve(h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), "yes")
	assert.Contains(t, serve(h, payatomRequest(t, "ORD1", "0", "Pending")).Body.String(), `"HashMatched","acknowledge":"no"`)
	assert.Contains(t, serve(h, payatomRequest(t, "ORD2", "500.01", "Approved")).Body.String(), `"HashMatched","acknowledge":"no"`)
}
