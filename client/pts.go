package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/verify"
)

// PTSConfig configures a client of PTS (Pagarstar, API v2). BaseURL, GUID, UserID,
// Safecode, PrivateKey, PublicKeys and TransactionSecret are required.
type PTSConfig struct {
	// BaseURL is the scheme and host that PTS's support gives, such as https://host.
	BaseURL string
	// GUID is the merchant's part of every path, and UserID the merchant's number.
	// PTS's back office shows both.
	GUID   string
	UserID string
	// Safecode is the end of every signed text and the key of envelopes.
	Safecode payack.Secret
	// SafecodeEncoding is how the safecode becomes an AES key; empty is
	// [envelope.PTSRaw].
	SafecodeEncoding envelope.PTSEncoding
	// PrivateKey is the merchant's RSA key, which signs requests: one PEM block,
	// PKCS#8 or PKCS#1.
	PrivateKey payack.Secret
	// PublicKeys are PTS's RSA keys, which verify responses. Each is one PEM block.
	// Give several while keys are rotated.
	PublicKeys []string
	// TransactionSecret is the key of the header X-Transaction-Signature.
	TransactionSecret payack.Secret
	// Body is the shape in which envelopes are sent; empty is [PTSText].
	Body PTSBody
	// TransactionWholeBody makes X-Transaction-Signature cover the whole body of
	// [PTSJSON] instead of the base64 text in it. PTS's document doesn't say which
	// is meant. For PTSText the two are the same.
	TransactionWholeBody bool
	// Numbers lists the spellings of numbers that PTS may have signed in a response:
	// [payack.SchemeLiteral], [payack.SchemePHP]. Empty accepts both, because PTS's
	// document doesn't say which one applies.
	Numbers []payack.Scheme

	Options
}

// PTSBody is the shape in which an envelope is sent.
type PTSBody string

// The shapes.
const (
	// PTSText sends the base64 of the envelope as text/plain.
	PTSText PTSBody = "text"
	// PTSJSON sends {"data":"…"} as application/json.
	PTSJSON PTSBody = "json"
)

// PTS is a client of PTS (Pagarstar, API v2). It is safe for concurrent use. PTS
// signs the fields of a result with its RSA key, except those under Unsigned. It
// does not sign refusals.
//
// Every request contains the time of [Options].Now. PTS accepts a difference of at
// most 5 seconds, so keep the machine's clock right.
type PTS struct {
	t      *transport
	guid   string
	userID string
	signer *verify.PTSSigner
	keys   *verify.PTSKeys
	verify *verify.PTS
	json   bool
	whole  bool // X-Transaction-Signature covers the whole body
}

// NewPTS returns a client. It sends no request. An error names the member of the
// configuration and the fix.
func NewPTS(c PTSConfig) (*PTS, error) {
	client, err := newPTS(c)
	return client, named(payack.PTS, err)
}

func newPTS(c PTSConfig) (*PTS, error) {
	if err := checkCredential("UserID", c.UserID, "PTS"); err != nil {
		return nil, err
	}
	switch {
	case !pathSegment(c.GUID):
		return nil, errors.New("payack: GUID: it is empty, or has characters other than letters, digits and hyphens; PTS's back office shows it")
	case c.TransactionSecret.IsZero():
		return nil, errors.New("payack: TransactionSecret: it is empty, and every request is signed with it; PTS's back office shows it")
	case c.Body != "" && c.Body != PTSText && c.Body != PTSJSON:
		return nil, fmt.Errorf(`payack: Body: unknown shape %q; choose "text" or "json"`, string(c.Body))
	}
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: c.Safecode, SafecodeEncoding: c.SafecodeEncoding,
		PrivateKey: c.PrivateKey, TransactionSecret: c.TransactionSecret,
	})
	if err != nil {
		return nil, err
	}
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		UserID: c.UserID, Safecode: c.Safecode, SafecodeEncoding: c.SafecodeEncoding, PublicKeys: c.PublicKeys,
	})
	if err != nil {
		return nil, err
	}
	v, err := verify.NewPTS(verify.PTSOptions{Numbers: c.Numbers})
	if err != nil {
		return nil, err
	}
	t, err := newTransport(payack.PTS, c.BaseURL, c.Options, c.Safecode, c.PrivateKey, c.TransactionSecret)
	if err != nil {
		return nil, err
	}
	return &PTS{t: t, guid: c.GUID, userID: c.UserID, signer: signer, keys: keys, verify: v, json: c.Body == PTSJSON, whole: c.TransactionWholeBody}, nil
}

// Format writes the type's name under every verb, so that printing a client shows no
// secret.
func (PTS) Format(f fmt.State, _ rune) { hiddenFormat(f, "PTS") }

func pathSegment(s string) bool {
	for _, r := range s {
		if !(r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return false
		}
	}
	return s != ""
}

// PTSPayment is a payment to be created. The merchant's key signs OrderID,
// Amount, Currency and Channel, together with the user's id and the time.
// X-Transaction-Signature covers the whole request. The package documentation
// explains the tags.
type PTSPayment struct {
	OrderID string `validate:"required,text,max=255"`
	// Amount is a plain decimal with at most 6 decimals, sent and signed as this
	// text.
	Amount   payack.Amount `validate:"required,six,positive"`
	Currency string        `validate:"required,text,max=16"`
	Channel  string        `validate:"required,text,max=64"`

	CallbackURL string `validate:"required,text,http_url"`
	RedirectURL string `validate:"omitempty,text,http_url"`
	ErrorURL    string `validate:"omitempty,text,http_url"`
	Remark      string `validate:"omitempty,text"`
	// Email is in the sample program of PTS's document, but not in its text.
	Email string `validate:"omitempty,text,email"`
	// Details are sent as an object of strings. They depend on the channel and are
	// not documented.
	Details map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
	// Members are additional members of the request, such as bank_code in the
	// document's sample request. They are sent as strings, even if empty. The
	// merchant's key does not sign them. A name that the client sends itself is
	// refused, in upper or lower case.
	Members map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
}

// PTSWithdraw is a withdraw (payout) to be made. It is signed like a [PTSPayment].
// Only X-Transaction-Signature covers CallbackURL and the recipient in Details. The
// package documentation explains the tags.
type PTSWithdraw struct {
	OrderID string `validate:"required,text,max=255"`
	// Amount is a plain decimal with at most 6 decimals, sent and signed as this
	// text.
	Amount   payack.Amount `validate:"required,six,positive"`
	Currency string        `validate:"required,text,max=16"`
	Channel  string        `validate:"required,text,max=64"`

	// CallbackURL should differ from that of payments: callbacks of payments and
	// withdraws have the same members and can't be told apart. See
	// [PTS.ConfirmWithdraw].
	CallbackURL string     `validate:"required,text,http_url"`
	Remark      string     `validate:"omitempty,text"`
	Details     PTSDetails `validate:"-"`
	// Members are additional members of the request: see Members of [PTSPayment].
	Members map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
}

// PTSDetails is the recipient of a withdraw. Which fields a channel requires is not
// documented. The merchant's key does not sign them.
type PTSDetails struct {
	Phone          string `json:"phone,omitempty" validate:"omitempty,text"`
	AccountNumber  string `json:"account_number,omitempty" validate:"omitempty,text"`
	Name           string `json:"name,omitempty" validate:"omitempty,text"`
	Email          string `json:"email,omitempty" validate:"omitempty,text,email"`
	ChannelSubject string `json:"channel_subject,omitempty" validate:"omitempty,text"`
}

// Payment creates a payment (payment_v2). It is sent once: after an error that is
// [Error.Uncertain], ask PaymentQuery. PTS signs the fields of the result except
// those under Unsigned. A result for another order is [ErrMismatch].
func (c *PTS) Payment(ctx context.Context, p PTSPayment) (*PTSPaymentCreated, error) {
	if e := c.t.check(string(verify.PTSPayment), p); e != nil {
		return nil, e
	}
	if e := c.t.foreign(string(verify.PTSPayment), p.Members, ptsOwn...); e != nil {
		return nil, e
	}
	request := ptsRequest{
		OrderID: p.OrderID, Amount: p.Amount.String(), Currency: p.Currency, Channel: p.Channel,
		CallbackURL: p.CallbackURL, RedirectURL: p.RedirectURL, ErrorURL: p.ErrorURL, Remark: p.Remark, Email: p.Email,
		members: p.Members,
	}
	if len(p.Details) > 0 {
		request.Details = p.Details
	}
	r, err := c.ask(ctx, verify.PTSPayment, verify.PTSPaymentResponse, "/payment", false, request)
	if err != nil {
		return nil, err
	}
	out := &PTSPaymentCreated{PTSCreated: created(r), PayURL: r.Signed["pay_url"]}
	if e := c.ofOrder(verify.PTSPayment, p.OrderID, out.OrderID); e != nil {
		return nil, e
	}
	return out, nil
}

// Withdraw makes a withdraw (withdraw_v2). It is sent once: after an error that is
// [Error.Uncertain], ask WithdrawQuery. PTS signs the fields of the result except
// those under Unsigned. A result for another order is [ErrMismatch].
func (c *PTS) Withdraw(ctx context.Context, w PTSWithdraw) (*PTSCreated, error) {
	if e := c.t.check(string(verify.PTSWithdraw), w); e != nil {
		return nil, e
	}
	if e := c.t.foreign(string(verify.PTSWithdraw), w.Members, ptsOwn...); e != nil {
		return nil, e
	}
	if e := c.t.check(string(verify.PTSWithdraw), w.Details); e != nil {
		return nil, e
	}
	request := ptsRequest{
		OrderID: w.OrderID, Amount: w.Amount.String(), Currency: w.Currency, Channel: w.Channel,
		CallbackURL: w.CallbackURL, Remark: w.Remark, members: w.Members,
	}
	if w.Details != (PTSDetails{}) {
		request.Details = w.Details
	}
	r, err := c.ask(ctx, verify.PTSWithdraw, verify.PTSWithdrawResponse, "/withdraw", false, request)
	if err != nil {
		return nil, err
	}
	out := created(r)
	if e := c.ofOrder(verify.PTSWithdraw, w.OrderID, out.OrderID); e != nil {
		return nil, e
	}
	return &out, nil
}
