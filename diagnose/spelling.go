package diagnose

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/verify"
)

// clean is one way to restore a base64 text.
type clean struct {
	what string // describes the text that the sender should send
	make func(text string) string
}

// cleanings returns the ways to restore a mangled base64 text. It returns none for
// strict base64.
func cleanings(text string) (out []clean) {
	if text == "" || strings.Trim(text, "=") == "" {
		return nil
	}
	add := func(blank, blanks string) {
		read := func(t string) string { return standard(t, blank) }
		var did []string
		if strings.ContainsAny(text, "\r\n\t") {
			did = append(did, "in one line")
		}
		if strings.Contains(text, " ") {
			did = append(did, blanks)
		}
		if strings.ContainsAny(text, "-_") {
			did = append(did, "in the standard alphabet, with + and / for - and _")
		}
		if strings.Contains(text, "%") {
			did = append(did, "without percent-encoding")
		}
		fixed := read(text)
		if strings.Count(fixed, "=") != strings.Count(text, "=")+strings.Count(strings.ToLower(text), "%3d") {
			did = append(did, "with its padding")
		}
		if _, err := base64.StdEncoding.Strict().DecodeString(fixed); err == nil && fixed != text && len(did) > 0 {
			out = append(out, clean{strings.Join(did, " and "), read})
		}
	}
	add("+", "with + for its blanks")
	if strings.Contains(text, " ") {
		add("", "without its blanks")
	}
	return out
}

// standard returns a text in standard base64. It replaces each blank by the text
// in blank.
func standard(text, blank string) string {
	text = strings.Trim(text, " \t\r\n\"")
	text = strings.NewReplacer("\r", "", "\n", "", "\t", "", " ", blank, "-", "+", "_", "/",
		"%2B", "+", "%2b", "+", "%2F", "/", "%2f", "/", "%3D", "", "%3d", "").Replace(text)
	text = strings.TrimRight(text, "=")
	return text + strings.Repeat("=", (4-len(text)%4)%4)
}

// digits returns the lower-case hex digits of a 32-byte signature that is written
// in another way. The result what says how the sender should send the signature. It
// is empty if the text is in order, or is no signature at all.
func digits(text string) (fixed, what string) {
	fixed = strings.TrimSpace(text)
	var did []string
	if fixed != text {
		did = append(did, "without white space around it")
	}
	if rest, found := strings.CutPrefix(fixed, "sha256="); found {
		fixed = rest
		did = append(did, "without sha256= before it")
	}
	if b, err := base64.StdEncoding.Strict().DecodeString(fixed); err == nil && len(b) == 32 {
		fixed = hex.EncodeToString(b)
		did = append(did, "in hex digits instead of base64")
	}
	if lower := strings.ToLower(fixed); lower != fixed {
		fixed = lower
		did = append(did, "in lower-case digits")
	}
	if b, err := hex.DecodeString(fixed); err != nil || len(b) != 32 {
		return text, ""
	}
	return fixed, strings.Join(did, " and ")
}

// edit changes the text of one member of a body, or of the object in its member
// data. It keeps all other bytes.
func edit(format verify.Body, text, name string, change func(string) string) string {
	if format == verify.BodyForm {
		fields, err := strict.Form(nil, text)
		if f := strict.Find(fields, name); err == nil && f != nil {
			return text[:f.ValueStart] + url.QueryEscape(change(f.Text)) + text[f.End:]
		}
		return text
	}
	fields, inner, err := strict.Within(nil, text, "data")
	f := strict.Find(fields, name)
	if f == nil {
		f = strict.Find(inner, name)
	}
	if err != nil || f == nil || f.Kind != strict.String {
		return text
	}
	fixed := change(f.Text)
	if fixed == f.Text {
		return text
	}
	return text[:f.ValueStart] + string(strict.AppendQuote(nil, fixed)) + text[f.End:]
}

// member returns the text of the member that edit would change.
func member(format verify.Body, text, name string) (found string) {
	edit(format, text, name, func(t string) string { found = t; return t })
	return found
}
