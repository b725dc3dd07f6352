package payack

// PtopEvent is a transaction update of Ptop (API v3). The signature covers the
// whole body, unknown members too.
//
// The callback carries no amount, no status and no time. Success says that
// Ptop calls the transaction successful, not how much was paid: credit only
// what Confirmed says, or what your own payment-check says.
type PtopEvent struct {
	Verification `json:"-"`
	Findings     `json:"-"`

	Success       bool   `json:"success"`
	TransactionID string `json:"transaction_id" validate:"required"`
	OrderID       string `json:"order_id" validate:"required"`
	Message       Text   `json:"message,omitzero"`

	// Extra holds the members that the documents don't know, as their text (a
	// nested value as its literal). They are signed like the rest.
	Extra map[string]Text `json:"extra,omitempty"`
}

// Provider returns [Ptop].
func (*PtopEvent) Provider() Provider { return Ptop }

// ID is made of transaction_id and success: the documents give the callback
// nothing else that tells one happening from the next.
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

// Paid reports whether a confirmation says so; the callback alone never does.
func (e *PtopEvent) Paid() bool { return e.Success && e.Confirmed != nil && e.Confirmed.Paid }

// Final reports whether a confirmation is (status 1, paid, or 2, cancelled).
// Without one it is true: as far as the documents go, a success that is true or
// false does not change again.
func (e *PtopEvent) Final() bool {
	c := e.Confirmed
	return c == nil || c.Paid || c.Status == "1" || c.Status == "2"
}

// Check implements [Event].
func (e *PtopEvent) Check() error {
	switch {
	case e.TransactionID == "":
		return invalidMember("transaction_id")
	case e.OrderID == "":
		return invalidMember("order_id")
	}
	return nil
}
