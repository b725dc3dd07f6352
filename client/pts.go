package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/verify"
)

// PTSConfig is what a client of PTS (Pagarstar, API v2) needs.
type PTSConfig struct {
	// BaseURL is the scheme and host that PTS's support gives.
	BaseURL string
	// GUID is the merchant's part of every path, UserID its number; both are
	// in the back office.
	GUID   string
	UserID string
	// Safecode is the end of every signed text, and the key of envelopes.
	Safecode payack.Secret
	// SafecodeEncoding is how it becomes an AES key; empty is raw. (That raw is
	// right is seen in working code, and not documented.)
	SafecodeEncoding envelope.PTSEncoding
	// PrivateKey is the merchant's own, which signs requests: PEM, PKCS#8 or
	// PKCS#1.
	PrivateKey payack.Secret
	// PublicKeys are PTS's, which verify responses: PEM, several for rotation.
	PublicKeys []string
	// TransactionSecret is the key of X-Transaction-Signature.
	TransactionSecret payack.Secret
	// Body is the form in which envelopes are sent; empty is [PTSText].
	Body PTSBody
	// TransactionWholeBody has X-Transaction-Signature cover the whole body of
	// [PTSJSON] in place of the base64 text in it. (Which of the two PTS wants is
	// not documented; of PTSText both are the same.)
	TransactionWholeBody bool
	// Numbers pins the text of numbers that responses sign, literal or php;
	// empty takes both. (Which one is right is not documented.)
	Numbers []payack.Scheme

	Options
}

// PTSBody is the form in which an envelope is sent.
type PTSBody string

// The forms.
const (
	// PTSText: the base64 of the envelope as text/plain.
	PTSText PTSBody = "text"
	// PTSJSON: {"data":"…"} as application/json.
	PTSJSON PTSBody = "json"
)

// PTS asks PTS (Pagarstar, API v2). Of its answers what stands directly in a
// result is signed by PTS's key (RSA); the answer's code and message, and so every
// refusal, are not.
//
// Every request holds the time at which it is sent, from the clock in the
// options; PTS takes a difference of 5 seconds at the most, so keep the
// machine's clock right.
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

// NewPTS returns a client. Errors name the member of the configuration and the
// fix. No request is made.
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
		return nil, errors.New("payack: GUID: it is empty, or more than letters, digits and hyphens; PTS's back office shows it")
	case c.TransactionSecret.IsZero():
		return nil, errors.New("payack: TransactionSecret: it is empty, and every request is signed with it; PTS's back office shows it")
	case c.Body != "" && c.Body != PTSText && c.Body != PTSJSON:
		return nil, fmt.Errorf(`payack: Body: unknown form %q; choose "text" or "json"`, string(c.Body))
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

// Format writes the type's name, whatever the verb.
func (PTS) Format(f fmt.State, _ rune) { hiddenFormat(f, "PTS") }

func pathSegment(s string) bool {
	for _, r := range s {
		if !(r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') {
			return false
		}
	}
	return s != ""
}

// PTSPayment is a payment to be created. OrderID, Amount, Currency and Channel are
// signed with the merchant's key, together with the time and the user;
// X-Transaction-Signature covers all of it.
type PTSPayment struct {
	OrderID string `validate:"required,text,max=255"`
	// Amount is a plain decimal with at most 6 decimals, sent and signed as
	// this very text.
	Amount   payack.Amount `validate:"required,six,positive"`
	Currency string        `validate:"required,text,max=16"`
	Channel  string        `validate:"required,text,max=64"`

	CallbackURL string `validate:"required,text,http_url"`
	RedirectURL string `validate:"omitempty,text,http_url"`
	ErrorURL    string `validate:"omitempty,text,http_url"`
	Remark      string `validate:"omitempty,text"`
	// Email is in the documents' sample only.
	Email string `validate:"omitempty,text,email"`
	// Details are sent as an object of strings; which ones a payment takes
	// depends on the channel and is not documented.
	Details map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
	// Members are sent besides, as strings, empty ones too: bank_code, which the
	// documents' sample request has. By the documents they are not signed. The
	// names that the client sends itself, the signed ones among them, are refused
	// under every spelling by case.
	Members map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
}

// PTSWithdraw is money to be sent. It is signed as a [PTSPayment] is: the
// CallbackURL and who gets the money only by X-Transaction-Signature.
type PTSWithdraw struct {
	OrderID string `validate:"required,text,max=255"`
	// Amount is a plain decimal with at most 6 decimals, sent and signed as
	// this very text.
	Amount   payack.Amount `validate:"required,six,positive"`
	Currency string        `validate:"required,text,max=16"`
	Channel  string        `validate:"required,text,max=64"`

	// CallbackURL should be another one than that of payments: their callbacks
	// have the same members and cannot be told apart. See [PTS.ConfirmWithdraw].
	CallbackURL string     `validate:"required,text,http_url"`
	Remark      string     `validate:"omitempty,text"`
	Details     PTSDetails `validate:"-"`
	// Members are sent besides, as those of a [PTSPayment] are.
	Members map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
}

// PTSDetails says who gets a withdraw. What a channel needs of it is not
// documented. None of it is signed.
type PTSDetails struct {
	Phone          string `json:"phone,omitempty" validate:"omitempty,text"`
	AccountNumber  string `json:"account_number,omitempty" validate:"omitempty,text"`
	Name           string `json:"name,omitempty" validate:"omitempty,text"`
	Email          string `json:"email,omitempty" validate:"omitempty,text,email"`
	ChannelSubject string `json:"channel_subject,omitempty" validate:"omitempty,text"`
}

// Payment creates a payment (payment_v2). It is sent once and never repeated;
// after an error that is [Error.Uncertain], ask PaymentQuery. What stands directly
// in the answer is signed by PTS, and is of this order.
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

// Withdraw sends money (withdraw_v2). It is sent once and never repeated; after
// an error that is [Error.Uncertain], ask WithdrawQuery. What stands directly in
// the answer is signed by PTS, and is of this order.
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
