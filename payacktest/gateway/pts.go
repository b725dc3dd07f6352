package gateway

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/shopspring/decimal"

	"github.com/payack/payack"
)

// PTS is a fake of PTS's (Pagarstar's) API v2 on a loopback port, made
// after the provider's documents. It is safe for concurrent use.
//
// Endpoints, POST under /merchant/v2/{GUID}: /payment, /withdraw,
// /payment/query, /withdraw/query, /balance. They take the envelope as
// text/plain or as application/json {"data":…}, with X-Transaction-Signature
// over the base64 text of the envelope in both (or over the whole body, see
// PTSConfig). Answers are {"code","message","data"}; those of code
// 1000 are signed with the system key, of a balance the user_id only.
//
// A request is refused with the first code that fits, in this order:
//
//	1009  the GUID is another's
//	1010  X-Transaction-Signature is missing, given twice or wrong
//	1020  content type or JSON, duplicate members too
//	1017  the envelope does not open
//	1001  a required member is missing, empty or of the wrong type
//	1009  the user_id is another's
//	1010  sign does not verify
//	1020  the timestamp is more than 5 seconds off
//
// then 1001 for the amount (a string or a number of at most 6 decimals, above 0)
// and the callback_url, 1008, 1015, 1006, 1005, 1003 for an order_id that was used
// before, 1007, and for queries 1002.
//
// Where the documents are silent, and all of this is unconfirmed: which code
// belongs to which failure as far as their names leave it open; refusals have
// HTTP status 200 and null in data; the signed members, sign and callback_url
// are required and redirect_url, error_url, remark, details, email, bank_code
// and other members are not looked at; of an amount that is a number either the
// literal or PHP's text of it is signed; an order_id is used once for payments and withdrawals together; a
// balance's figures are in the member balances, an object by currency; a
// callback is sent again when it is not answered with 200 and SUCCESS. Another
// method than POST is 405. Everything else is not documented and answered 404,
// except the page under pay_url, which says that it is one.
//
// Payments and withdrawals are named by their order_id. A change of state sends
// a callback to the callback_url. Callbacks of one order follow each other; the
// next begins when the one before it was acknowledged or given up.
type PTS struct {
	// URL is the base of all endpoints, without a slash at its end.
	URL string

	gateway
	config        PTSConfig
	signer        *ptsCrypt // with the system key
	forger        *ptsCrypt // with the merchant's key, which is not the right one for answers
	merchant      *rsa.PublicKey
	systemPublic  string
	orders        map[string]*PTSOrder
	pages         map[string]bool
	balances      map[string]decimal.Decimal
	min, max      decimal.NullDecimal
	rate          decimal.Decimal
	sealedByShape bool
}

// PTSOrder is a payment or a withdrawal that was made at a fake PTS.
type PTSOrder struct {
	Withdraw               bool
	OrderID, TransactionID string
	Channel                string
	// SubmitAmount is the text that the merchant sent.
	SubmitAmount, SubmitCurrency string
	AcceptAmount, AcceptCurrency string
	ExchangeRate                 string
	// PayURL is empty for a withdrawal.
	PayURL, CallbackURL string
	Status              payack.PTSStatus
	// Updated is the time of the last change of status.
	Updated time.Time
}

// NewPTS starts a fake PTS on a loopback port. Close it. An error names
// the member of the configuration, or says why it can't listen.
func NewPTS(c PTSConfig) (*PTS, error) {
	gw := &PTS{orders: make(map[string]*PTSOrder), pages: make(map[string]bool), balances: make(map[string]decimal.Decimal)}
	if err := gw.configure(c); err != nil {
		return nil, err
	}
	gw.handle = gw.answer
	gw.refuse = func(code string) answer { return ptsRefusal(code, "fault: Refusal") }
	gw.acknowledged = func(status int, body []byte) bool { return status == http.StatusOK && string(body) == "SUCCESS" }
	if err := gw.start(c.Options); err != nil {
		return nil, err
	}
	gw.URL = gw.base
	return gw, nil
}

// GUID returns the merchant's GUID, which is part of every path.
func (gw *PTS) GUID() string { return gw.config.GUID }

// UserID returns the merchant's user_id.
func (gw *PTS) UserID() string { return gw.config.UserID }

// Safecode returns the merchant's safecode.
func (gw *PTS) Safecode() payack.Secret { return gw.config.Safecode }

// TransactionSecret returns the key of X-Transaction-Signature.
func (gw *PTS) TransactionSecret() payack.Secret { return gw.config.TransactionSecret }

// MerchantKey returns the private key, as PEM, that the merchant signs with.
func (gw *PTS) MerchantKey() payack.Secret { return gw.config.MerchantKey }

// PublicKey returns PTS's public key as PEM, which verifies what the gateway
// says.
func (gw *PTS) PublicKey() string { return gw.systemPublic }

// Order returns a payment or withdrawal by its order_id.
func (gw *PTS) Order(id string) (PTSOrder, bool) {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	o, found := gw.orders[id]
	if !found {
		return PTSOrder{}, false
	}
	return *o, true
}

// Pay makes an order succeed (2000) and sends its callback.
func (gw *PTS) Pay(id string) error { return gw.Change(id, payack.PTSSuccess) }

// Process makes an order one that is being processed (1000) and sends its
// callback.
func (gw *PTS) Process(id string) error { return gw.Change(id, payack.PTSProcessing) }

// Fail makes an order fail (3000) and sends its callback. A withdrawal's money
// returns to the balance.
func (gw *PTS) Fail(id string) error { return gw.Change(id, payack.PTSFailed) }

// Expire makes an order expire (5000), after which it may still succeed, and
// sends its callback.
func (gw *PTS) Expire(id string) error { return gw.Change(id, payack.PTSExpired) }

// Change gives an order another status and sends its callback in the
// background. An unknown order, and one whose status is final, are errors. A
// status that the documents don't know is taken, for tests of what a merchant
// does with it.
func (gw *PTS) Change(id string, status payack.PTSStatus) error {
	return gw.change(id, status, true)
}

// SetStatus is Change without a callback, as if that had been lost.
func (gw *PTS) SetStatus(id string, status payack.PTSStatus) error {
	return gw.change(id, status, false)
}

func (gw *PTS) change(id string, status payack.PTSStatus, announce bool) error {
	gw.mu.Lock()
	defer gw.mu.Unlock()
	o, err := gw.find(id)
	switch {
	case err != nil:
		return err
	case status == "":
		return errors.New("gateway: the status is empty")
	case o.Status.Final():
		return fmt.Errorf("gateway: order %q has status %s, which is final", id, o.Status)
	}
	next := *o
	next.Status, next.Updated = status, gw.options.Now()
	if announce {
		m, err := gw.message(id, o.CallbackURL, gw.callback(&next))
		if err == nil {
			err = gw.announce(m)
		}
		if err != nil {
			return err
		}
	}
	*o = next
	switch {
	case !o.Withdraw && status == payack.PTSSuccess:
		gw.book(o.AcceptCurrency, o.AcceptAmount)
	case o.Withdraw && status.Final() && status != payack.PTSSuccess:
		gw.book(o.SubmitCurrency, o.SubmitAmount)
	}
	return nil
}

// book adds an amount, which was checked, to a balance.
func (gw *PTS) book(currency, amount string) {
	d, _ := parseDecimal(amount)
	gw.balances[currency] = gw.balances[currency].Add(d)
}

// find is called with mu held.
func (gw *PTS) find(id string) (*PTSOrder, error) {
	if o, found := gw.orders[id]; found {
		return o, nil
	}
	return nil, fmt.Errorf("gateway: there is no order %q", id)
}
