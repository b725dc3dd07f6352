package middleware

import (
	"context"
	"errors"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PayatomConfig is the configuration of a receiver of Payatom webhooks. Either
// secret keys are given here, or KeyFunc finds them for each request.
//
// The hash of a webhook joins order_id, received_amount and status without
// separators, so a captured hash verifies for a message whose borders were
// moved. Only the merchant or the gateway knows which is right: set Expect or
// Confirm (or both), or say with ExpectInCallback that the callback compares.
//
// Confirm is asked for approved orders only; with it alone, other statuses are
// as good as the callback's own comparison. Expect alone can't tell two orders
// whose ids and amounts join to the same text (user-11 over 500, user-1 over
// 1500), and then rejects whichever comes second: use ids of one length, or
// Confirm. The store remembers which came first, for as long as it remembers
// events.
type PayatomConfig struct {
	// SecretKeys are those of Payatom's back office, several for rotation.
	SecretKeys []payack.Secret
	// Tenant is the scope of once-only for these keys, for receivers of several
	// accounts that share a store.
	Tenant string
	// KeyFunc finds prepared keys for a request instead; they must name their
	// tenant, by the name in your records and not as the request spells it.
	// Prepare keys once, not for each request.
	KeyFunc payack.KeyFunc[*verify.PayatomKeys]

	// Body is the one format that the endpoint takes; empty is JSON.
	Body verify.Body
	// Numbers pins the text of the amount that is signed, literal or php; empty
	// takes both.
	Numbers []payack.Scheme
	// Sniff takes JSON under any content type.
	Sniff bool

	// Expect returns what your records say of the order: that there is one, what
	// it was made out for, and the create's ref_code where you kept it. Look it up
	// within ev.Tenant: a tenant who knows its own key can sign another tenant's
	// order. An error makes the gateway send again. For approved orders the
	// received amount must match; for every other status the order must only
	// exist. The callback finds what was returned in ev.Expected.
	Expect func(ctx context.Context, ev *payack.PayatomEvent) (payack.Expectation, error)
	// Match replaces the rule by which a received amount matches the expected
	// one; nil is equality by value. [payack.AnyAmount] takes part payments, and
	// is taken only with Confirm.
	Match func(expected, received payack.Amount) bool
	// Confirm asks the gateway by status polling before an approved order is
	// accepted, see [ConfirmFunc]. Ask by ev.Expected.RefCode where Expect gives
	// it; the webhook's own ref_code is a handle only, since it is not signed.
	Confirm ConfirmFunc[*payack.PayatomEvent]
	// ExpectInCallback says that the callback compares order and amount itself,
	// say inside its own transaction. It is safe then, and so isn't called insecure;
	// a callback that doesn't compare credits what a moved border makes of a hash.
	ExpectInCallback bool

	// OlderSpelling answers Hash Matched and Hash Mismatch, with a blank, as an
	// older generation of the gateway spells it.
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
		verified:   payatomAnswer(matched, "no"), // hash_status speaks of the hash alone
		word:       payatomAnswer(mismatch, "no"),
	}
}

var (
	payatomAnswers      = payatomTable("HashMatched", "HashMismatch")
	payatomOlderAnswers = payatomTable("Hash Matched", "Hash Mismatch")
)

// NewPayatom returns a receiver of Payatom webhooks. Errors name the member of
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
		return nil, errors.New("payack: payatom: Expect: the hash doesn't fix where the order ends and the amount begins, so the order must be compared; set Expect or Confirm, or ExpectInCallback if the callback compares itself")
	case compares && c.ExpectInCallback:
		return nil, errors.New("payack: payatom: ExpectInCallback is set besides Expect or Confirm; leave one of them out")
	case c.Confirm == nil && c.Match != nil && sameFunc(c.Match, payack.AnyAmount):
		return nil, errors.New("payack: payatom: Match: with AnyAmount only the gateway can tell an amount whose borders were moved; set Confirm as well")
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
		pinned:   len(c.Numbers) == 1,
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

// ask compares an event with the merchant's own records, then has the gateway
// confirm it.
func (c *PayatomConfig) ask(ctx context.Context, ev *payack.PayatomEvent, confirms *confirmer[*payack.PayatomEvent]) error {
	if err := c.expect(ctx, ev); err != nil || c.Confirm == nil || !ev.Paid() {
		return err
	}
	confirmed, err := confirms.ask(ctx, ev)
	if err == nil { // otherwise Confirm may still be reading the event
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

// binding ties the text that the hash is of to the first event that came with it
// and was found to be true: another event with the same text, and so with the
// same hash, has moved borders.
//
//   - What Expect has passed is bound at once.
//   - What the gateway has confirmed is true, so it is accepted even if its text
//     is bound to another order: two genuine orders may share a text when ids
//     have different lengths.
//   - Where only the callback can tell (ExpectInCallback, and Confirm alone for
//     what claims no money), the text is bound when it has returned nil: best
//     effort, since a forger may come first. A callback that returns
//     payack.ErrUnexpected for an order that is not its own binds nothing.
//   - A status that nobody knows may have swallowed an amount, so it binds nothing.
func (c *PayatomConfig) binding(ev *payack.PayatomEvent) (binding, bool) {
	if !ev.Status.Known() {
		return binding{}, false
	}
	// Text and order together fix amount and status: an amount ends in a digit, and
	// no known status has one.
	b := binding{text: spliceID("text", ev), event: ev.OrderID, confirmed: ev.Confirmed != nil}
	if c.Expect == nil && !b.confirmed {
		b.lock = spliceID("lock", ev)
	}
	return b, true
}

// handle returns what Confirm asks by where Expect names nothing else.
func (c *PayatomConfig) handle(ev *payack.PayatomEvent) string {
	if c.Confirm == nil || !ev.Paid() {
		return ""
	}
	return ev.Unsigned.RefCode.String()
}
