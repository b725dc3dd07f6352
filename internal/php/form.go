package php

import "strings"

// FormName returns the name under which PHP stores a form's variable in $_POST, for
// a decoded name without brackets. PHP drops leading blanks, replaces a dot or a
// blank by an underscore, and ends the name at a NUL.
//
// It reports false if nothing is left, because PHP then drops the variable, and if
// the name contains an opening bracket, because PHP then builds arrays.
func FormName(name string) (string, bool) {
	if end := strings.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	name = strings.TrimLeft(name, " ")
	if name == "" || strings.IndexByte(name, '[') >= 0 {
		return "", false
	}
	return mangled(name), true
}

// FormNames returns the names in $_POST that a form's variable may set. If the name
// has brackets, PHP stores an array under base. If no bracket closes, PHP stores a
// text under whole instead. In whole, an underscore replaces the opening bracket.
// (In that case, versions of PHP differ in which other characters they replace.)
// For a name without brackets, base and whole are equal. Both are empty if PHP
// drops the variable.
func FormNames(name string) (base, whole string) {
	if end := strings.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	name = strings.TrimLeft(name, " ")
	whole = mangled(name)
	if i := strings.IndexAny(name, "[]"); i >= 0 {
		return mangled(name[:i]), whole
	}
	return whole, whole
}

// mangled replaces the characters that PHP allows in no variable's name.
func mangled(name string) string {
	if !strings.ContainsAny(name, " .[") {
		return name
	}
	b := []byte(name)
	for i, c := range b {
		if c == ' ' || c == '.' || c == '[' {
			b[i] = '_'
		}
	}
	return string(b)
}

// Pair is one variable of a form, decoded.
type Pair struct{ Name, Value string }

// BuildQuery returns PHP's http_build_query of an array that has the pairs in their
// order, with default flags. A blank becomes +. Letters, digits, '-', '.' and '_' are
// kept. Every other byte is escaped, the tilde too. The names must be distinct, as
// the keys of an array are.
func BuildQuery(pairs []Pair) string {
	size := 0
	for _, p := range pairs {
		size += len(p.Name) + len(p.Value) + 2
	}
	query := make([]byte, 0, size)
	for i, p := range pairs {
		if i > 0 {
			query = append(query, '&')
		}
		query = appendEscaped(query, p.Name)
		query = append(query, '=')
		query = appendEscaped(query, p.Value)
	}
	return string(query)
}

func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isDigit(c), 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '-', c == '.', c == '_':
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
