package e2e

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
)

func quiet() middleware.Options { return middleware.Options{Logger: slog.New(slog.DiscardHandler)} }

// Each of several keys verifies, and the event reports which one did.
func TestSeveralKeys(t *testing.T) {
	var index []int
	h, err := handlers.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets("the next key", PtopKey), ConfirmInCallback: true, Options: quiet()},
		func(_ context.Context, ev *payack.PtopEvent) error {
			index = append(index, ev.Key)
			return nil
		})
	require.NoError(t, err)
	AssertContract(t, payack.Ptop, payack.OutcomeAccepted, "", Send(h, Genuine(t, payack.Ptop)))
	assert.Equal(t, []int{1}, index)
}

// Confirm is called for paid events only, and its result is passed to the callback.
func TestConfirmIsAskedForMoneyOnly(t *testing.T) {
	unpaid := map[payack.Provider]Message{
		payack.Ptop:    PtopMessage(t, `{"success":false,"transaction_id":"T1","order_id":"ORD1"}`),
		payack.PTS:     PTSMessage(t, map[string]string{"status": `"3000"`}, nil),
		payack.Payatom: PayatomMessage(t, `"ORD1"`, `"0"`, `"Declined"`, "ORD10Declined"),
	}
	for _, p := range providers.All {
		t.Run(string(p), func(t *testing.T) {
			asked := 0
			c := &Calls{}
			h := Merchant{Callback: c.Take, Confirm: func(context.Context, payack.Event) (*payack.Confirmation, error) {
				asked++
				return &payack.Confirmation{Paid: true, Status: "1", Amount: payack.NewAmount("100.50")}, nil
			}}.Handler(t, p)
			AssertContract(t, p, payack.OutcomeAccepted, "", Send(h, unpaid[p]))
			assert.Zero(t, asked)
			require.Len(t, c.Events, 1)
			assert.Nil(t, c.Events[0].Found().Confirmed)
			assert.False(t, c.Events[0].Paid())

			AssertContract(t, p, payack.OutcomeAccepted, "", Send(h, Genuine(t, p)))
			assert.Equal(t, 1, asked)
			require.Len(t, c.Events, 2)
			require.NotNil(t, c.Events[1].Found().Confirmed)
			assert.Equal(t, "100.50", c.Events[1].Found().Confirmed.Amount.String())
			assert.True(t, c.Events[1].Paid())

			AssertContract(t, p, payack.OutcomeDuplicate, "", Send(h, Genuine(t, p)))
			assert.Equal(t, 1, asked, "a duplicate is not asked about")
		})
	}
}

// With Expect, the amount is compared only if the status is Approved or Late Approved.
// The order must exist, whatever the status is.
func TestExpectByStatus(t *testing.T) {
	h := Merchant{Expect: Expecting(map[string]string{"ORD1": "500"}, nil)}.Handler(t, payack.Payatom)
	for _, tc := range []struct {
		order, amount, status string
		outcome               payack.Outcome
	}{
		{"ORD1", "0", "Pending", payack.OutcomeAccepted},
		{"ORD1", "", "Declined", payack.OutcomeAccepted},
		{"ORD1", "20", "Refund Completed", payack.OutcomeAccepted},
		{"ORD1", "1", "Something New", payack.OutcomeAccepted},
		{"ORD1", "499", "Approved", payack.OutcomeRejected},
		{"ORD1", "499", "Late Approved", payack.OutcomeRejected},
		{"ORD1", "500.00", "Approved", payack.OutcomeAccepted},
		{"ORD1", "500", "Late Approved", payack.OutcomeAccepted},
		{"ORD2", "0", "Pending", payack.OutcomeRejected},
		{"ORD2", "500", "Approved", payack.OutcomeRejected},
	} {
		m := PayatomMessage(t, `"`+tc.order+`"`, `"`+tc.amount+`"`, `"`+tc.status+`"`, tc.order+tc.amount+tc.status)
		reason := payack.Reason("")
		if tc.outcome == payack.OutcomeRejected {
			reason = payack.ReasonUnexpected
		}
		t.Run(tc.order+" "+tc.amount+" "+tc.status, func(t *testing.T) {
			AssertContract(t, payack.Payatom, tc.outcome, reason, Send(h, m))
		})
	}
}

func TestOwnRuleOfMatching(t *testing.T) {
	c := &Calls{}
	h, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: payack.Secrets(PayatomKey),
		Expect:     Expecting(map[string]string{"ORD1": "400"}, nil),
		Match: func(expected, received payack.Amount) bool { // accepts more than expected
			want, _ := expected.MinorUnits(2)
			got, err := received.MinorUnits(2)
			return err == nil && got >= want
		},
		Options: quiet(),
	}, func(ctx context.Context, ev *payack.PayatomEvent) error { return c.Take(ctx, ev) })
	require.NoError(t, err)
	AssertContract(t, payack.Payatom, payack.OutcomeAccepted, "", Send(h, Genuine(t, payack.Payatom)))
	AssertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonUnexpected,
		Send(h, PayatomMessage(t, `"ORD1"`, `"399.99"`, `"Approved"`, "ORD1399.99Approved")))
	assert.Len(t, c.Events, 1)
}
