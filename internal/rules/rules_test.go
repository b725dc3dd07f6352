package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/rules"
)

// textFrom lets a fuzzer choose between a text, null and an absent member.
func textFrom(s string, state uint8) payack.Text {
	switch state % 3 {
	case 0:
		return payack.Text{}
	case 1:
		return payack.NullText()
	}
	return payack.NewText(s)
}

// The tags of an event are its rules. Check, written by hand for speed, must agree
// with them for all members.
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
	// Amounts of all kinds, in seven states and under each status that matters, in
	// events whose other members are right. The state is the last argument. It says
	// which amounts are absent or null, and which are signed as another text. In
	// states 35, 17, 8 and 26 the variables amount and accept below are both present.
	// In 35 neither is signed as another text, in 17 accept is, in 8 amount is, and
	// in 26 both are.
	for _, amount := range []string{"500", "500.00", "0", "0.00", "-0", "-1", "0e5", "5e2", "1e40", "1e41", "1e99", "0500", "hostile", "",
		strings.Repeat("9", 40), strings.Repeat("9", 41), strings.Repeat("9", 18), strings.Repeat("9", 19)} {
		for _, state := range []uint8{0, 1, 2, 8, 17, 26, 35} {
			for _, status := range []string{"2000", "1000"} {
				f.Add("884", "100.50", status, "20241878538106", amount, state)
			}
			for _, status := range []string{"Approved", "Late Approved", "Refund Completed", "Pending"} {
				f.Add("ORD1000001", amount, status, "500", "T1", state)
			}
		}
		f.Add("884", amount, "2000", "63", "500", uint8(17)) // the amount 500, signed as the text in amount
		f.Add("ORD1000001", "500", "Approved", amount, "T1", uint8(8))
		f.Add("ORD1000001", "500", "Pending", amount, "T1", uint8(8))
	}
	for _, id := range []string{strings.Repeat("O", 63), strings.Repeat("O", 64), strings.Repeat("é", 32), strings.Repeat("é", 31), strings.Repeat("\u20ac", 21)} {
		f.Add(id, "500", "Approved", "500", "T1", uint8(2))
	}
	for _, status := range []string{"0Approved", " Approved", "@", "[", "`", "{", "A", "Z", "a", "z", "Éa"} {
		f.Add("ORD1000001", "500", status, "500", "T1", uint8(2))
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
		accept := payack.AmountOf(textFrom(e, state/3))
		if state&16 != 0 {
			accept = accept.Signed(b)
		}
		extra := map[string]payack.Text{a: textFrom(d, state)}
		same(&payack.PtopEvent{Success: state&4 == 0, TransactionID: a, OrderID: b, Message: textFrom(c, state), Extra: extra})
		same(&payack.PTSEvent{
			UserID: a, OrderID: d, TransactionID: e, Channel: textFrom(b, state), SubmitCurrency: textFrom(c, state),
			SubmitAmount: amount, AcceptCurrency: textFrom(d, state), AcceptAmount: accept,
			ExchangeRate: payack.NewAmount(b), Status: payack.PTSStatus(c), Timestamp: textFrom(e, state),
			Unsigned: payack.PTSUnsigned{SubmitPromo: payack.NewAmount(d), DetailsURL: textFrom(e, state), Extra: extra},
		})
		same(&payack.PayatomEvent{
			OrderID: a, ReceivedAmount: amount, Status: payack.PayatomStatus(c),
			Unsigned: payack.PayatomUnsigned{RequestedAmount: payack.NewAmount(d), RefundInfo: textFrom(e, state), Extra: extra},
		})
	})
}

// For each rule there is an event that keeps it and one that breaks it. Check and
// the tags both accept the first, and both refuse the second.
func TestTagsAndChecksReachBothVerdicts(t *testing.T) {
	v := rules.NewValidator()
	amount, null := payack.NewAmount, payack.AmountOf(payack.NullText())
	pts := func(status payack.PTSStatus, accept payack.Amount) payack.Event {
		return &payack.PTSEvent{UserID: "884", OrderID: "O", TransactionID: "T", Status: status, AcceptAmount: accept}
	}
	payatom := func(order string, status payack.PayatomStatus, received payack.Amount) payack.Event {
		return &payack.PayatomEvent{OrderID: order, Status: status, ReceivedAmount: received}
	}
	for _, c := range []struct {
		rule         string
		right, wrong []payack.Event
	}{
		{"required",
			[]payack.Event{&payack.PtopEvent{TransactionID: "t", OrderID: "o"}},
			[]payack.Event{&payack.PtopEvent{OrderID: "o"}, &payack.PtopEvent{TransactionID: "t"},
				&payack.PTSEvent{OrderID: "O", TransactionID: "T", Status: "1000"}, &payack.PTSEvent{UserID: "884", TransactionID: "T", Status: "1000"},
				&payack.PTSEvent{UserID: "884", OrderID: "O", Status: "1000"}, &payack.PTSEvent{UserID: "884", OrderID: "O", TransactionID: "T"}}},
		{"amount",
			[]payack.Event{&payack.PTSEvent{UserID: "884", OrderID: "O", TransactionID: "T", Status: "1000", SubmitAmount: amount("-1e40"), ExchangeRate: null}},
			[]payack.Event{&payack.PTSEvent{UserID: "884", OrderID: "O", TransactionID: "T", Status: "1000", SubmitAmount: amount("1e41")},
				&payack.PTSEvent{UserID: "884", OrderID: "O", TransactionID: "T", Status: "1000", ExchangeRate: amount("1").Signed("x")}}},
		{"pts_accept_amount",
			[]payack.Event{pts("2000", amount("0.01")), pts("2000", amount("0").Signed("1")), pts("1000", payack.Amount{}), pts("3000", null), pts("5000", amount("-1"))},
			[]payack.Event{pts("2000", payack.Amount{}), pts("2000", null), pts("2000", amount("")), pts("2000", amount("0")), pts("2000", amount("0.00")),
				pts("2000", amount("-1")), pts("2000", amount("0e5")), pts("2000", amount("1e99")), pts("2000", amount("1").Signed("0")), pts("1000", amount("1e99"))}},
		{"payatom_amount",
			[]payack.Event{payatom("O", "Approved", amount("500.00")), payatom("O", "Late Approved", amount("0.01")), payatom("O", "Refund Completed", amount("0")),
				payatom("O", "Pending", null), payatom("O", "Declined", amount("0"))},
			[]payack.Event{payatom("O", "Approved", null), payatom("O", "Late Approved", amount("0.00")), payatom("O", "Refund Completed", null),
				payatom("O", "Refund Initiated", amount("")), payatom("O", "Pending", amount("5e2")), payatom("O", "Pending", amount("5").Signed("x")),
				payatom("O", "Approved", amount("5").Signed("0"))}},
		{"payatom_status",
			[]payack.Event{payatom("O", "approved", null), payatom("O", "Z", null)},
			[]payack.Event{payatom("O", "", null), payatom("O", "0Approved", null), payatom("O", "Éa", null)}},
		{"payatom_order_id",
			[]payack.Event{payatom(strings.Repeat("O", 63), "Pending", null), payatom(strings.Repeat("é", 31), "Pending", null)},
			[]payack.Event{payatom("", "Pending", null), payatom(strings.Repeat("O", 64), "Pending", null), payatom(strings.Repeat("é", 32), "Pending", null)}},
	} {
		for _, ev := range c.right {
			assert.NoError(t, ev.Check(), "%s, by hand: %#v", c.rule, ev)
			assert.NoError(t, v.Struct(ev), "%s, by its tags: %#v", c.rule, ev)
		}
		for _, ev := range c.wrong {
			assert.ErrorIs(t, ev.Check(), payack.ErrInvalid, "%s, by hand: %#v", c.rule, ev)
			assert.Error(t, v.Struct(ev), "%s, by its tags: %#v", c.rule, ev)
		}
	}
}

// A merchant may validate a struct that contains an event, and an event by value.
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

// A merchant's rule for an amount compares the value. validator/v10 itself would
// compare the length of the text.
func TestRulesForAmounts(t *testing.T) {
	v := rules.NewValidator()
	for _, c := range []struct {
		rule         string
		right, wrong []string
	}{
		{"gt=0", []string{"0.01", "1e-40", "500"}, []string{"0", "-0.00", "-1", "", "hostile"}},
		{"gte=100.50", []string{"100.5", "1005e-1", "1e40"}, []string{"100.49", "99999e-3", "-1e40"}},
		{"min=100", []string{"100", "1e2"}, []string{"99.999", "12"}},
		{"lt=10", []string{"9.99", "-100"}, []string{"10", "1e1", "11"}},
		{"lte=10", []string{"10.00", "0"}, []string{"10.01"}},
		{"max=10", []string{"10", "1.0e1"}, []string{"10.000001"}},
		{"eq=63", []string{"63", "63.00", "6.3e1"}, []string{"63.01", "630", "0063"}},
		{"ne=0", []string{"0.01", "-1"}, []string{"0", "0.00", "0e40"}},
		{"required,gt=0,lte=50000", []string{"1", "5e4"}, []string{"", "0", "50000.01"}},
		{"omitempty,gt=1", []string{"", "2"}, []string{"1"}},
		{"eq=0|gte=10", []string{"0.00", "10"}, []string{"5", "-0.01"}},
		{"amount", []string{"-1", "1e40"}, []string{"1e41", "01"}},
	} {
		tags, err := rules.Amount(c.rule)
		if !assert.NoError(t, err, c.rule) {
			continue
		}
		assert.Equal(t, c.rule, rules.AsWritten(tags))
		for _, text := range c.right {
			assert.NoError(t, v.Var(payack.NewAmount(text), tags), "%s of %q", c.rule, text)
			assert.NoError(t, v.Var(payack.NewAmount("7").Signed(text), tags), "%s of what %q signs", c.rule, text)
		}
		for _, text := range c.wrong {
			assert.Error(t, v.Var(payack.NewAmount(text), tags), "%s of %q", c.rule, text)
		}
	}
	for _, rule := range []string{"email", "gt", "gt=", "gt=x", "gt=1e41", "len=3", "oneof=1 2", "gtfield=Other", "amount_gt=1", "required,dive"} {
		tags, err := rules.Amount(rule)
		assert.Error(t, err, rule)
		assert.Empty(t, tags, rule)
	}
}

// The rules for a provider's amounts depend on the status of the event, so they fail
// in any other struct.
func TestAmountRulesNeedTheirEvent(t *testing.T) {
	v := rules.NewValidator()
	amount := payack.NewAmount("500")
	assert.ErrorContains(t, v.Struct(struct {
		Amount payack.Amount `validate:"payatom_amount"`
	}{amount}), "'payatom_amount'")
	assert.ErrorContains(t, v.Struct(struct {
		Amount payack.Amount `validate:"pts_accept_amount"`
	}{amount}), "'pts_accept_amount'")
	assert.NoError(t, v.Struct(struct {
		Amount payack.Amount `validate:"amount"`
	}{amount}))

	// A payment that is paid needs an amount above zero.
	payatom := func(status, literal string) *payack.PayatomEvent {
		return &payack.PayatomEvent{OrderID: "ORD1", Status: payack.PayatomStatus(status), ReceivedAmount: payack.NewAmount(literal)}
	}
	for _, tc := range []struct {
		status, amount string
		good           bool
	}{
		{"Approved", "500", true}, {"Approved", "0", false}, {"Approved", "", false},
		{"Pending", "0", true}, {"Pending", "", true}, {"Pending", "x", false},
		{"Refund Initiated", "500", true}, {"Refund Completed", "", false},
	} {
		err := v.StructPartial(payatom(tc.status, tc.amount), "ReceivedAmount")
		assert.Equal(t, tc.good, err == nil, "%s %q: %v", tc.status, tc.amount, err)
	}
	for _, tc := range []struct {
		status, amount string
		good           bool
	}{
		{"2000", "100.50", true}, {"2000", "0", false}, {"2000", "", false},
		{"1000", "", true}, {"1000", "0", true}, {"1000", "x", false},
	} {
		err := v.StructPartial(&payack.PTSEvent{Status: payack.PTSStatus(tc.status), AcceptAmount: payack.NewAmount(tc.amount)}, "AcceptAmount")
		assert.Equal(t, tc.good, err == nil, "%s %q: %v", tc.status, tc.amount, err)
	}
}
