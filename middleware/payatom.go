package middleware

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"

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
// Confirm. What was seen is remembered in the store, and as long as it is.
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

	// Expect returns the amount that an order was made out for, or found =
	// false when there is no such order. An error makes the gateway send
	// again. For approved orders the received amount must match; for every
	// other status the order must only exist.
	Expect func(ctx context.Context, orderID string) (amount payack.Amount, found bool, err error)
	// Match replaces the rule by which a received amount matches the expected
	// one; nil is equality by value.
	Match func(expected, received payack.Amount) bool
	// Confirm asks the gateway by status polling before an approved order is
	// accepted, see [ConfirmFunc]. Use ref_code as a handle only: it is not
	// signed.
	Confirm ConfirmFunc[*payack.PayatomEvent]
	// ExpectInCallback says that the callback compares order and amount itself,
	// say inside its own transaction.
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
		accepted: payatomAnswer(matched, "yes"),
		failed:   payatomAnswer(matched, "no"),
		rejected: payatomAnswer(mismatch, "no"),
		word:     payatomAnswer(mismatch, "no"),
	}
}

var (
	payatomAnswers      = payatomTable("HashMatched", "HashMismatch")
	payatomOlderAnswers = payatomTable("Hash Matched", "Hash Mismatch")
)

// NewPayatom returns a receiver of Payatom webhooks. Errors name the member of
// the configuration and the mend.
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
	var rc *Receiver[*payack.PayatomEvent]
	rc, err = newReceiver(c.Options, stages[*payack.PayatomEvent]{
		provider: payack.Payatom,
		answers:  table,
		accepts:  v.Accepts,
		pinned:   len(c.Numbers) == 1,
		verify: func(ctx context.Context, r *http.Request, m verify.Message) (*payack.PayatomEvent, error) {
			keys, err := keysFor(ctx, r, payack.Payatom, static, c.KeyFunc)
			if err != nil {
				return nil, err
			}
			return v.Verify(m, keys)
		},
		guard: func(ctx context.Context, ev *payack.PayatomEvent, d *delivery) error {
			if err := c.expect(ctx, ev); err != nil {
				return err
			}
			if err := c.Confirm.run(ctx, ev, ev.Paid()); err != nil {
				return err
			}
			return c.remember(ctx, rc, ev, d)
		},
	})
	return rc, err
}

// expect compares an event with the merchant's own records.
func (c *PayatomConfig) expect(ctx context.Context, ev *payack.PayatomEvent) error {
	if c.Expect == nil {
		return nil
	}
	fail := func(reason payack.Reason, err error, detail string) error {
		return &payack.Error{Provider: payack.Payatom, Stage: payack.StageGuard, Reason: reason, Err: err, Detail: detail}
	}
	amount, found, err := c.Expect(ctx, ev.OrderID)
	switch {
	case err != nil:
		return fail(payack.ReasonExpectation, err, "Expect failed")
	case !found:
		return fail(payack.ReasonUnexpected, nil, "there is no such order")
	case ev.Paid() && !c.Match(amount, ev.ReceivedAmount):
		return fail(payack.ReasonUnexpected, nil, "the order was made out for another amount")
	}
	return nil
}

// remember binds the text that the hash is of to the first event that came with
// it and was found to be true: another event with the same text, and so with
// the same hash, has moved borders. (A hash that verifies fixes its text, so
// that to bind the hash as well would add nothing.)
//
//   - What Expect has passed is bound at once.
//   - What the gateway has confirmed is true, so it is accepted even if its text
//     is bound to another order: two genuine orders may share a text when ids
//     have different lengths.
//   - Where only the callback can tell (ExpectInCallback, and Confirm alone for
//     what claims no money), the text is bound when it has returned nil, so that
//     a forger who comes first does not lock the genuine event out; while one
//     of them is with the callback, the others are busy.
//   - A status that nobody knows may have swallowed an amount. It is neither paid
//     nor final, and is not compared; nor does it bind anything, so that it can't
//     lock the genuine event out.
func (c *PayatomConfig) remember(ctx context.Context, rc *Receiver[*payack.PayatomEvent], ev *payack.PayatomEvent, d *delivery) error {
	if !ev.Status.Known() {
		return nil
	}
	confirmed := ev.Confirmed != nil
	late := c.Expect == nil && !confirmed
	busy := func() error {
		return rc.fail(payack.StageGuard, payack.ReasonBusy, nil, "its hash is being processed with another order, amount or status")
	}
	// With the text, the order tells the rest: an amount ends in a digit, and no
	// known status has one.
	text, order := spliceID("text", ev), ev.OrderID
	var state payack.ClaimState
	var err error
	if !late {
		state, err = rc.bind(ctx, d, text, order)
	} else {
		held := len(d.claims)
		state, err = rc.claim(ctx, d, spliceID("lock", ev), "")
		switch {
		case err != nil:
			return err
		case state != payack.ClaimGranted:
			return busy()
		}
		if len(d.claims) > held { // a store that is done without gave nothing
			d.claims[held].lock = true
		}
		state, err = rc.claim(ctx, d, text, order) // committed with the event
	}
	switch {
	case err != nil:
		return err
	case confirmed: // true, whatever else its text is bound to
	case state == payack.ClaimConflict:
		return rc.fail(payack.StageGuard, payack.ReasonSpliced, nil, "its hash came before with another order, amount or status")
	case state == payack.ClaimBusy: // left behind by a crash; bound to nobody until its lease ends
		return busy()
	}
	return nil
}

// spliceID is a key of the store apart from all events' identities: the text, or
// the digest of one that is long or not plain.
func spliceID(kind string, ev *payack.PayatomEvent) string {
	const prefix, longest = "payatom-splice", 128
	var short [2 * longest]byte
	text := append(short[:0], prefix+":"...)
	text = append(text, kind...)
	text = strconv.AppendInt(text, int64(len(ev.Tenant)), 10)
	text = append(text, ':')
	text = append(text, ev.Tenant...)
	text = append(text, ev.OrderID...)
	text = append(text, ev.ReceivedAmount.SignedText()...)
	text = append(text, ev.Status...)
	plain := len(text) <= longest
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= ' ' && text[i] < 0x7f
	}
	if plain {
		return string(text)
	}
	sum := sha256.Sum256(text)
	return prefix + "-sha256:" + hex.EncodeToString(sum[:])
}
