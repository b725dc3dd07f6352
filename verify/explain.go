package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
)

// Explanation lists what a verifier did with a message, for a person who wants to
// know why a callback is refused. The verifying code itself writes the explanation,
// so the explanation can't differ from what Verify does.
//
// It holds the message's decrypted contents, which may be forged: show it only to
// people who may see payments, and base no decision on it. Keys are redacted, and
// expected signatures are left out. Member names and values are the sender's:
// escape them before you print them to a terminal.
type Explanation struct {
	// Steps are in the order in which the verifier took them.
	Steps []Step
	// Event and Err are what Verify returns. Both are set where the signature
	// matches and the event breaks a rule ([payack.ErrInvalid]).
	Event payack.Event
	Err   error
}

// Step is one step of an [Explanation].
type Step struct {
	// Name is shape, header, envelope, field, signature, signed text, key or hint.
	// A hint is a possible cause of a refusal, such as another line ending with
	// which the message would verify.
	Name string
	// Text is one line of English for a person.
	Text string
}

// trace collects the steps of an explanation. Verify passes nil, which collects
// nothing.
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

// signed notes the text that a scheme signs, with the secret at its end redacted.
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

// explanation replaces a nil event pointer with a nil Event: an interface that
// holds a nil pointer is not nil.
func (t *trace) explanation(ev payack.Event, err error) Explanation {
	if err != nil && !errors.Is(err, payack.ErrInvalid) {
		ev = nil
	}
	return Explanation{Steps: t.steps, Event: ev, Err: err}
}
