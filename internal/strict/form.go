package strict

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Form appends the pairs of an application/x-www-form-urlencoded body to dst,
// in their order. Start, ValueStart and End are offsets in src; Start to End
// is the raw pair.
//
// It refuses, with an *[Error]: broken percent escapes, invalid UTF-8 after
// decoding, a name given twice (an escaped spelling is the same name), an empty
// name, the characters { } " in names (so that no JSON text is a form), brackets
// in names that don't begin with a letter, a raw semicolon (which some readers
// take for a separator), brackets that nest deeper than [MaxDepth], and more than
// [MaxFields] pairs.
//
// A name with brackets is one name here, however its reader nests it.
func Form(dst []Field, src string) ([]Field, error) {
	seen := make(map[string]bool)
	for start := 0; start < len(src); {
		end := len(src)
		if i := strings.IndexByte(src[start:], '&'); i >= 0 {
			end = start + i
		}
		if end == start { // readers agree that an empty pair is nothing
			start++
			continue
		}
		if len(seen) == MaxFields {
			return dst, &Error{What: "too many pairs", Offset: start}
		}
		f, err := pair(src, start, end)
		if err != nil {
			return dst, err
		}
		if seen[f.Name] {
			return dst, &Error{What: "a name is given twice", Offset: start}
		}
		seen[f.Name] = true
		dst = append(dst, f)
		start = end + 1
	}
	return dst, nil
}

func pair(src string, start, end int) (Field, error) {
	raw := src[start:end]
	if strings.IndexByte(raw, ';') >= 0 {
		return Field{}, &Error{What: "a raw semicolon", Offset: start}
	}
	rawName, rawValue, found := strings.Cut(raw, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil || !utf8.ValidString(name) {
		return Field{}, &Error{What: "invalid escape or UTF-8 in a name", Offset: start}
	}
	value, err := url.QueryUnescape(rawValue)
	if err != nil || !utf8.ValidString(value) {
		return Field{}, &Error{What: "invalid escape or UTF-8 in a value", Offset: start}
	}
	if name == "" || strings.ContainsAny(name, `{}"`) {
		return Field{}, &Error{What: "a name that no form of a provider has", Offset: start}
	}
	if first, _ := utf8.DecodeRuneInString(name); strings.ContainsAny(name, "[]") && !unicode.IsLetter(first) {
		return Field{}, &Error{What: "a name with brackets that doesn't begin with a letter", Offset: start}
	}
	if strings.Count(name, "[") >= MaxDepth { // the form is a level too
		return Field{}, &Error{What: "nested too deep", Offset: start}
	}
	valueStart := end - len(rawValue)
	if !found {
		valueStart = end
	}
	return Field{Name: name, Kind: String, Text: value, Start: start, ValueStart: valueStart, End: end}, nil
}
