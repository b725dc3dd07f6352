package strict

import (
	"math"
	"slices"
)

// JSON appends the members of the object in src to dst, in their order. The text of
// a field is a part of src unless it has escapes.
//
// It refuses, with an *[Error]: anything but one object, anything after it, a
// byte-order mark, invalid UTF-8, lone surrogates, a name given twice at any
// level, nesting deeper than [MaxDepth], more than [MaxFields] names on all
// levels. The error is the first mistake. It names the member with the mistake if
// that is one of known. With an error, ignore the returned fields.
func JSON(dst []Field, src string, known ...string) ([]Field, error) {
	fields, _, err := read(dst, src, "", MaxFields, known)
	return fields, err
}

// Within reads like [JSON]. If the member called name is an object, inner has the
// members of that object, with offsets in src. Otherwise inner is nil.
func Within(dst []Field, src, name string, known ...string) (fields, inner []Field, err error) {
	return read(dst, src, name, MaxFields, known)
}

// Long is [JSON] without the bound on names, for lists in the answers of a provider.
// The caller must bound the length of src. It is unsafe for callbacks, which anybody
// can send.
func Long(src string, known ...string) ([]Field, error) {
	fields, _, err := read(nil, src, "", math.MaxInt, known)
	return fields, err
}

// reader reads the members of one object, and those of one object within it.
type reader struct {
	scanner
	known []string
	inner []Field
}

func read(dst []Field, src, nest string, most int, known []string) (fields, inner []Field, err error) {
	var r reader
	r.src, r.left, r.known = src, most, known
	fields, bad := r.document(dst, nest)
	if bad != nil {
		return fields, nil, bad
	}
	return fields, r.inner, nil
}

// document reads the object, and refuses anything after it.
func (r *reader) document(dst []Field, nest string) ([]Field, *Error) {
	if c := r.next(); c != '{' {
		start := r.at
		if c != '[' { // a mistake within a list does not matter
			if err := r.value(); err != nil {
				return dst, err
			}
		}
		return dst, &Error{What: "not a JSON object", Offset: start}
	}
	fields, err := r.members(dst, nest)
	if err != nil {
		return fields, err
	}
	if r.next(); r.at < len(r.src) {
		return fields, r.wrong(r.at, "something after the object")
	}
	return fields, nil
}

// members appends the members of the next object.
func (r *reader) members(dst []Field, nest string) ([]Field, *Error) {
	own := names{first: r.named}
	more, err := r.open('}')
	for more {
		dst = append(dst, Field{})
		if err := r.member(&dst[len(dst)-1], &own, nest); err != nil {
			return dst, err
		}
		more, err = r.more('}')
	}
	r.named = own.first
	return dst, err
}

// member reads a name and its value into f.
func (r *reader) member(f *Field, own *names, nest string) (err *Error) {
	if f.Start, f.Name, err = r.name(own); err == nil {
		err = r.into(f, nest)
	}
	if err != nil && err.Member == "" { // Member is set if a known member of the inner object has the mistake
		r.place(err, f)
	}
	return err
}

// place adds to the error which known member has the mistake or is given twice. It
// uses the known name's text, because an error contains nothing of the input.
func (r *reader) place(err *Error, f *Field) {
	i := slices.Index(r.known, f.Name)
	switch twice := err.What == givenTwice && err.Offset == f.Start; {
	case i < 0:
	case !twice:
		err.Member = r.known[i]
	case r.src[f.Start+1:r.at-1] == f.Name: // the name has no escape
		err.What = r.known[i] + " is given twice"
	}
}

// likely is the usual number of members of a callback.
const likely = 20

// into reads the next value into f.
func (r *reader) into(f *Field, nest string) (err *Error) {
	c := r.next()
	f.Kind, f.ValueStart = Kind(c), r.at
	switch {
	case c == '"':
		f.Text, err = r.text()
		f.End = r.at
		return err
	case c == '{' && nest != "" && f.Name == nest:
		r.inner, err = r.members(make([]Field, 0, likely), "")
	default:
		err = r.value()
	}
	if c == '-' || c-'0' <= 9 {
		f.Kind = Number
	}
	f.End = r.at
	f.Text = r.src[f.ValueStart:f.End]
	return err
}
