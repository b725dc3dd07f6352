// Package keytext finds what makes the text of a key one that can never work:
// what a terminal, a file or a template left in it.
package keytext

import (
	"strings"
	"unicode"
)

// Problem says what is wrong with the text of a key, and the fix; it is empty
// where nothing is. It holds nothing of the text.
//
// A blank within a key is none: it can be seen, and keys are what providers
// give out.
func Problem(text string) string {
	switch {
	case text == "":
		return "it is empty"
	case strings.HasPrefix(text, "\ufeff"), strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "it begins with a byte-order mark; save the file that it comes from as UTF-8 without one"
	case strings.HasPrefix(text, "${"):
		return "it begins with ${, which nothing has replaced; set the variable, and let what reads the configuration replace it"
	case strings.HasSuffix(text, "\n"), strings.HasSuffix(text, "\r"):
		return "it ends with a line break; take it off, as with strings.TrimSpace when it comes from a file"
	case strings.TrimSpace(text) != text:
		return "it begins or ends with white space; take it off"
	}
	for _, r := range text {
		switch {
		case unicode.IsControl(r):
			return "it has a control character in it; copy it again"
		case invisible(r):
			return "it has an invisible character in it, such as a zero-width space or a no-break space; copy it again"
		}
	}
	return ""
}

// blank are characters that are shown as nothing or as white space, and that no
// class of Unicode gathers.
const blank = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

// invisible reports whether a character can't be seen, or can't be told from a
// blank. A blank itself can be seen between others.
func invisible(r rune) bool {
	return r != ' ' && unicode.In(r, unicode.Cf, unicode.Z, unicode.Variation_Selector) || strings.ContainsRune(blank, r)
}
