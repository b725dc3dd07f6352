package field

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Members are the members of an object in their order.
type Members []Member

// Member is a member with the literal of its value in the file.
type Member struct{ Name, Literal string }

// UnmarshalJSON reads an object.
func (m *Members) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.New("members are not an object")
	}
	*m = Members{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var literal json.RawMessage
		if err := dec.Decode(&literal); err != nil {
			return err
		}
		*m = append(*m, Member{name.(string), string(literal)})
	}
	return nil
}

// with returns a copy of the members in which some are set and others are dropped. A
// new member is appended.
func (m Members) with(set Members, drop []string) (Members, error) {
	out := slices.Clone(m)
	for _, x := range set {
		if i := out.index(x.Name); i >= 0 {
			out[i].Literal = x.Literal
			continue
		}
		out = append(out, x)
	}
	for _, name := range drop {
		i := out.index(name)
		if i < 0 {
			return nil, fmt.Errorf("drop: there is no %q", name)
		}
		out = slices.Delete(out, i, i+1)
	}
	return out, nil
}

func (m Members) index(name string) int {
	return slices.IndexFunc(m, func(x Member) bool { return x.Name == name })
}

// text returns a member's text in the signed text: the content of a string, "" for
// null or a missing member, and the literal of any other value.
func (m Members) text(name string) string {
	if i := m.index(name); i >= 0 {
		return textOf(m[i].Literal)
	}
	return ""
}

func textOf(literal string) string {
	var s *string
	switch err := json.Unmarshal([]byte(literal), &s); {
	case err != nil:
		return literal
	case s == nil:
		return ""
	}
	return *s
}

func (m Members) write(form bool) string {
	parts := make([]string, len(m))
	for i, x := range m {
		if form {
			parts[i] = url.QueryEscape(x.Name) + "=" + url.QueryEscape(textOf(x.Literal))
			continue
		}
		parts[i] = quote(x.Name) + ":" + x.Literal
	}
	if form {
		return strings.Join(parts, "&")
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// quote returns a text as a JSON string.
func quote(s string) string {
	b, _ := json.Marshal(s) // never fails for a string
	return string(b)
}
