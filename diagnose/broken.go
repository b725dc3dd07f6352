package diagnose

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// broken says where a text stops being a JSON object and what is wrong there. It
// returns "" for JSON, and for a mistake that a strict parser describes just as
// well. It quotes nothing of the text.
func broken(text string) string {
	if what := notJSON(text); what != "" {
		return what
	}
	if !strings.HasPrefix(strings.TrimPrefix(strings.TrimLeft(text, " \t\r\n\u00a0"), "\xa0"), "{") {
		return "" // a strict parser describes this
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

// notJSON recognises texts in other formats.
func notJSON(text string) string {
	trimmed := strings.TrimLeft(text, " \t\r\n")
	switch {
	case strings.HasPrefix(text, "\ufeff"):
		return "there is a byte-order mark before the JSON"
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"), strings.HasPrefix(text, "{\x00"), strings.HasPrefix(text, "\x00{"):
		return "it is UTF-16; JSON is UTF-8"
	case strings.HasPrefix(trimmed, "<"):
		return "it is HTML or XML, such as an error page of a proxy, not JSON"
	case strings.HasPrefix(trimmed, `"{`), strings.HasPrefix(trimmed, `"\`):
		return "it is JSON in a JSON string: it was encoded twice"
	case strings.HasPrefix(trimmed, `{\"`):
		return `every quote has a \ before it: something escaped the JSON once more`
	}
	return ""
}

// scanner reads JSON up to the first mistake, and describes that mistake. It
// checks fewer rules than a strict parser does, so a strict parser may refuse a
// text in which scanner finds no mistake.
type scanner struct {
	text  string
	at    int
	depth int
	what  string // the first mistake
	bad   int    // its offset
}

// deepest bounds the recursion of the scanner.
const deepest = 64

func (s *scanner) fail(at int, what string) bool {
	if s.what == "" {
		s.what, s.bad = what, at
	}
	return false
}

// space skips white space. It reports false at a character that looks like white
// space but isn't white space in JSON.
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
			return s.fail(s.at, "there is a no-break space of Latin-1 (byte A0) in place of white space")
		case r > 0x7f && (unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Z)):
			return s.fail(s.at, fmt.Sprintf("there is U+%04X in place of white space: it looks like a blank, but JSON allows blank, tab, CR and LF only", r))
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
			return false // a strict parser describes this
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
		return s.fail(s.at, "a text has single quotes; JSON requires double quotes")
	}
	return s.word()
}

// word reads a number, true, false or null. It recognises what other languages
// write instead of these.
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
		return s.fail(start, "there is a word of a programming language where JSON has true, false, null or a number")
	case "":
		if r, _ := utf8.DecodeRuneInString(s.text[start:]); strings.ContainsRune("“”„‘’«»", r) {
			return s.fail(start, "there are typographic quotes; JSON requires straight ones")
		}
		return s.fail(start, "no value of JSON begins like this")
	}
	digits := strings.TrimPrefix(word, "-")
	switch {
	case digits == "" || strings.Trim(digits, "0123456789.eE+-") != "":
		return s.fail(start, "a text has no quotes around it")
	case len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9', digits[0] < '0', digits[len(digits)-1] == '.':
		return s.fail(start, "a number is not as JSON writes it: it has a leading zero, a plus, or no digit beside its point")
	}
	return true
}

// list reads items with commas between them, up to the closing byte in end.
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
			return s.fail(s.at, "a value is followed by neither a comma nor the end")
		}
		if !s.space() {
			return false
		}
		if s.next() == end {
			return s.fail(s.at, "there is a comma before "+string(rune(end)))
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
			return s.fail(s.at, "a name has single quotes; JSON requires double quotes")
		case strings.ContainsRune("“”„‘’«»", r):
			return s.fail(s.at, "there are typographic quotes; JSON requires straight ones")
		case c == ',':
			return s.fail(s.at, "there is one comma too many")
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
		return s.fail(before-2, "the quote after a name is missing: it comes after the colon")
	case c == ',':
		return s.fail(s.at, "there is a comma between a name and its value instead of a colon")
	case c == '=':
		return s.fail(s.at, "there is = between a name and its value instead of a colon")
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
			return "", s.fail(s.at, "there is a line break within a text: a quote is missing before it, or it must be written \\n")
		case c < ' ':
			return "", s.fail(s.at, fmt.Sprintf("there is the control character U+%04X within a text; JSON requires an escape", c))
		}
	}
	return "", s.fail(start, "a text that begins here has no end: a quote is missing, or it was cut short")
}
