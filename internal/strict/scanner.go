package strict

// scanner goes through a JSON text once, and refuses what is wrong where it comes
// to it. It steps over values of which nothing is kept.
type scanner struct {
	src   string
	at    int         // what is next
	depth int         // how many objects and arrays are open
	left  int         // how many names there may still be
	names [few]string // of the objects that are open, the inner ones' behind the outer's
	named int         // how many those are
}

// next steps over white space and returns the byte behind it: at the end 0, which
// no text may have.
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

// open steps over the bracket that is next, and reports whether the object or
// array has anything in it. An empty one it steps over.
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

// more steps over the comma after a value, or the closing bracket, and reports
// whether it was the comma.
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

// value steps over the value that is next.
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

// digits steps over one digit or more.
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

// peek returns the byte that is next: at the end 0, as [scanner.next].
func (s *scanner) peek() byte {
	if s.at < len(s.src) {
		return s.src[s.at]
	}
	return 0
}
