package payack

// PtopEvent is a transaction update of Ptop (API v3). The signature covers the
// whole body, unknown members too.
//
// The callback carries no amount, no status and no time. Success says that
// Ptop calls the transaction successful, not how much was paid: credit only
// what Confirmed says, or what your own payment-check says.
type PtopEvent struct {
	Verification `json:"-"`
	// Confirmed is what the provider's own query said, nil where it was not asked.
	Confirmed *Confirmation `json:"-"`

	Success       bool   `json:"success"`
	TransactionID string `json:"transaction_id" validate:"required"`
	OrderID       string `json:"order_id" validate:"required"`
	Message       Text   `json:"message,omitzero"`

	// Extra holds the members that the documents don't know, as their text (a
	// nested value as its literal). They are signed like the rest.
	Extra map[string]Text `json:"extra,omitempty"`
}

// Found returns what was found out by asking the provider.
func (e *PtopEvent) Found() Findings { return Findings{Confirmed: e.Confirmed} }

// Provider returns [Ptop].
func (*PtopEvent) Provider() Provider { return Ptop }

// ID is made of transaction_id and success. Nothing else in the callback tells
// one event from the next.
func (e *PtopEvent) ID() string {
	success := "false"
	if e.Success {
		success = "true"
	}
	return joinID(Ptop, e.Tenant, e.TransactionID, success)
}

// Fingerprint is order_id: a transaction belongs to one order. The callback
// carries no amount.
func (e *PtopEvent) Fingerprint() string { return e.OrderID }

// Order returns OrderID.
func (e *PtopEvent) Order() string { return e.OrderID }

// Payment is made of transaction_id.
func (e *PtopEvent) Payment() string { return joinID(Ptop, e.Tenant, e.TransactionID) }

// Paid reports whether a confirmation says so. The callback alone never does.
func (e *PtopEvent) Paid() bool { return e.Success && e.Confirmed != nil && e.Confirmed.Paid }

// Final reports whether what was confirmed is final: status 1 (paid) or 2
// (cancelled). Without a confirmation it is true, since by the documents success
// does not change again.
func (e *PtopEvent) Final() bool {
	c := e.Confirmed
	return c == nil || c.Paid || c.Status == "1" || c.Status == "2"
}

// Summary has transaction_id, and the amount of a confirmation.
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

// Check returns an error when transaction_id or order_id is empty.
func (e *PtopEvent) Check() error {
	switch {
	case e.TransactionID == "":
		return invalidMember("transaction_id")
	case e.OrderID == "":
		return invalidMember("order_id")
	}
	return nil
}
