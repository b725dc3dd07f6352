package payack

import (
	"fmt"
	"strconv"
	"time"
)

// PTSStatus is the state of a PTS transaction, with its leading zeros, such as
// 0000. A value that is not among the constants is delivered unchanged, and is
// neither paid nor final.
type PTSStatus string

// The statuses that PTS documents.
const (
	PTSWaiting    PTSStatus = "0000"
	PTSProcessing PTSStatus = "1000"
	PTSSuccess    PTSStatus = "2000"
	PTSFailed     PTSStatus = "3000"
	PTSOrderError PTSStatus = "4000"
	// PTSExpired may still be followed by success.
	PTSExpired PTSStatus = "5000"
)

// Paid reports whether the status is success. For a withdrawal this means that the
// money went out.
func (s PTSStatus) Paid() bool { return s == PTSSuccess }

// Final reports whether the status does not change any more.
func (s PTSStatus) Final() bool { return s == PTSSuccess || s == PTSFailed || s == PTSOrderError }

// Known reports whether the status is among the constants.
func (s PTSStatus) Known() bool {
	switch s {
	case PTSWaiting, PTSProcessing, PTSSuccess, PTSFailed, PTSOrderError, PTSExpired:
		return true
	}
	return false
}

// PTSEvent is a payment or withdraw (payout) callback of PTS (Pagarstar). The
// signature covers every member that is not in Unsigned.
//
// No signed member distinguishes a payment from a withdrawal, and anybody who
// relays a callback can choose the URL that it is sent to. Before you act, look the
// order up among your payments (or withdrawals), or set Confirm in the receiver's
// configuration, so that PTS is asked.
type PTSEvent struct {
	Verification `json:"-"`
	// Confirmed is PTS's answer to a query, nil if PTS was not asked.
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
	// Timestamp is the time of the last update; [PTSEvent.Time] parses it.
	Timestamp Text `json:"timestamp,omitzero"`

	// Unsigned holds the members that are not authenticated.
	Unsigned PTSUnsigned `json:"unsigned,omitzero"`
}

// PTSUnsigned holds the members of a PTS callback that its signature does not
// cover. Anybody who relays the callback may have changed them: show them, but
// never decide by them.
//
// Their contents are not checked. A Text is the content of a string, which may hold
// U+0000, or the literal of any other JSON value. An Amount need not be Valid.
type PTSUnsigned struct {
	SubmitPromo      Amount `json:"submit_promo,omitzero"`
	AcceptPromo      Amount `json:"accept_promo,omitzero"`
	PaymentAddress   Text   `json:"payment_address,omitzero"`
	ReceivingAddress Text   `json:"receiving_address,omitzero"`
	ErrorMessage     Text   `json:"error_message,omitzero"`
	ReferenceNumber  Text   `json:"reference_number,omitzero"`
	DetailsURL       Text   `json:"details_url,omitzero"`

	// Extra holds the members that PTS does not document, by name: the content of a
	// string, or the literal of any other value.
	Extra map[string]Text `json:"extra,omitempty"`
}

// Found returns Confirmed as the event's findings.
func (e *PTSEvent) Found() Findings { return Findings{Confirmed: e.Confirmed} }

// Provider returns [PTS].
func (*PTSEvent) Provider() Provider { return PTS }

// ID identifies one status of one transaction. It consists of user_id, order_id,
// transaction_id and status, all of them signed, and of the tenant. So a redelivery
// has the same ID, and the transaction's next status has another ID.
//
// Until the status is final ([PTSStatus.Final]), PTS may still change the amounts.
// submit_amount and accept_amount are then part of the ID, too: the same status
// with other amounts is another event. The amounts count by value, so 100.50 and
// 100.5 are the same amount.
//
// Once the status is final, the ID no longer depends on the amounts. A second event
// with other amounts has the same ID and another [PTSEvent.Fingerprint], so it is a
// conflict. [Event.ID] describes the text of an ID.
func (e *PTSEvent) ID() string {
	if e.Final() {
		return joinID(PTS, e.Tenant, e.UserID, e.OrderID, e.TransactionID, string(e.Status))
	}
	return joinID(PTS, e.Tenant, e.UserID, e.OrderID, e.TransactionID, string(e.Status),
		e.SubmitAmount.byValue(), e.AcceptAmount.byValue())
}

// Fingerprint returns submit_amount and accept_amount, by value, and their
// currencies.
func (e *PTSEvent) Fingerprint() string {
	return joinID(PTS, e.SubmitAmount.byValue(), e.SubmitCurrency.String(),
		e.AcceptAmount.byValue(), e.AcceptCurrency.String())
}

// Order returns OrderID.
func (e *PTSEvent) Order() string { return e.OrderID }

// Payment returns an identifier made of the tenant, user_id, order_id and
// transaction_id.
func (e *PTSEvent) Payment() string {
	return joinID(PTS, e.Tenant, e.UserID, e.OrderID, e.TransactionID)
}

// Paid reports whether the status is success. For a payment this means that the
// merchant was paid. For a withdrawal it means that the money went out.
func (e *PTSEvent) Paid() bool { return e.Status.Paid() }

// Final reports whether the status does not change any more.
func (e *PTSEvent) Final() bool { return e.Status.Final() }

// Summary returns the status, transaction_id, reference_number and accept_amount.
// As long as nothing was accepted, the amount is submit_amount.
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

// Time returns Timestamp as a time in UTC. It returns false unless Timestamp has
// ten digits, which count seconds since 1970.
func (e *PTSEvent) Time() (time.Time, bool) {
	s := e.Timestamp.String()
	if len(s) != 10 || skipDigits(s, 0) != 10 {
		return time.Time{}, false
	}
	sec, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(sec, 0).UTC(), err == nil
}

// Check returns an error that matches [ErrInvalid] if an id or the status is empty,
// if a signed amount or rate is present and not a number, or if the status is
// success and accept_amount is not above zero.
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

// invalidMember returns an error that names the member but not its value, because
// the sender chose the value.
func invalidMember(name string) error {
	return fmt.Errorf("payack: %s breaks the provider's rules: %w", name, ErrInvalid)
}
