package inspector

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// visible spells out the characters of a sender's text that would be invisible or
// misleading: control characters, invisible ones, and marks that change the
// direction of writing. Line breaks and tabs stay.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, "‹%02X›", s[i])
		default:
			fmt.Fprintf(&b, "‹U+%04X›", r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return r == utf8.RuneError || r != '\n' && r != '\t' && r != ' ' && !unicode.IsPrint(r)
}

// maxShown and maxLine bound a name and a sentence in a list, in characters.
const (
	maxShown = 40
	maxLine  = 120
)

// short shortens a name for one line of a list.
func short(s string) string { return within(s, maxShown) }

// within returns the beginning of a text, on one line.
func within(s string, n int) string {
	s = visible(strings.Join(strings.Fields(shorten(s, 4*n)), " "))
	if utf8.RuneCountInString(s) > n {
		return string([]rune(s)[:n-1]) + "…"
	}
	return s
}

// sentence returns an error text without its package name, beginning with a
// capital.
func sentence(s string) string {
	for _, name := range []string{"payack: ", "inbox: ", "reconcile: "} {
		s = strings.TrimPrefix(s, name)
	}
	s = oneLine(s)
	if r, n := utf8.DecodeRuneInString(s); n > 0 {
		s = string(unicode.ToUpper(r)) + s[n:]
	}
	return s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// grouped formats a number with a thin space between thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// duration formats a period in one unit.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// relative formats how long ago a time was, or how far ahead it is.
func relative(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < -time.Second:
		return "in " + duration(-d)
	case d < 2*time.Second:
		return "just now"
	default:
		return duration(d) + " ago"
	}
}
