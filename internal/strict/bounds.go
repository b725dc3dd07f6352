package strict

import "strings"

// Long is JSON without the bounds on names and nesting, for lists that a provider
// answers with and whose length is bounded elsewhere. It is not for what anybody
// can send.
func Long(src string, known ...string) ([]Field, error) {
	fields, _, err := read(nil, src, "", known)
	return fields, err
}

// bounded refuses a text that has more names, or nests deeper, than it may. It
// is exact for JSON, and refuses of other texts only what is refused anyway. It
// stands before the decoder, which takes long over thousands of names.
func bounded(src string) error {
	if strings.Count(src, ":") <= MaxFields && strings.Count(src, "{")+strings.Count(src, "[") <= MaxDepth {
		return nil // as in all that is meant well
	}
	level, names, inString := 0, 0, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == ':':
			if names++; names > MaxFields {
				return &Error{What: "too many names", Offset: i}
			}
		case c == '{' || c == '[':
			if level++; level > MaxDepth {
				return &Error{What: "nested too deep", Offset: i}
			}
		case c == '}' || c == ']':
			level--
		}
	}
	return nil
}
