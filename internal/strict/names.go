package strict

import (
	"slices"
	"strings"
)

const givenTwice = "a member's name is given twice"

// few names are compared with each other, which is quicker than an index for as
// many as a callback has.
const few = 32

// names are those of one object.
type names struct {
	first int                 // where they begin among the scanner's
	index map[string]struct{} // instead of that, where they have no room there
}

// name reads the name that is next, which the object must not have yet. Beside an
// error name is empty unless that is what is wrong.
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
	return start, name, nil
}

// add reports whether a name is new to its object.
func (s *scanner) add(own *names, name string) bool {
	if own.index == nil {
		its := s.names[own.first:s.named]
		if slices.Contains(its, name) {
			return false
		}
		if s.named < few {
			s.names[s.named] = name
			s.named++
			return true
		}
		own.index = make(map[string]struct{}, len(its)+1)
		for _, n := range its {
			own.index[n] = struct{}{}
		}
	}
	before := len(own.index)
	own.index[name] = struct{}{}
	return len(own.index) > before
}

// colon steps over the colon behind the name that begins at start.
func (s *scanner) colon(start int) *Error {
	name := s.src[start:s.at]
	switch c := s.next(); {
	case c == ':':
		s.at++
		return nil
	case c == ',':
		return &Error{What: commaColon, Offset: s.at}
	case strings.HasSuffix(name, `:"`):
		return s.wrong(s.at, lostQuote)
	}
	return s.wrong(s.at, notJSON)
}
