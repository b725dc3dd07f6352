package client

import (
	"context"
	"encoding/json"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PtopAmount is how a payout's amount is written in JSON. The signature covers the
// same text either way.
type PtopAmount string

// The two JSON types. Which one Ptop expects is unconfirmed. PHP decodes the number
// 50.00 to 50, and would check the signature over 50. So give amounts without trailing
// zeros (50, 50.5): PHP keeps their text, and their signature verifies.
const (
	PtopNumber PtopAmount = "number"
	PtopString PtopAmount = "string"
)

// PtopPayout is a payout to a user of Ptop. The signing key signs ReceiverEmail and
// Amount. The package documentation explains the tags.
type PtopPayout struct {
	// SendingTrx is the idempotency key: Ptop pays once for each SendingTrx. Store
	// it with the order and use it again after an uncertain error. It is not signed.
	SendingTrx string `validate:"required,text,max=255"`
	// ReceiverEmail must not contain a |, which separates the signed parts.
	ReceiverEmail string        `validate:"required,text,email"`
	Amount        payack.Amount `validate:"required,positive"`
}

// PtopPayoutAnswer is Ptop's answer to a payout. It is not signed, and its members
// are not documented.
type PtopPayoutAnswer struct {
	// Success reports whether the answer says success true. It is false if the
	// answer has no member success; what Ptop means by that is unconfirmed. An answer
	// that says success false is an error, [ErrDeclined].
	Success bool
	Message payack.Text
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// Payout makes a payout (POST /api/api-payout). It is repeatable: see
// [Options].Retries. Repetitions send the same bytes, and Ptop recognises their
// SendingTrx. The answer is not signed.
//
// Without [PtopConfig].SigningKey, or with [PtopConfig].Sandbox, nothing is sent
// and the error is [ErrRequest].
func (c *Ptop) Payout(ctx context.Context, p PtopPayout) (*PtopPayoutAnswer, error) {
	const name = "api-payout"
	switch {
	case c.signing.IsZero():
		return nil, c.t.invalid(name, "SigningKey is not configured; give the_signature of Ptop's back office")
	case c.sandbox:
		return nil, c.t.invalid(name, "Ptop documents no sandbox for payouts, so this would move money; use a client without Sandbox")
	}
	if e := c.t.check(name, p); e != nil {
		return nil, e
	}
	amount := p.Amount.String()
	signature, err := verify.PtopPayoutSignature(c.signing, c.website, c.secret.Reveal(), p.ReceiverEmail, amount)
	if err != nil {
		return nil, c.t.invalid(name, err.Error())
	}
	literal := json.RawMessage(amount)
	if c.withString {
		literal = json.RawMessage(`"` + amount + `"`) // a number's text needs no escape
	}
	a, err := c.t.do(ctx, call{name: name, path: "/api/api-payout", repeatable: true, build: func() (*message, error) {
		m, err := c.message(struct {
			WebsiteID     string          `json:"website_id"`
			SecretKey     string          `json:"secret_key"`
			ReceiverEmail string          `json:"reviverEmail"` // Ptop's spelling
			Amount        json.RawMessage `json:"amount"`
			Signature     string          `json:"signature"`
			SendingTrx    string          `json:"sendingTrx"`
		}{c.website, c.secret.Reveal(), p.ReceiverEmail, literal, signature, p.SendingTrx})
		if err == nil {
			m.hide = []string{signature}
		}
		return m, err
	}})
	if err != nil {
		return nil, err
	}
	m, e := c.answer(a, "success", "message", "sendingTrx")
	if e != nil {
		return nil, e
	}
	success, found := m.flag("success")
	if found && !success {
		return nil, c.declined(a, m)
	}
	out := &PtopPayoutAnswer{Success: success, Message: m.word("message"), Extra: m.extra()}
	if e := c.typed(a, m); e != nil {
		return nil, e
	}
	if e := c.t.same(a, m, "sendingTrx", p.SendingTrx); e != nil {
		return nil, e
	}
	return out, nil
}
