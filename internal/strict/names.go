package strict

import (
	"slices"
	"strings"
)

const givenTwice = "a member's name is given twice"

// few is how many names there is room for, in all objects that are open. They are
// compared with each other, which is quicker than an index for as many as a
// callback has.
const few = 32

// names are those of one object.
type names struct {
	first int                 // where they begin among the scanner's
	likes uint64              // the bits of those, as like gives them
	index map[string]struct{} // all of them, once there is no room for one there
}

// name reads the name that is next, which the object must not have yet, and its
// colon. Beside an error it is empty unless the mistake is that it is there twice,
// or what stands behind it.
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

// add reports whether a name is new to its object.
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
		its := s.names[own.first:s.named] // none, within many
		own.index = make(map[string]struct{}, 2*len(its))
		for _, n := range its {
			own.index[n] = struct{}{}
		}
		s.named = own.first // and room for objects within
	}
	before := len(own.index)
	own.index[name] = struct{}{}
	return len(own.index) > before
}

// like returns one bit of 64, the same for the same name: most names needn't be
// compared.
func like(name string) uint64 {
	if name == "" {
		return 1
	}
	return 1 << ((int(name[0]) + 5*int(name[len(name)-1]) + 11*len(name)) & 63)
}

// noColon is the error of what stands where the colon should be, behind a name and
// white space.
func (s *scanner) noColon(before string) *Error {
	switch {
	case s.peek() == ',':
		return s.wrong(s.at, commaColon)
	case strings.HasSuffix(strings.TrimRight(before, " \t\r\n"), `:"`):
		return s.wrong(s.at, lostQuote)
	}
	return s.wrong(s.at, notJSON)
}
