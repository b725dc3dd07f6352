package diagnose

import (
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/verify"
)

// descriptor describes one provider to this package.
type descriptor struct {
	// subject combines the verifier and keys of a receiver. It reports false for
	// types of another provider.
	subject func(verifier, keys any) (subject, bool)
	// signature is the member that holds the signature. A message of the provider is
	// recognised by it.
	signature string
	// sniff is the setting that accepts JSON under any content type, empty if there
	// is none.
	sniff string
	// sealed says that the provider uses envelopes.
	sealed bool
}

// subject is a verifier with its keys, whose settings can be varied.
type subject interface {
	// accepts reports whether the verifier accepts a content type.
	accepts(contentType string) bool
	explain(m verify.Message) verify.Explanation
	// acceptsOther is like accepts, but for the format (JSON or a form) that is not
	// configured. It reports false for a provider with only one format.
	acceptsOther(contentType string) bool
	// signatureHeaders returns the headers that may carry the signature. It reports
	// false for a provider that never sends its signature in a header.
	signatureHeaders() (names []string, ok bool)
	// secrets are the texts to redact.
	secrets() []payack.Secret
	// document returns the text that has the members: the body, or the contents of
	// its envelope. It returns "" if the envelope doesn't open.
	document(m verify.Message) string
	// search verifies a message under other settings. It begins with the settings
	// that differ least from the receiver's.
	search(m verify.Message, b *budget) found
}

// registry has the descriptor of each provider.
var registry = providers.Registry[descriptor]{
	payack.Ptop:    ptop,
	payack.PTS:     pts,
	payack.Payatom: payatom,
}

// reader is a verifier with prepared keys.
type reader struct {
	accepts func(contentType string) bool
	explain func(verify.Message) verify.Explanation
}

// accepts reports whether the verifier that read returns accepts a content type.
// Like the function explained, it is for the settings of a constructed receiver:
// read returns no error for those.
func accepts(read func() (reader, error), contentType string) bool {
	r, err := read()
	return err == nil && r.accepts(contentType)
}

func explained(read func() (reader, error), m verify.Message) verify.Explanation {
	r, err := read()
	if err != nil {
		return verify.Explanation{Err: err}
	}
	return r.explain(m)
}

// documentOf returns a JSON body. It returns "" for a form, because a form is not
// JSON.
func documentOf(b verify.Body, m verify.Message) string {
	if b == verify.BodyForm {
		return ""
	}
	return m.Body
}

func otherBody(b verify.Body) verify.Body {
	if b == verify.BodyForm {
		return verify.BodyJSON
	}
	return verify.BodyForm
}

// announcements returns variants with other content types. For JSON they mention the
// setting sniff, which has the same effect.
func announcements[S any](sniff string, types ...string) (out []variant[S]) {
	for _, t := range types {
		what := "have it announced as " + t
		if t == jsonType && sniff != "" {
			what += fmt.Sprintf(", or set %s to true", sniff)
		}
		out = append(out, variant[S]{what: what, apply: func(_ *S, m *verify.Message) bool {
			changed := m.ContentType != t
			m.ContentType = t
			return changed
		}})
	}
	return out
}
