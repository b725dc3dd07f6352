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

// PTSCallback is what a callback or a query's answer of PTS says. All
// but Extra is signed.
type PTSCallback struct {
	UserID, OrderID, TransactionID string
	Channel                        string
	SubmitAmount, SubmitCurrency   string
	AcceptAmount, AcceptCurrency   string
	ExchangeRate                   string
	Status                         payack.PTSStatus
	// Timestamp is ten digits.
	Timestamp string
	// Extra are unsigned members, as strings: reference_number, error_message.
	Extra map[string]string
	// BadSignature signs with a key that is not the system key.
	BadSignature bool
}

// Deliver sends a callback about an order as it stands, with retries, and
// returns when it was acknowledged or given up. Each edit may change what the
// callback says before it is signed: the gateway then lies, or tells of an
// earlier state. It does not wait for other deliveries. An error is for an
// unknown order, a callback that can't be made, the context, or a closed
// gateway; a callback that was not acknowledged is none.
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

// say returns the members of what a callback, or a query's answer, says.
func (gw *PTS) say(m verify.PTSMessage, c PTSCallback) ([]byte, error) {
	timestamp := member{"timestamp", c.Timestamp}
	if !tenDigits.MatchString(c.Timestamp) { // whatever a test asks for, it stays JSON
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

// head returns the members that stand in every answer about an order.
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
