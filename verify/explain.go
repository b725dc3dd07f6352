package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// Explanation tells step by step what a verifier makes of a message, for a
// person who asks why a callback is refused. It is made by the very code that
// verifies.
//
// It holds the message's contents, opened and perhaps not authentic: show it to
// whoever may see payments, and decide nothing on it. Keys in signed texts are
// redacted, and no expected signature is in it. Names and texts of members are
// the sender's: escape them before a terminal sees them.
type Explanation struct {
	Steps []Step
	// Event and Err are what Verify returns: an event whose signature is right and
	// that breaks a rule stands beside its error.
	Event payack.Event
	Err   error
}

// Step is one step of an [Explanation].
type Step struct {
	// Name is shape, header, envelope, field, signature, signed text, key, or hint
	// for what would have verified.
	Name string
	Text string
}

// trace collects steps. A nil trace collects nothing, which is how callbacks
// are verified.
type trace struct{ steps []Step }

func (t *trace) note(name, text string) {
	if t != nil {
		t.steps = append(t.steps, Step{name, text})
	}
}

func (t *trace) fields(fields []strict.Field) {
	if t == nil {
		return
	}
	for _, f := range fields {
		text := f.Text
		if f.Kind == strict.String {
			text = fmt.Sprintf("%q", f.Text)
		}
		t.note("field", fmt.Sprintf("%s = %s", f.Name, text))
	}
}

// signed notes the text that a scheme signs, without the secret at its end.
func (t *trace) signed(scheme payack.Scheme, text []byte, secret payack.Secret) {
	if t == nil {
		return
	}
	shown := string(text)
	if !secret.IsZero() {
		shown = strings.TrimSuffix(shown, secret.Reveal()) + secret.String()
	}
	t.note("signed text", fmt.Sprintf("%s: %s", scheme, shown))
}

func (t *trace) opened(key int) {
	if t != nil {
		t.note("envelope", fmt.Sprintf("it opens with key %d", key+1))
	}
}

func (t *trace) tried(scheme payack.Scheme, key int, ok bool) {
	if t == nil {
		return
	}
	verdict := "does not match"
	if ok {
		verdict = "matches"
	}
	t.note("key", fmt.Sprintf("%s: key %d %s", scheme, key+1, verdict))
}

// explanation drops the nil pointer that comes with an error: an Event that
// holds one is not nil.
func (t *trace) explanation(ev payack.Event, err error) Explanation {
	if err != nil && !errors.Is(err, payack.ErrInvalid) {
		ev = nil
	}
	return Explanation{Steps: t.steps, Event: ev, Err: err}
}
