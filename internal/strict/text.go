package strict

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// plain are the bytes that stand for themselves in a string.
var plain = func() (is [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// text reads the string that is next.
func (s *scanner) text() (string, *Error) {
	content, escaped, err := s.literal()
	if escaped && err == nil {
		content = unescape(content)
	}
	return content, err
}

// literal steps over the string that is next. The content is as it is written.
func (s *scanner) literal() (content string, escaped bool, err *Error) {
	src, i := s.src, s.at+1
	for {
		for i < len(src) && plain[src[i]] {
			i++
		}
		switch {
		case i == len(src) || src[i] < ' ':
			return "", false, s.wrong(i, notJSON)
		case src[i] == '"':
			content = src[s.at+1 : i]
			s.at = i + 1
			return content, escaped, nil
		case src[i] == '\\':
			_, n, what := escape(src[i:])
			if what == endsEarly {
				return "", false, s.wrong(len(src), notJSON)
			} else if what != "" {
				return "", false, &Error{What: what, Offset: i}
			}
			escaped = true
			i += n
		default:
			_, n := utf8.DecodeRuneInString(src[i:])
			if n == 1 && !utf8.FullRuneInString(src[i:]) {
				i = len(src)
			}
			if n == 1 {
				return "", false, s.wrong(i, notJSON)
			}
			i += n
		}
	}
}

// escape reads the escape that text begins with, and returns its length. What is
// empty unless something is wrong with it.
func escape(text string) (char rune, length int, what string) {
	if len(text) == 1 {
		return 0, 0, endsEarly
	}
	switch c := text[1]; c {
	case '"', '\\', '/':
		return rune(c), 2, ""
	case 'b':
		return '\b', 2, ""
	case 'f':
		return '\f', 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	}
	high, n := unit(text)
	switch {
	case n == len(text) && n < 6:
		return 0, 0, endsEarly
	case n < 6:
		return 0, 0, notJSON
	case !utf16.IsSurrogate(high):
		return high, 6, ""
	}
	low, n := unit(text[6:])
	if n < 6 && 6+n == len(text) {
		return 0, 0, endsEarly
	}
	if char = utf16.DecodeRune(high, low); n < 6 || char == utf8.RuneError {
		return 0, 0, "a lone surrogate"
	}
	return char, 12, ""
}

// unit reads the \uXXXX that text begins with. Of its 6 bytes the first n are as
// they must be.
func unit(text string) (u rune, n int) {
	for n < len(text) && n < 6 {
		digit := rune(-1)
		switch c := text[n]; {
		case n < 2:
			if c == `\u`[n] {
				digit = 0
			}
		case '0' <= c && c <= '9':
			digit = rune(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			digit = rune(c|0x20-'a') + 10
		}
		if digit < 0 {
			break
		}
		u = u<<4 | digit
		n++
	}
	return u, n
}

// unescape decodes the content of a string that literal has stepped over.
func unescape(content string) string {
	var b strings.Builder
	b.Grow(len(content))
	for {
		i := strings.IndexByte(content, '\\')
		if i < 0 {
			b.WriteString(content)
			return b.String()
		}
		char, n, _ := escape(content[i:])
		b.WriteString(content[:i])
		b.WriteRune(char)
		content = content[i+n:]
	}
}

// AppendQuote appends the JSON string literal of a text, with no escape that isn't
// needed. U+FFFD takes the place of what is no UTF-8.
func AppendQuote(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c >= ' ':
			dst = utf8.AppendRune(dst, c)
		case strings.IndexByte("\b\t\n\f\r", byte(c)) >= 0:
			dst = append(dst, '\\', "btn.fr"[c-'\b'])
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
		}
	}
	return append(dst, '"')
}
