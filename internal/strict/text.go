package strict

import (
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads the next string.
func (s *scanner) text() (string, *Error) {
	rest := s.src[s.at+1:]
	if n := ordinary(rest); n < len(rest) && rest[n] == '"' { // true for nearly all strings
		s.at += n + len(`""`)
		return rest[:n], nil
	}
	start := s.at + 1
	if err := s.literal(); err != nil {
		return "", err
	}
	return unescape(s.src[start : s.at-1]), nil
}

// literal skips the next string.
func (s *scanner) literal() *Error {
	for i := s.at + 1; ; {
		i += ordinary(s.src[i:])
		rest := s.src[i:]
		switch {
		case rest == "" || rest[0] < ' ':
			return s.wrong(i, notJSON)
		case rest[0] == '"':
			s.at = i + 1
			return nil
		case rest[0] == '\\':
			_, n, what := escape(rest)
			if what != "" {
				return s.wrong(i, what)
			}
			i += n
		case !utf8.FullRuneInString(rest):
			return s.wrong(i, endsEarly)
		default:
			_, n := utf8.DecodeRuneInString(rest)
			if n == 1 {
				return s.wrong(i, notJSON)
			}
			i += n
		}
	}
}

// ordinary returns the number of bytes at the beginning of text that stand for
// themselves in a string: those before a quote, a backslash, a control character or
// a byte beyond ASCII.
func ordinary(text string) (n int) {
	// Look at eight bytes at once. Each subtraction sets the highest bit of the
	// bytes that it looks for. A byte beyond ASCII has this bit already, and at
	// least one of the three subtractions leaves it set. A borrow may set the bit
	// of further bytes, but only after the first match.
	const each = 0x0101010101010101
	for ; n+8 <= len(text); n += 8 {
		b := text[n : n+8]
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, backslash, control := (w^'"'*each)-each, (w^'\\'*each)-each, w-' '*each
		if found := (quote | backslash | control) & (0x80 * each); found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for n < len(text) && ' ' <= text[n] && text[n] < utf8.RuneSelf && text[n] != '"' && text[n] != '\\' {
		n++
	}
	return n
}

// The second half of a surrogate pair is lowSurrogates or above.
const (
	lowSurrogates = 0xdc00
	loneSurrogate = "a lone surrogate"
)

// escape reads the escape at the beginning of text and returns its character and
// length. If the escape is invalid, the result what describes the mistake, and length
// is 1.
func escape(text string) (char rune, length int, what string) {
	if len(text) == 1 {
		return 0, 1, endsEarly
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
		return 0, 1, endsEarly
	case n < 6:
		return 0, 1, notJSON
	case !utf16.IsSurrogate(high):
		return high, 6, ""
	case high >= lowSurrogates:
		return 0, 1, loneSurrogate
	}
	low, n := unit(text[6:])
	if n < 6 && 6+n == len(text) {
		return 0, 1, endsEarly
	}
	// An incomplete unit is not a low surrogate.
	if char = utf16.DecodeRune(high, low); char == utf8.RuneError {
		return 0, 1, loneSurrogate
	}
	return char, 12, ""
}

// unit reads the \u and four hex digits at the beginning of text. The result n is
// how many of these 6 bytes are valid.
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

// unescape decodes the content of a string that literal has checked.
func unescape(content string) string {
	i := strings.IndexByte(content, '\\')
	if i < 0 {
		return content
	}
	var b strings.Builder
	b.Grow(len(content))
	for ; i >= 0; i = strings.IndexByte(content, '\\') {
		char, n, _ := escape(content[i:])
		b.WriteString(content[:i])
		b.WriteRune(char)
		content = content[i+n:]
	}
	b.WriteString(content)
	return b.String()
}

// AppendQuote appends the JSON string literal of a text, with the necessary escapes
// only. It writes U+FFFD for invalid UTF-8.
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
