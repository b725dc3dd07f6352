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

// Twin returns the first field that is not one of the known names but differs
// from one by case folding only: a lenient reader would take it for that
// member.
func Twin(fields []Field, known []string) (Field, bool) {
	for _, f := range fields {
		if twinOf(f.Name, known) {
			return f, true
		}
	}
	return Field{}, false
}

func twinOf(name string, known []string) bool {
	for _, k := range known {
		if name == k {
			return false
		}
	}
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
