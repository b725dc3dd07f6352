package e2e

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
)

// TestAcmeContract compares the receiver's answers with the contract.
func TestAcmeContract(t *testing.T) {
	var w Watch
	var calls Calls
	h := Merchant{Options: w.Options(), Callback: calls.Take}.Handler(t, payack.Acme)
	m := Genuine(t, payack.Acme)
	for _, tc := range []struct {
		message Message
		outcome payack.Outcome
		reason  payack.Reason
	}{
		{m.With("Content-Type", "text/html"), payack.OutcomeRefused, payack.ReasonContentType},
		{m.Replace("5.00", "6.00"), payack.OutcomeRejected, payack.ReasonSignature},
		{m, payack.OutcomeAccepted, ""},
		{m, payack.OutcomeDuplicate, ""},
	} {
		AssertContract(t, payack.Acme, tc.outcome, tc.reason, Send(h, tc.message))
		assert.Equal(t, tc.outcome, w.Last(t).Outcome)
		assert.Equal(t, tc.reason, w.Last(t).Reason)
	}
	assert.Len(t, calls.Events, 1)
	assert.Empty(t, SignedAmounts(calls.Events[0]))

	fails := Merchant{Callback: func(context.Context, payack.Event) error { return io.EOF }}.Handler(t, payack.Acme)
	AssertContract(t, payack.Acme, payack.OutcomeFailed, payack.ReasonCallback, Send(fails, m))
	get := m
	get.Method = http.MethodGet
	AssertContract(t, payack.Acme, payack.OutcomeRefused, payack.ReasonMethod, Send(fails, get))
}
