package inspector

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/payack/payack"
)

// member is a member of an event.
type member struct {
	Name string `json:"name"`
	Text string `json:"text"`
	// Null means that the member was sent as null.
	Null bool `json:"null,omitempty"`
}

// unsignedName is the member of an event's JSON that holds everything that the
// signature does not cover.
const unsignedName = "unsigned"

// membersOf returns the members of an event that the signature covers, and the
// others.
func membersOf(ev payack.Event, redact func(string) string) (signed, unsigned []member) {
	text, err := json.Marshal(ev)
	if err != nil {
		return []member{{Name: "event", Text: "can't be shown: " + err.Error()}}, []member{}
	}
	signed, unsigned = []member{}, []member{}
	for _, m := range fields("", text) {
		m.Text = redact(m.Text)
		if name, ok := strings.CutPrefix(m.Name, unsignedName+"."); ok {
			m.Name = strings.TrimPrefix(name, "extra.")
			unsigned = append(unsigned, m)
			continue
		}
		m.Name = strings.TrimPrefix(m.Name, "extra.")
		signed = append(signed, m)
	}
	return signed, unsigned
}

// fields returns the members of an object in their order. A nested member's name
// is prefixed with the outer name.
func fields(prefix string, object []byte) (out []member) {
	dec := json.NewDecoder(bytes.NewReader(object))
	_, _ = dec.Token() // no error here and below: json.Marshal wrote the text
	for dec.More() {
		token, err := dec.Token()
		var raw json.RawMessage
		if err != nil || dec.Decode(&raw) != nil {
			return out
		}
		name, _ := token.(string)
		name = prefix + name
		var s string
		switch {
		case raw[0] == '{':
			out = append(out, fields(name+".", raw)...)
		case string(raw) == "null":
			out = append(out, member{Name: name, Null: true})
		case json.Unmarshal(raw, &s) == nil:
			out = append(out, member{Name: name, Text: s})
		default:
			out = append(out, member{Name: name, Text: string(raw)})
		}
	}
	return out
}

// body is a message to show.
type body struct {
	Raw string `json:"raw"`
	// Formatted is set for a form, and for valid JSON unless it would become too
	// long.
	Formatted string `json:"formatted,omitempty"`
	// Wrong says where the JSON is broken, and how. Before, At and After are the
	// text around that place.
	Wrong  string `json:"wrong,omitempty"`
	Before string `json:"-"`
	At     string `json:"-"`
	After  string `json:"-"`
}

// around is how many bytes of a body are shown on each side of an error.
const around = 240

// bodyOf returns a message without secrets.
func bodyOf(text string, redact func(string) string) *body {
	raw := redactMessage(text, redact)
	b := &body{Raw: raw}
	trimmed := strings.TrimSpace(raw)
	if trimmed != "" && !strings.ContainsAny(trimmed[:1], "{[\"") {
		if form, ok := formOf(text, redact); ok {
			b.Formatted = form
			return b
		}
	}
	at, what := brokenAt(raw)
	if at < 0 {
		b.Formatted = indented(trimmed)
		return b
	}
	before := raw[:at]
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	b.Wrong = "line " + grouped(line) + ", column " + grouped(column) + ": " + what
	rest := raw[at:]
	size := min(len(rest), 1)
	for size > 0 && size < len(rest) && rest[size]&0xC0 == 0x80 {
		size++
	}
	b.Before, b.At, b.After = before[max(0, at-around):], rest[:size], shorten(rest[size:], around)
	return b
}

// maxIndented bounds formatted JSON, in bytes: a body of brackets alone would
// grow to thousands of times its length.
const maxIndented = 1 << 20

// indented returns indented JSON, or "" if it would be longer than maxIndented.
func indented(text string) string {
	size, depth, quoted := 0, 0, false
	for n := 0; n < len(text); n++ {
		size++
		switch c := text[n]; {
		case quoted && c == '\\':
			n++
			size++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			size += 1 + 2*depth
		case c == '}' || c == ']':
			depth--
			size += 1 + 2*depth
		case c == ',':
			size += 1 + 2*depth
		case c == ':':
			size++
		}
		if size > maxIndented {
			return ""
		}
	}
	var out bytes.Buffer
	if json.Indent(&out, []byte(text), "", "  ") != nil {
		return ""
	}
	return out.String()
}

// brokenAt returns where a text stops being valid JSON, and why. It is as strict
// as receivers are. at is negative for valid JSON.
func brokenAt(text string) (at int, what string) {
	dec := jsontext.NewDecoder(strings.NewReader(text))
	_, err := dec.ReadValue()
	if err == nil {
		if rest := strings.TrimLeft(text[dec.InputOffset():], " \t\r\n"); rest != "" {
			return len(text) - len(rest), "something follows the JSON value"
		}
		return -1, ""
	}
	var wrong *jsontext.SyntacticError
	if errors.As(err, &wrong) {
		at = min(int(wrong.ByteOffset), len(text))
		return at, strings.TrimPrefix(shorten(wrong.Err.Error(), 120), "jsontext: ")
	}
	return len(text), "it ends too early"
}

// formOf returns a form with one pair on each line, decoded and without secrets.
// The bool is false if the text is no form.
func formOf(raw string, redact func(string) string) (string, bool) {
	if !strings.Contains(raw, "=") || strings.ContainsAny(raw, " \n{") {
		return "", false
	}
	var b strings.Builder
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		b.WriteString(redact(unescaped(name)) + " = " + redact(unescaped(value)) + "\n")
	}
	return b.String(), true
}

func unescaped(s string) string {
	if text, err := url.QueryUnescape(s); err == nil {
		return text
	}
	return s
}
