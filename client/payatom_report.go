package client

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// PayatomUnsignedReport is an answer of Payatom that is not signed and whose members
// are not documented publicly. Only the TLS connection authenticates it: show it or
// compare your records with it, and confirm by status polling before money moves.
type PayatomUnsignedReport struct {
	// JSON is the answer: a valid JSON object or list without duplicate names.
	JSON json.RawMessage
	// Members holds the members of an object as their text, nested values as their
	// literals. It is nil for a list.
	Members map[string]payack.Text
}

// fetch sends a request and returns an answer whose status is 2xx. A nil body
// means a request without a body.
func (c *Payatom) fetch(ctx context.Context, k call, header, body map[string]string, hide ...string) (*answer, error) {
	k.build = func() (*message, error) {
		m := &message{header: header, hide: hide}
		if body == nil {
			return m, nil
		}
		var err error
		m.contentType = typeJSON
		m.body, err = encode(body)
		return m, err
	}
	a, err := c.t.do(ctx, k)
	if err != nil {
		return nil, err
	}
	if e := c.t.ok(a); e != nil {
		return nil, e
	}
	return a, nil
}

// report sends a request and reads an answer whose members are not known in
// advance. If the answer has an order_id, it must equal orderID.
func (c *Payatom) report(ctx context.Context, k call, body map[string]string, orderID string, hide ...string) (*PayatomUnsignedReport, error) {
	a, err := c.fetch(ctx, k, nil, body, hide...)
	if err != nil {
		return nil, err
	}
	if e := c.t.opens(a, '{', '['); e != nil {
		return nil, e
	}
	a.body = bytes.TrimSpace(a.body)
	if a.body[0] == '[' {
		// strict.JSON reads objects only.
		wrapped := `{"list":` + string(a.body) + `}`
		if fields, err := strict.JSON(nil, wrapped); err != nil || len(fields) != 1 {
			return nil, c.t.unreadable(a, payack.ErrMalformed, "the list is not valid JSON, or gives a name twice")
		}
		return &PayatomUnsignedReport{JSON: a.body}, nil
	}
	m, e := c.answer(a, "status", "message", "order_id")
	if e != nil {
		return nil, e
	}
	if e := c.t.same(a, m, "order_id", orderID); e != nil {
		return nil, e
	}
	_ = strict.Know(m.fields, nil) // marks no member as known, so that m.extra returns all
	return &PayatomUnsignedReport{JSON: a.body, Members: m.extra()}, nil
}
