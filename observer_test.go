package payack_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
)

// tracer records its calls, and puts a value into the context.
type tracer struct {
	name  string
	notes *[]string
}

type tracedKey struct{}

func (t tracer) Observe(context.Context, *payack.Observation) {
	*t.notes = append(*t.notes, t.name+" observes")
}

func (t tracer) StartAttempt(ctx context.Context, d *payack.Delivery) (context.Context, func(*payack.Observation)) {
	before, _ := ctx.Value(tracedKey{}).(string)
	*t.notes = append(*t.notes, t.name+" starts "+string(d.Provider)+" in ["+before+"]")
	return context.WithValue(ctx, tracedKey{}, before+t.name), func(o *payack.Observation) {
		*t.notes = append(*t.notes, t.name+" ends "+string(o.Outcome))
	}
}

func TestObservers(t *testing.T) {
	var notes []string
	plain := payack.ObserverFunc(func(context.Context, *payack.Observation) { notes = append(notes, "plain observes") })
	all := payack.Observers(tracer{"a", &notes}, plain, payack.Observers(tracer{"b", &notes}))
	ctx, end := all.(payack.AttemptTracer).StartAttempt(t.Context(), &payack.Delivery{Provider: payack.PTS})
	assert.Equal(t, "ab", ctx.Value(tracedKey{}))
	end(&payack.Observation{Outcome: payack.OutcomeAccepted})
	all.Observe(ctx, &payack.Observation{})
	assert.Equal(t, []string{"a starts pts in []", "b starts pts in [a]", "b ends accepted", "a ends accepted",
		"a observes", "plain observes", "b observes"}, notes)
}

func TestObserversPanic(t *testing.T) {
	var notes []string
	slip := payack.ObserverFunc(func(context.Context, *payack.Observation) { panic("slip") })
	all := payack.Observers(tracer{"a", &notes}, slip, tracer{"b", &notes})
	assert.PanicsWithValue(t, "slip", func() { all.Observe(t.Context(), &payack.Observation{}) })
	assert.Equal(t, []string{"a observes", "b observes"}, notes, "the others are told all the same")
}

func TestObserversRefuseNil(t *testing.T) {
	var function payack.ObserverFunc
	for _, none := range []payack.Observer{nil, function} {
		assert.PanicsWithValue(t, "payack: Observers: observer 2 is nil; leave it out", func() {
			payack.Observers(payack.ObserverFunc(func(context.Context, *payack.Observation) {}), none)
		})
	}
	payack.Observers().Observe(t.Context(), nil) // calls nobody
}

func TestStages(t *testing.T) {
	stages := func(d payack.Durations) (out []string) {
		for stage, took := range d.Stages() {
			out = append(out, string(stage)+" "+took.String())
		}
		return out
	}
	assert.Equal(t, []string{"capture 1ns", "verify 2ns", "guard 3ns", "call 4ns"}, stages(payack.Durations{Capture: 1, Verify: 2, Guard: 3, Call: 4, Total: 10}))
	assert.Equal(t, []string{"verify 2ns"}, stages(payack.Durations{Verify: 2, Total: 10}), "only what was reached")
	assert.Empty(t, stages(payack.Durations{Total: 10}))
	for stage := range (&payack.Durations{Capture: 1, Verify: 2}).Stages() {
		assert.Equal(t, payack.StageCapture, stage)
		break
	}
}
