package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
	"github.com/payack/payack/internal/payatom"
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
	// WalletDataPath is the path of WalletData, from its first slash on. No
	// document known here names it; Payatom's manual for the account does.
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

// PayatomPolling says which members a status polling sends. The documents show
// three sets; which of them a gateway wants is unconfirmed.
type PayatomPolling string

// The sets.
const (
	// PollingAll: pid, ref_code, order_id when it is known, post_hash.
	PollingAll PayatomPolling = "all"
	// PollingProse: pid, order_id, post_hash, as the older text says.
	PollingProse PayatomPolling = "prose"
	// PollingExample: ref_code, pid, post_hash, amount, as its example shows.
	PollingExample PayatomPolling = "example"
	// PollingNewer: pid, ref_code, post_hash, as newer documents say.
	PollingNewer PayatomPolling = "newer"
)

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
	if c.PID == "" || !cleanText(c.PID) {
		return nil, errors.New("payack: payatom: PID: it is empty or no text; Payatom's back office shows it")
	}
	switch c.Polling {
	case "":
		c.Polling = PollingAll
	case PollingAll, PollingProse, PollingExample, PollingNewer:
	default:
		return nil, fmt.Errorf(`payack: payatom: Polling: unknown set %q; choose "all", "prose", "example" or "newer"`, string(c.Polling))
	}
	for _, h := range []struct {
		member string
		value  payack.Secret
	}{{"ReconcileToken", c.ReconcileToken}, {"WalletAuthorization", c.WalletAuthorization}, {"APIKey", c.APIKey}} {
		if !cleanText(h.value.Reveal()) {
			return nil, errors.New("payack: payatom: " + h.member + ": it holds a control character, which no header takes; copy it again")
		}
	}
	if c.WalletDataPath != "" {
		u, err := url.Parse(c.WalletDataPath)
		if err != nil || !strings.HasPrefix(c.WalletDataPath, "/") || u.Host != "" || u.Fragment != "" {
			return nil, errors.New("payack: payatom: WalletDataPath: it is no path; give one that begins with a slash")
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

// PayatomPayin is a payment to be created.
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
// documents name no idempotency key for it; see [Error.Uncertain].
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

// PayatomQuery asks for one payment. RefCode is Payatom's handle for it, which
// its webhook carries (unsigned) and which is part of the request's hash.
// PollingProse needs OrderID too, PollingExample needs Amount.
type PayatomQuery struct {
	RefCode string        `validate:"required,text"`
	OrderID string        `validate:"omitempty,text,hashable"`
	Amount  payack.Amount `validate:"omitempty,plain"`
}

// StatusPolling asks what became of a payment. The answer's post_hash is
// verified: its order_id, amount and status can be trusted, what stands under
// Unsigned cannot. It is of the order and ref_code that were asked for, as far
// as it names them. It is repeated when no answer comes. A ref_code that the
// gateway says it doesn't know is [ErrNotFound], which is not signed.
func (c *Payatom) StatusPolling(ctx context.Context, q PayatomQuery) (*payack.PayatomEvent, error) {
	ev, err := c.poll(ctx, q)
	if err != nil {
		return nil, err
	}
	if q.OrderID != "" && ev.OrderID != q.OrderID {
		return nil, c.t.mismatch("status_polling", "order_id")
	}
	if ref, named := ev.Unsigned.RefCode.Get(); named && ref != q.RefCode {
		return nil, c.t.mismatch("status_polling", "ref_code")
	}
	return ev, nil
}

// poll leaves it to the caller to compare the answer with the question.
func (c *Payatom) poll(ctx context.Context, q PayatomQuery) (*payack.PayatomEvent, error) {
	const name = "status_polling"
	if e := c.t.check(name, q); e != nil {
		return nil, e
	}
	switch {
	case c.polling == PollingProse && q.OrderID == "":
		return nil, c.t.invalid(name, `OrderID is empty, and the set "prose" sends it; give it`)
	case c.polling == PollingExample && q.Amount.IsEmpty():
		return nil, c.t.invalid(name, `Amount is empty, and the set "example" sends it; give it`)
	}
	hash := c.signer.PollingHash(q.RefCode, c.pid)
	a, err := c.t.do(ctx, call{name: name, path: "/api/status_polling.php", repeatable: true, build: func() (m *message, err error) {
		switch c.polling {
		case PollingProse:
			m, err = ordered("pid", c.pid, "order_id", q.OrderID, "post_hash", hash)
		case PollingExample:
			m, err = ordered("ref_code", q.RefCode, "pid", c.pid, "post_hash", hash, "amount", q.Amount.String())
		case PollingNewer:
			m, err = ordered("pid", c.pid, "ref_code", q.RefCode, "post_hash", hash)
		default:
			m, err = ordered("pid", c.pid, "ref_code", q.RefCode, "?order_id", q.OrderID, "post_hash", hash)
		}
		if err == nil {
			m.hide = []string{hash}
		}
		return m, err
	}})
	if err != nil {
		return nil, err
	}
	if _, e := c.answer(a, "status", "message"); e != nil {
		if c.declines(a) {
			e.Kind, e.Cause = ErrDeclined, ErrNotFound
		}
		return nil, e
	}
	ev, err := c.verify.VerifyPolling(a.body, c.keys)
	if err != nil {
		return nil, c.t.unreadable(a, err, "")
	}
	// The rules of a webhook: they keep the borders of what is signed in place.
	if err := ev.Check(); err != nil {
		return nil, c.t.unreadable(a, payack.ErrInvalid, strings.TrimPrefix(err.Error(), "payack: "))
	}
	return ev, nil
}

// declines reports whether the gateway says that there is no such ref_code, in
// the form in which it declines.
func (c *Payatom) declines(a *answer) bool {
	switch a.status {
	case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
	default:
		return false
	}
	fields, err := strict.JSON(nil, string(a.body))
	status, message := strict.Find(fields, "status"), strict.Find(fields, "message")
	return err == nil && status != nil && status.Kind == strict.String && status.Text == "error" &&
		message != nil && message.Kind == strict.String && c.unknown(message.Text)
}

// saysUnknown recognises the usual English words for a ref_code that is not
// known, alone or with the order that was named beside it. It does not take for
// that what may pass (a service that is busy) or lies with the client (a hash or
// a pid that is wrong).
func saysUnknown(message string) bool {
	message = strings.NewReplacer("cannot", "can not", "n't", " not", ":", "", "'", "", `"`, "").Replace(strings.ToLower(message))
	for _, words := range unknownWords {
		if words.MatchString(message) {
			return true
		}
	}
	return false
}

var unknownWords = func() (all []*regexp.Regexp) {
	const (
		handle  = `ref(?:erence)?[ _-]?(?:code|number|no|id)?`
		thing   = `(?:` + handle + `|payment|transaction|order(?:[ _-]?id)?|record|data)s?`
		between = `(?: (?:is|was|were|ca|can|could|do|does|did|with|for|by|this|that|the|given|your|id|details?|` + handle + `))*`
	)
	for _, words := range [...]string{
		`\bno such ` + thing + `\b`,
		`\bno ` + thing + between + ` (?:found|exists?)\b`,
		`\b` + thing + between + ` (?:unknown|not (?:be )?(?:found|known|exist))\b`,
		`\b(?:unknown|invalid|wrong) ` + handle + `\W*$`,
	} {
		all = append(all, regexp.MustCompile(words))
	}
	return all
}()

// Confirm asks by status polling whether an approved order is what its webhook
// says. It fits the hook in one line: Confirm: payatom.Confirm.
//
// It asks by ev.Expected.RefCode where Expect gave one, and otherwise by the
// webhook's own ref_code, which is not signed and serves as a handle only; the
// answer's own signed members decide. Approved or late approved with the event's
// order_id and amount (by value) is confirmed: either word confirms the other.
//
// A final answer with another status or amount is [payack.ErrUnconfirmed]. So is
// an answer that refutes the handle: one that is signed for another order,
// whatever its status, and one by which the gateway says that there is no such
// ref_code (see UnknownRefCode in [PayatomConfig]).
//
// Everything else is another error and means "ask again": a status that is not
// final ([ErrPending]), no answer, one that doesn't verify, one that declines for
// another reason ([ErrDeclined]), and an event that is not paid. An event without
// any ref_code can't be asked about. That too is such an error ([ErrRequest]),
// because what is unsigned may be missing for no fault of the order.
//
// It takes [Payatom.ConfirmTimeout] at most.
func (c *Payatom) Confirm(ctx context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
	const name = "status_polling"
	if confirming.Told(ctx, c.ConfirmTimeout()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.t.confirm)
	defer cancel()
	if ev == nil || !ev.Paid() {
		return nil, c.t.question("only a paid event can be confirmed")
	}
	refCode := ev.Unsigned.RefCode.String()
	if ev.Expected.Found && ev.Expected.RefCode != "" {
		refCode = ev.Expected.RefCode
	}
	if refCode == "" {
		return nil, c.t.question("neither Expect nor the webhook names a ref_code to ask by; keep the create's and return it from Expect")
	}
	got, err := c.poll(ctx, PayatomQuery{RefCode: refCode, OrderID: ev.OrderID, Amount: ev.ReceivedAmount})
	if declined, ok := err.(*Error); ok && declined.Cause == ErrNotFound {
		declined.Kind = payack.ErrUnconfirmed
	}
	switch {
	case err != nil:
		return nil, err
	case got.OrderID != ev.OrderID: // the ref_code is another payment's, and stays so
		return nil, c.t.contradiction(name, "order_id")
	case !got.Final():
		return nil, c.t.pending(name, "the status is not final")
	}
	var differs []string
	if !got.Paid() {
		differs = append(differs, "status")
	}
	if !got.ReceivedAmount.Equal(ev.ReceivedAmount) {
		differs = append(differs, "amount")
	}
	if differs != nil {
		return nil, c.t.contradiction(name, differs...)
	}
	return &payack.Confirmation{Paid: true, Status: string(got.Status), Amount: got.ReceivedAmount}, nil
}

// ConfirmTimeout returns how long Confirm may take at most: the one of the
// options, or what all attempts take together where that is less.
func (c *Payatom) ConfirmTimeout() time.Duration { return c.t.longestConfirm() }

func init() { confirming.Register(new(Payatom).Confirm) }

// PayatomPayout is money to be sent.
type PayatomPayout struct {
	// OrderID has fewer than 64 bytes.
	OrderID string `validate:"required,text,hashable"`
	// Amount is a plain decimal of at most 18 digits, sent as this very text.
	Amount payack.Amount `validate:"required,plain,positive"`
	// PaymentMode is imps, upi or wallet.
	PaymentMode string `validate:"required,oneof=imps upi wallet"`
	// Members are sent besides, as strings: who gets the money. The documents
	// known here don't name them; take them from Payatom's manual for the mode.
	Members map[string]string `validate:"omitempty,dive,keys,required,text,endkeys,text"`
}

// PayatomUnsignedReport is an answer of Payatom that nothing signs and whose
// members the documents known here don't name. It is as trustworthy as the TLS
// connection: show it, or compare your own records with it, and confirm by
// status polling before money moves.
type PayatomUnsignedReport struct {
	// JSON is the answer, one valid JSON value without duplicate names.
	JSON json.RawMessage
	// Members holds its members as their text (a nested value as its literal)
	// when it is an object; nil otherwise.
	Members map[string]payack.Text
}

// Payout sends money. It is sent once and never repeated; after an error that
// is [Error.Uncertain], ask PayoutStatus. How payouts are answered, and how
// their webhook is signed, is not known.
func (c *Payatom) Payout(ctx context.Context, p PayatomPayout) (*PayatomUnsignedReport, error) {
	const name = "payout"
	if e := c.t.check(name, p); e != nil {
		return nil, e
	}
	body := map[string]string{}
	for member, value := range p.Members {
		body[member] = value
	}
	own := map[string]string{"pid": c.pid, "order_id": p.OrderID, "amount": p.Amount.String(), "payment_mode": p.PaymentMode}
	for member, value := range own {
		for given := range p.Members {
			if strings.EqualFold(given, member) {
				return nil, c.t.invalid(name, "Members holds "+member+", which has a field of its own; leave it out")
			}
		}
		body[member] = value
	}
	return c.report(ctx, call{name: name, path: "/payout/api/request.php"}, nil, body, p.OrderID)
}

// PayoutStatus asks what became of a payout. Whether and how the answer is
// signed is not known, so it is passed on as unsigned. It is repeated when no
// answer comes. (The names of the request's members are inferred.)
func (c *Payatom) PayoutStatus(ctx context.Context, orderID string) (*PayatomUnsignedReport, error) {
	const name = "payout_status"
	if orderID == "" || !cleanText(orderID) {
		return nil, c.t.invalid(name, "the order's id is empty or no text; give the one that it was created with")
	}
	if !payatom.OrderID(orderID) {
		return nil, c.t.invalid(name, "the order's id "+tooLong)
	}
	hash := c.signer.PayoutStatusHash(orderID, c.pid)
	body := map[string]string{"pid": c.pid, "order_id": orderID, "post_hash": hash}
	return c.report(ctx, call{name: name, path: "/payout/api/order_status_polling.php", repeatable: true}, nil, body, orderID, hash)
}

// ReconcilePayins asks for the payins of a day: the date that day has in its
// own location. (Which time zone Payatom's days are in is not documented.) It
// is never repeated by itself, since these calls are counted.
func (c *Payatom) ReconcilePayins(ctx context.Context, day time.Time) (*PayatomUnsignedReport, error) {
	return c.reconcile(ctx, "reconcile", "/api/reconcile_polling.php", day)
}

// ReconcilePayouts is ReconcilePayins for payouts. Payatom takes 10 calls a
// day.
func (c *Payatom) ReconcilePayouts(ctx context.Context, day time.Time) (*PayatomUnsignedReport, error) {
	return c.reconcile(ctx, "payout_reconcile", "/payout/api/payout_reconcile_polling.php", day)
}

func (c *Payatom) reconcile(ctx context.Context, name, path string, day time.Time) (*PayatomUnsignedReport, error) {
	if c.token.IsZero() {
		return nil, c.t.invalid(name, "ReconcileToken is not configured; give the token that Payatom's back office shows")
	}
	if day.IsZero() {
		return nil, c.t.invalid(name, "the day is the zero time; give one")
	}
	date := day.Format("02-01-2006")
	signature := c.signer.ReconcileSignature(c.pid, date)
	body := map[string]string{"pid": c.pid, "date": date, "signature": signature}
	return c.report(ctx, call{name: name, path: path}, map[string]string{"Token": c.token.Reveal()}, body, "", signature)
}

// WalletBalance asks for the wallet's balance. Which members the request has is
// not documented; give what Payatom's manual says, or nil for none. It is
// repeated when no answer comes.
func (c *Payatom) WalletBalance(ctx context.Context, members map[string]string) (*PayatomUnsignedReport, error) {
	const name = "wallet_balance"
	if c.authorization.IsZero() {
		return nil, c.t.invalid(name, "WalletAuthorization is not configured; give the header's whole value")
	}
	return c.free(ctx, call{name: name, path: "/api/wallet_balance.php", repeatable: true},
		map[string]string{"Authorization": c.authorization.Reveal()}, members)
}

// WalletTransactions asks for the summary of the wallet's transactions. Which
// members the request has is not documented; give what Payatom's manual says,
// or nil for none. It is not repeated: its path, account_deposit.php, doesn't
// say that it only asks.
func (c *Payatom) WalletTransactions(ctx context.Context, members map[string]string) (*PayatomUnsignedReport, error) {
	const name = "wallet_transactions"
	if c.apiKey.IsZero() {
		return nil, c.t.invalid(name, "APIKey is not configured; give the one that Payatom's back office shows")
	}
	return c.free(ctx, call{name: name, path: "/bot/api_v2/account_deposit.php"},
		map[string]string{"Api-Key": c.apiKey.Reveal()}, members)
}

// WalletData asks for the wallet's data by GET, at the configured
// WalletDataPath. It is repeated when no answer comes.
func (c *Payatom) WalletData(ctx context.Context) (*PayatomUnsignedReport, error) {
	const name = "wallet_data"
	switch {
	case c.apiKey.IsZero():
		return nil, c.t.invalid(name, "APIKey is not configured; give the one that Payatom's back office shows")
	case c.walletDataPath == "":
		return nil, c.t.invalid(name, "WalletDataPath is not configured; Payatom's manual for the account names it")
	}
	return c.report(ctx, call{name: name, method: http.MethodGet, path: c.walletDataPath, repeatable: true},
		map[string]string{"Api-Key": c.apiKey.Reveal()}, nil, "")
}

// free sends members that only the caller knows.
func (c *Payatom) free(ctx context.Context, k call, header, members map[string]string) (*PayatomUnsignedReport, error) {
	for member, value := range members {
		if member == "" || !cleanText(member) || !cleanText(value) {
			return nil, c.t.invalid(k.name, "a member is no text, or has no name; fix it")
		}
	}
	if members == nil {
		members = map[string]string{}
	}
	return c.report(ctx, k, header, members, "")
}

// report sends a request, nil for no body, and reads an answer of unknown
// members. An order_id in it must be the one that was asked for, if one was.
func (c *Payatom) report(ctx context.Context, k call, header, body map[string]string, orderID string, hide ...string) (*PayatomUnsignedReport, error) {
	k.build = func() (*message, error) {
		m := &message{header: header, hide: hide}
		if body == nil {
			return m, nil
		}
		var err error
		m.contentType = typeJSON
		m.body, err = encode(body)
		return m, err
	}
	a, err := c.t.do(ctx, k)
	if err != nil {
		return nil, err
	}
	if e := c.t.ok(a); e != nil {
		return nil, e
	}
	if e := c.t.opens(a, '{', '['); e != nil {
		return nil, e
	}
	a.body = bytes.TrimSpace(a.body)
	if a.body[0] == '[' {
		// The strict reader takes objects.
		wrapped := `{"list":` + string(a.body) + `}`
		if fields, err := strict.JSON(nil, wrapped); err != nil || len(fields) != 1 {
			return nil, c.t.unreadable(a, payack.ErrMalformed, "the list is not valid JSON, or gives a name twice")
		}
		return &PayatomUnsignedReport{JSON: a.body}, nil
	}
	m, e := c.answer(a, "status", "message", "order_id")
	if e != nil {
		return nil, e
	}
	if orderID != "" {
		if e := c.t.same(a, m, "order_id", orderID); e != nil {
			return nil, e
		}
	}
	_ = strict.Know(m.fields, nil) // none is known: extra returns all of them
	return &PayatomUnsignedReport{JSON: a.body, Members: m.extra()}, nil
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
	status, text := strict.Find(m.fields, "status"), ""
	if status == nil || status.Kind != strict.String || status.Text != "error" {
		return m, nil
	}
	if f := strict.Find(m.fields, "message"); f != nil && f.Kind == strict.String {
		text = f.Text
	}
	return nil, c.t.said(c.t.fail(a, ErrDeclined, nil, ""), a, "", text)
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
