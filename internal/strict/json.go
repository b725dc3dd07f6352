package strict

import (
	"math"
	"slices"
)

// JSON appends the members of the one object that src holds to dst, in their
// order. Field texts are parts of src where nothing was escaped.
//
// It refuses, with an *[Error]: anything but one object, anything after it, a
// byte-order mark, invalid UTF-8, lone surrogates, a name given twice at any
// level, nesting deeper than [MaxDepth], more than [MaxFields] names on all
// levels. The error is about the first mistake, and names the member that it is
// in, if that is one of the known ones. What stands in dst with an error is of no
// use.
func JSON(dst []Field, src string, known ...string) ([]Field, error) {
	fields, _, err := read(dst, src, "", MaxFields, known)
	return fields, err
}

// Within is JSON, and if the member called name holds an object, its members come
// back as inner: in the same pass, with places in src. Inner is nil otherwise.
func Within(dst []Field, src, name string, known ...string) (fields, inner []Field, err error) {
	return read(dst, src, name, MaxFields, known)
}

// Long is JSON without the bound on names, for lists that a provider answers with
// and whose length is bounded elsewhere. It is not for what anybody can send.
func Long(src string, known ...string) ([]Field, error) {
	fields, _, err := read(nil, src, "", math.MaxInt, known)
	return fields, err
}

// reader keeps the members of one object, and of one within it.
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

// document reads the object and makes sure that it is all there is.
func (r *reader) document(dst []Field, nest string) ([]Field, *Error) {
	if c := r.next(); c != '{' {
		start := r.at
		if c != '[' { // nobody needs to know what is wrong in a list
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

// members appends those of the object that is next.
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
	if err != nil && err.Member == "" { // or it is of the object within
		r.place(err, f)
	}
	return err
}

// place says which of the known members the mistake is in, or is given twice. It
// takes the known name's text, since an error holds nothing of the input.
func (r *reader) place(err *Error, f *Field) {
	i := slices.Index(r.known, f.Name)
	switch twice := err.What == givenTwice && err.Offset == f.Start; {
	case i < 0:
	case !twice:
		err.Member = r.known[i]
	case r.src[f.Start+1:r.at-1] == f.Name: // it stands there as it is known
		err.What = r.known[i] + " is given twice"
	}
}

// likely is how many members a callback has.
const likely = 20

// into reads the value that is next into f.
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
	if c == '-' || '0' <= c && c <= '9' {
		f.Kind = Number
	}
	f.End = r.at
	f.Text = r.src[f.ValueStart:f.End]
	return err
}
