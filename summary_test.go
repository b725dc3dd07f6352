package payack_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
)

// Summary returns what a list shows of each provider's events.
func TestSummary(t *testing.T) {
	text := payack.NewText
	for name, c := range map[string]struct {
		event payack.Event
		want  payack.Summary
	}{
		"Ptop": {
			&payack.PtopEvent{Success: true, TransactionID: "T1", OrderID: "ORD-1"},
			payack.Summary{Status: "success", Transaction: "T1"},
		},
		"Ptop, without success": {
			&payack.PtopEvent{TransactionID: "T1"},
			payack.Summary{Status: "not successful", Transaction: "T1"},
		},
		"Ptop, confirmed": {
			&payack.PtopEvent{Success: true, TransactionID: "T1", Confirmed: &payack.Confirmation{Paid: true, Status: "1", Amount: payack.NewAmount("5"), Currency: text("USD")}},
			payack.Summary{Status: "1", Amount: payack.NewAmount("5"), Currency: text("USD"), Transaction: "T1"},
		},
		"PTS, paid": {
			&payack.PTSEvent{
				TransactionID: "T1", Status: payack.PTSSuccess, AcceptAmount: payack.NewAmount("99"), AcceptCurrency: text("CNY"),
				SubmitAmount: payack.NewAmount("100"), SubmitCurrency: text("USD"), Unsigned: payack.PTSUnsigned{ReferenceNumber: text("R1")},
			},
			payack.Summary{Status: "2000", Amount: payack.NewAmount("99"), Currency: text("CNY"), Transaction: "T1", Reference: "R1"},
		},
		"PTS, nothing accepted yet": {
			&payack.PTSEvent{Status: payack.PTSWaiting, AcceptAmount: payack.NewAmount("0"), SubmitAmount: payack.NewAmount("100"), SubmitCurrency: text("USD")},
			payack.Summary{Status: "0000", Amount: payack.NewAmount("100"), Currency: text("USD")},
		},
		"Payatom": {
			&payack.PayatomEvent{
				OrderID: "ORD-1", ReceivedAmount: payack.NewAmount("500"), Status: payack.PayatomApproved,
				Unsigned: payack.PayatomUnsigned{RefCode: text("C1"), BankRef: text("B1")},
			},
			payack.Summary{Status: "Approved", Amount: payack.NewAmount("500"), Transaction: "C1", Reference: "B1"},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, c.event.Summary()) })
	}
}

// An inbox searches for the events of a payment by prefix: the ID of every event
// begins with the ID of its payment.
func TestIdentityBeginsWithThePayment(t *testing.T) {
	for _, ev := range []payack.Event{
		&payack.PtopEvent{Verification: payack.Verification{Tenant: "a:b"}, TransactionID: "T:1", OrderID: "ORD-1"},
		&payack.PTSEvent{UserID: "1", OrderID: "ORD:1", TransactionID: "T1", Status: payack.PTSSuccess},
		&payack.PTSEvent{UserID: "1", OrderID: "ORD-1", TransactionID: "T1", Status: payack.PTSWaiting, SubmitAmount: payack.NewAmount("5")},
		&payack.PayatomEvent{OrderID: "ORD-1", Status: payack.PayatomApproved},
		&payack.PayatomEvent{OrderID: "ORD-1", Status: payack.PayatomRefundCompleted, ReceivedAmount: payack.NewAmount("5")},
	} {
		assert.True(t, strings.HasPrefix(ev.ID(), ev.Payment()+":"), "%s: %s", ev.ID(), ev.Payment())
	}
}
