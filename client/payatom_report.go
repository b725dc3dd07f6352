package client

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// PayatomUnsignedReport is an answer of Payatom that nothing signs and whose
// members the documents known here don't name. It is as trustworthy as the TLS
// connection: show it, or compare your own records with it, and confirm by
// status polling before money moves.
type PayatomUnsignedReport struct {
	// JSON is the answer, one valid JSON value without duplicate names.
	JSON json.RawMessage
	// Members holds its members as their text (a nested value as its literal)
	// when it is an object; nil otherwise.
	Members map[string]payack.Text
}

// fetch sends a request, nil for no body, and returns an answer of success.
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

// report sends a request and reads an answer of unknown members. An order_id in
// it must be the one that was asked for.
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
		// The strict reader takes objects.
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
	_ = strict.Know(m.fields, nil) // none is known: extra returns all of them
	return &PayatomUnsignedReport{JSON: a.body, Members: m.extra()}, nil
}
