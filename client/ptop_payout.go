package client

import (
	"context"
	"encoding/json"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PtopAmount is how an amount is written in JSON. The text is the same in both,
// and the one that is signed.
type PtopAmount string

// The ways to write it. Which one Ptop reads back to the same text is
// unconfirmed: a receiver in PHP that decodes the number 50.00 signs 50, so a
// number without a closing zero (50, 50.5) is right under every reading.
const (
	PtopNumber PtopAmount = "number"
	PtopString PtopAmount = "string"
)

// PtopPayout is money to be sent to a user of Ptop. Receiver and amount are signed
// with the signing key, the idempotency key is not.
type PtopPayout struct {
	// SendingTrx is the idempotency key: the same one never pays twice, so
	// keep it with the order and use it again after an uncertain error. It is
	// not covered by the signature.
	SendingTrx string `validate:"required,text,max=255"`
	// ReceiverEmail and Amount are signed. Neither may hold a |.
	ReceiverEmail string        `validate:"required,text,email"`
	Amount        payack.Amount `validate:"required,positive"`
}

// PtopPayoutAnswer is Ptop's answer to a payout. What it holds is not
// documented, and it is not signed.
type PtopPayoutAnswer struct {
	// Success reports whether it says success. Where it says nothing of the kind,
	// Ptop answered with a status of success, and what that means is
	// unconfirmed.
	Success bool
	Message payack.Text
	// Extra holds the other members, as their text.
	Extra map[string]payack.Text
}

// Payout sends money. It is repeated when no answer comes, with the same bytes
// and thus the same SendingTrx, by which Ptop knows it again. The answer is not
// signed.
func (c *Ptop) Payout(ctx context.Context, p PtopPayout) (*PtopPayoutAnswer, error) {
	const name = "api-payout"
	switch {
	case c.signing.IsZero():
		return nil, c.t.invalid(name, "SigningKey is not configured; give the_signature of Ptop's back office")
	case c.sandbox:
		return nil, c.t.invalid(name, "the documents know no sandbox for payouts, and this would move money; use a client without Sandbox")
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
