package payack

import (
	"encoding/json"
	"fmt"
)

// Text is the text of a member that may be missing or null on the wire: a
// string's content, or the literal of anything else. A member that is always
// there and never empty is a plain string in the event instead.
//
// The zero Text is an absent member. Texts are comparable with ==, and safe
// for concurrent use.
type Text struct {
	s     string
	state textState
}

type textState uint8

const (
	textAbsent textState = iota
	textNull
	textPresent
)

// NewText returns a present Text, which may be empty.
func NewText(s string) Text { return Text{s: s, state: textPresent} }

// NullText returns the Text of a member that is null.
func NullText() Text { return Text{state: textNull} }

// String returns the text, which is empty when the member was absent or null.
func (t Text) String() string { return t.s }

// Get returns the text and whether there was one: false when the member was
// absent or null.
func (t Text) Get() (s string, ok bool) { return t.s, t.state == textPresent }

// IsNull reports whether the member was there and null.
func (t Text) IsNull() bool { return t.state == textNull }

// IsZero reports whether the member was absent.
func (t Text) IsZero() bool { return t.state == textAbsent }

// MarshalJSON writes a JSON string, or null when the member was null or absent.
// (An event leaves absent members out.)
func (t Text) MarshalJSON() ([]byte, error) {
	if t.state != textPresent {
		return []byte("null"), nil
	}
	return json.Marshal(t.s)
}

// UnmarshalJSON reads what MarshalJSON writes. Anything but a string or null
// is an error that is [ErrMalformed].
func (t *Text) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = NullText()
		return nil
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		return fmt.Errorf("payack: a member's text must be a JSON string or null: %w", ErrMalformed)
	}
	*t = NewText(s)
	return nil
}
