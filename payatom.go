package payack

import (
	"encoding/json"
	"fmt"

	"github.com/payack/payack/internal/payatom"
)

// PayatomStatus is the state of a Payatom order, in the gateway's spelling. A value
// that is not among the constants is delivered unchanged, and is neither paid nor
// final.
type PayatomStatus string

// The statuses. The last three are not in Payatom's documents, but were seen in
// use.
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

// Paid reports whether the merchant was paid. A refund is not paid.
func (s PayatomStatus) Paid() bool { return s == PayatomApproved || s == PayatomLateApproved }

// Final reports whether the status does not change any more. User Timed Out is not
// final, because Late Approved can follow.
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

// needsAmount reports whether an event with this status must have an amount.
func (s PayatomStatus) needsAmount() bool {
	return s.Paid() || s == PayatomRefundInitiated || s == PayatomRefundCompleted
}

// PayatomEvent is a webhook of Payatom. The hash covers order_id, received_amount
// and status, joined without separators. The hash alone does not distinguish order
// ORD1 with amount 500 from order ORD15 with amount 00. A receiver must compare the
// order with what it expects, or ask the gateway.
type PayatomEvent struct {
	Verification `json:"-"`
	Findings     `json:"-"`

	// OrderID is shorter than 64 bytes. Longer ids allow MD5 collisions: two ids
	// with the same hash.
	OrderID string `json:"order_id" validate:"required,payatom_order_id"`
	// ReceivedAmount is the amount that was really paid. Act on this amount, not on
	// RequestedAmount.
	ReceivedAmount Amount        `json:"received_amount,omitzero" validate:"payatom_amount"`
	Status         PayatomStatus `json:"status" validate:"required,payatom_status"`

	// Unsigned holds the members that are not authenticated.
	Unsigned PayatomUnsigned `json:"unsigned,omitzero"`
}

// PayatomUnsigned holds the members of a Payatom webhook that its hash does not
// cover. Anybody who relays the webhook may have changed them: show them, but never
// decide by them.
//
// Their contents are not checked. A Text is the content of a string, which may hold
// U+0000, or the literal of any other JSON value. An Amount need not be Valid.
type PayatomUnsigned struct {
	RequestedAmount Amount `json:"requested_amount,omitzero"`
	BankRef         Text   `json:"bank_ref,omitzero"`
	SenderUPI       Text   `json:"sender_upi,omitzero"`
	RefCode         Text   `json:"ref_code,omitzero"`
	// RefundInfo is refund_info. Payatom documents the literal of an object, or []
	// if there is no refund. [PayatomUnsigned.Refund] parses it.
	//
	// A form may spell the object with brackets: refund_info[refund_amount]=5.
	// RefundInfo is then the literal of that object, with strings as members. Pairs
	// that nest deeper, that name no member, or that come with a plain refund_info
	// are in Extra.
	RefundInfo Text `json:"refund_info,omitzero"`
	// UPIID is upi_id, the account that received the payment. WebhookAcknowledged
	// is webhook_acknowledged: whether the gateway counts the webhook as
	// acknowledged ("1" or "0"). Payatom documents the two members for the answers
	// of status polling.
	UPIID               Text `json:"upi_id,omitzero"`
	WebhookAcknowledged Text `json:"webhook_acknowledged,omitzero"`

	// Extra holds the members that Payatom does not document, by name: the content
	// of a string, or the literal of any other value.
	Extra map[string]Text `json:"extra,omitempty"`
}

// PayatomRefund is the parsed refund_info of a Payatom webhook. It is not signed.
type PayatomRefund struct {
	RefundedUPI   Text
	Amount        Amount
	InitiatedTime Text
	CompletedTime Text
	Status        Text
	Notes         Text
}

// Refund parses RefundInfo. ok is false unless RefundInfo is an object with
// members. The text of a member that is not a string is its literal.
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
			_ = json.Unmarshal(raw, &s) // can't fail: it was parsed as part of the object
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

// ID identifies the event by order_id and status, within the tenant. [Event.ID]
// describes the text.
//
// For a paid order, Approved and Late Approved count as one status and the amount
// is left out: an order is paid once, and a second approval with another amount is
// a conflict. For every other status received_amount is part of the ID, by value:
// refunds of different amounts are different events.
func (e *PayatomEvent) ID() string {
	if e.Paid() {
		return joinID(Payatom, e.Tenant, e.OrderID, string(PayatomApproved))
	}
	return joinID(Payatom, e.Tenant, e.OrderID, string(e.Status), e.ReceivedAmount.byValue())
}

// Fingerprint returns received_amount, by value.
func (e *PayatomEvent) Fingerprint() string { return e.ReceivedAmount.byValue() }

// Order returns OrderID.
func (e *PayatomEvent) Order() string { return e.OrderID }

// Payment returns an identifier made of the tenant and order_id.
func (e *PayatomEvent) Payment() string { return joinID(Payatom, e.Tenant, e.OrderID) }

// SignedText returns the text that the hash covers, apart from the secret:
// order_id, received_amount and status, joined. Different events may have the same
// text.
func (e *PayatomEvent) SignedText() string {
	return e.OrderID + e.ReceivedAmount.SignedText() + string(e.Status)
}

// Paid reports whether the status says that the merchant was paid.
func (e *PayatomEvent) Paid() bool { return e.Status.Paid() }

// Final reports whether the status does not change any more.
func (e *PayatomEvent) Final() bool { return e.Status.Final() }

// Summary returns the status, received_amount, ref_code and bank_ref.
func (e *PayatomEvent) Summary() Summary {
	return Summary{
		Status: string(e.Status), Amount: e.ReceivedAmount,
		Transaction: e.Unsigned.RefCode.String(), Reference: e.Unsigned.BankRef.String(),
	}
}

// Check returns an error that matches [ErrInvalid] in these cases:
//   - order_id is empty or has 64 bytes or more.
//   - status does not begin with a letter.
//   - received_amount is present and not a plain decimal, or missing for a paid
//     order or a refund.
//   - received_amount is not above zero for a paid order.
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
