package payack

import (
	"encoding/json"
	"fmt"
)

// Text is a member that may be missing or null on the wire. It holds the content of
// a string, or the literal of any other JSON value. Members that are always present
// and never empty are plain strings in events.
//
// The zero Text is an absent member. Texts are comparable with ==, and safe for
// concurrent use.
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

// String returns the text. It is empty when the member was absent or null.
func (t Text) String() string { return t.s }

// Get returns the text. ok is false when the member was absent or null.
func (t Text) Get() (s string, ok bool) { return t.s, t.state == textPresent }

// IsNull reports whether the member was present and null.
func (t Text) IsNull() bool { return t.state == textNull }

// IsZero reports whether the member was absent.
func (t Text) IsZero() bool { return t.state == textAbsent }

// MarshalJSON returns a JSON string, or null for a member that was null or absent.
// (Events omit absent members.)
func (t Text) MarshalJSON() ([]byte, error) {
	if t.state != textPresent {
		return []byte("null"), nil
	}
	return json.Marshal(t.s)
}

// UnmarshalJSON reads what MarshalJSON writes. For anything but a string or null it
// returns an error that matches [ErrMalformed].
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
