package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// ptsDelivery is a signed flat callback; literals replace members by JSON.
func ptsDelivery(t testing.TB, literals map[string]string) *http.Request {
	t.Helper()
	key := ptsVectorKey(t)
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{Safecode: payack.NewSecret(key.Safecode), PrivateKey: payack.NewSecret(key.PrivatePEM)})
	require.NoError(t, err)
	return ptsSigned(t, signer, literals)
}

func ptsHandler(t testing.TB, o middleware.Options, fn func(context.Context, *payack.PTSEvent) error) http.Handler {
	t.Helper()
	key := ptsVectorKey(t)
	rc, err := middleware.NewPTS(middleware.PTSConfig{Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}, Options: o})
	require.NoError(t, err)
	h, err := rc.Handler(fn)
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
		{"kept", map[string]string{"AcceptCurrency": "eq=PHP"}, nil, ""},
		{"several", map[string]string{"AcceptCurrency": "eq=PHP", "Channel": "oneof=QRPH GCASH", "UserID": "numeric,len=3"}, nil, ""},
		{"broken", map[string]string{"AcceptCurrency": "eq=PHP"}, map[string]string{"accept_currency": `"USD"`}, "AcceptCurrency"},
		{"absent where it may not be", map[string]string{"AcceptAmount": "required"}, map[string]string{"accept_amount": "null"}, "AcceptAmount"},
		{"empty where it may not be", map[string]string{"AcceptAmount": "required"}, map[string]string{"accept_amount": `""`}, "AcceptAmount"},
		{"an amount's text", map[string]string{"AcceptAmount": "eq=100.50"}, nil, ""},
		{"another text", map[string]string{"AcceptAmount": "eq=100.5"}, nil, "AcceptAmount"},
		{"an own rule of a status", map[string]string{"Status": "oneof=2000 3000"}, map[string]string{"status": `"5000"`}, "Status"},
		{"the event's own rule stays", map[string]string{"AcceptAmount": "omitempty"}, map[string]string{"accept_amount": "1e99"}, "accept_amount"},
		{"and that of a required one", map[string]string{"OrderID": "omitempty,max=5"}, map[string]string{"order_id": `""`}, "order_id"},
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
			assert.Nil(t, seen.Delivery.Event)
			assert.False(t, called)
			for _, value := range []string{"USD", "5000", "1e99", "20240001"} {
				assert.NotContains(t, seen.Err.Error(), value)
			}
		})
	}
}

// A rule that can't be applied is found when the receiver is made, not by the
// first callback.
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

	o.Validate = map[string]string{"Status": "ne=Pending", "ReceivedAmount": "max=6"}
	rc, err := middleware.NewPayatom(middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKey), ExpectInCallback: true, Options: o})
	require.NoError(t, err)
	h, err := rc.Handler(func(context.Context, *payack.PayatomEvent) error { return nil })
	require.NoError(t, err)
	assert.Contains(t, serve(h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), "yes")
	assert.Contains(t, serve(h, payatomRequest(t, "ORD1", "0", "Pending")).Body.String(), "HashMismatch")
	assert.Contains(t, serve(h, payatomRequest(t, "ORD2", "5000000", "Approved")).Body.String(), "HashMismatch")
}

// textFrom gives a fuzzer all three states of a member.
func textFrom(s string, state uint8) payack.Text {
	switch state % 3 {
	case 0:
		return payack.Text{}
	case 1:
		return payack.NullText()
	}
	return payack.NewText(s)
}

// The tags of an event are its rules; the checks by hand on the hot path must
// come to the same verdict for whatever members.
func FuzzCheckEqualsTags(f *testing.F) {
	for _, s := range []string{"", "a", "500", "500.00", "-0", "-1", "1e40", "1e41", "00", "0.", ".5", "1.50e-3", " 1", "Approved", "Late Approved",
		"Pending", "Refund Completed", "pending", "2000", "\u017ftatus", "\x00", "ORD1", "999999999999999999", "1234567890123456789", "é"} {
		for state := range uint8(3) {
			f.Add(s, "500", "Approved", s, "T1", state)
			f.Add("ORD1", s, "Approved", "x", s, state)
			f.Add("ORD1", s, "Pending", "x", s, state)
			f.Add("ORD1", "500", s, "x", "T1", state)
		}
	}
	v := middleware.NewValidator()
	f.Fuzz(func(t *testing.T, a, b, c, d, e string, state uint8) {
		same := func(ev payack.Event) {
			t.Helper()
			byHand, byTags := ev.Check(), v.Struct(ev)
			if (byHand == nil) != (byTags == nil) {
				t.Errorf("%#v: by hand %v, by its tags %v", ev, byHand, byTags)
			}
		}
		amount := payack.AmountOf(textFrom(b, state))
		extra := map[string]payack.Text{a: textFrom(d, state)}
		same(&payack.PtopEvent{Success: state&4 == 0, TransactionID: a, OrderID: b, Message: textFrom(c, state), Extra: extra})
		same(&payack.PTSEvent{
			UserID: a, OrderID: d, TransactionID: e, Channel: textFrom(b, state), SubmitCurrency: textFrom(c, state),
			SubmitAmount: amount, AcceptCurrency: textFrom(d, state), AcceptAmount: payack.AmountOf(textFrom(e, state/3)),
			ExchangeRate: payack.NewAmount(b), Status: payack.PTSStatus(c), Timestamp: textFrom(e, state),
			Unsigned: payack.PTSUnsigned{SubmitPromo: payack.NewAmount(d), DetailsURL: textFrom(e, state), Extra: extra},
		})
		same(&payack.PayatomEvent{
			OrderID: a, ReceivedAmount: amount, Status: payack.PayatomStatus(c),
			Unsigned: payack.PayatomUnsigned{RequestedAmount: payack.NewAmount(d), RefundInfo: textFrom(e, state), Extra: extra},
		})
	})
}

// A merchant may validate what holds an event, and an event that is no pointer.
func TestValidatorOfEventsInside(t *testing.T) {
	v := middleware.NewValidator()
	good := payack.PayatomEvent{OrderID: "ORD1", ReceivedAmount: payack.NewAmount("500"), Status: payack.PayatomApproved}
	bad := good
	bad.ReceivedAmount = payack.NewAmount("0500")
	type order struct {
		Event payack.PayatomEvent
		Later *payack.PayatomEvent
	}
	assert.NoError(t, v.Struct(&good))
	assert.Error(t, v.Struct(&bad))
	assert.NoError(t, v.Struct(good))
	assert.Error(t, v.Struct(bad))
	assert.NoError(t, v.Struct(order{good, &good}))
	for _, o := range []order{{bad, &good}, {good, &bad}} {
		assert.Error(t, v.Struct(o), fmt.Sprint(o.Event.ReceivedAmount))
	}
}
