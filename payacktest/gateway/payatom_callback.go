package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PayatomCallback has the members of a webhook or of a polling answer of Payatom.
// The post_hash covers OrderID, ReceivedAmount and Status.
type PayatomCallback struct {
	OrderID, ReceivedAmount string
	Status                  payack.PayatomStatus

	RequestedAmount, BankRef, SenderUPI, RefCode string
	// RefundInfo is a JSON literal.
	RefundInfo string
	// BadSignature makes the post_hash with a key that is not the merchant's.
	BadSignature bool
	// PostHash, when set, is sent unchanged, such as the hash of another webhook.
	PostHash string
}

// Deliver sends a webhook with the payment's current state, with retries. It
// returns when the webhook is acknowledged or has no retry left. Each edit may
// change members before the webhook is signed, to send a false or an earlier
// state. Deliver does not wait for other deliveries.
//
// It returns an error for an unknown payment, a missing webhook URL, a context
// that has ended and a closed gateway. A webhook that was not acknowledged is not
// an error: see [Delivery].Acknowledged.
func (gw *Payatom) Deliver(ctx context.Context, id string, edit ...func(*PayatomCallback)) (Delivery, error) {
	gw.mu.Lock()
	p, err := gw.find(id)
	if err == nil && gw.webhookURL == "" {
		err = errors.New("gateway: there is no webhook URL; set WebhookURL or call SetWebhookURL")
	}
	if err != nil {
		gw.mu.Unlock()
		return Delivery{}, err
	}
	c, to := p.callback(), gw.webhookURL
	gw.mu.Unlock()
	for _, f := range edit {
		f(&c)
	}
	return gw.deliver(ctx, gw.message(id, to, c))
}

func (p *PayatomPayment) callback() PayatomCallback {
	c := PayatomCallback{
		OrderID: p.OrderID, ReceivedAmount: p.ReceivedAmount, Status: p.Status,
		RequestedAmount: p.RequestedAmount, RefCode: p.RefCode, RefundInfo: "[]",
	}
	if p.ReceivedAmount != "0" {
		c.BankRef, c.SenderUPI = "bank-"+p.RefCode, "payer@upi"
	}
	if !p.RefundInitiated.IsZero() {
		status, completed := "Initiated", ""
		if !p.RefundCompleted.IsZero() {
			status, completed = "Completed", payatomTime(p.RefundCompleted)
		}
		c.RefundInfo = string(object(textMember("refunded_upi", "payer@upi"), textMember("refund_amount", p.ReceivedAmount),
			textMember("refund_initiated_time", payatomTime(p.RefundInitiated)), textMember("refund_completed_time", completed),
			textMember("refund_status", status), textMember("refund_notes", "")))
	}
	return c
}

func payatomTime(t time.Time) string { return t.UTC().Format(time.DateTime) }

func (gw *Payatom) hash(c PayatomCallback, n Numbers) string {
	key := gw.config.SecretKey
	switch {
	case c.PostHash != "":
		return c.PostHash
	case c.BadSignature:
		key = gw.forger
	}
	return payatomSeal(key, c.OrderID, n.signed(c.ReceivedAmount), string(c.Status))
}

func (gw *Payatom) message(id, to string, c PayatomCallback) message {
	m := message{id: id, says: string(c.Status), url: to, header: http.Header{"Content-Type": {"application/json"}}}
	if gw.config.Body == verify.BodyForm {
		m.header.Set("Content-Type", "application/x-www-form-urlencoded")
		m.body = encodeForm([2]string{"order_id", c.OrderID}, [2]string{"requested_amount", c.RequestedAmount},
			[2]string{"status", string(c.Status)}, [2]string{"post_hash", gw.hash(c, Quoted)}, // a form has texts only

			[2]string{gw.config.FormAmount, c.ReceivedAmount}, [2]string{"bank_ref", c.BankRef},
			[2]string{"sender_upi", c.SenderUPI}, [2]string{"ref_code", c.RefCode}, [2]string{"refund_info", c.RefundInfo})
		return m
	}
	m.body = object(textMember("order_id", c.OrderID), gw.config.Numbers.member("requested_amount", c.RequestedAmount),
		textMember("status", string(c.Status)), textMember("post_hash", gw.hash(c, gw.config.Numbers)),
		gw.config.Numbers.member("received_amount", c.ReceivedAmount), textMember("bank_ref", c.BankRef),
		textMember("sender_upi", c.SenderUPI), textMember("ref_code", c.RefCode), member{"refund_info", orText(c.RefundInfo, "[]")})
	return m
}

func payatomAcknowledged(status int, body []byte) bool {
	if status != http.StatusOK {
		return false
	}
	f, wrong := readJSON(body, []string{"hash_status", "acknowledge"})
	return wrong == "" && f.str("acknowledge") == "yes"
}
