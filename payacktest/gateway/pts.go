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

// PTS is a fake PTS (Pagarstar, API v2) on a loopback port. It is safe for
// concurrent use.
//
// The endpoints take POST under /merchant/v2/{GUID}: /payment, /withdraw,
// /payment/query, /withdraw/query, /balance. A request is an envelope, as
// text/plain or as application/json {"data":…}. X-Transaction-Signature covers the
// base64 text of the envelope, or the whole body with
// [PTSConfig].TransactionWholeBody.
//
// Answers are {"code","message","data"}. The system key signs answers with code
// 1000; for a balance it signs the user_id only.
//
// A request is refused with the first code that applies, in this order:
//
//	1009  the GUID is not the merchant's
//	1010  X-Transaction-Signature is missing, given twice or wrong
//	1020  the content type is wrong, or the JSON is invalid or has a name twice
//	1017  the envelope does not open
//	1001  a required member is missing, empty or of the wrong type
//	1009  the user_id is not the merchant's
//	1010  sign does not verify
//	1001  the timestamp has not ten digits
//	1020  the timestamp is more than 5 seconds off
//	1001  the amount is not above 0, or has more than 6 decimals
//	1001  the callback_url is not a URL
//	1008  the currency is not accepted
//	1015  the channel is not accepted
//	1006  the amount is below MinAmount
//	1005  the amount is above MaxAmount
//	1003  the order_id was used before
//	1007  a withdrawal is above the balance
//
// A query for an unknown order gets 1002.
//
// PTS's documents don't say the following, so all of it is unconfirmed:
//   - Which failure gets which code, where the code's name leaves that open.
//   - Refusals have HTTP status 200, and null in data.
//   - The signed members, sign and callback_url are required. All other members
//     are optional and ignored.
//   - If the amount is a JSON number, its literal or PHP's text of it is signed.
//   - An order_id can be used once, for a payment or for a withdrawal.
//   - The figures of a balance are in the member balances, an object by currency.
//   - A callback is sent again unless it is answered with status 200 and SUCCESS.
//
// A wrong method gets 405, an undocumented path 404. The pay_url shows a
// placeholder for the page where the customer pays.
//
// Methods name payments and withdrawals by order_id. A change of status sends a
// callback to the callback_url. The callbacks of one order are sent in order: the
// next one waits until the one before it is acknowledged or has no retry left.
type PTS struct {
	// URL is the base of all endpoints, without a slash at its end.
	URL string

	gateway
	config        PTSConfig
	signer        *ptsCrypt // with the system key
	forger        *ptsCrypt // with the merchant's key, which is the wrong key for answers
	merchant      *rsa.PublicKey
	systemPublic  string
	orders        map[string]*PTSOrder
	pages         map[string]bool
	balances      map[string]decimal.Decimal
	min, max      decimal.NullDecimal
	rate          decimal.Decimal
	sealedByShape bool
}

// PTSOrder is a payment or a withdrawal that was created at a fake PTS.
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

// NewPTS starts a fake PTS on a loopback port. Close it after use. The error names
// the invalid member of the configuration, or says why the fake can't listen.
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

// PublicKey returns PTS's public key as PEM. It verifies answers and callbacks.
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

// Pay sets an order's status to success (2000) and sends its callback.
func (gw *PTS) Pay(id string) error { return gw.Change(id, payack.PTSSuccess) }

// Process sets an order's status to processing (1000) and sends its callback.
func (gw *PTS) Process(id string) error { return gw.Change(id, payack.PTSProcessing) }

// Fail sets an order's status to failed (3000) and sends its callback. The money
// of a withdrawal returns to the balance.
func (gw *PTS) Fail(id string) error { return gw.Change(id, payack.PTSFailed) }

// Expire sets an order's status to expired (5000), which success may still follow,
// and sends its callback.
func (gw *PTS) Expire(id string) error { return gw.Change(id, payack.PTSExpired) }

// Change changes an order's status and sends its callback in the background. It
// returns an error for an unknown order and for one whose status is final.
// Undocumented statuses are allowed, for tests of how a merchant handles them.
func (gw *PTS) Change(id string, status payack.PTSStatus) error {
	return gw.change(id, status, true)
}

// SetStatus is Change without a callback, as if the callback had been lost.
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

// book adds an amount to a balance. The amount was checked before.
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
