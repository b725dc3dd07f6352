// Package strict reads the two body formats of payment callbacks, JSON objects
// and urlencoded forms, so that a body has one meaning only. It refuses what
// lenient readers resolve in different ways, such as a name given twice, invalid
// UTF-8, or text after the end.
//
// It keeps the literal and the offsets of every value, because signatures cover
// text.
package strict

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is the type of a field's value in JSON. The values of a form are strings.
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

// Bounds, which keep the work for a hostile body proportional to its length. A
// callback has about twenty members on two levels.
const (
	// MaxDepth is how deep objects and arrays may be nested.
	MaxDepth = 64
	// MaxFields is how many names a body may have, over all levels.
	MaxFields = 512
)

// Field is one member of an object, or one pair of a form.
type Field struct {
	// Name is the decoded name.
	Name string
	Kind Kind
	// Known is set by [Know].
	Known bool
	// Text is a string's decoded content, or the literal of any other value.
	Text string
	// Start, ValueStart and End are byte offsets in the input. The name begins at
	// Start (with its quote, in JSON), and the value is from ValueStart to End.
	Start, ValueStart, End int
}

// Error is a mistake in a body. It contains nothing of the input, so it is safe to
// log.
type Error struct {
	// What describes the mistake.
	What string
	// Member is the known member with the mistake, or empty. It is never an unknown
	// name, because that is part of the input.
	Member string
	// Offset is the byte offset of the mistake in the input.
	Offset int
}

func (e *Error) Error() string {
	if e.Member != "" {
		return fmt.Sprintf("%s in %s at byte %d", e.What, e.Member, e.Offset)
	}
	return fmt.Sprintf("%s at byte %d", e.What, e.Offset)
}

// Know sets Known of the fields whose names are in signed or shown. It refuses,
// with an *[Error], U+0000 in a signed member. It also refuses a field whose name
// differs from a signed name by case folding only, because a lenient reader could
// take the field for the signed one. It refuses nothing because of a shown member,
// which must not make a signed message fail.
func Know(fields []Field, signed []string, shown ...string) error {
	for i := range fields {
		f := &fields[i]
		isSigned := slices.Contains(signed, f.Name)
		f.Known = isSigned || slices.Contains(shown, f.Name)
		if isSigned && f.Kind == String && strings.IndexByte(f.Text, 0) >= 0 {
			return &Error{What: "U+0000", Member: f.Name, Offset: f.ValueStart}
		}
		if !f.Known {
			if err := twin(f, signed); err != nil {
				return err
			}
		}
	}
	return nil
}

// Twins refuses, with an *[Error], a field whose name differs from one of these
// names by case folding only.
func Twins(fields []Field, names []string) error {
	for i := range fields {
		if f := &fields[i]; !slices.Contains(names, f.Name) {
			if err := twin(f, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// twin refuses a field whose name differs from one of these names by case folding
// only.
func twin(f *Field, names []string) error {
	for _, name := range names {
		// A letter that folds to an ASCII letter has at most three bytes.
		if len(name) <= len(f.Name) && len(f.Name) <= 3*len(name) && strings.EqualFold(f.Name, name) {
			return &Error{What: "a member's name differs from " + name + " by case only", Offset: f.Start}
		}
	}
	return nil
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
