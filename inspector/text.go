package inspector

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// visible spells out what of a sender's text would not be seen as itself: control
// characters, invisible ones, and marks that turn the direction of writing. Line
// breaks and tabs stay.
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

// maxShown and maxLine are how many characters a list shows of a name, and of a
// sentence.
const (
	maxShown = 40
	maxLine  = 120
)

// short is a name on one line of a list.
func short(s string) string { return within(s, maxShown) }

// within is the beginning of a text, on one line.
func within(s string, n int) string {
	s = visible(strings.Join(strings.Fields(shorten(s, 4*n)), " "))
	if utf8.RuneCountInString(s) > n {
		return string([]rune(s)[:n-1]) + "…"
	}
	return s
}

// sentence begins with a capital, without the name of the package.
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

// grouped writes a number with a thin space between thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// duration is a time span in one unit.
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

// relative is how long ago a time was, or how soon it is.
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
