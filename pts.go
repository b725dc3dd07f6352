package payack

import (
	"fmt"
	"strconv"
	"time"
)

// PTSStatus is the state of a PTS transaction, with its leading zeros. A value
// that is not among the constants is delivered as it came, and is neither paid
// nor final.
type PTSStatus string

// The statuses of the provider's documents.
const (
	PTSWaiting    PTSStatus = "0000"
	PTSProcessing PTSStatus = "1000"
	PTSSuccess    PTSStatus = "2000"
	PTSFailed     PTSStatus = "3000"
	PTSOrderError PTSStatus = "4000"
	// PTSExpired may still succeed later.
	PTSExpired PTSStatus = "5000"
)

// Paid reports whether the money came in.
func (s PTSStatus) Paid() bool { return s == PTSSuccess }

// Final reports whether the status does not change again.
func (s PTSStatus) Final() bool { return s == PTSSuccess || s == PTSFailed || s == PTSOrderError }

// Known reports whether the documents know the status.
func (s PTSStatus) Known() bool {
	switch s {
	case PTSWaiting, PTSProcessing, PTSSuccess, PTSFailed, PTSOrderError, PTSExpired:
		return true
	}
	return false
}

// PTSEvent is a payment or withdraw (payout) callback of PTS (Pagarstar). The
// signature covers every member that stands directly in it.
//
// Nothing that is signed tells a payment from a withdrawal, and whoever relays
// callbacks chooses which of your URLs gets them: look the order up among your
// payments, or your withdrawals, before you act, or ask PTS (Confirm).
type PTSEvent struct {
	Verification `json:"-"`
	// Confirmed is what the provider's own query said, nil where it was not asked.
	Confirmed *Confirmation `json:"-"`

	UserID        string `json:"user_id" validate:"required"`
	OrderID       string `json:"order_id" validate:"required"`
	TransactionID string `json:"transaction_id" validate:"required"`
	Channel       Text   `json:"channel,omitzero"`

	SubmitCurrency Text      `json:"submit_currency,omitzero"`
	SubmitAmount   Amount    `json:"submit_amount,omitzero" validate:"omitempty,amount"`
	AcceptCurrency Text      `json:"accept_currency,omitzero"`
	AcceptAmount   Amount    `json:"accept_amount,omitzero" validate:"pts_accept_amount"`
	ExchangeRate   Amount    `json:"exchange_rate,omitzero" validate:"omitempty,amount"`
	Status         PTSStatus `json:"status" validate:"required"`
	// Timestamp is the time of the last update; Time converts it.
	Timestamp Text `json:"timestamp,omitzero"`

	// Unsigned members are not authenticated.
	Unsigned PTSUnsigned `json:"unsigned,omitzero"`
}

// PTSUnsigned holds what the signature of a PTS callback does not cover.
// Whoever relays the callback may have changed it: show it, never decide on it.
//
// It may hold anything: a text is a string's content, U+0000 too, or the
// literal of any other JSON value, and an amount that is no number is not
// Valid.
type PTSUnsigned struct {
	SubmitPromo      Amount `json:"submit_promo,omitzero"`
	AcceptPromo      Amount `json:"accept_promo,omitzero"`
	PaymentAddress   Text   `json:"payment_address,omitzero"`
	ReceivingAddress Text   `json:"receiving_address,omitzero"`
	ErrorMessage     Text   `json:"error_message,omitzero"`
	ReferenceNumber  Text   `json:"reference_number,omitzero"`
	DetailsURL       Text   `json:"details_url,omitzero"`

	// Extra holds the members that the documents don't know, as their text (a
	// nested value as its literal).
	Extra map[string]Text `json:"extra,omitempty"`
}

// Found returns what was found out by asking the provider.
func (e *PTSEvent) Found() Findings { return Findings{Confirmed: e.Confirmed} }

// Provider returns [PTS].
func (*PTSEvent) Provider() Provider { return PTS }

// ID is made of user_id, order_id, transaction_id and status. A transaction that
// reaches the next status is another event; the same status sent again is not.
// While the status is not final the signed amounts may still change, and are
// part of the ID too, by value.
func (e *PTSEvent) ID() string {
	if e.Final() {
		return joinID(PTS, e.Tenant, e.UserID, e.OrderID, e.TransactionID, string(e.Status))
	}
	return joinID(PTS, e.Tenant, e.UserID, e.OrderID, e.TransactionID, string(e.Status),
		e.SubmitAmount.byValue(), e.AcceptAmount.byValue())
}

// Fingerprint is the signed amounts, by value, and their currencies.
func (e *PTSEvent) Fingerprint() string {
	return joinID(PTS, e.SubmitAmount.byValue(), e.SubmitCurrency.String(),
		e.AcceptAmount.byValue(), e.AcceptCurrency.String())
}

// Order returns OrderID.
func (e *PTSEvent) Order() string { return e.OrderID }

// Payment is made of user_id, order_id and transaction_id.
func (e *PTSEvent) Payment() string {
	return joinID(PTS, e.Tenant, e.UserID, e.OrderID, e.TransactionID)
}

// Paid reports whether the status is success: of a payment, that the money came
// in; of a withdrawal, that it went out.
func (e *PTSEvent) Paid() bool { return e.Status.Paid() }

// Final reports whether the status does not change again.
func (e *PTSEvent) Final() bool { return e.Status.Final() }

// Summary has accept_amount, or submit_amount as long as nothing is accepted,
// transaction_id and reference_number.
func (e *PTSEvent) Summary() Summary {
	s := Summary{
		Status: string(e.Status), Amount: e.AcceptAmount, Currency: e.AcceptCurrency,
		Transaction: e.TransactionID, Reference: e.Unsigned.ReferenceNumber.String(),
	}
	if !s.Amount.positive() && !e.Paid() {
		s.Amount, s.Currency = e.SubmitAmount, e.SubmitCurrency
	}
	return s
}

// Time returns the timestamp as a time, and whether it is one: ten digits that
// count seconds since 1970.
func (e *PTSEvent) Time() (time.Time, bool) {
	s := e.Timestamp.String()
	if len(s) != 10 || skipDigits(s, 0) != 10 {
		return time.Time{}, false
	}
	sec, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(sec, 0).UTC(), err == nil
}

// Check returns an error when an id or the status is empty, when a signed amount
// is there and no number, or when the status is success and accept_amount is not
// above zero.
func (e *PTSEvent) Check() error {
	switch {
	case e.UserID == "":
		return invalidMember("user_id")
	case e.OrderID == "":
		return invalidMember("order_id")
	case e.TransactionID == "":
		return invalidMember("transaction_id")
	case e.Status == "":
		return invalidMember("status")
	case !emptyOrValid(e.SubmitAmount):
		return invalidMember("submit_amount")
	case !emptyOrValid(e.AcceptAmount):
		return invalidMember("accept_amount")
	case e.Paid() && !e.AcceptAmount.positive():
		return fmt.Errorf("payack: accept_amount is not above zero, and the status says paid: %w", ErrInvalid)
	case !emptyOrValid(e.ExchangeRate):
		return invalidMember("exchange_rate")
	}
	return nil
}

func emptyOrValid(a Amount) bool { return a.IsEmpty() || a.Valid() }

// invalidMember names the member only: its value came from outside.
func invalidMember(name string) error {
	return fmt.Errorf("payack: %s breaks the provider's rules: %w", name, ErrInvalid)
}
