package strict

import (
	"slices"
	"strings"
)

const givenTwice = "a member's name is given twice"

// few is the number of names that a scanner holds in an array, over all open
// objects. For the few names of a callback, comparing them one by one is faster
// than a map.
const few = 32

// names are the names of one object.
type names struct {
	first int                 // the index of its first name in the scanner's array
	likes uint64              // the bits of the names, see the function like
	index map[string]struct{} // all names, once the array is full
}

// name reads the next name of an object and its colon. With an error, the result name
// is empty, unless the name is given twice or its colon is missing.
func (s *scanner) name(own *names) (start int, name string, err *Error) {
	if s.next() != '"' {
		return s.at, "", s.wrong(s.at, notJSON)
	}
	start = s.at
	if name, err = s.text(); err != nil {
		return start, "", err
	}
	if s.left--; s.left < 0 {
		return start, "", &Error{What: "too many names", Offset: start}
	}
	if !s.add(own, name) {
		return start, name, &Error{What: givenTwice, Offset: start}
	}
	if s.next() != ':' {
		return start, name, s.noColon(s.src[start:s.at])
	}
	s.at++
	return start, name, nil
}

// add adds a name to its object's names, and reports whether it is new there.
func (s *scanner) add(own *names, name string) bool {
	likeness := like(name)
	if own.index == nil {
		if own.likes&likeness != 0 && slices.Contains(s.names[own.first:s.named], name) {
			return false
		}
		own.likes |= likeness
		if s.named < few {
			s.names[s.named] = name
			s.named++
			return true
		}
		its := s.names[own.first:s.named] // may be empty: outer objects have filled the array
		own.index = make(map[string]struct{}, 2*len(its))
		for _, n := range its {
			own.index[n] = struct{}{}
		}
		s.named = own.first // frees this object's places in the array, for objects within it
	}
	before := len(own.index)
	own.index[name] = struct{}{}
	return len(own.index) > before
}

// like returns one of 64 bits, the same for equal names. Names with different bits
// need not be compared.
func like(name string) uint64 {
	if name == "" {
		return 1
	}
	return 1 << ((int(name[0]) + int(name[len(name)-1]) + len(name)) & 63)
}

// noColon returns the error for a missing colon. The parameter before is the name as
// written, with the white space after it.
func (s *scanner) noColon(before string) *Error {
	switch {
	case s.peek() == ',':
		return s.wrong(s.at, commaColon)
	case strings.HasSuffix(strings.TrimRight(before, " \t\r\n"), `:"`):
		return s.wrong(s.at, lostQuote)
	}
	return s.wrong(s.at, notJSON)
}
