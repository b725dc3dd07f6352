package strict

import (
	"unicode"
	"unicode/utf8"
)

const (
	notJSON   = "not valid JSON"
	endsEarly = "JSON ends too early"
)

// Mistakes in the examples of the providers' documents, which merchants copy.
const (
	lostQuote  = "a name without its closing quote, so that its colon is within the quotes"
	commaColon = "a comma where the colon after a name should be"
	noBreak    = "white space that is U+00A0, a no-break space, which JSON doesn't have; write a plain blank"
	otherSpace = "white space that JSON doesn't have; write a plain blank"
)

// wrong returns the error for the text at an offset. The parameter what describes the
// mistake, unless the text at the offset has its own description. If what is
// endsEarly, the error's offset is the end of the input.
func (s *scanner) wrong(at int, what string) *Error {
	if what == endsEarly {
		at = len(s.src)
	}
	switch char, size := utf8.DecodeRuneInString(s.src[at:]); {
	case size == 0:
		what = endsEarly
	case char == utf8.RuneError && size == 1:
		what = "invalid UTF-8"
	case char == '\ufeff':
		what = "a byte-order mark"
	case char == '\u00a0':
		what = noBreak
	case char >= utf8.RuneSelf && unicode.IsSpace(char):
		what = otherSpace
	}
	return &Error{What: what, Offset: at}
}
