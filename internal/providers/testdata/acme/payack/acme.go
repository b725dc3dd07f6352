package payack

// Acme is an invented provider.
const Acme Provider = "acme"

// AcmeEvent is a callback of Acme.
type AcmeEvent struct {
	Verification `json:"-"`
	Findings     `json:"-"`

	OrderID string `json:"order_id" validate:"required"`
	Amount  Amount `json:"amount" validate:"amount"`
	Status  string `json:"status" validate:"required"`
}

// Provider returns [Acme].
func (*AcmeEvent) Provider() Provider { return Acme }

// ID consists of order_id and status.
func (e *AcmeEvent) ID() string { return joinID(Acme, e.Tenant, e.OrderID, e.Status) }

// Fingerprint is the amount, by value.
func (e *AcmeEvent) Fingerprint() string { return e.Amount.byValue() }

// Order returns OrderID.
func (e *AcmeEvent) Order() string { return e.OrderID }

// Payment consists of order_id.
func (e *AcmeEvent) Payment() string { return joinID(Acme, e.Tenant, e.OrderID) }

// Paid reports whether the status says that the money came in.
func (e *AcmeEvent) Paid() bool { return e.Status == "paid" }

// Final reports whether the status will not change again.
func (e *AcmeEvent) Final() bool { return e.Paid() || e.Status == "failed" }

// Summary has the status and the amount.
func (e *AcmeEvent) Summary() Summary { return Summary{Status: e.Status, Amount: e.Amount} }

// Check returns an error if a member is missing or the amount is not a number.
func (e *AcmeEvent) Check() error {
	switch {
	case e.OrderID == "":
		return invalidMember("order_id")
	case !e.Amount.Valid():
		return invalidMember("amount")
	case e.Status == "":
		return invalidMember("status")
	}
	return nil
}
