package diagnose

import (
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/verify"
)

// descriptor is what this package knows of one provider. Each provider has one,
// in its file.
type descriptor struct {
	// subject returns what a receiver verifies with as a subject; it is false for
	// types that are not the provider's.
	subject func(verifier, keys any) (subject, bool)
	// signature is the member that carries the signature. Other providers' messages
	// are known by it.
	signature string
	// sniff is the setting that takes JSON under any content type, empty without
	// one.
	sniff string
	// sealed says that members may come out of an envelope.
	sealed bool
}

// subject is a verifier with its keys, which can be varied.
type subject interface {
	// accepts reports whether a content type is looked at.
	accepts(contentType string) bool
	explain(m verify.Message) verify.Explanation
	// acceptsOther reports the same of the format of the body that is not
	// configured; it is false where there is one format only.
	acceptsOther(contentType string) bool
	// signatureHeaders returns the headers that are configured to carry the
	// signature; it is false where no header ever does.
	signatureHeaders() (names []string, ok bool)
	// secrets are shown nowhere.
	secrets() []payack.Secret
	// document returns the text whose members count: the body, or what its
	// envelope holds. It is empty where an envelope doesn't open.
	document(m verify.Message) string
	// search verifies a message under other settings, the nearest first.
	search(m verify.Message, b *budget) found
}

// registry has what this package knows of each provider.
var registry = providers.Registry[descriptor]{
	payack.Ptop:    ptop,
	payack.PTS:     pts,
	payack.Payatom: payatom,
}

// reader is a verifier with its keys, ready to verify.
type reader struct {
	accepts func(contentType string) bool
	explain func(verify.Message) verify.Explanation
}

// accepts and explained are for settings that made a receiver, and so make a
// reader.
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

// documentOf is the body of JSON; a form has no rules of JSON to break.
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

// announcements are other content types. For JSON the setting sniff does the same,
// where there is one.
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
