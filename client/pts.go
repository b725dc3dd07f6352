package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/confirming"
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

// PTS asks PTS (Pagarstar, API v2).
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
}

// NewPTS returns a client. Errors name the member of the configuration and the
// fix. No request is made.
func NewPTS(c PTSConfig) (*PTS, error) {
	switch {
	case !pathSegment(c.GUID):
		return nil, errors.New("payack: pts: GUID: it is empty, or more than letters, digits and hyphens; PTS's back office shows it")
	case c.UserID == "" || !cleanText(c.UserID):
		return nil, errors.New("payack: pts: UserID: it is empty or no text; PTS's back office shows it")
	case c.TransactionSecret.IsZero():
		return nil, errors.New("payack: pts: TransactionSecret: it is empty, and every request is signed with it; PTS's back office shows it")
	case c.Body != "" && c.Body != PTSText && c.Body != PTSJSON:
		return nil, fmt.Errorf(`payack: pts: Body: unknown form %q; choose "text" or "json"`, string(c.Body))
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
	return &PTS{t: t, guid: c.GUID, userID: c.UserID, signer: signer, keys: keys, verify: v, json: c.Body == PTSJSON}, nil
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

// PTSPayment is a payment to be created.
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
}

// PTSWithdraw is money to be sent.
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

// PTSCreated is what PTS answers to a payment or withdraw. What stands directly
// in it is signed. (That a withdraw's answer signs the same members as a
// payment's but pay_url is inferred in part.)
type PTSCreated struct {
	OrderID        string
	TransactionID  string
	Channel        payack.Text
	SubmitCurrency payack.Text
	SubmitAmount   payack.Amount
	AcceptCurrency payack.Text
	AcceptAmount   payack.Amount
	ExchangeRate   payack.Amount

	// Scheme is the text of numbers that was signed; pin it in Numbers.
	Scheme payack.Scheme
	// Unsigned holds the other members, as their text. They are not
	// authenticated.
	Unsigned map[string]payack.Text
}

// PTSPaymentCreated is what PTS answers to a payment.
type PTSPaymentCreated struct {
	PTSCreated
	// PayURL is where the customer pays. It is signed, and not looked into:
	// what a channel gives here is not documented.
	PayURL payack.Text
}

// PTSUnsignedBalance is what PTS answers to a balance request. Its signature
// covers user_id only, so the figures are as trustworthy as the TLS connection:
// show them, never pay out because of them.
type PTSUnsignedBalance struct {
	UserID string
	// Unsigned holds the figures as their text (a nested value as its literal).
	// Their names are not documented.
	Unsigned map[string]payack.Text
}

// ptsRequest holds the members of all requests; those that a message doesn't
// have are empty.
type ptsRequest struct {
	UserID      string `json:"user_id"`
	OrderID     string `json:"order_id,omitempty"`
	Amount      string `json:"amount,omitempty"`
	Currency    string `json:"currency,omitempty"`
	Channel     string `json:"channel,omitempty"`
	Timestamp   int64  `json:"timestamp"`
	CallbackURL string `json:"callback_url,omitempty"`
	RedirectURL string `json:"redirect_url,omitempty"`
	ErrorURL    string `json:"error_url,omitempty"`
	Remark      string `json:"remark,omitempty"`
	Email       string `json:"email,omitempty"`
	Details     any    `json:"details,omitempty"`
	Sign        string `json:"sign"`
}

// Payment creates a payment (payment_v2). It is sent once and never repeated;
// after an error that is [Error.Uncertain], ask PaymentQuery.
func (c *PTS) Payment(ctx context.Context, p PTSPayment) (*PTSPaymentCreated, error) {
	if e := c.t.check(string(verify.PTSPayment), p); e != nil {
		return nil, e
	}
	request := ptsRequest{
		OrderID: p.OrderID, Amount: p.Amount.String(), Currency: p.Currency, Channel: p.Channel,
		CallbackURL: p.CallbackURL, RedirectURL: p.RedirectURL, ErrorURL: p.ErrorURL, Remark: p.Remark, Email: p.Email,
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
// an error that is [Error.Uncertain], ask WithdrawQuery.
func (c *PTS) Withdraw(ctx context.Context, w PTSWithdraw) (*PTSCreated, error) {
	if e := c.t.check(string(verify.PTSWithdraw), w); e != nil {
		return nil, e
	}
	if e := c.t.check(string(verify.PTSWithdraw), w.Details); e != nil {
		return nil, e
	}
	request := ptsRequest{
		OrderID: w.OrderID, Amount: w.Amount.String(), Currency: w.Currency, Channel: w.Channel,
		CallbackURL: w.CallbackURL, Remark: w.Remark,
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

func created(r *verify.PTSResponse) PTSCreated {
	s := r.Signed
	return PTSCreated{
		OrderID: s["order_id"].String(), TransactionID: s["transaction_id"].String(), Channel: s["channel"],
		SubmitCurrency: s["submit_currency"], SubmitAmount: payack.AmountOf(s["submit_amount"]),
		AcceptCurrency: s["accept_currency"], AcceptAmount: payack.AmountOf(s["accept_amount"]),
		ExchangeRate: payack.AmountOf(s["exchange_rate"]),
		Scheme:       r.Scheme, Unsigned: r.Unsigned,
	}
}

// PaymentQuery asks what became of a payment (payment_query_v2). The answer
// has a callback's members, signed alike, and is of this order. It is repeated
// when no answer comes. An order that PTS doesn't know is [ErrNotFound], which
// is not signed.
func (c *PTS) PaymentQuery(ctx context.Context, orderID string) (*payack.PTSEvent, error) {
	return c.queryOrder(ctx, verify.PTSPaymentQuery, orderID)
}

// WithdrawQuery asks what became of a withdraw (withdraw_query_v2), as
// PaymentQuery does for a payment. Of its answer, Paid means that the money was
// sent.
func (c *PTS) WithdrawQuery(ctx context.Context, orderID string) (*payack.PTSEvent, error) {
	return c.queryOrder(ctx, verify.PTSWithdrawQuery, orderID)
}

func (c *PTS) queryOrder(ctx context.Context, m verify.PTSMessage, orderID string) (*payack.PTSEvent, error) {
	ev, err := c.query(ctx, m, orderID)
	if err != nil {
		return nil, err
	}
	if e := c.ofOrder(m, orderID, ev.OrderID); e != nil {
		return nil, e
	}
	return ev, nil
}

// query leaves it to the caller to compare the answer with the question.
func (c *PTS) query(ctx context.Context, m verify.PTSMessage, orderID string) (*payack.PTSEvent, error) {
	path := "/payment/query"
	if m == verify.PTSWithdrawQuery {
		path = "/withdraw/query"
	}
	if orderID == "" || !cleanText(orderID) {
		return nil, c.t.invalid(string(m), "the order's id is empty or no text; give the one that it was created with")
	}
	r, err := c.ask(ctx, m, verify.PTSQueryResponse, path, true, ptsRequest{OrderID: orderID})
	if err != nil {
		return nil, err
	}
	return r.Event, nil
}

// ofOrder refuses an answer to another question.
func (c *PTS) ofOrder(m verify.PTSMessage, asked, answered string) *Error {
	if asked != answered {
		return c.t.mismatch(string(m), "order_id")
	}
	return nil
}

// Balance asks for the merchant's balance (balance_v2). It is repeated when no
// answer comes. The figures are not signed.
func (c *PTS) Balance(ctx context.Context) (*PTSUnsignedBalance, error) {
	r, err := c.ask(ctx, verify.PTSBalance, verify.PTSBalanceResponse, "/balance", true, ptsRequest{})
	if err != nil {
		return nil, err
	}
	return &PTSUnsignedBalance{UserID: r.Signed["user_id"].String(), Unsigned: r.Unsigned}, nil
}

// Confirm asks by payment_query_v2 whether a paid payment is what its callback
// says. It fits the hook in one line: Confirm: pts.Confirm.
//
// The answer's signed members decide. Success with the event's order,
// transaction, amounts (by value) and currencies is confirmed, with
// accept_amount and accept_currency. A final answer that differs is
// [payack.ErrUnconfirmed]. Everything else is another error and means "send
// again": a status that is not final ([ErrPending]), no answer, a code other
// than 1000 (which is not signed, so it refuses nothing for good), and an event
// that is not paid or of another user.
//
// A withdraw's callback has the same members as a payment's, and payment_query_v2
// doesn't know its order: give withdraws a callback URL of their own, with
// ConfirmWithdraw.
//
// It takes [PTS.ConfirmTimeout] at most.
func (c *PTS) Confirm(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
	return c.confirm(ctx, ev, verify.PTSPaymentQuery)
}

// ConfirmWithdraw is Confirm for the callbacks of withdraws, by
// withdraw_query_v2. Its Paid means that the money was sent.
//
// It takes [PTS.ConfirmTimeout] at most.
func (c *PTS) ConfirmWithdraw(ctx context.Context, ev *payack.PTSEvent) (*payack.Confirmation, error) {
	return c.confirm(ctx, ev, verify.PTSWithdrawQuery)
}

// ConfirmTimeout returns how long Confirm and ConfirmWithdraw may take at most:
// the one of the options, or what all attempts take together where that is less.
func (c *PTS) ConfirmTimeout() time.Duration { return c.t.longestConfirm() }

func init() {
	confirming.Register(new(PTS).Confirm)
	confirming.Register(new(PTS).ConfirmWithdraw)
}

func (c *PTS) confirm(ctx context.Context, ev *payack.PTSEvent, m verify.PTSMessage) (*payack.Confirmation, error) {
	if confirming.Told(ctx, c.ConfirmTimeout()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.t.confirm)
	defer cancel()
	switch {
	case ev == nil || !ev.Paid():
		return nil, c.t.question("only a paid event can be confirmed")
	case ev.UserID != c.userID:
		return nil, c.t.question("the event is of another user than this client; use the client of that user")
	}
	got, err := c.query(ctx, m, ev.OrderID)
	if err != nil {
		return nil, err
	}
	if !got.Final() {
		return nil, c.t.pending(string(m), "the status is not final")
	}
	var differs []string
	compare := func(name string, same bool) {
		if !same {
			differs = append(differs, name)
		}
	}
	compare("order_id", got.OrderID == ev.OrderID)
	compare("transaction_id", got.TransactionID == ev.TransactionID)
	compare("status", got.Status == ev.Status)
	compare("submit_amount", got.SubmitAmount.Equal(ev.SubmitAmount))
	compare("submit_currency", got.SubmitCurrency.String() == ev.SubmitCurrency.String())
	compare("accept_amount", got.AcceptAmount.Equal(ev.AcceptAmount))
	compare("accept_currency", got.AcceptCurrency.String() == ev.AcceptCurrency.String())
	if differs != nil {
		return nil, c.t.contradiction(string(m), differs...)
	}
	return &payack.Confirmation{Paid: true, Status: string(got.Status), Amount: got.AcceptAmount, Currency: got.AcceptCurrency}, nil
}

// ask signs, seals and sends a request, and verifies the response.
func (c *PTS) ask(ctx context.Context, m, responds verify.PTSMessage, path string, repeatable bool, r ptsRequest) (*verify.PTSResponse, error) {
	r.UserID = c.userID
	a, err := c.t.do(ctx, call{
		name: string(m), path: "/merchant/v2/" + c.guid + path, repeatable: repeatable,
		build: func() (*message, error) { return c.seal(m, r) },
	})
	if err != nil {
		return nil, err
	}
	if e := c.t.ok(a); e != nil {
		if e.Code != verify.PTSAccepted {
			e.Cause = ptsCause(e.Code)
		}
		if e.Cause != nil && a.status < 500 {
			e.Kind = ErrDeclined
		}
		return nil, e
	}
	if e := c.t.opens(a, '{'); e != nil {
		return nil, e
	}
	got, err := c.verify.VerifyResponse(responds, a.body, c.keys)
	switch {
	case err != nil:
		return nil, c.t.unreadable(a, err, "")
	case got.Code != verify.PTSAccepted:
		return nil, c.t.said(c.t.fail(a, ErrDeclined, ptsCause(got.Code), ""), a, got.Code, got.Message.String())
	}
	return got, nil
}

// seal makes a request of this moment.
func (c *PTS) seal(m verify.PTSMessage, r ptsRequest) (*message, error) {
	r.Timestamp = c.t.now().Unix()
	timestamp := strconv.FormatInt(r.Timestamp, 10)
	if len(timestamp) != 10 || r.Timestamp < 0 {
		return nil, errors.New("the clock's time has not the 10 digits that PTS takes; fix the clock in Now")
	}
	values := map[string]string{
		"user_id": r.UserID, "order_id": r.OrderID, "amount": r.Amount, "currency": r.Currency,
		"channel": r.Channel, "timestamp": timestamp,
	}
	var err error
	if r.Sign, err = c.signer.Sign(m, values); err != nil {
		return nil, err
	}
	plaintext, err := encode(r)
	if err != nil {
		return nil, err
	}
	sealed, err := c.signer.Seal(plaintext)
	if err != nil {
		return nil, err
	}
	out := &message{contentType: "text/plain", body: sealed}
	if c.json {
		out.contentType = typeJSON
		if out.body, err = json.Marshal(map[string]string{"data": string(sealed)}); err != nil {
			return nil, err
		}
	}
	mac, err := c.signer.TransactionSignature(out.body, verify.PTSBase64)
	if err != nil {
		return nil, err
	}
	out.header = map[string]string{verify.PTSTransactionHeader: mac}
	out.hide = []string{mac, r.Sign}
	return out, nil
}

// ptsCodes are the documented codes of failure.
var ptsCodes = map[string]error{
	"1001": ErrField, "1002": ErrNotFound, "1003": ErrDuplicateOrder, "1004": ErrQuota,
	"1005": ErrAmountTooLarge, "1006": ErrAmountTooSmall, "1007": ErrBalance, "1008": ErrCurrency,
	"1009": ErrUnauthorized, "1010": ErrRequestSignature, "1011": ErrService, "1015": ErrChannel,
	"1017": ErrDecryption, "1018": ErrAddress, "1020": ErrBadRequest, "9999": ErrUnrecognised,
}

// ptsCause returns nil for a code that the documents don't know.
func ptsCause(code string) error {
	if err, known := ptsCodes[code]; known {
		return err
	}
	if len(code) == 4 {
		switch code[0] {
		case '8':
			return ErrGateway
		case '9':
			return ErrUpstream
		}
	}
	return nil
}
