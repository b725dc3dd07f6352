package inspector_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/payacktest"
)

// Deliveries and attempts are counted by outcome and reason, and a line says what
// needs a person.
func TestNumbers(t *testing.T) {
	s := open(t)
	s.dead("ORD-1", "ORD-2")
	deliver(s.pts, paid(t, "ORD-3").Tampered(t, payacktest.FlipSignature))
	var n struct {
		Deliveries, Attempts []struct {
			Outcome   payack.Outcome
			Reason    payack.Reason
			Hour, Day int
		}
		State struct {
			Dead  int
			Needs []struct{ Text, Query string }
		}
	}
	s.ask("GET", "/numbers", "", asJSON).into(t, &n)
	assert.Equal(t, 2, n.State.Dead)
	assert.Equal(t, "2 dead letters need a person: try them again, or close them.", n.State.Needs[0].Text)
	assert.Equal(t, "outcome=dead", n.State.Needs[0].Query)
	counted := func(outcome payack.Outcome, reason payack.Reason) (d, a int) {
		for _, l := range n.Deliveries {
			if l.Outcome == outcome && l.Reason == reason {
				d = l.Hour
			}
		}
		for _, l := range n.Attempts {
			if l.Outcome == outcome && l.Reason == reason {
				a = l.Day
			}
		}
		return d, a
	}
	deliveries, attempts := counted(payack.OutcomeAccepted, "")
	assert.Equal(t, 4, deliveries)
	assert.Equal(t, 2, attempts)
	_, attempts = counted(payack.OutcomeRejected, payack.ReasonConflict)
	assert.Equal(t, 2, attempts)
	deliveries, _ = counted(payack.OutcomeRejected, payack.ReasonSignature)
	assert.Equal(t, 1, deliveries)
	page := s.ask("GET", "/numbers", "").text
	assert.Contains(t, page, `<rect class="accepted" x="`)
	assert.Contains(t, page, `href="/?outcome=dead"`)
}

// Each minute's counts leave the sum of the last hour after an hour, and the sum
// of the last day after a day.
func TestNumbersGrowOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page, err := inspector.New(inspector.Config{Token: payack.NewSecret(token), Logger: quiet})
		assert.NoError(t, err)
		d := &payack.Delivery{Provider: payack.PTS}
		observe := func() { page.Observe(t.Context(), &payack.Observation{Delivery: d, Outcome: payack.OutcomeAccepted}) }
		observe()
		assert.Equal(t, [2]int{1, 1}, inspector.Counted(page))
		time.Sleep(59 * time.Minute)
		observe()
		assert.Equal(t, [2]int{2, 2}, inspector.Counted(page))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, [2]int{1, 2}, inspector.Counted(page))
		time.Sleep(23 * time.Hour)
		assert.Equal(t, [2]int{0, 1}, inspector.Counted(page))
		observe()
		time.Sleep(25 * time.Hour)
		assert.Equal(t, [2]int{0, 0}, inspector.Counted(page))
		page.Observe(t.Context(), &payack.Observation{}) // without a delivery
	})
}
