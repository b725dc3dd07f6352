package gateway

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PTSCallback has the members of a callback of PTS, or of its answer to a query.
// All of them are signed, except Extra.
type PTSCallback struct {
	UserID, OrderID, TransactionID string
	Channel                        string
	SubmitAmount, SubmitCurrency   string
	AcceptAmount, AcceptCurrency   string
	ExchangeRate                   string
	Status                         payack.PTSStatus
	// Timestamp has ten digits, which count seconds since 1970.
	Timestamp string
	// Extra are unsigned members, as strings: reference_number, error_message.
	Extra map[string]string
	// BadSignature signs with a key that is not the system key.
	BadSignature bool
}

// Deliver sends a callback with the order's current state, with retries. It
// returns when the callback is acknowledged or has no retry left. Each edit may
// change members before the callback is signed, to send a false or an earlier
// state. Deliver does not wait for other deliveries.
//
// It returns an error for an unknown order, a callback that can't be made, a
// context that has ended and a closed gateway. A callback that was not
// acknowledged is not an error: see [Delivery].Acknowledged.
func (gw *PTS) Deliver(ctx context.Context, id string, edit ...func(*PTSCallback)) (Delivery, error) {
	gw.mu.Lock()
	o, err := gw.find(id)
	if err != nil {
		gw.mu.Unlock()
		return Delivery{}, err
	}
	c, to := gw.callback(o), o.CallbackURL
	gw.mu.Unlock()
	for _, f := range edit {
		f(&c)
	}
	m, err := gw.message(id, to, c)
	if err != nil {
		return Delivery{}, err
	}
	return gw.deliver(ctx, m)
}

func (gw *PTS) callback(o *PTSOrder) PTSCallback {
	return PTSCallback{
		UserID: gw.config.UserID, OrderID: o.OrderID, TransactionID: o.TransactionID, Channel: o.Channel,
		SubmitAmount: o.SubmitAmount, SubmitCurrency: o.SubmitCurrency,
		AcceptAmount: o.AcceptAmount, AcceptCurrency: o.AcceptCurrency, ExchangeRate: o.ExchangeRate,
		Status: o.Status, Timestamp: strconv.FormatInt(o.Updated.Unix(), 10),
	}
}

// say returns a callback or a query's answer as a signed JSON object.
func (gw *PTS) say(m verify.PTSMessage, c PTSCallback) ([]byte, error) {
	timestamp := member{"timestamp", c.Timestamp}
	if !tenDigits.MatchString(c.Timestamp) { // a text that is not a number would break the JSON
		timestamp = textMember("timestamp", c.Timestamp)
	}
	members := append(gw.head(c),
		textMember("status", string(c.Status)),
		timestamp,
	)
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		members = append(members, textMember(name, c.Extra[name]))
	}
	return gw.signed(m, c, members, map[string]string{"status": string(c.Status), "timestamp": c.Timestamp})
}

// head returns the members that callbacks and all answers about an order have.
func (gw *PTS) head(c PTSCallback) []member {
	n := gw.config.Numbers
	return []member{
		textMember("user_id", c.UserID),
		textMember("order_id", c.OrderID),
		textMember("transaction_id", c.TransactionID),
		textMember("channel", c.Channel),
		textMember("submit_currency", c.SubmitCurrency),
		n.member("submit_amount", c.SubmitAmount),
		textMember("accept_currency", c.AcceptCurrency),
		n.member("accept_amount", c.AcceptAmount),
		n.member("exchange_rate", c.ExchangeRate),
	}
}

func (gw *PTS) signed(m verify.PTSMessage, c PTSCallback, members []member, more map[string]string) ([]byte, error) {
	n := gw.config.Numbers
	values := map[string]string{
		"user_id": c.UserID, "order_id": c.OrderID, "transaction_id": c.TransactionID, "channel": c.Channel,
		"submit_currency": c.SubmitCurrency, "submit_amount": n.signed(c.SubmitAmount),
		"accept_currency": c.AcceptCurrency, "accept_amount": n.signed(c.AcceptAmount), "exchange_rate": n.signed(c.ExchangeRate),
	}
	maps.Copy(values, more)
	signer := gw.signer
	if c.BadSignature {
		signer = gw.forger
	}
	sign, err := signer.sign(ptsSigned[m], values)
	if err != nil {
		return nil, err
	}
	return object(append(members, textMember("sign", sign))...), nil
}

func (gw *PTS) message(id, to string, c PTSCallback) (message, error) {
	body, err := gw.say(verify.PTSCallback, c)
	if err != nil {
		return message{}, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if gw.sealedByShape {
		body = gw.signer.seal(body)
	}
	covered := body
	switch gw.config.Shape {
	case PTSSealed:
		header.Set("Content-Type", "text/plain")
	case PTSData:
		body = object(textMember("data", string(body)))
	case PTSNested:
		body = ptsBody("1000", "success", string(body))
	}
	if gw.config.TransactionWholeBody {
		covered = body
	}
	if gw.config.SignEnvelopes {
		header.Set(verify.PTSTransactionHeader, gw.signer.transaction(covered))
	}
	return message{id: id, says: string(c.Status), url: to, header: header, body: body}, nil
}
