package diagnose

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

// body returns a variant that repairs the text of the body.
func body[S any](what string, repair func(text string) string) variant[S] {
	return variant[S]{what: what, apply: func(_ *S, m *verify.Message) bool {
		repaired := repair(m.Body)
		if repaired == m.Body {
			return false
		}
		m.Body = repaired
		return true
	}}
}

// texts returns variants that undo what may be done to JSON in transit.
func texts[S any]() []variant[S] {
	return []variant[S]{
		body[S]("have it sent without the byte-order mark before it", func(t string) string { return strings.TrimPrefix(t, "\ufeff") }),
		body[S]("have plain blanks sent instead of the no-break spaces (U+00A0) between members", plainBlanks),
		body[S]("have it sent without the quotes around the whole of it: it was encoded as a JSON string", unquoted),
		body[S](`have it sent without the \ before each quote: something escaped it once more`, unescaped),
		body[S]("have it sent in UTF-8: it has bytes of Latin-1", fromLatin1),
		body[S]("have texts cut between characters: it has half a surrogate pair", wholePairs),
		body[S]("have it sent in UTF-8 without zero bytes between: it is UTF-16", fromUTF16),
	}
}

// rawTexts returns variants that undo what an editor, a proxy or a framework may do
// to the bytes of a body without changing its members. They help where the raw body
// is signed.
func rawTexts[S any]() []variant[S] {
	bare := func(t string) string { return strings.TrimRight(t, "\r\n") }
	return []variant[S]{
		body[S]("have it passed on without the line break at its end: it was signed without", bare),
		body[S]("have it passed on with the line feed at its end, with which it was signed", func(t string) string { return bare(t) + "\n" }),
		body[S]("have it passed on with CRLF at its end, with which it was signed", func(t string) string { return bare(t) + "\r\n" }),
		body[S]("have its line breaks passed on as LF: it was signed so", func(t string) string { return strings.ReplaceAll(t, "\r\n", "\n") }),
		body[S]("have its line breaks passed on as CRLF: it was signed so", func(t string) string {
			return strings.ReplaceAll(strings.ReplaceAll(t, "\r\n", "\n"), "\n", "\r\n")
		}),
		body[S]("have its bytes passed on as they came: it was signed without white space between members", compact),
		body[S]("have its bytes passed on as they came: it was signed as PHP writes it", asPHP),
	}
}

// plainBlanks replaces no-break spaces outside of strings.
func plainBlanks(t string) string {
	if !strings.Contains(t, "\u00a0") {
		return t
	}
	var b strings.Builder
	inString := false
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case inString && c == '\\' && i+1 < len(t):
			b.WriteByte(c)
			i++
		case c == '"':
			inString = !inString
		case !inString && strings.HasPrefix(t[i:], "\u00a0"):
			b.WriteByte(' ')
			i++
			continue
		}
		b.WriteByte(t[i])
	}
	return b.String()
}

func unquoted(t string) string {
	var inner string
	if strings.HasPrefix(strings.TrimSpace(t), `"`) && json.Unmarshal([]byte(t), &inner) == nil {
		return inner
	}
	return t
}

func unescaped(t string) string {
	if !strings.HasPrefix(strings.TrimSpace(t), `{\"`) {
		return t
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\'`, `'`).Replace(t)
}

func fromLatin1(t string) string {
	if utf8.ValidString(t) {
		return t
	}
	runes := make([]rune, 0, len(t))
	for _, c := range []byte(t) {
		runes = append(runes, rune(c))
	}
	return string(runes)
}

// pairs matches JSON's escapes of surrogates, preferring whole pairs.
var pairs = regexp.MustCompile(`(?i)\\u(d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|d[89a-f][0-9a-f]{2})`)

func wholePairs(t string) string {
	return pairs.ReplaceAllStringFunc(t, func(escape string) string {
		if len(escape) > len(`\ud800`) {
			return escape
		}
		return `\ufffd`
	})
}

func fromUTF16(t string) string {
	if !strings.HasPrefix(t, "{\x00") && !strings.HasPrefix(t, "\x00{") {
		return t
	}
	return strings.ReplaceAll(t, "\x00", "")
}

// compact drops white space between members.
func compact(t string) string {
	if _, err := strict.JSON(nil, t); err != nil {
		return t
	}
	var b strings.Builder
	inString := false
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case inString && c == '\\':
			b.WriteByte(c)
			i++
		case c == '"':
			inString = !inString
		case !inString && strings.IndexByte(" \t\r\n", c) >= 0:
			continue
		}
		b.WriteByte(t[i])
	}
	return b.String()
}

// asPHP writes JSON as PHP's json_encode does.
func asPHP(t string) string {
	if _, err := strict.JSON(nil, t); err != nil {
		return t
	}
	arrays, _, err := php.Reencode([]byte(t), "")
	if err != nil {
		return t
	}
	return string(arrays)
}
