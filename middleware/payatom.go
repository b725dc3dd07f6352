package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PayatomConfig configures a receiver of Payatom webhooks. Give either SecretKeys
// or a KeyFunc, which finds the keys for each request.
//
// The hash of a webhook covers order_id, received_amount and status, joined without
// separators. A captured hash therefore also verifies for a message in which
// characters were moved from one member to the next: order user-1 with amount 1500
// has the hash of order user-11 with amount 500. Only the merchant or the gateway
// knows which one is genuine. So set Expect or Confirm, or both; or set
// ExpectInCallback if the callback itself compares the event with your records.
//
// With Expect alone, the members of two of your orders can join to the same text.
// The order that comes second is then rejected, as long as the store remembers the
// first. To prevent that, use order ids of one length, or set Confirm.
//
// Confirm is called for approved orders only. With Confirm alone, the callback has
// to check orders in every other status itself.
type PayatomConfig struct {
	// SecretKeys are the secret keys from Payatom's back office. Give several
	// during a rotation.
	SecretKeys []payack.Secret
	// Tenant is the tenant of SecretKeys. Receivers for several accounts that share
	// a store need different tenants.
	Tenant string
	// KeyFunc finds prepared keys for each request, in place of the keys above. The
	// keys must have a tenant: take the tenant's name from your records, not from the
	// request. Prepare keys once, not for each request.
	KeyFunc payack.KeyFunc[*verify.PayatomKeys]

	// Body is the one format that the endpoint accepts; empty means JSON.
	Body verify.Body
	// Numbers pins how the amount is written in the signed text: literal or php.
	// Empty accepts both.
	Numbers []payack.Scheme
	// Sniff accepts JSON under any content type.
	Sniff bool

	// Expect returns what your records say of the order: whether it exists (Found),
	// its amount, and the ref_code from its creation if you kept it. Look the order
	// up within ev.Tenant, because a tenant can sign any order id with its own key.
	// The callback finds the result in ev.Expected.
	//
	// An order that is not found is rejected. For approved orders the received
	// amount must match, too. An error makes the gateway send again, or the Inbox try
	// again.
	Expect func(ctx context.Context, ev *payack.PayatomEvent) (payack.Expectation, error)
	// Match reports whether a received amount fits the expected one; nil compares
	// by value. [payack.AnyAmount] accepts part payments, and is allowed only
	// together with Confirm.
	Match func(expected, received payack.Amount) bool
	// Confirm asks the gateway by status polling before an approved order is
	// accepted; see [ConfirmFunc]. Ask by ev.Expected.RefCode where Expect returns
	// it. The webhook's own ref_code is not signed, so anybody may have changed it.
	Confirm ConfirmFunc[*payack.PayatomEvent]
	// ExpectInCallback declares that the callback compares order and amount itself,
	// for example inside its own transaction. It is unsafe if the callback does
	// not: it then credits a forged combination of order and amount.
	ExpectInCallback bool

	// OlderSpelling answers with "Hash Matched" and "Hash Mismatch", with a space,
	// as an older generation of the gateway expects.
	OlderSpelling bool

	Options
}

const payatomType = "application/json;charset=utf-8"

func payatomAnswer(matched, acknowledge string) payack.Answer {
	return payack.Answer{
		Status: http.StatusOK, ContentType: payatomType,
		Body: `{"hash_status":"` + matched + `","acknowledge":"` + acknowledge + `"}`,
	}
}

func payatomTable(matched, mismatch string) answers {
	return answers{
		accepted:   payatomAnswer(matched, "yes"),
		failed:     payatomAnswer(matched, "no"),
		unverified: payatomAnswer(mismatch, "no"),
		verified:   payatomAnswer(matched, "no"), // hash_status is about the hash only
		word:       payatomAnswer(mismatch, "no"),

		acknowledges: func(body string) bool {
			var said struct{ Acknowledge string }
			return json.Unmarshal([]byte(body), &said) == nil && said.Acknowledge == "yes"
		},
	}
}

var (
	payatomAnswers      = payatomTable("HashMatched", "HashMismatch")
	payatomOlderAnswers = payatomTable("Hash Matched", "Hash Mismatch")
)

// NewPayatom returns a receiver of Payatom webhooks. An error names the member of
// the configuration and the fix.
func NewPayatom(c PayatomConfig) (*Receiver[*payack.PayatomEvent], error) {
	rc, err := newPayatom(c)
	return rc, named(payack.Payatom, err)
}

func newPayatom(c PayatomConfig) (*Receiver[*payack.PayatomEvent], error) {
	v, err := verify.NewPayatom(verify.PayatomOptions{Body: c.Body, Numbers: c.Numbers, Sniff: c.Sniff})
	if err != nil {
		return nil, err
	}
	compares := c.Expect != nil || c.Confirm != nil
	switch {
	case !compares && !c.ExpectInCallback:
		return nil, errors.New("payack: payatom: Expect: the hash doesn't show where the order id ends and the amount begins, so the order must be compared; set Expect or Confirm, or ExpectInCallback if the callback compares itself")
	case compares && c.ExpectInCallback:
		return nil, errors.New("payack: payatom: ExpectInCallback is set besides Expect or Confirm; leave one of them out")
	case c.Confirm == nil && c.Match != nil && sameFunc(c.Match, payack.AnyAmount):
		return nil, errors.New("payack: payatom: Match: with AnyAmount only the gateway can recognise an amount that took over digits of the order id; set Confirm as well")
	case c.Match != nil && c.Expect == nil:
		return nil, errors.New("payack: payatom: Match is set without Expect, so there is nothing to match; set Expect")
	}
	if c.Match == nil {
		c.Match = payack.Amount.Equal
	}
	var static *verify.PayatomKeys
	switch {
	case c.KeyFunc == nil:
		if static, err = verify.NewPayatomKeys(c.Tenant, c.SecretKeys...); err != nil {
			return nil, err
		}
	case len(c.SecretKeys) > 0 || c.Tenant != "":
		return nil, errors.New("payack: payatom: both KeyFunc and SecretKeys are given; give one of them")
	}
	table := &payatomAnswers
	if c.OlderSpelling {
		table = &payatomOlderAnswers
	}
	keys := &keyed[*payack.PayatomEvent, *verify.PayatomKeys]{provider: payack.Payatom, verifier: v, static: static, find: c.KeyFunc}
	confirms, err := newConfirmer(c.Confirm, &c.Options)
	if err != nil {
		return nil, err
	}
	return newReceiver(c.Options, stages[*payack.PayatomEvent]{
		provider: payack.Payatom,
		answers:  table,
		accepts:  v.Accepts,
		pin:      unlessPinned("Numbers", len(c.Numbers) == 1),
		verify:   keys.verify,
		explain:  keys.explain,
		with:     keys.with,
		tenant:   c.Tenant,
		tenants:  c.KeyFunc != nil,
		asks:     func(ev *payack.PayatomEvent) bool { return c.Expect != nil || c.Confirm != nil && ev.Paid() },
		ask:      func(ctx context.Context, ev *payack.PayatomEvent) error { return c.ask(ctx, ev, confirms) },
		expect:   c.expect,
		confirms: func(ev *payack.PayatomEvent) bool { return c.Confirm != nil && ev.Paid() },
		binding:  c.binding,
		unknown:  func(ev *payack.PayatomEvent) bool { return !ev.Status.Known() },
		details:  refundDetails,
		variant:  c.handle,
	})
}

// ask compares an event with the merchant's records, then has the gateway confirm
// it.
func (c *PayatomConfig) ask(ctx context.Context, ev *payack.PayatomEvent, confirms *confirmer[*payack.PayatomEvent]) error {
	if err := c.expect(ctx, ev); err != nil || c.Confirm == nil || !ev.Paid() {
		return err
	}
	confirmed, err := confirms.ask(ctx, ev)
	if err == nil { // after an error Confirm may still be reading the event
		ev.Confirmed = confirmed
	}
	return err
}

func (c *PayatomConfig) expect(ctx context.Context, ev *payack.PayatomEvent) error {
	if c.Expect == nil {
		return nil
	}
	expected, err := c.Expect(ctx, ev)
	ev.Expected = expected
	switch {
	case err != nil:
		return guardError(payack.Payatom, payack.ReasonExpectation, err, "Expect failed")
	case !expected.Found:
		return guardError(payack.Payatom, payack.ReasonUnexpected, nil, "there is no such order")
	case ev.Paid() && !c.Match(expected.Amount, ev.ReceivedAmount):
		return guardError(payack.Payatom, payack.ReasonUnexpected, nil, "the order was made out for another amount")
	}
	return nil
}

// binding ties the hashed text to one event: the first with this text that was
// found to be genuine. Any other event with the same text has the same hash, but
// characters were moved between its members.
//   - An event that passed Expect is bound at once.
//   - An event that the gateway has confirmed is genuine. It is accepted even if its
//     text is bound to another order: two orders of the merchant may share a text
//     when their ids have different lengths.
//   - Where only the callback can find out (ExpectInCallback, or Confirm alone for
//     an order that is not approved), the text is bound once the callback has
//     returned nil. That is best effort, since a forger may come first. A callback
//     that returns payack.ErrUnexpected for an order it doesn't know binds nothing.
//   - An event with an unknown status binds nothing, since the status may contain
//     digits of the amount.
func (c *PayatomConfig) binding(ev *payack.PayatomEvent) (binding, bool) {
	if !ev.Status.Known() {
		return binding{}, false
	}
	// Text and order together determine amount and status: an amount ends in a digit,
	// and no known status contains one.
	b := binding{text: spliceID("text", ev), event: ev.OrderID, confirmed: ev.Confirmed != nil}
	if c.Expect == nil && !b.confirmed {
		b.lock = spliceID("lock", ev)
	}
	return b, true
}

// handle returns the unsigned ref_code, by which Confirm may ask.
func (c *PayatomConfig) handle(ev *payack.PayatomEvent) string {
	if c.Confirm == nil || !ev.Paid() {
		return ""
	}
	return ev.Unsigned.RefCode.String()
}
