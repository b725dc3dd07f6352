package diagnose

import (
	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// acme describes Acme to this package.
var acme = descriptor{
	subject: func(verifier, keys any) (subject, bool) {
		k, ok := keys.(*verify.AcmeKeys)
		return &acmeSubject{keys: k}, ok && k != nil
	},
	signature: "mac",
}

type acmeSubject struct {
	verify.Acme
	keys *verify.AcmeKeys
}

func (s *acmeSubject) read() (reader, error) {
	return reader{s.Accepts, func(m verify.Message) verify.Explanation { return s.Explain(m, s.keys) }}, nil
}

func (s *acmeSubject) accepts(contentType string) bool { return s.Accepts(contentType) }

func (s *acmeSubject) explain(m verify.Message) verify.Explanation { return s.Explain(m, s.keys) }

func (s *acmeSubject) acceptsOther(string) bool { return false }

func (s *acmeSubject) signatureHeaders() ([]string, bool) { return nil, false }

func (s *acmeSubject) secrets() []payack.Secret { return s.keys.Secrets() }

func (s *acmeSubject) document(m verify.Message) string { return m.Body }

func (s *acmeSubject) search(m verify.Message, b *budget) found {
	kinds := [][]variant[acmeSubject]{announcements[acmeSubject]("", jsonType), texts[acmeSubject]()}
	return search(*s, m, (*acmeSubject).read, kinds, b)
}
