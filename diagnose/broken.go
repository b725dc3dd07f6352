package diagnose

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// broken says where a text stops being a JSON object, and what is there instead.
// It is empty for JSON, and where it sees nothing that a strict parser doesn't
// say as well. It quotes nothing of the text.
func broken(text string) string {
	if what := notJSON(text); what != "" {
		return what
	}
	if !strings.HasPrefix(strings.TrimPrefix(strings.TrimLeft(text, " \t\r\n\u00a0"), "\xa0"), "{") {
		return "" // a strict parser says so
	}
	s := scanner{text: text}
	if s.value() {
		s.space()
	}
	if s.what == "" {
		return ""
	}
	line := 1 + strings.Count(text[:s.bad], "\n")
	column := 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text[:s.bad], '\n')+1:s.bad])
	return fmt.Sprintf("%s, at byte %d (line %d, column %d)", s.what, s.bad, line, column)
}

// notJSON recognises what is something else altogether.
func notJSON(text string) string {
	trimmed := strings.TrimLeft(text, " \t\r\n")
	switch {
	case strings.HasPrefix(text, "\ufeff"):
		return "a byte-order mark stands before the JSON"
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"), strings.HasPrefix(text, "{\x00"), strings.HasPrefix(text, "\x00{"):
		return "it is UTF-16; JSON is UTF-8"
	case strings.HasPrefix(trimmed, "<"):
		return "it is HTML or XML, such as the page of a proxy, and no JSON"
	case strings.HasPrefix(trimmed, `"{`), strings.HasPrefix(trimmed, `"\`):
		return "it is JSON in a JSON string: it was encoded twice"
	case strings.HasPrefix(trimmed, `{\"`):
		return `every quote has a \ before it: something escaped the JSON once more`
	}
	return ""
}

// scanner reads JSON as far as it is JSON, and says what is there then. It knows
// fewer rules than a parser: what it passes may still be refused.
type scanner struct {
	text  string
	at    int
	depth int
	what  string
	bad   int
}

// deepest bounds how deep the scanner follows.
const deepest = 64

func (s *scanner) fail(at int, what string) bool {
	if s.what == "" {
		s.what, s.bad = what, at
	}
	return false
}

// space skips white space. It is false before a character that looks like white
// space and is none in JSON.
func (s *scanner) space() bool {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
			continue
		}
		r, size := utf8.DecodeRuneInString(s.text[s.at:])
		switch {
		case r == utf8.RuneError && size == 1 && s.text[s.at] == 0xa0:
			return s.fail(s.at, "a no-break space of Latin-1 (byte A0) stands where white space is")
		case r > 0x7f && (unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Z)):
			return s.fail(s.at, fmt.Sprintf("U+%04X stands where white space is: it looks like a blank, and JSON knows blank, tab, CR and LF only", r))
		}
		return true
	}
	return true
}

func (s *scanner) next() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) ended(what string) bool {
	return s.at >= len(s.text) && !s.fail(len(s.text), "it ends in the middle of "+what+": it was cut short")
}

func (s *scanner) value() bool {
	if !s.space() || s.ended("a member") {
		return false
	}
	switch c := s.next(); {
	case c == '{' || c == '[':
		if s.depth++; s.depth > deepest {
			return false // the parser says so
		}
		defer func() { s.depth-- }()
		if c == '{' {
			return s.list('}', s.member)
		}
		return s.list(']', s.value)
	case c == '"':
		_, ok := s.str()
		return ok
	case c == ',' || c == '}' || c == ']' || c == ':':
		return s.fail(s.at, "a value is missing before "+string(rune(c)))
	case c == '\'':
		return s.fail(s.at, "a text stands in single quotes; JSON has double ones")
	}
	return s.word()
}

// word reads a number, true, false or null, and knows what other languages write.
func (s *scanner) word() bool {
	start := s.at
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n,:{}[]\"'", s.text[s.at]) < 0 && s.text[s.at] < 0x80 {
		s.at++
	}
	word := s.text[start:s.at]
	switch word {
	case "true", "false", "null":
		return true
	case "True", "False", "None", "NaN", "Infinity", "-Infinity", "undefined", "TRUE", "FALSE", "NULL", "nil":
		return s.fail(start, "a word of a programming language stands where JSON has true, false, null or a number")
	case "":
		if r, _ := utf8.DecodeRuneInString(s.text[start:]); strings.ContainsRune("“”„‘’«»", r) {
			return s.fail(start, "typographic quotes stand where JSON has straight ones")
		}
		return s.fail(start, "a value doesn't begin as one")
	}
	digits := strings.TrimPrefix(word, "-")
	switch {
	case digits == "" || strings.Trim(digits, "0123456789.eE+-") != "":
		return s.fail(start, "a text has no quotes around it")
	case len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9', digits[0] < '0', digits[len(digits)-1] == '.':
		return s.fail(start, "a number is written as JSON doesn't: with a leading zero, a plus, or no digit beside its point")
	}
	return true
}

// list reads items with commas between them, up to the end.
func (s *scanner) list(end byte, item func() bool) bool {
	s.at++ // { or [
	if !s.space() {
		return false
	}
	if s.next() == end {
		s.at++
		return true
	}
	for {
		if !item() || !s.space() || s.ended("a list of members") {
			return false
		}
		switch c := s.next(); c {
		case end:
			s.at++
			return true
		case ',':
			s.at++
		case '"', '{', '[':
			return s.fail(s.at, "a comma is missing")
		default:
			return s.fail(s.at, "neither a comma nor the end follows a value")
		}
		if !s.space() {
			return false
		}
		if s.next() == end {
			return s.fail(s.at, "a comma stands before "+string(rune(end)))
		}
	}
}

func (s *scanner) member() bool {
	start := s.at
	if s.ended("a list of members") {
		return false
	}
	if c := s.next(); c != '"' {
		switch r, _ := utf8.DecodeRuneInString(s.text[s.at:]); {
		case c == '\'':
			return s.fail(s.at, "a name stands in single quotes; JSON has double ones")
		case strings.ContainsRune("“”„‘’«»", r):
			return s.fail(s.at, "typographic quotes stand where JSON has straight ones")
		case c == ',':
			return s.fail(s.at, "a comma is one too many")
		}
		return s.fail(s.at, "a name doesn't begin with a quote")
	}
	name, ok := s.str()
	if !ok {
		return false
	}
	before := s.at
	if !s.space() || s.ended("a member") {
		return false
	}
	switch c := s.next(); {
	case c == ':':
		s.at++
		return s.value()
	case strings.HasSuffix(name, ":"):
		return s.fail(before-2, "the quote after a name is missing: it stands behind the colon")
	case c == ',':
		return s.fail(s.at, "a comma stands between a name and its value, where a colon belongs")
	case c == '=':
		return s.fail(s.at, "= stands between a name and its value, where a colon belongs")
	}
	return s.fail(start, "a name has no colon and no value after it, or a quote before it is missing")
}

// str reads a string and returns its literal without the quotes.
func (s *scanner) str() (literal string, ok bool) {
	start := s.at
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start+1 : s.at-1], true
		case c == '\\':
			s.at++
		case c == '\n' || c == '\r':
			return "", s.fail(s.at, "a line break stands within a text: a quote is missing before it, or it must be written \\n")
		case c < ' ':
			return "", s.fail(s.at, fmt.Sprintf("the control character U+%04X stands within a text; JSON has it escaped", c))
		}
	}
	return "", s.fail(start, "a text that begins here has no end: a quote is missing, or it was cut short")
}
