package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PtopCallback has the members of a webhook of Ptop.
type PtopCallback struct {
	Success                         bool
	TransactionID, OrderID, Message string
	// BadSignature signs with a key that is not the gateway's.
	BadSignature bool
}

// Deliver sends a webhook with the payment's current state, with retries. It
// returns when the webhook is acknowledged or has no retry left. Each edit may
// change members before the webhook is signed, to send a false or an earlier
// state. Deliver does not wait for other deliveries.
//
// It returns an error for an unknown payment, a webhook that can't be made, a
// context that has ended and a closed gateway. A webhook that was not acknowledged
// is not an error: see [Delivery].Acknowledged.
func (gw *Ptop) Deliver(ctx context.Context, id string, edit ...func(*PtopCallback)) (Delivery, error) {
	gw.mu.Lock()
	p, err := gw.find(id)
	if err != nil {
		gw.mu.Unlock()
		return Delivery{}, err
	}
	c, to := p.callback(), p.WebhookURL
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

func (p *PtopPayment) callback() PtopCallback {
	c := PtopCallback{
		Success: p.Status == PtopPaid, TransactionID: p.TransactionID, OrderID: p.OrderID, Message: "Payment pending",
	}
	switch p.Status {
	case PtopPaid:
		c.Message = "Payment successful"
	case PtopCancelled:
		c.Message = "Payment cancelled"
	}
	return c
}

func (gw *Ptop) message(id, to string, c PtopCallback) (message, error) {
	signed, err := gw.sign(c)
	if err != nil {
		return message{}, err
	}
	header := http.Header{"Content-Type": {signed.ContentType}}
	for name, values := range signed.Header {
		header[name] = values
	}
	return message{id: id, says: boolText(c.Success), url: to, header: header, body: []byte(signed.Body)}, nil
}

func (gw *Ptop) sign(c PtopCallback) (verify.Message, error) {
	var body []byte
	switch gw.body {
	case verify.BodyJSON:
		body = object(member{"success", boolText(c.Success)}, textMember("transaction_id", c.TransactionID),
			textMember("order_id", c.OrderID), textMember("message", c.Message))
	case verify.BodyForm:
		success := "0"
		if c.Success {
			success = "1"
		}
		body = encodeForm([2]string{"success", success}, [2]string{"transaction_id", c.TransactionID},
			[2]string{"order_id", c.OrderID}, [2]string{"message", c.Message})
	default:
		return verify.Message{}, errors.New(`the body is neither "json" nor "form"`)
	}
	key := gw.signingKey
	if c.BadSignature {
		key = payack.NewSecret(freshHex())
	}
	if gw.custom != nil {
		return gw.custom(key, string(body))
	}
	return verify.SignPtopCallback(key, gw.scheme, gw.place, string(body))
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
