package verify

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/payack/payack"
)

// The texts below are details of errors: they go to the merchant's log, for whom
// a text that was mangled on its way looks like a wrong key. No answer has them.
// But for otherEnds they say only what the sender can see in what it sent, and
// nothing that depends on a key.

// mangledBase64 says why a text is not strict base64, and what does that to one.
// It is empty for base64.
func mangledBase64(text string) string {
	rest := strings.TrimRight(text, "=")
	other := strings.IndexFunc(rest, func(r rune) bool {
		return !('A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '/')
	})
	switch {
	case text == "":
		return "it is empty"
	case strings.ContainsAny(text, "\r\n"):
		return "it has line breaks, as an encoder for mail puts in; send it in one line"
	case strings.Contains(text, " "):
		return "it has blanks, as a form makes of an unescaped +; send each + as %2B"
	case other >= 0 && strings.ContainsRune("-_", rune(rest[other])):
		return "it is in the URL alphabet; send + and / for - and _"
	case other >= 0:
		return "it has characters that base64 doesn't have"
	case len(text)%4 != 0:
		return "its length is no multiple of 4: the padding, or a part of it, is lost"
	case len(text)-len(rest) > 2:
		return "it has too much padding"
	}
	return ""
}

// because joins a statement with its cause, if there is one.
func because(statement, cause string) string {
	if cause == "" {
		return statement
	}
	return statement + ": " + cause
}

// mangledDigits says what a signature of Ptop is that is not 64 lower-case hex
// digits.
func mangledDigits(text string) string {
	const statement = "it is not 64 lower-case hex digits"
	b, err := hex.DecodeString(text)
	switch {
	case text == "":
		return because(statement, "it is empty")
	case err == nil && len(b) == 32:
		return because(statement, "it has capitals")
	case strings.HasPrefix(text, "sha256="):
		return because(statement, "it begins with sha256=")
	case len(text) == 44 && mangledBase64(text) == "":
		return because(statement, "it is base64")
	case strings.TrimSpace(text) != text:
		return because(statement, "there is white space around it")
	}
	return statement
}

// noSignature says where no signature was found. A header whose name has an
// underscore may have been there.
func (v *Ptop) noSignature() string {
	const statement = "there is none in the body or in the configured headers"
	for _, name := range v.headers {
		if strings.Contains(name, "_") {
			return statement + "; if it is sent as " + name + ", a proxy may have dropped it: nginx drops names with underscores unless underscores_in_headers is on"
		}
	}
	return statement
}

// otherEnds tries the ends that a body may have had when it was signed, where its
// raw bytes are, and says which one matches. It only names the cause: who verifies
// takes the bytes that came.
func (v *Ptop) otherEnds(search *ptopSearch, body string, at int) string {
	if at >= 0 || !slices.Contains(v.schemes, payack.SchemeHeader) {
		return ""
	}
	search.trace = nil // they are no schemes
	bare := strings.TrimRight(body, "\r\n")
	for _, end := range []struct{ text, name string }{{"", "without a line break"}, {"\n", "with LF"}, {"\r\n", "with CRLF"}} {
		if len(bare)+len(end.text) == len(body) && strings.HasSuffix(body, end.text) {
			continue // it was tried
		}
		if search.find("", bare, end.text) >= 0 {
			return "the signature is that of the body " + end.name + " at its end: something on the way changed the end"
		}
	}
	return ""
}
