package php

import "strings"

// FormName returns the name under which PHP keeps a form's variable in $_POST,
// for a decoded name without brackets. Blanks in front go, a dot or a blank
// becomes an underscore, and a NUL ends the name.
//
// It reports false when nothing is left, for then PHP drops the variable, and
// when the name holds an opening bracket, for then it builds arrays.
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

// FormNames returns the names of $_POST that a form's variable may set: base is
// that of the array which PHP makes where the decoded name has brackets, whole
// is that of the text which PHP makes where no bracket closes, for then the
// opening one becomes an underscore (which of the others do differs between
// versions). Without brackets the two are the same. They are empty where PHP
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

// mangled replaces what no variable's name has.
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

// BuildQuery returns PHP's http_build_query of an array that holds the pairs in
// their order, with default flags: a blank becomes +, letters, digits, '-', '.'
// and '_' stay, and every other byte, the tilde among them, is escaped. The
// names are taken to be distinct, as the keys of an array are.
func BuildQuery(pairs []Pair) string {
	size := 0
	for _, p := range pairs {
		size += len(p.Name) + len(p.Value) + 2
	}
	query := make([]byte, 0, size+size/4)
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
