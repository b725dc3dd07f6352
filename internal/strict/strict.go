// Package strict reads the two body formats of payment callbacks, JSON objects
// and urlencoded forms, so that one body has one meaning: what a lenient
// reader would resolve (a name given twice, bytes that are no UTF-8, something
// after the end) is an error here.
//
// It keeps every value's literal and where it stood, because what is signed is
// text.
package strict

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what a field's value is in JSON; a form's values are strings.
type Kind byte

// The kinds.
const (
	Null   Kind = 'n'
	False  Kind = 'f'
	True   Kind = 't'
	String Kind = '"'
	Number Kind = '0'
	Object Kind = '{'
	Array  Kind = '['
)

// Bounds. A callback has some twenty members and two levels; these keep the
// work that a hostile body can cause close to what its bytes cost.
const (
	MaxDepth  = 64
	MaxFields = 512
)

// Field is one member of an object, or one pair of a form.
type Field struct {
	// Name is the decoded name.
	Name string
	Kind Kind
	// Known is set by [Know].
	Known bool
	// Text is a string's decoded content, and the literal of anything else.
	Text string
	// Start is where the name begins in the input (its quote, in JSON),
	// ValueStart and End enclose the value.
	Start, ValueStart, End int
}

// Error says what is wrong and where. It holds nothing of the input.
type Error struct {
	What   string
	Offset int
}

func (e *Error) Error() string { return fmt.Sprintf("%s at byte %d", e.What, e.Offset) }

// Know marks the fields of these names as known, and refuses with an *[Error]
// what a lenient reader of them would trip on: a name that differs from a known
// one by case folding only, and U+0000 in a known member.
func Know(fields []Field, names []string) error {
	for i := range fields {
		f := &fields[i]
		f.Known = slices.Contains(names, f.Name)
		switch {
		case !f.Known && foldsOnto(f.Name, names):
			return &Error{"a member's name differs from a known one by case only", f.Start}
		case f.Known && f.Kind == String && strings.IndexByte(f.Text, 0) >= 0:
			return &Error{"a known member holds U+0000", f.ValueStart}
		}
	}
	return nil
}

// foldsOnto tells whether a name that is not known would be taken for one that
// is.
func foldsOnto(name string, known []string) bool {
	for _, k := range known {
		// Letters that fold onto ASCII have at most three bytes.
		if len(k) <= len(name) && len(name) <= 3*len(k) && strings.EqualFold(name, k) {
			return true
		}
	}
	return false
}

// Find returns the field of this name, or nil.
func Find(fields []Field, name string) *Field {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}
