package payack

import (
	"fmt"
	"log/slog"
)

// Secret is a key that must not be printed: a safecode, a signing key, a secret
// key. Printing, logging or marshalling a Secret, or a value that contains one,
// shows [redacted] or nothing. Only Reveal returns the text.
//
// The text is in a closure behind a pointer. Printers that use reflection (fmt on
// unexported fields, the diffs of test libraries) don't call a type's own methods,
// and some follow pointers. They can't look into a closure: they find only its
// address.
//
// Secrets are safe for concurrent use. Two secrets with the same text are not equal
// under ==.
type Secret struct{ text *func() string }

const redacted = "[redacted]"

// NewSecret returns a secret with this text. For an empty text it returns the zero
// Secret, which every constructor refuses as a key.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	reveal := func() string { return text }
	return Secret{text: &reveal}
}

// Secrets returns a secret for each text, for configurations that take several keys
// (rotation).
func Secrets(texts ...string) []Secret {
	out := make([]Secret, len(texts))
	for i, t := range texts {
		out[i] = NewSecret(t)
	}
	return out
}

// Reveal returns the secret's text. The caller must make sure that the text is
// never printed.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return (*s.text)()
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.text == nil }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// GoString returns a placeholder.
func (s Secret) GoString() string { return redacted }

// Format writes a placeholder, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes a placeholder.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText writes a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
