package strict

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Form appends the pairs of an application/x-www-form-urlencoded body to dst, in
// their order. src[f.Start:f.End] is the raw pair of a field f.
//
// It refuses, with an *[Error]: broken percent escapes, invalid UTF-8 after
// decoding, a name given twice (an escaped spelling is the same name), an empty
// name, the characters { } " in names (so that no JSON text is a form), brackets
// in names that don't begin with a letter, a raw semicolon (which some readers
// take for a separator), brackets that nest deeper than [MaxDepth], and more than
// [MaxFields] pairs.
//
// A name with brackets is one name, even if other readers nest it. Errors name a
// member only if it is one of known, as in [JSON].
func Form(dst []Field, src string, known ...string) ([]Field, error) {
	seen := make(map[string]bool)
	for start := 0; start < len(src); {
		end := len(src)
		if i := strings.IndexByte(src[start:], '&'); i >= 0 {
			end = start + i
		}
		if end == start { // all readers ignore an empty pair
			start++
			continue
		}
		if len(seen) == MaxFields {
			return dst, &Error{What: "too many pairs", Offset: start}
		}
		f, bad := pair(src, start, end)
		if bad == nil && seen[f.Name] {
			bad = &Error{What: "a name is given twice", Offset: start}
		}
		if bad != nil {
			if slices.Contains(known, f.Name) {
				bad.Member = f.Name
			}
			return dst, bad
		}
		seen[f.Name] = true
		dst = append(dst, f)
		start = end + 1
	}
	return dst, nil
}

// pair reads one pair. If the mistake is in the value, the returned field has the
// name. With any other mistake the field is empty.
func pair(src string, start, end int) (Field, *Error) {
	raw := src[start:end]
	if strings.IndexByte(raw, ';') >= 0 {
		return Field{}, &Error{What: "a raw semicolon", Offset: start}
	}
	rawName, rawValue, found := strings.Cut(raw, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil || !utf8.ValidString(name) {
		return Field{}, &Error{What: "invalid escape or UTF-8 in a name", Offset: start + broken(rawName)}
	}
	value, err := url.QueryUnescape(rawValue)
	if err != nil || !utf8.ValidString(value) {
		return Field{Name: name}, &Error{What: "invalid escape or UTF-8 in a value", Offset: end - len(rawValue) + broken(rawValue)}
	}
	if name == "" || strings.ContainsAny(name, `{}"`) {
		return Field{}, &Error{What: "a name that no form of a provider has", Offset: start}
	}
	if first, _ := utf8.DecodeRuneInString(name); strings.ContainsAny(name, "[]") && !unicode.IsLetter(first) {
		return Field{}, &Error{What: "a name with brackets that doesn't begin with a letter", Offset: start}
	}
	if strings.Count(name, "[") >= MaxDepth { // the form itself is one level
		return Field{}, &Error{What: "nested too deep", Offset: start}
	}
	valueStart := end - len(rawValue)
	if !found {
		valueStart = end
	}
	return Field{Name: name, Kind: String, Text: value, Start: start, ValueStart: valueStart, End: end}, nil
}

// broken returns the offset of the first invalid escape or of the first invalid
// UTF-8.
func broken(raw string) int {
	var text []byte
	var at []int // where each byte of text came from
	for i := 0; i < len(raw); {
		n := 1
		if raw[i] == '%' {
			n = 3
		}
		piece := raw[i:min(i+n, len(raw))]
		b, err := url.PathUnescape(piece)
		if err != nil {
			return i
		}
		text, at = append(text, b...), append(at, i)
		i += n
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return at[i]
		}
		i += n
	}
	return 0
}
