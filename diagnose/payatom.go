package diagnose

import (
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// payatom describes Payatom to this package.
var payatom = descriptor{
	subject: func(verifier, keys any) (subject, bool) {
		v, ok := verifier.(*verify.Payatom)
		k, found := keys.(*verify.PayatomKeys)
		if !ok || !found || k == nil {
			return nil, false
		}
		return &payatomSubject{v.Options(), k.Secrets()}, true
	},
	signature: "post_hash",
	sniff:     "payatom.sniff",
}

// payatomSubject has the options of a verifier and its keys.
type payatomSubject struct {
	verify.PayatomOptions
	keys []payack.Secret
}

func (s *payatomSubject) read() (reader, error) {
	v, err := verify.NewPayatom(s.PayatomOptions)
	if err != nil {
		return reader{}, err
	}
	k, err := verify.NewPayatomKeys("", s.keys...)
	return reader{v.Accepts, func(m verify.Message) verify.Explanation { return v.Explain(m, k) }}, err
}

func (s *payatomSubject) accepts(contentType string) bool { return accepts(s.read, contentType) }

func (s *payatomSubject) explain(m verify.Message) verify.Explanation { return explained(s.read, m) }

func (s *payatomSubject) acceptsOther(contentType string) bool {
	other := payatomSubject{verify.PayatomOptions{Body: otherBody(s.Body)}, s.keys}
	return other.accepts(contentType)
}

func (s *payatomSubject) signatureHeaders() ([]string, bool) { return nil, false }

func (s *payatomSubject) secrets() []payack.Secret { return s.keys }

func (s *payatomSubject) document(m verify.Message) string { return documentOf(s.Body, m) }

func (s *payatomSubject) search(m verify.Message, b *budget) found {
	return search(*s, m, (*payatomSubject).read, s.variants(m), b)
}

func (s *payatomSubject) variants(m verify.Message) [][]variant[payatomSubject] {
	kinds := [][]variant[payatomSubject]{
		{{"numbers", `set payatom.numbers to ["%s"]`, func(s *payatomSubject, _ *verify.Message) bool {
			pinned := len(s.Numbers) > 0
			s.Numbers = nil
			return pinned
		}}},
		{{"body", fmt.Sprintf("set payatom.body to %q", otherBody(s.Body)), func(s *payatomSubject, _ *verify.Message) bool {
			s.Body = otherBody(s.Body)
			return true
		}}},
		announcements[payatomSubject]("payatom.sniff", jsonType, formType),
	}
	if s.Sniff {
		kinds = append(kinds, []variant[payatomSubject]{{"sniff", "set payatom.sniff to false", func(s *payatomSubject, _ *verify.Message) bool {
			s.Sniff = false
			return true
		}}})
	}
	var hashes []variant[payatomSubject]
	for _, c := range cleanings(member(s.Body, m.Body, payatom.signature)) {
		hashes = append(hashes, variant[payatomSubject]{"", "have post_hash sent " + c.what, func(s *payatomSubject, m *verify.Message) bool {
			was := m.Body
			m.Body = edit(s.Body, was, payatom.signature, c.make)
			return m.Body != was
		}})
	}
	get := func(s *payatomSubject) []payack.Secret { return s.keys }
	set := func(s *payatomSubject, keys []payack.Secret) { s.keys = keys }
	return append(kinds, hashes, texts[payatomSubject](), respelled(payack.Payatom, "secret_keys", get, set))
}
