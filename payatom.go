package payack

import (
	"encoding/json"
	"fmt"

	"github.com/payack/payack/internal/payatom"
)

// PayatomStatus is the state of a Payatom order, as the gateway spells it. A
// value that is not among the constants is delivered as it came, and is
// neither paid nor final.
type PayatomStatus string

// The statuses: of the provider's documents, and (the last three) seen in use.
const (
	PayatomPending         PayatomStatus = "Pending"
	PayatomApproved        PayatomStatus = "Approved"
	PayatomLateApproved    PayatomStatus = "Late Approved"
	PayatomDeclined        PayatomStatus = "Declined"
	PayatomNoMatch         PayatomStatus = "No Matching Payment for UTR"
	PayatomTimedOut        PayatomStatus = "User Timed Out"
	PayatomRefundInitiated PayatomStatus = "Refund Initiated"
	PayatomRefundCompleted PayatomStatus = "Refund Completed"
	PayatomAmountMismatch  PayatomStatus = "Amount Mismatch"
	PayatomCancelled       PayatomStatus = "Cancelled"
	PayatomFailed          PayatomStatus = "Failed"
)

// Paid reports whether the money came in. A refund is not paid.
func (s PayatomStatus) Paid() bool { return s == PayatomApproved || s == PayatomLateApproved }

// Final reports whether the status does not change again (a late approval can
// follow a time-out).
func (s PayatomStatus) Final() bool {
	switch s {
	case PayatomApproved, PayatomLateApproved, PayatomDeclined, PayatomRefundCompleted, PayatomCancelled, PayatomFailed:
		return true
	}
	return false
}

// Known reports whether the status is among the constants.
func (s PayatomStatus) Known() bool {
	switch s {
	case PayatomPending, PayatomNoMatch, PayatomTimedOut, PayatomRefundInitiated, PayatomAmountMismatch:
		return true
	}
	return s.Final()
}

// needsAmount reports whether an event with this status must say how much.
func (s PayatomStatus) needsAmount() bool {
	return s.Paid() || s == PayatomRefundInitiated || s == PayatomRefundCompleted
}

// PayatomEvent is a webhook of Payatom. The hash covers order_id,
// received_amount and status, joined without separators: alone it cannot tell
// (ORD1, 500) from (ORD15, 00), which is why a receiver must compare the order
// with what it expects, or ask the gateway.
type PayatomEvent struct {
	Verification `json:"-"`
	Findings     `json:"-"`

	// OrderID is shorter than 64 bytes: two longer ones can be made that have the
	// same hash.
	OrderID string `json:"order_id" validate:"required,payatom_order_id"`
	// ReceivedAmount is what was really paid, and the amount to act on.
	ReceivedAmount Amount        `json:"received_amount,omitzero" validate:"payatom_amount"`
	Status         PayatomStatus `json:"status" validate:"required,payatom_status"`

	// Unsigned members are not authenticated.
	Unsigned PayatomUnsigned `json:"unsigned,omitzero"`
}

// PayatomUnsigned holds what the hash of a Payatom webhook does not cover.
// Whoever relays the webhook may have changed it: show it, never decide on it.
//
// It may hold anything: a text is a string's content, U+0000 too, or the
// literal of any other JSON value, and an amount that is no number is not
// Valid.
type PayatomUnsigned struct {
	RequestedAmount Amount `json:"requested_amount,omitzero"`
	BankRef         Text   `json:"bank_ref,omitzero"`
	SenderUPI       Text   `json:"sender_upi,omitzero"`
	RefCode         Text   `json:"ref_code,omitzero"`
	// RefundInfo is refund_info: by the documents the literal of an object, or
	// [] where there is none. Where a form spells the object with brackets,
	// refund_info[refund_amount]=5, it is the literal of that object, with
	// strings for members; pairs that nest deeper, name no member, or stand
	// beside a plain refund_info are Extra. Refund reads it.
	RefundInfo Text `json:"refund_info,omitzero"`
	// UPIID is upi_id, the account that was paid into, and WebhookAcknowledged is
	// webhook_acknowledged, whether the gateway takes the webhook for acknowledged
	// ("1", "0"). By the documents they stand in the answers of status polling.
	UPIID               Text `json:"upi_id,omitzero"`
	WebhookAcknowledged Text `json:"webhook_acknowledged,omitzero"`

	// Extra holds the members that the documents don't know, as their text (a
	// nested value as its literal).
	Extra map[string]Text `json:"extra,omitempty"`
}

// PayatomRefund is the refund_info of a Payatom webhook. It is not signed.
type PayatomRefund struct {
	RefundedUPI   Text
	Amount        Amount
	InitiatedTime Text
	CompletedTime Text
	Status        Text
	Notes         Text
}

// Refund reads RefundInfo, and reports whether it is an object with members. A
// member that is no string is given as its literal.
func (u *PayatomUnsigned) Refund() (refund PayatomRefund, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(u.RefundInfo.String()), &members) != nil || len(members) == 0 {
		return PayatomRefund{}, false
	}
	text := func(name string) Text {
		raw, found := members[name]
		switch {
		case !found:
			return Text{}
		case string(raw) == "null":
			return NullText()
		case raw[0] == '"':
			var s string
			_ = json.Unmarshal(raw, &s) // it has just been parsed as part of the object
			return NewText(s)
		}
		return NewText(string(raw))
	}
	return PayatomRefund{
		RefundedUPI:   text("refunded_upi"),
		Amount:        AmountOf(text("refund_amount")),
		InitiatedTime: text("refund_initiated_time"),
		CompletedTime: text("refund_completed_time"),
		Status:        text("refund_status"),
		Notes:         text("refund_notes"),
	}, true
}

// Provider returns [Payatom].
func (*PayatomEvent) Provider() Provider { return Payatom }

// ID is made of order_id and status. Approved and Late Approved are one word in
// it: an order is paid once, and a second approval with another amount is a
// conflict. Under every other status received_amount is part of the ID too, by
// value: refunds of different amounts are different events.
func (e *PayatomEvent) ID() string {
	if e.Paid() {
		return joinID(Payatom, e.Tenant, e.OrderID, string(PayatomApproved))
	}
	return joinID(Payatom, e.Tenant, e.OrderID, string(e.Status), e.ReceivedAmount.byValue())
}

// Fingerprint is the signed amount, by value.
func (e *PayatomEvent) Fingerprint() string { return e.ReceivedAmount.byValue() }

// Order returns OrderID.
func (e *PayatomEvent) Order() string { return e.OrderID }

// Payment is made of order_id.
func (e *PayatomEvent) Payment() string { return joinID(Payatom, e.Tenant, e.OrderID) }

// SignedText is what the hash covers besides the secret: order_id,
// received_amount and status, joined. Two different events may share it.
func (e *PayatomEvent) SignedText() string {
	return e.OrderID + e.ReceivedAmount.SignedText() + string(e.Status)
}

// Paid reports whether the status says that the money came in.
func (e *PayatomEvent) Paid() bool { return e.Status.Paid() }

// Final reports whether the status does not change again.
func (e *PayatomEvent) Final() bool { return e.Status.Final() }

// Summary has received_amount, ref_code and bank_ref.
func (e *PayatomEvent) Summary() Summary {
	return Summary{
		Status: string(e.Status), Amount: e.ReceivedAmount,
		Transaction: e.Unsigned.RefCode.String(), Reference: e.Unsigned.BankRef.String(),
	}
}

// Check returns an error when order_id is empty or has 64 bytes or more, when the
// status does not begin with a letter, or when received_amount is not what the
// status needs: a plain decimal above zero for an approved order, a plain decimal
// for a refund, and a plain decimal or nothing for any other.
func (e *PayatomEvent) Check() error {
	amount := e.ReceivedAmount.Literal()
	switch {
	case e.OrderID == "":
		return invalidMember("order_id")
	case !payatom.OrderID(e.OrderID):
		return fmt.Errorf("payack: order_id has %d bytes or more, so that another one may have the same hash: %w", payatom.MaxOrderID, ErrInvalid)
	case !payatom.Status(string(e.Status)):
		return invalidMember("status")
	case amount == "" && e.Status.needsAmount():
		return fmt.Errorf("payack: received_amount is missing, and the status says that money moved: %w", ErrInvalid)
	case amount != "" && (!payatom.Amount(amount) || !e.ReceivedAmount.Valid()):
		return fmt.Errorf("payack: received_amount is not a plain decimal: %w", ErrInvalid)
	case e.Paid() && !e.ReceivedAmount.positive():
		return fmt.Errorf("payack: received_amount is not above zero, and the status says paid: %w", ErrInvalid)
	}
	return nil
}
