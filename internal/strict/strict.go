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
	// MaxDepth is how many objects and arrays may stand within each other.
	MaxDepth = 64
	// MaxFields is how many names a body may have, those on all levels counted.
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
	What string
	// Member is the known member that it is in, empty when there is none. An
	// unknown member's name is never here: names are text that was sent.
	Member string
	Offset int
}

func (e *Error) Error() string {
	if e.Member != "" {
		return fmt.Sprintf("%s in %s at byte %d", e.What, e.Member, e.Offset)
	}
	return fmt.Sprintf("%s at byte %d", e.What, e.Offset)
}

// Know marks the fields of these names as known. Of signed members it refuses,
// with an *[Error], what a lenient reader would trip on: U+0000 in one, and a
// name that differs from that of one by case folding only. A shown member is
// known and nothing more: whatever it holds, and whatever else has nearly its
// name, must not refuse what is signed.
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

// twin refuses a field that is none of these names and would be taken for one.
func twin(f *Field, names []string) error {
	for _, name := range names {
		// Letters that fold onto ASCII have at most three bytes.
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
