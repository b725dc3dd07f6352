package payack

// PtopEvent is a transaction update of Ptop (API v3). The signature covers the
// whole body, unknown members too.
//
// The callback carries no amount, no status and no time. Success says that Ptop
// calls the transaction successful, but not how much was paid. Credit only the
// amount in Confirmed, or the amount that your own payment-check returns.
type PtopEvent struct {
	Verification `json:"-"`
	// Confirmed is Ptop's answer to a query, nil if Ptop was not asked.
	Confirmed *Confirmation `json:"-"`

	Success       bool   `json:"success"`
	TransactionID string `json:"transaction_id" validate:"required"`
	OrderID       string `json:"order_id" validate:"required"`
	Message       Text   `json:"message,omitzero"`

	// Extra holds the members that Ptop does not document, by name: the content of
	// a string, or the literal of any other value. They are signed like the rest.
	Extra map[string]Text `json:"extra,omitempty"`
}

// Found returns Confirmed as the event's findings.
func (e *PtopEvent) Found() Findings { return Findings{Confirmed: e.Confirmed} }

// Provider returns [Ptop].
func (*PtopEvent) Provider() Provider { return Ptop }

// ID identifies the event by transaction_id and success, within the tenant.
// [Event.ID] describes the text.
func (e *PtopEvent) ID() string {
	success := "false"
	if e.Success {
		success = "true"
	}
	return joinID(Ptop, e.Tenant, e.TransactionID, success)
}

// Fingerprint returns order_id, because the callback carries no amount, and a
// transaction belongs to one order.
func (e *PtopEvent) Fingerprint() string { return e.OrderID }

// Order returns OrderID.
func (e *PtopEvent) Order() string { return e.OrderID }

// Payment returns an identifier made of the tenant and transaction_id.
func (e *PtopEvent) Payment() string { return joinID(Ptop, e.Tenant, e.TransactionID) }

// Paid reports whether Success is set and Ptop has confirmed the payment. It is
// false for a callback without a confirmation.
func (e *PtopEvent) Paid() bool { return e.Success && e.Confirmed != nil && e.Confirmed.Paid }

// Final reports whether Ptop confirmed a final status: 1 (paid) or 2 (cancelled).
// Without a confirmation it returns true, whatever Success is: according to Ptop's
// documents, the member success never changes.
func (e *PtopEvent) Final() bool {
	c := e.Confirmed
	return c == nil || c.Paid || c.Status == "1" || c.Status == "2"
}

// Summary returns transaction_id, and the status and amount of a confirmation.
// Without a confirmation, the status is "success" or "not successful".
func (e *PtopEvent) Summary() Summary {
	s := Summary{Status: "not successful", Transaction: e.TransactionID}
	if e.Success {
		s.Status = "success"
	}
	if c := e.Confirmed; c != nil {
		s.Status, s.Amount, s.Currency = c.Status, c.Amount, c.Currency
	}
	return s
}

// Check returns an error that matches [ErrInvalid] if transaction_id or order_id is
// empty.
func (e *PtopEvent) Check() error {
	switch {
	case e.TransactionID == "":
		return invalidMember("transaction_id")
	case e.OrderID == "":
		return invalidMember("order_id")
	}
	return nil
}
