package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

// PayatomConfig is what a client of Payatom needs. Payins and payouts of V1 are
// authenticated by the address that they come from, which Payatom must have
// allowed; the other keys belong to the calls that name them.
type PayatomConfig struct {
	// BaseURL is the scheme and host that Payatom gives. (That all paths stand
	// under one host is inferred.)
	BaseURL string
	// PID is the merchant's id.
	PID string
	// SecretKeys are those of Payatom's back office. The first signs requests,
	// all of them verify responses (rotation).
	SecretKeys []payack.Secret
	// ReconcileToken is the value of the header Token, for the reconciliations.
	ReconcileToken payack.Secret
	// WalletAuthorization is the whole value of the header Authorization, for
	// WalletBalance.
	WalletAuthorization payack.Secret
	// APIKey is the value of the header Api-Key, for WalletTransactions and
	// WalletData.
	APIKey payack.Secret
	// WalletDataPath is the path of WalletData, from its first slash on; empty is
	// /bot/api_v2/account_status.php, which Payatom's public documents name.
	WalletDataPath string

	// Polling picks the members of status polling; empty is [PollingAll].
	Polling PayatomPolling
	// Numbers pins the text of the amount that responses sign, literal or php;
	// empty takes both.
	Numbers []payack.Scheme
	// UnknownRefCode reports whether the message of a status polling that was
	// declined says that there is no such ref_code; nil recognises the usual
	// English words for it. How the gateway words it is not documented. It decides
	// whether Confirm refutes a ref_code for good or asks again.
	UnknownRefCode func(message string) bool

	Options
}

// Payatom asks Payatom.
//
// There is no method for complaints (POST /api/complaint/submit_complaint.php):
// how they are signed is not known.
type Payatom struct {
	t              *transport
	pid            string
	signer         *verify.PayatomSigner
	keys           *verify.PayatomKeys
	verify         *verify.Payatom
	polling        PayatomPolling
	unknown        func(message string) bool
	token          payack.Secret
	authorization  payack.Secret
	apiKey         payack.Secret
	walletDataPath string
}

// NewPayatom returns a client. Errors name the member of the configuration and
// the fix. No request is made.
func NewPayatom(c PayatomConfig) (*Payatom, error) {
	client, err := newPayatom(c)
	return client, named(payack.Payatom, err)
}

func newPayatom(c PayatomConfig) (*Payatom, error) {
	if err := checkCredential("PID", c.PID, "Payatom"); err != nil {
		return nil, err
	}
	switch c.Polling {
	case "":
		c.Polling = PollingAll
	case PollingAll, PollingProse, PollingExample, PollingNewer:
	default:
		return nil, fmt.Errorf(`payack: Polling: unknown set %q; choose "all", "prose", "example" or "newer"`, string(c.Polling))
	}
	for _, h := range []struct {
		member string
		value  payack.Secret
	}{{"ReconcileToken", c.ReconcileToken}, {"WalletAuthorization", c.WalletAuthorization}, {"APIKey", c.APIKey}} {
		if h.value.IsZero() { // not every merchant has it
			continue
		}
		if err := checkCredential(h.member, h.value.Reveal(), "Payatom"); err != nil {
			return nil, err
		}
	}
	if c.WalletDataPath == "" {
		c.WalletDataPath = "/bot/api_v2/account_status.php"
	} else {
		u, err := url.Parse(c.WalletDataPath)
		if err != nil || !strings.HasPrefix(c.WalletDataPath, "/") || u.Host != "" || u.Fragment != "" {
			return nil, errors.New("payack: WalletDataPath: it is no path; give one that begins with a slash")
		}
	}
	keys, err := verify.NewPayatomKeys("", c.SecretKeys...)
	if err != nil {
		return nil, err
	}
	signer, err := verify.NewPayatomSigner(c.SecretKeys[0])
	if err != nil {
		return nil, err
	}
	v, err := verify.NewPayatom(verify.PayatomOptions{Numbers: c.Numbers})
	if err != nil {
		return nil, err
	}
	if c.UnknownRefCode == nil {
		c.UnknownRefCode = saysUnknown
	}
	secrets := append([]payack.Secret{c.ReconcileToken, c.WalletAuthorization, c.APIKey}, c.SecretKeys...)
	t, err := newTransport(payack.Payatom, c.BaseURL, c.Options, secrets...)
	if err != nil {
		return nil, err
	}
	return &Payatom{
		t: t, pid: c.PID, signer: signer, keys: keys, verify: v, polling: c.Polling, unknown: c.UnknownRefCode, token: c.ReconcileToken,
		authorization: c.WalletAuthorization, apiKey: c.APIKey, walletDataPath: c.WalletDataPath,
	}, nil
}

// Format writes the type's name, whatever the verb.
func (Payatom) Format(f fmt.State, _ rune) { hiddenFormat(f, "Payatom") }

// PayatomPayin is a payment to be created. Nothing signs it: Payatom knows the
// merchant by the address that it comes from.
type PayatomPayin struct {
	// OrderID has at least 10 characters and fewer than 64 bytes: two longer ones
	// can be made that have the same hash.
	OrderID string `validate:"required,text,min=10,hashable"`
	// Amount is a plain decimal of at most 18 digits, sent as this very text.
	Amount payack.Amount `validate:"required,plain,positive"`
	Name   string        `validate:"required,text"`
	Email  string        `validate:"required,text,email"`
	Phone  string        `validate:"required,text"`

	RedirectURL string `validate:"omitempty,text,http_url"`
	WalletType  string `validate:"omitempty,text"`
}

// PayatomPayinCreated is Payatom's answer to a payin. It is not signed.
type PayatomPayinCreated struct {
	HashValue string
	// RefCode is what status polling asks by. Keep it with the order and return it
	// from Expect. It is empty where the answer has none (under which name it comes
	// is not documented; ref_code is read).
	RefCode string
	// ConnectURL is where the customer is to be sent.
	ConnectURL string
	// Extra holds the members that the documents don't know, as their text.
	Extra map[string]payack.Text
}

// Payin creates a payment. It is sent once and never repeated, because the
// documents name no idempotency key for it; see [Error.Uncertain]. The answer is
// not signed: what it says is as good as the TLS connection.
func (c *Payatom) Payin(ctx context.Context, p PayatomPayin) (*PayatomPayinCreated, error) {
	const name = "payin"
	if e := c.t.check(name, p); e != nil {
		return nil, e
	}
	a, err := c.t.do(ctx, call{name: name, path: "/pay/request.php", build: func() (*message, error) {
		return ordered(
			"pid", c.pid, "order_id", p.OrderID, "amount", p.Amount.String(), "name", p.Name, "email", p.Email, "phone", p.Phone,
			"?redirect_url", p.RedirectURL, "?wallet_type", p.WalletType)
	}})
	if err != nil {
		return nil, err
	}
	m, e := c.answer(a, "hash_value", "ref_code", "status", "message", "order_id")
	if e != nil {
		return nil, e
	}
	out := &PayatomPayinCreated{HashValue: m.required("hash_value"), RefCode: m.id("ref_code").String(), Extra: m.extra()}
	if status := m.id("status").String(); status != "ok" {
		m.fail(strict.Find(m.fields, "status"), "status", "is neither ok nor error")
	}
	if m.err != nil {
		return nil, c.t.unreadable(a, payack.ErrMalformed, m.err.Error())
	}
	if e := c.t.same(a, m, "order_id", p.OrderID); e != nil {
		return nil, e
	}
	out.ConnectURL = c.ConnectURL(out.HashValue)
	return out, nil
}

// ConnectURL returns where a customer pays, from the hash_value of a payin.
func (c *Payatom) ConnectURL(hashValue string) string {
	return c.t.base + "/pay/connect.php?code=" + url.QueryEscape(hashValue)
}

// answer reads an object, and turns {"status":"error","message"} into an error.
// That is documented for payins; the other calls are taken to do the same.
func (c *Payatom) answer(a *answer, known ...string) (*members, *Error) {
	if e := c.t.ok(a); e != nil {
		return nil, e
	}
	m, e := c.t.object(a, known...)
	if e != nil {
		return nil, e
	}
	if e := c.declined(a, m); e != nil {
		return nil, e
	}
	return m, nil
}

// declined is the error of {"status":"error","message"}, and nil for anything
// else.
func (c *Payatom) declined(a *answer, m *members) *Error {
	status, text := strict.Find(m.fields, "status"), ""
	if status == nil || status.Kind != strict.String || status.Text != "error" {
		return nil
	}
	if f := strict.Find(m.fields, "message"); f != nil && f.Kind == strict.String {
		text = f.Text
	}
	return c.t.said(c.t.fail(a, ErrDeclined, nil, ""), a, "", text)
}

// ordered writes an object of strings in this order, as the documents show it.
// A name with a question mark is left out when its value is empty.
func ordered(pairs ...string) (*message, error) {
	b := []byte{'{'}
	for i := 0; i < len(pairs); i += 2 {
		name, optional := strings.CutPrefix(pairs[i], "?")
		if optional && pairs[i+1] == "" {
			continue
		}
		quoted, err := encode(pairs[i+1])
		if err != nil {
			return nil, err
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(b, `"`+name+`":`...), quoted...)
	}
	return &message{contentType: typeJSON, body: append(b, '}')}, nil
}
