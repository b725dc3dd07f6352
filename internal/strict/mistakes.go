package strict

import (
	"unicode"
	"unicode/utf8"
)

const (
	notJSON   = "not valid JSON"
	endsEarly = "JSON ends too early"
)

// What stands in the examples of the providers' own documents, and comes out of
// them by copying.
const (
	lostQuote  = "a name without its closing quote, so that its colon stands within the quotes"
	commaColon = "a comma where the colon after a name should be"
	noBreak    = "white space that is U+00A0, a no-break space, which JSON doesn't have; write a plain blank"
	otherSpace = "white space that JSON doesn't have; write a plain blank"
)

// wrong is the error of what stands at a place where it can't. It is called what
// unless it has a name of its own. What ends early is wrong at its end.
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
