package handlers_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
)

func TestConstructorsRefuseWhatCouldNotBeServed(t *testing.T) {
	key := ptsKeyOf(t)
	ptop := middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKeyText), ConfirmInCallback: true}
	pts := middleware.PTSConfig{Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}}
	payatom := middleware.PayatomConfig{SecretKeys: payack.Secrets(payatomKeyText), ExpectInCallback: true}
	for name, build := range map[string]func() (http.Handler, error){
		"ptop: nil callback": func() (http.Handler, error) {
			return handlers.NewPtop(ptop, (func(context.Context, *payack.PtopEvent) error)(nil))
		},
		"pts: nil callback": func() (http.Handler, error) {
			return handlers.NewPTS(pts, (func(context.Context, *payack.PTSEvent) error)(nil))
		},
		"payatom: nil callback": func() (http.Handler, error) {
			return handlers.NewPayatom(payatom, (func(context.Context, *payack.PayatomEvent) error)(nil))
		},
		"ptop: nothing set": func() (http.Handler, error) {
			return handlers.NewPtop(middleware.PtopConfig{}, func(context.Context, *payack.PtopEvent) error { return nil })
		},
		"pts: nothing set": func() (http.Handler, error) {
			return handlers.NewPTS(middleware.PTSConfig{}, func(context.Context, *payack.PTSEvent) error { return nil })
		},
		"payatom: nothing set": func() (http.Handler, error) {
			return handlers.NewPayatom(middleware.PayatomConfig{}, func(context.Context, *payack.PayatomEvent) error { return nil })
		},
	} {
		h, err := build()
		require.Error(t, err, name)
		assert.Nil(t, h, name)
		assert.Contains(t, err.Error(), "payack: ", name)
		assert.NotContains(t, err.Error(), "\n", name)
	}
}

func quiet() middleware.Options { return middleware.Options{Logger: slog.New(slog.DiscardHandler)} }

// Several keys are for rotation: each verifies, and the event says which.
func TestSeveralKeys(t *testing.T) {
	var index []int
	h, err := handlers.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets("the next key", ptopKeyText), ConfirmInCallback: true, Options: quiet()},
		func(_ context.Context, ev *payack.PtopEvent) error {
			index = append(index, ev.Key)
			return nil
		})
	require.NoError(t, err)
	assertContract(t, payack.Ptop, payack.OutcomeAccepted, "", send(h, genuine(t, payack.Ptop)))
	assert.Equal(t, []int{1}, index)
}

// Confirm is asked only about claims that money came in, and what it returns is
// handed to the callback.
func TestConfirmIsAskedForMoneyOnly(t *testing.T) {
	unpaid := map[payack.Provider]message{
		payack.Ptop:    ptopMessage(t, `{"success":false,"transaction_id":"T1","order_id":"ORD1"}`),
		payack.PTS:     ptsMessage(t, map[string]string{"status": `"3000"`}, nil),
		payack.Payatom: payatomMessage(t, `"ORD1"`, `"0"`, `"Declined"`, "ORD10Declined"),
	}
	for _, p := range providers {
		t.Run(string(p), func(t *testing.T) {
			asked := 0
			c := &calls{}
			h := merchant{callback: c.take, confirm: func(context.Context, payack.Event) (*payack.Confirmation, error) {
				asked++
				return &payack.Confirmation{Paid: true, Status: "1", Amount: payack.NewAmount("100.50")}, nil
			}}.handler(t, p)
			assertContract(t, p, payack.OutcomeAccepted, "", send(h, unpaid[p]))
			assert.Zero(t, asked)
			require.Len(t, c.events, 1)
			assert.Nil(t, c.events[0].Found().Confirmed)
			assert.False(t, c.events[0].Paid())

			assertContract(t, p, payack.OutcomeAccepted, "", send(h, genuine(t, p)))
			assert.Equal(t, 1, asked)
			require.Len(t, c.events, 2)
			require.NotNil(t, c.events[1].Found().Confirmed)
			assert.Equal(t, "100.50", c.events[1].Found().Confirmed.Amount.String())
			assert.True(t, c.events[1].Paid())

			assertContract(t, p, payack.OutcomeDuplicate, "", send(h, genuine(t, p)))
			assert.Equal(t, 1, asked, "a duplicate is not asked about")
		})
	}
}

// Expect compares amounts of approved orders only; of others the order must
// exist.
func TestExpectByStatus(t *testing.T) {
	h := merchant{expect: expecting(map[string]string{"ORD1": "500"}, nil)}.handler(t, payack.Payatom)
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
		m := payatomMessage(t, `"`+tc.order+`"`, `"`+tc.amount+`"`, `"`+tc.status+`"`, tc.order+tc.amount+tc.status)
		reason := payack.Reason("")
		if tc.outcome == payack.OutcomeRejected {
			reason = payack.ReasonUnexpected
		}
		t.Run(tc.order+" "+tc.amount+" "+tc.status, func(t *testing.T) {
			assertContract(t, payack.Payatom, tc.outcome, reason, send(h, m))
		})
	}
}

func TestOwnRuleOfMatching(t *testing.T) {
	c := &calls{}
	h, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: payack.Secrets(payatomKeyText),
		Expect:     expecting(map[string]string{"ORD1": "400"}, nil),
		Match: func(expected, received payack.Amount) bool { // overpaying is welcome
			want, _ := expected.MinorUnits(2)
			got, err := received.MinorUnits(2)
			return err == nil && got >= want
		},
		Options: quiet(),
	}, func(ctx context.Context, ev *payack.PayatomEvent) error { return c.take(ctx, ev) })
	require.NoError(t, err)
	assertContract(t, payack.Payatom, payack.OutcomeAccepted, "", send(h, genuine(t, payack.Payatom)))
	assertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonUnexpected,
		send(h, payatomMessage(t, `"ORD1"`, `"399.99"`, `"Approved"`, "ORD1399.99Approved")))
	assert.Len(t, c.events, 1)
}
