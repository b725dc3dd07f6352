package strict

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What stands in the examples of the providers' own documents, and comes out of
// them by copying.
const (
	lostQuote  = "a name without its closing quote, so that its colon stands within the quotes"
	commaColon = "a comma where the colon after a name should be"
	noBreak    = "white space that is U+00A0, a no-break space, which JSON doesn't have; write a plain blank"
	otherSpace = "white space that JSON doesn't have; write a plain blank"
)

// cause names the mistake at src[at:], where a decoder stopped, if it is one of
// those above; it is empty otherwise. afterName says that a colon was expected
// there.
func cause(src string, at int, afterName bool) string {
	char, _ := utf8.DecodeRuneInString(src[at:])
	before := strings.TrimRight(src[:at], " \t\r\n")
	switch {
	case char == '\u00a0':
		return noBreak
	case char > utf8.RuneSelf && unicode.IsSpace(char):
		return otherSpace
	case !afterName:
		return ""
	case char == ',':
		return commaColon
	case strings.HasSuffix(before, `:"`):
		return lostQuote
	}
	return ""
}
