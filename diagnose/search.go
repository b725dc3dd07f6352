package diagnose

import (
	"context"
	"slices"
	"strings"

	"github.com/payack/payack/verify"
)

// Bounds of the work of one [Suggest]: how often it verifies, how many signatures
// and envelopes it checks, and how much text it reads over and over. What it does
// not get to is not suggested.
const (
	MaxTrials = 400
	MaxChecks = 4000
	MaxText   = 32 << 20
)

// budget is what is left of the work.
type budget struct {
	ctx                  context.Context
	keys                 int // that one trial may check
	trials, checks, text int
	cut                  bool // something was left out
}

// take reports whether a message may be read or changed once more.
func (b *budget) take(m *verify.Message) bool {
	b.text += len(m.Body)
	within := b.ctx.Err() == nil && b.trials < MaxTrials && b.checks < MaxChecks && b.text <= MaxText
	b.cut = b.cut || !within
	return within
}

// spent counts what an explanation cost.
func (b *budget) spent(told verify.Explanation) {
	b.trials++
	checks := 0
	for _, step := range told.Steps {
		if step.Name == "key" || step.Name == "envelope" || step.Name == "header" {
			checks++
		}
	}
	b.checks += max(checks, b.keys) // an envelope that doesn't open is no step
}

// variant is another setting, another announcement, or a repair of a message.
type variant[S any] struct {
	// setting names the setting, without the provider's name; it is empty for what
	// the sender has to do.
	setting string
	// what says what to do, with %s for the scheme that then matches.
	what string
	// apply reports whether it changes anything.
	apply func(s *S, m *verify.Message) bool
}

// found is the nearest combination of variants under which a message verifies.
type found struct {
	told    verify.Explanation
	changes []Change
	ok      bool
}

// mostAtOnce bounds how many variants go together.
const mostAtOnce = 4

// search tries the message as it is, then every choice of at most one variant of
// each kind, the smaller ones first. Settings that contradict each other are no
// configuration and are passed over. Of what verifies, something valid is
// preferred to something that breaks a rule.
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
			// Also from what is no configuration: a second setting may make it one.
			next = append(next, grown(kinds, choice)...)
		}
		level = next
	}
	return invalid
}

// at is the place of a variant.
type at struct{ kind, variant int }

// grown are the choices with one variant more, of a later kind.
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
