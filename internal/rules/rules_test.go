package rules_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/rules"
)

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
		for _, state := range []uint8{0, 1, 2, 8, 9, 10} {
			f.Add(s, "500", "Approved", s, "T1", state)
			f.Add("ORD1", s, "Approved", "x", s, state)
			f.Add("ORD1", s, "Pending", "x", s, state)
			f.Add("ORD1", "500", s, "x", "T1", state)
		}
	}
	v := rules.NewValidator()
	f.Fuzz(func(t *testing.T, a, b, c, d, e string, state uint8) {
		same := func(ev payack.Event) {
			t.Helper()
			byHand, byTags := ev.Check(), v.Struct(ev)
			if (byHand == nil) != (byTags == nil) {
				t.Errorf("%#v: by hand %v, by its tags %v", ev, byHand, byTags)
			}
		}
		amount := payack.AmountOf(textFrom(b, state))
		if state&8 != 0 {
			amount = amount.Signed(d)
		}
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
	v := rules.NewValidator()
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
