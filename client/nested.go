package client

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// shown returns a member that decides nothing, and marks it as known: a string's
// content, and the literal of any other value.
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

// within returns the members of an object, and none where it is missing or what
// PHP writes for an empty one.
func (m *members) within(name string) *members {
	f := strict.Find(m.fields, name)
	if f == nil || f.Kind == strict.Null || f.Kind == strict.Array && f.Text == "[]" {
		return &members{}
	}
	f.Known = true
	fields, err := strict.Long(f.Text)
	if err != nil {
		m.fail(f, name, "is no object")
	}
	return &members{fields: fields}
}

// listed is list for a list that need not be there.
func (m *members) listed(name string) []members {
	if f := strict.Find(m.fields, name); f == nil || f.Kind == strict.Null {
		return nil
	}
	rows, err := m.list(name)
	if err != nil {
		m.fail(nil, name, "is no list of objects")
	}
	return rows
}

// list returns the members of each object of a list, which must be there.
func (m *members) list(name string) ([]members, error) {
	f := strict.Find(m.fields, name)
	var rows []json.RawMessage // valid, and without a name given twice, as all of the answer
	if f == nil || f.Kind != strict.Array || json.Unmarshal([]byte(f.Text), &rows) != nil {
		return nil, errors.New(name + " is missing or no list")
	}
	f.Known = true
	out := make([]members, len(rows))
	for i, row := range rows {
		fields, err := strict.JSON(nil, string(row))
		if err != nil {
			return nil, errors.New(name + " holds something else than objects")
		}
		out[i].fields = fields
	}
	return out, nil
}

// typed sends a request, nil for no body, and reads an answer of any length that
// is an object and doesn't say that it failed.
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
