package client

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// shown marks a member as known. It returns the content of a string, or the
// literal of any other value. It accepts every value, because no decision depends
// on the member.
func (m *members) shown(name string) payack.Text {
	f := strict.Find(m.fields, name)
	if f == nil {
		return payack.Text{}
	}
	f.Known = true
	if f.Kind == strict.Null {
		return payack.NullText()
	}
	return payack.NewText(f.Text)
}

// within returns the members of a nested object. It returns none if the object is
// missing, null or [], which is PHP's empty object.
func (m *members) within(name string) *members {
	f := strict.Find(m.fields, name)
	if f == nil || f.Kind == strict.Null || f.Kind == strict.Array && f.Text == "[]" {
		return &members{}
	}
	f.Known = true
	fields, err := strict.Long(f.Text)
	if err != nil {
		m.fail(f, name, "is not an object")
	}
	return &members{fields: fields}
}

// listed is like list, but the member may be missing or null.
func (m *members) listed(name string) []members {
	if f := strict.Find(m.fields, name); f == nil || f.Kind == strict.Null {
		return nil
	}
	rows, err := m.list(name)
	if err != nil {
		m.fail(nil, name, "is not a list of objects")
	}
	return rows
}

// list returns the members of each object of a required list.
func (m *members) list(name string) ([]members, error) {
	f := strict.Find(m.fields, name)
	var rows []json.RawMessage // valid and without duplicate names: strict.Long has read the whole answer
	if f == nil || f.Kind != strict.Array || json.Unmarshal([]byte(f.Text), &rows) != nil {
		return nil, errors.New(name + " is missing or not a list")
	}
	f.Known = true
	out := make([]members, len(rows))
	for i, row := range rows {
		fields, err := strict.JSON(nil, string(row))
		if err != nil {
			return nil, errors.New(name + " has an element that is not an object")
		}
		out[i].fields = fields
	}
	return out, nil
}

// typed sends a request and returns the members of the answer, which must be an
// object that reports no failure. A nil body means a request without a body. Only
// MaxResponse limits the number of names in the answer.
func (c *Payatom) typed(ctx context.Context, k call, header, body map[string]string, hide ...string) (*members, *answer, error) {
	a, err := c.fetch(ctx, k, header, body, hide...)
	if err != nil {
		return nil, nil, err
	}
	if e := c.t.opens(a, '{'); e != nil {
		return nil, nil, e
	}
	fields, err := strict.Long(string(a.body), "status", "message", "data")
	if err == nil {
		err = strict.Know(fields, []string{"status", "message"})
	}
	if err != nil {
		return nil, nil, c.t.unreadable(a, payack.ErrMalformed, err.Error())
	}
	m := &members{fields: fields}
	if e := c.declined(a, m); e != nil {
		return nil, nil, e
	}
	return m, a, nil
}
