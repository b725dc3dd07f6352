package client

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// PayatomPolling selects the members that a status polling sends. Payatom's
// documents show three sets. Which one a gateway requires is unconfirmed.
type PayatomPolling string

// The sets.
const (
	// PollingAll sends pid, ref_code, order_id if it is given, post_hash.
	PollingAll PayatomPolling = "all"
	// PollingProse sends pid, order_id, post_hash, as the older document's text says.
	PollingProse PayatomPolling = "prose"
	// PollingExample sends ref_code, pid, post_hash, amount, as the older document's
	// example shows.
	PollingExample PayatomPolling = "example"
	// PollingNewer sends pid, ref_code, post_hash, as the newer documents say.
	PollingNewer PayatomPolling = "newer"
)

// PayatomQuery asks for one payment. RefCode is Payatom's id of the payment. It
// is in the answer to a payin and in the webhook, but signed in neither.
// [PollingProse] requires OrderID too, [PollingExample] requires Amount. The
// package documentation explains the tags.
type PayatomQuery struct {
	RefCode string        `validate:"required,text"`
	OrderID string        `validate:"omitempty,text,hashable"`
	Amount  payack.Amount `validate:"omitempty,plain"`
}

// StatusPolling asks for the state of a payment (POST /api/status_polling.php). It
// verifies the answer's post_hash, so order_id, amount and status are authentic.
// The members under Unsigned are not.
//
// If q has an OrderID, an answer about another order is [ErrMismatch]. An answer
// that names another ref_code is always [ErrMismatch]. A ref_code that the
// gateway does not know is [ErrNotFound]; that answer is not signed. The call is
// repeatable: see [Options].Retries.
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

// poll sends q and verifies the answer. It does not compare the order or the ref_code
// in the answer with those in q: the caller does.
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
	// The hash covers the members without separators. The rules for a webhook, such
	// as a status that begins with a letter, limit how characters can move from one
	// member to the next.
	if err := ev.Check(); err != nil {
		return nil, c.t.unreadable(a, payack.ErrInvalid, strings.TrimPrefix(err.Error(), "payack: "))
	}
	return ev, nil
}

// declines reports whether an answer is {"status":"error","message"} with a message
// that the ref_code does not exist.
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

// saysUnknown recognises the usual English wordings for a ref_code or order that
// does not exist. It must not match temporary failures (a busy service) or
// mistakes of the client (a wrong hash or pid), because Confirm then rejects the
// webhook for good.
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
