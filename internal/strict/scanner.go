package strict

// scanner reads a JSON text once and stops at the first mistake. It skips values
// that nobody keeps.
type scanner struct {
	src   string
	at    int         // the offset of the next byte
	depth int         // the number of open objects and arrays
	left  int         // the number of further names that are allowed
	names [few]string // names of the open objects, outer ones first
	named int         // how many names the array holds
}

// next skips white space and returns the next byte. At the end it returns a zero byte,
// which is valid nowhere in JSON.
func (s *scanner) next() byte {
	for s.at < len(s.src) {
		c := s.src[s.at]
		if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		s.at++
	}
	return 0
}

// open reads the opening bracket of an object or array and reports whether that has
// any elements. It skips an empty one.
func (s *scanner) open(end byte) (more bool, err *Error) {
	if s.depth == MaxDepth {
		return false, &Error{What: "nested too deep", Offset: s.at}
	}
	s.at++
	if s.next() == end {
		s.at++
		return false, nil
	}
	s.depth++
	return true, nil
}

// more reads the comma or the closing bracket after a value, and reports whether it
// was the comma.
func (s *scanner) more(end byte) (more bool, err *Error) {
	switch s.next() {
	case ',':
		s.at++
		return true, nil
	case end:
		s.at++
		s.depth--
		return false, nil
	}
	return false, s.wrong(s.at, notJSON)
}

// value skips the next value.
func (s *scanner) value() (err *Error) {
	switch c := s.next(); c {
	case '"':
		err = s.literal()
	case '{':
		err = s.object()
	case '[':
		err = s.array()
	case 't':
		err = s.word("true")
	case 'f':
		err = s.word("false")
	case 'n':
		err = s.word("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		err = s.number()
	default:
		err = s.wrong(s.at, notJSON)
	}
	return err
}

func (s *scanner) object() *Error {
	own := names{first: s.named}
	more, err := s.open('}')
	for more {
		if _, _, err := s.name(&own); err != nil {
			return err
		}
		if err := s.value(); err != nil {
			return err
		}
		more, err = s.more('}')
	}
	s.named = own.first
	return err
}

func (s *scanner) array() *Error {
	more, err := s.open(']')
	for more {
		if err := s.value(); err != nil {
			return err
		}
		more, err = s.more(']')
	}
	return err
}

func (s *scanner) word(word string) *Error {
	for i := range len(word) {
		if s.peek() != word[i] {
			return s.wrong(s.at, notJSON)
		}
		s.at++
	}
	return nil
}

func (s *scanner) number() *Error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.at++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		return s.digits()
	}
	return nil
}

// digits skips one or more digits.
func (s *scanner) digits() *Error {
	i := s.at
	for i < len(s.src) && '0' <= s.src[i] && s.src[i] <= '9' {
		i++
	}
	if i == s.at {
		return s.wrong(i, notJSON)
	}
	s.at = i
	return nil
}

// peek returns the next byte without skipping white space, and a zero byte at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.src) {
		return s.src[s.at]
	}
	return 0
}
