package keytext_test

import (
	"strings"
	"testing"

	"github.com/payack/payack/internal/keytext"
)

func TestProblem(t *testing.T) {
	const key = "8b998abba49ae33a194cb9677b13ecbe"
	for name, c := range map[string]struct{ text, want string }{
		"empty":                       {"", "it is empty"},
		"line feed":                   {key + "\n", "ends with a line break"},
		"CRLF":                        {key + "\r\n", "ends with a line break"},
		"carriage return":             {key + "\r", "ends with a line break"},
		"blank behind":                {key + " ", "white space"},
		"blank before":                {" " + key, "white space"},
		"tab before":                  {"\t" + key, "white space"},
		"line feed before":            {"\n" + key, "white space"},
		"blanks only":                 {"  ", "white space"},
		"no-break space behind":       {key + "\u00a0", "white space"},
		"next line behind":            {key + "\u0085", "white space"},
		"byte-order mark":             {"\ufeff" + key, "byte-order mark"},
		"byte-order mark only":        {"\ufeff", "byte-order mark"},
		"UTF-16, little endian":       {"\xff\xfe8\x00b\x00", "byte-order mark"},
		"UTF-16, big endian":          {"\xfe\xff\x008\x00b", "byte-order mark"},
		"UTF-16 without a mark":       {"8\x00b\x00", "control character"},
		"a variable":                  {"${SAFECODE}", "begins with ${"},
		"a variable, not closed":      {"${SAFECODE", "begins with ${"},
		"a variable with a line feed": {"${SAFECODE}\n", "begins with ${"},
		"tab inside":                  {"a\tb", "control character"},
		"line feed inside":            {"a\nb", "control character"},
		"NUL":                         {"a\x00b", "control character"},
		"DEL":                         {"a\x7fb", "control character"},
		"C1":                          {"a\u0090b", "control character"},
		"no-break space inside":       {"a\u00a0b", "invisible character"},
		"zero-width space":            {"a\u200bb", "invisible character"},
		"zero-width space behind":     {key + "\u200b", "invisible character"},
		"zero-width joiner":           {"a\u200db", "invisible character"},
		"mark inside":                 {"a\ufeffb", "invisible character"},
		"left-to-right mark":          {"\u200e" + key, "invisible character"},
		"right-to-left override":      {"a\u202eb", "invisible character"},
		"isolate":                     {"a\u2066b", "invisible character"},
		"word joiner":                 {"a\u2060b", "invisible character"},
		"soft hyphen":                 {"a\u00adb", "invisible character"},
		"thin space":                  {"a\u2009b", "invisible character"},
		"ideographic space":           {"a\u3000b", "invisible character"},
		"line separator":              {"a\u2028b", "invisible character"},
		"variation selector":          {"a\ufe0fb", "invisible character"},
		"a tag":                       {"a\U000e0041b", "invisible character"},
		"braille blank":               {"a\u2800b", "invisible character"},
		"Hangul filler":               {"a\u3164b", "invisible character"},

		"digits":                     {key, ""},
		"a blank inside":             {"not an AES key", ""},
		"a variable inside":          {"x${SAFECODE}", ""},
		"a dollar":                   {"$SAFECODE", ""},
		"a dollar and a blank":       {"$ {a}", ""},
		"accents":                    {"clé-été-日本", ""},
		"a combining accent":         {"e\u0301", ""},
		"bytes that are no text":     {"\x80\xfe", ""},
		"a backslash and a letter n": {`a\nb`, ""},
		"quotes":                     {`"a"`, ""},
		"one letter":                 {"k", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := keytext.Problem(c.text)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if strings.Contains(got, key) || strings.ContainsAny(got, "\r\n\ufeff\u200b") {
				t.Errorf("%q shows the key", got)
			}
		})
	}
}
