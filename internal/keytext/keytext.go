// Package keytext recognises texts that can't be keys as a provider issued them,
// because a terminal, a file or a template has changed them.
package keytext

import (
	"strings"
	"unicode"
)

// Problem returns what is wrong with the text of a key, with the fix, or "" if
// nothing is. It repeats nothing of the text. A blank within a key is allowed: it is
// visible, and a provider may issue such a key.
func Problem(text string) string {
	switch {
	case text == "":
		return "it is empty"
	case strings.HasPrefix(text, "\ufeff"), strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		return "it begins with a byte-order mark; save the file that it comes from as UTF-8 without one"
	case strings.HasPrefix(text, "${"):
		return "it begins with ${, a variable that was not replaced; set the variable, and replace it where the configuration is read"
	case strings.HasSuffix(text, "\n"), strings.HasSuffix(text, "\r"):
		return "it ends with a line break; remove it, for example with strings.TrimSpace if it comes from a file"
	case strings.TrimSpace(text) != text:
		return "it begins or ends with white space; remove it"
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

// blank are characters that look like nothing or like white space, although they
// are in none of the Unicode classes that the function invisible checks.
const blank = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

// invisible reports whether a character can't be seen or looks like a blank. For the
// blank itself it returns false, since between other characters a blank is visible.
func invisible(r rune) bool {
	return r != ' ' && unicode.In(r, unicode.Cf, unicode.Z, unicode.Variation_Selector) || strings.ContainsRune(blank, r)
}
