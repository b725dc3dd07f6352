package client

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// PayatomPolling says which members a status polling sends. The documents show
// three sets; which of them a gateway wants is unconfirmed.
type PayatomPolling string

// The sets.
const (
	// PollingAll: pid, ref_code, order_id when it is known, post_hash.
	PollingAll PayatomPolling = "all"
	// PollingProse: pid, order_id, post_hash, as the older text says.
	PollingProse PayatomPolling = "prose"
	// PollingExample: ref_code, pid, post_hash, amount, as its example shows.
	PollingExample PayatomPolling = "example"
	// PollingNewer: pid, ref_code, post_hash, as newer documents say.
	PollingNewer PayatomPolling = "newer"
)

// PayatomQuery asks for one payment. RefCode is Payatom's handle for it, which
// its webhook carries (unsigned) and which is part of the request's hash.
// PollingProse needs OrderID too, PollingExample needs Amount.
type PayatomQuery struct {
	RefCode string        `validate:"required,text"`
	OrderID string        `validate:"omitempty,text,hashable"`
	Amount  payack.Amount `validate:"omitempty,plain"`
}

// StatusPolling asks what became of a payment. The answer's post_hash is
// verified: its order_id, amount and status can be trusted, what stands under
// Unsigned cannot. It is of the order and ref_code that were asked for, as far
// as it names them. It is repeated when no answer comes. A ref_code that the
// gateway says it doesn't know is [ErrNotFound], which is not signed.
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

// poll leaves it to the caller to compare the answer with the question.
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
	// The rules of a webhook: they keep the borders of what is signed in place.
	if err := ev.Check(); err != nil {
		return nil, c.t.unreadable(a, payack.ErrInvalid, strings.TrimPrefix(err.Error(), "payack: "))
	}
	return ev, nil
}

// declines reports whether the gateway says that there is no such ref_code, in
// the form in which it declines.
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

// saysUnknown recognises the usual English words for a ref_code that is not
// known, alone or with the order that was named beside it. It does not take for
// that what may pass (a service that is busy) or lies with the client (a hash or
// a pid that is wrong).
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
