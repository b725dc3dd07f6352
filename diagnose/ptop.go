package diagnose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// ptop describes Ptop to this package.
var ptop = descriptor{
	subject: func(verifier, keys any) (subject, bool) {
		v, ok := verifier.(*verify.Ptop)
		k, found := keys.(*verify.PtopKeys)
		if !ok || !found || k == nil {
			return nil, false
		}
		return &ptopSubject{v.Options(), k.Secrets()}, true
	},
	signature: "signature",
	sniff:     "ptop.sniff",
}

// ptopSubject has the options of a verifier and its keys.
type ptopSubject struct {
	verify.PtopOptions
	keys []payack.Secret
}

func (s *ptopSubject) read() (reader, error) {
	v, err := verify.NewPtop(s.PtopOptions)
	if err != nil {
		return reader{}, err
	}
	k, err := verify.NewPtopKeys("", s.keys...)
	return reader{v.Accepts, func(m verify.Message) verify.Explanation { return v.Explain(m, k) }}, err
}

func (s *ptopSubject) accepts(contentType string) bool { return accepts(s.read, contentType) }

func (s *ptopSubject) explain(m verify.Message) verify.Explanation { return explained(s.read, m) }

func (s *ptopSubject) acceptsOther(contentType string) bool {
	other := ptopSubject{verify.PtopOptions{Body: otherBody(s.Body)}, s.keys}
	return other.accepts(contentType)
}

func (s *ptopSubject) signatureHeaders() ([]string, bool) {
	if len(s.Headers) == 0 {
		return []string{"X-Signature", "the_signature"}, true // the defaults
	}
	return s.Headers, true
}

func (s *ptopSubject) secrets() []payack.Secret { return s.keys }

func (s *ptopSubject) document(m verify.Message) string { return documentOf(s.Body, m) }

func (s *ptopSubject) search(m verify.Message, b *budget) found {
	return search(*s, m, (*ptopSubject).read, s.variants(m), b)
}

func (s *ptopSubject) variants(m verify.Message) [][]variant[ptopSubject] {
	kinds := [][]variant[ptopSubject]{
		{{"schemes", `set ptop.schemes to ["%s"]`, func(s *ptopSubject, _ *verify.Message) bool {
			pinned := len(s.Schemes) > 0 && s.Custom == nil
			s.Schemes = nil
			return pinned
		}}, {"custom", `leave Custom out, and set ptop.schemes to ["%s"]`, func(s *ptopSubject, _ *verify.Message) bool {
			own := s.Custom != nil
			s.Schemes, s.Custom = nil, nil
			return own
		}}},
		{{"body", fmt.Sprintf("set ptop.body to %q", otherBody(s.Body)), func(s *ptopSubject, _ *verify.Message) bool {
			s.Body = otherBody(s.Body)
			return true
		}}},
		announcements[ptopSubject]("ptop.sniff", jsonType, formType),
	}
	if s.Sniff {
		kinds = append(kinds, []variant[ptopSubject]{{"sniff", "set ptop.sniff to false", func(s *ptopSubject, _ *verify.Message) bool {
			s.Sniff = false
			return true
		}}})
	}
	var headers []variant[ptopSubject]
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		if values := m.Header[name]; len(values) == 1 && isDigits(values[0]) && len(headers) < mostHeaders {
			headers = append(headers, variant[ptopSubject]{"signature_headers", fmt.Sprintf("set ptop.signature_headers to [%q]", name),
				func(s *ptopSubject, _ *verify.Message) bool {
					s.Headers = []string{name}
					return true
				}})
		}
	}
	get := func(s *ptopSubject) []payack.Secret { return s.keys }
	set := func(s *ptopSubject, keys []payack.Secret) { s.keys = keys }
	return append(kinds, headers, s.respelledDigits(m), texts[ptopSubject](), rawTexts[ptopSubject](), respelled(payack.Ptop, "signing_keys", get, set))
}

// mostHeaders bounds how many headers are tried as the one that carries the
// signature.
const mostHeaders = 8

// isDigits reports whether a text is a signature's digits, in any spelling that the
// function digits recognises.
func isDigits(text string) bool {
	fixed, _ := digits(text)
	b, err := hex.DecodeString(fixed)
	return err == nil && len(b) == sha256.Size
}

// respelledDigits returns a variant for a signature in another spelling, in a header
// or in the body.
func (s *ptopSubject) respelledDigits(m verify.Message) []variant[ptopSubject] {
	_, what := digits(member(s.Body, m.Body, ptop.signature))
	for _, values := range m.Header {
		for _, value := range values {
			if _, did := digits(value); did != "" && what == "" {
				what = did
			}
		}
	}
	if what == "" {
		return nil
	}
	return []variant[ptopSubject]{{"", "have the signature sent " + what, func(s *ptopSubject, m *verify.Message) bool {
		fix := func(t string) string { fixed, _ := digits(t); return fixed }
		text := edit(s.Body, m.Body, ptop.signature, fix)
		changed := text != m.Body
		header := map[string][]string{}
		for name, values := range m.Header {
			header[name] = slices.Clone(values)
			for i, v := range values {
				header[name][i] = fix(v)
				changed = changed || header[name][i] != v
			}
		}
		m.Body, m.Header = text, header
		return changed
	}}}
}
