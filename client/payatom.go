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

// PayatomConfig configures a client of Payatom. BaseURL, PID and SecretKeys are
// required. Payatom authenticates payins and payouts (API V1) by the sender's IP
// address: ask Payatom to allow yours.
type PayatomConfig struct {
	// BaseURL is the scheme and host that Payatom gives, such as https://host.
	// Payatom's documents don't say that all paths are under one host: this is
	// inferred.
	BaseURL string
	// PID is the merchant's id.
	PID string
	// SecretKeys are the secret keys of Payatom's back office. The first signs
	// requests; all of them verify responses, so that keys can be rotated.
	SecretKeys []payack.Secret
	// ReconcileToken is the value of the header Token. ReconcilePayins and
	// ReconcilePayouts require it.
	ReconcileToken payack.Secret
	// WalletAuthorization is the whole value of the header Authorization.
	// WalletBalance requires it.
	WalletAuthorization payack.Secret
	// APIKey is the value of the header Api-Key. WalletTransactions and WalletData
	// require it.
	APIKey payack.Secret
	// WalletDataPath is the path of WalletData with its leading slash; empty is
	// /bot/api_v2/account_status.php, which Payatom's public documents name.
	WalletDataPath string

	// Polling selects the members of a status polling; empty is [PollingAll].
	Polling PayatomPolling
	// Numbers lists the spellings of the amount that the hash of a response may
	// cover: [payack.SchemeLiteral], [payack.SchemePHP]. Empty accepts both.
	Numbers []payack.Scheme
	// UnknownRefCode reports whether the message of a declined status polling says
	// that the ref_code does not exist. Confirm then returns
	// [payack.ErrUnconfirmed], which is final. Payatom doesn't document the wording;
	// nil recognises the usual English words. UnknownRefCode is called concurrently.
	UnknownRefCode func(message string) bool

	Options
}

// Payatom is a client of Payatom. It is safe for concurrent use.
//
// It has no method for complaints (POST /api/complaint/submit_complaint.php):
// Payatom's documents don't say how they are signed.
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

// NewPayatom returns a client. It sends no request. An error names the member of the
// configuration and the fix.
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
		if h.value.IsZero() { // optional
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
			return nil, errors.New("payack: WalletDataPath: it is not a path; give one that begins with a slash")
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

// Format writes the type's name under every verb, so that printing a client shows no
// secret.
func (Payatom) Format(f fmt.State, _ rune) { hiddenFormat(f, "Payatom") }

// PayatomPayin is a payment to be created. It is not signed: Payatom authenticates
// the merchant by the IP address that the request comes from. The package
// documentation explains the tags.
type PayatomPayin struct {
	// OrderID has at least 10 characters (a rule of Payatom) and at most 63 bytes
	// (longer ids can be made to collide in the webhook's hash).
	OrderID string `validate:"required,text,min=10,hashable"`
	// Amount is a plain decimal of at most 18 digits, sent as this text.
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
	// RefCode identifies the payment in a status polling. Store it with the order
	// and return it from the receiver's Expect. RefCode is empty if the answer has
	// no member ref_code; Payatom doesn't document the member's name.
	RefCode string
	// ConnectURL is the page where the customer pays. Redirect the customer there.
	ConnectURL string
	// Extra holds the undocumented members, as their text.
	Extra map[string]payack.Text
}

// Payin creates a payment (POST /pay/request.php). The request is sent once,
// because Payatom documents no idempotency key: see [Error.Uncertain] before you
// create the payment again. Only the TLS connection protects the answer, which is
// not signed.
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

// ConnectURL returns the URL where the customer pays, from the hash_value of a
// payin.
func (c *Payatom) ConnectURL(hashValue string) string {
	return c.t.base + "/pay/connect.php?code=" + url.QueryEscape(hashValue)
}

// answer reads an object and turns {"status":"error","message"} into an error.
// Payatom documents this answer for payins only. For the other calls it is
// inferred.
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

// declined returns the error of {"status":"error","message"}, or nil for another
// answer.
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

// ordered writes an object of strings in the order of pairs, which is the order
// in Payatom's documents. It leaves out a name with a leading question mark if
// the value is empty.
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
