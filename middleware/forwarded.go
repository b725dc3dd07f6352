package middleware

import (
	"net/netip"
	"strings"
)

// lastInForwarded returns the last address in a line of Forwarded (RFC 7239) that
// is not a trusted proxy's. If all addresses in the line are trusted proxies', it
// returns the first one. It returns the invalid address when the line has no
// element.
//
// It parses the line from the start, because quoted strings may contain commas. It
// refuses a line that is not well-formed: a client could send an unclosed quotation
// mark, and so hide what the proxy appended.
func lastInForwarded(line string, proxies []netip.Prefix) (client netip.Addr, err error) {
	var first netip.Addr
	for line = skipSpace(line); line != ""; line = skipSpace(line) {
		if line[0] == ',' {
			line = line[1:]
			continue
		}
		var node string
		var ok bool
		if node, line, ok = forwardedElement(line); !ok {
			return netip.Addr{}, errAddress
		}
		addr, failed := parseAddr(node)
		if failed == nil && within(addr, proxies) {
			if !first.IsValid() {
				first = addr
			}
			continue
		}
		client, err = addr, failed
	}
	if client.IsValid() || err != nil {
		return client, err
	}
	return first, nil
}

// forwardedElement returns the value of the parameter "for" of the element at the
// start of s, and the text after the element. node is empty when the element has no
// such parameter: that hop's address is then unknown.
func forwardedElement(s string) (node, rest string, ok bool) {
	named := false
	for {
		s = skipSpace(s)
		if s == "" || s[0] == ',' {
			return node, s, true
		}
		if s[0] == ';' {
			s = s[1:]
			continue
		}
		name := tokenLength(s)
		if name == 0 || name == len(s) || s[name] != '=' {
			return "", "", false
		}
		isFor := strings.EqualFold(s[:name], "for")
		value, after, ok := forwardedValue(s[name+1:])
		if !ok || isFor && named {
			return "", "", false
		}
		if isFor {
			node, named = value, true
		}
		if s = skipSpace(after); s != "" && s[0] != ';' && s[0] != ',' {
			return "", "", false
		}
	}
}

// forwardedValue returns the value at the start of s, and the text after it. A
// quoted string is returned without quotes and escapes. An unquoted value may hold
// more than RFC 7239 allows, since proxies often send addresses with a colon or
// brackets unquoted.
func forwardedValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		end := 0
		for end < len(s) && s[end] > ' ' && s[end] < 0x7f && strings.IndexByte(`",;\`, s[end]) < 0 {
			end++
		}
		return s[:end], s[end:], end > 0
	}
	escaped := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			value = s[1:i]
			if escaped {
				value = unescape(value)
			}
			return value, s[i+1:], true
		case c == '\\':
			escaped = true
			if i++; i == len(s) {
				return "", "", false
			}
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", "", false
		}
	}
	return "", "", false // the quoted string is not closed
}

// unescape removes the backslashes from the content of a quoted string.
func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		out = append(out, s[i])
	}
	return string(out)
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t") }

// tokenLength returns the length of the HTTP token at the start of s.
func tokenLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return i
		}
	}
	return len(s)
}
