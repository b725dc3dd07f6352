package verify

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/payack/payack"
)

// The functions below return details for errors. A detail says how a signature or an
// envelope was mangled in transit; without the detail, the error would look like that
// of a wrong key. Details go to the merchant's log and never into an answer. Except
// for those of otherEnds, they don't depend on a key.

// mangledBase64 says why a text is not strict base64 and what usually causes that.
// It returns "" for strict base64.
func mangledBase64(text string) string {
	rest := strings.TrimRight(text, "=")
	other := strings.IndexFunc(rest, func(r rune) bool {
		return !('A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '/')
	})
	switch {
	case text == "":
		return "it is empty"
	case strings.ContainsAny(text, "\r\n"):
		return "it has line breaks, as an encoder for mail inserts them; send it in one line"
	case strings.Contains(text, " "):
		return "it has blanks, which a form makes of an unescaped +; send each + as %2B"
	case other >= 0 && strings.ContainsRune("-_", rune(rest[other])):
		return "it is in the URL alphabet; send + and / for - and _"
	case other >= 0:
		return "it has characters that base64 doesn't have"
	case len(text)%4 != 0:
		return "its length is not a multiple of 4: it was cut off, or lost its padding"
	case len(text)-len(rest) > 2:
		return "it has too much padding"
	}
	return ""
}

// because appends a cause to a statement, unless the cause is empty.
func because(statement, cause string) string {
	if cause == "" {
		return statement
	}
	return statement + ": " + cause
}

// mangledDigits describes a signature of Ptop that is not 64 lower-case hex digits.
func mangledDigits(text string) string {
	const statement = "it is not 64 lower-case hex digits"
	b, err := hex.DecodeString(text)
	switch {
	case text == "":
		return because(statement, "it is empty")
	case err == nil && len(b) == 32:
		return because(statement, "it has upper-case digits")
	case strings.HasPrefix(text, "sha256="):
		return because(statement, "it begins with sha256=")
	case len(text) == 44 && mangledBase64(text) == "":
		return because(statement, "it is base64")
	case strings.TrimSpace(text) != text:
		return because(statement, "there is white space around it")
	}
	return statement
}

// noSignature lists the places in which no signature was found. If a configured
// header has an underscore in its name, noSignature adds that a proxy may have
// dropped that header.
func (v *Ptop) noSignature() string {
	const statement = "there is none in the body or in the configured headers"
	for _, name := range v.headers {
		if strings.Contains(name, "_") {
			return statement + "; if it is sent as " + name + ", a proxy may have dropped it: nginx drops names with underscores unless underscores_in_headers is on"
		}
	}
	return statement
}

// bodyEnds are the line breaks at the end of a body that may be removed or added in
// transit.
var bodyEnds = []struct{ text, name string }{{"", "without a line break"}, {"\n", "with LF"}, {"\r\n", "with CRLF"}}

// otherEnds says which other line ending the body had when it was signed, if the
// signature matches one. It searches only if the signature came in a header (at is
// negative) and SchemeHeader is configured, because that scheme signs the raw bytes.
// It only names the cause: the message stays refused.
func (v *Ptop) otherEnds(search *ptopSearch, body string, at int) string {
	if at >= 0 || !slices.Contains(v.schemes, payack.SchemeHeader) {
		return ""
	}
	search.trace = nil // the explanation does not list these tries
	bare, ends := strings.TrimRight(body, "\r\n"), bodyEnds
	if bare == body {
		// Try LF but not CRLF: a try costs as much as a verification, and most
		// forgeries come here.
		ends = bodyEnds[1:2]
	}
	for _, end := range ends {
		if len(bare)+len(end.text) == len(body) && strings.HasSuffix(body, end.text) {
			continue // this is the body as it came
		}
		if search.find("", bare, end.text) >= 0 {
			return "the signature is that of the body " + end.name + " at its end: something in transit changed the end"
		}
	}
	return ""
}
