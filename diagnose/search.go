package diagnose

import (
	"context"
	"slices"
	"strings"

	"github.com/payack/payack/verify"
)

// The bounds of the work of one call of [Suggest]. Suggest stops searching when
// it reaches one of them. [Advice.Cut] is then true, unless Suggest has found
// something.
const (
	MaxTrials = 400      // verifications
	MaxChecks = 4000     // signatures and envelopes checked
	MaxText   = 32 << 20 // bytes of bodies read, over all trials
)

// budget counts the work of a search.
type budget struct {
	ctx                  context.Context
	keys                 int // the number of keys that one trial checks
	trials, checks, text int
	cut                  bool // a bound was reached
}

// take reports whether the budget allows another trial of a message.
func (b *budget) take(m *verify.Message) bool {
	b.text += len(m.Body)
	within := b.ctx.Err() == nil && b.trials < MaxTrials && b.checks < MaxChecks && b.text <= MaxText
	b.cut = b.cut || !within
	return within
}

// spent counts the work behind an explanation.
func (b *budget) spent(told verify.Explanation) {
	b.trials++
	checks := 0
	for _, step := range told.Steps {
		if step.Name == "key" || step.Name == "envelope" || step.Name == "header" {
			checks++
		}
	}
	b.checks += max(checks, b.keys) // an envelope that doesn't open leaves no step
}

// variant is another setting, another content type, or a repair of a message.
type variant[S any] struct {
	// setting names the setting without the provider's name. It is empty for a change
	// that the sender has to make.
	setting string
	// what holds the advice, with %s for the scheme that matches after the change.
	what string
	// apply makes the change and reports whether it changed anything.
	apply func(s *S, m *verify.Message) bool
}

// found is the smallest combination of variants under which a message verifies.
type found struct {
	told    verify.Explanation
	changes []Change
	ok      bool
}

// mostAtOnce bounds how many variants a combination has.
const mostAtOnce = 4

// search tries the message as it is, then the combinations of at most one variant
// of each kind, smaller ones first. It skips settings that contradict each other.
// It returns the first combination under which the message verifies and is valid,
// or else the first under which it verifies and breaks a rule.
func search[S any](s S, m verify.Message, read func(*S) (reader, error), kinds [][]variant[S], b *budget) found {
	var invalid found
	level := [][]at{nil}
	for range mostAtOnce + 1 {
		var next [][]at
		for _, choice := range level {
			if !b.take(&m) {
				return invalid
			}
			other, message, changed := s, m, true
			for _, c := range choice {
				changed = kinds[c.kind][c.variant].apply(&other, &message) && changed
			}
			if !changed {
				continue
			}
			if r, err := read(&other); err == nil {
				told := r.explain(message)
				b.spent(told)
				hit := found{told, changesOf(kinds, choice, told), true}
				switch {
				case told.Err == nil:
					return hit
				case told.Event != nil && !invalid.ok:
					invalid = hit
				}
			}
			// Extend contradicting settings too: a further setting may resolve the
			// contradiction.
			next = append(next, grown(kinds, choice)...)
		}
		level = next
	}
	return invalid
}

// at is the index of a variant.
type at struct{ kind, variant int }

// grown returns the extensions of choice by one variant of a later kind.
func grown[S any](kinds [][]variant[S], choice []at) (out [][]at) {
	from := 0
	if len(choice) > 0 {
		from = choice[len(choice)-1].kind + 1
	}
	for k := from; k < len(kinds); k++ {
		for v := range kinds[k] {
			out = append(out, append(slices.Clone(choice), at{k, v}))
		}
	}
	return out
}

func changesOf[S any](kinds [][]variant[S], choice []at, told verify.Explanation) []Change {
	if told.Event == nil {
		return nil
	}
	var out []Change
	for _, c := range choice {
		v := kinds[c.kind][c.variant]
		out = append(out, Change{
			Setting: v.setting,
			What:    strings.ReplaceAll(v.what, "%s", string(told.Event.VerifiedBy().Scheme)),
		})
	}
	return out
}
