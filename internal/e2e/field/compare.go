package field

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/e2e"
)

// compare compares the result of a delivery with the expected one.
func (m *merchant) compare(at string, d *Delivery, mark int, w *e2e.Watch, got e2e.Answer, lines []map[string]any) {
	t := m.t
	o := w.Last(t)
	failed := fmt.Sprintf("%s: %v", at, o.Err)
	assert.Equal(t, d.Outcome, o.Outcome, failed)
	assert.Equal(t, d.Reason, o.Reason, failed)
	assert.Equal(t, d.Answer, e2e.Words(got), at)
	if !m.c.Config.OlderSpelling {
		e2e.AssertContract(t, m.c.Provider, o.Outcome, o.Reason, got)
	}
	if d.Detail != "" {
		assert.ErrorContains(t, o.Err, strings.ReplaceAll(d.Detail, "{mark}", strconv.Itoa(mark)), at)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	called := 0
	if d.Called != nil {
		called = *d.Called
	} else if d.Outcome == payack.OutcomeAccepted {
		called = 1
	}
	if assert.Len(t, m.calls, called, at) && called == 1 {
		assert.Same(t, o.Delivery.Event, m.calls[0], at)
	}
	if d.Asked == nil && (m.world.Confirm == nil || m.world.Confirm.Gateway == nil) {
		assert.Empty(t, m.asked, at)
	}
	if d.Asked != nil && assert.Len(t, m.asked, 1, at) {
		for name, text := range d.Asked {
			assert.Equal(t, text, m.asked[0][name], "%s: %s of the question", at, name)
		}
	}

	if d.Event != nil && assert.NotNil(t, o.Delivery.Event, failed) {
		assert.Equal(t, o.Delivery.Event.ID(), o.EventID, at)
		d.Event.compare(t, at, o.Delivery.Event)
	} else if d.Event == nil && o.Outcome != payack.OutcomeAccepted && o.Outcome != payack.OutcomeDuplicate && o.Outcome != payack.OutcomeFailed {
		assert.Nil(t, o.Delivery.Event, at)
		assert.Empty(t, o.EventID, at)
	}
	m.compareLog(at, d, lines)
}

// compareLog expects one line for the delivery and no unexpected warning.
func (m *merchant) compareLog(at string, d *Delivery, lines []map[string]any) {
	deliveries, warned := 0, false
	for _, line := range lines {
		text := fmt.Sprint(line["msg"])
		switch {
		case strings.HasPrefix(text, "payack: callback "):
			deliveries++
		case line["level"] == "INFO":
		case d.Warns != "" && line["level"] == "WARN" && strings.Contains(text, d.Warns):
			warned = true
		default:
			m.t.Errorf("%s: unexpected in the log: %v", at, line)
		}
	}
	assert.Equal(m.t, 1, deliveries, "%s: one line for each delivery", at)
	assert.Equal(m.t, d.Warns != "", warned, "%s: the warning in %v", at, lines)
}

// compare compares the members of ev that e names with their expected values.
func (e *Event) compare(t testing.TB, at string, ev payack.Event) {
	if e.ID != "" {
		assert.Equal(t, e.ID, ev.ID(), at)
	}
	if e.Scheme != "" {
		assert.Equal(t, e.Scheme, ev.VerifiedBy().Scheme, at)
	}
	if e.Paid != nil {
		assert.Equal(t, *e.Paid, ev.Paid(), "%s: paid", at)
	}
	if e.Final != nil {
		assert.Equal(t, *e.Final, ev.Final(), "%s: final", at)
	}
	b, err := json.Marshal(ev)
	require.NoError(t, err)
	form := object(t, b)
	unsigned := object(t, form["unsigned"])
	extra := object(t, form["extra"])
	maps.Copy(extra, object(t, unsigned["extra"]))
	compareMembers(t, at+", signed", e.Members, form)
	compareMembers(t, at+", unsigned", e.Unsigned, unsigned)
	compareMembers(t, at+", extra", e.Extra, extra)
	for name, literal := range e.Literals {
		amount, found := e2e.SignedAmounts(ev)[name]
		if assert.True(t, found, "%s: no amount %s", at, name) {
			assert.Equal(t, literal, amount.Literal(), "%s: %s as sent", at, name)
		}
	}
	if e.Refund != nil {
		compareRefund(t, at, e.Refund, ev)
	}
	found := ev.Found()
	if e.Expected != nil {
		assert.Equal(t, *e.Expected, Order{found.Expected.Amount.String(), found.Expected.RefCode}, at)
	}
	if e.Confirmed != nil && assert.NotNil(t, found.Confirmed, at) {
		assert.Equal(t, *e.Confirmed, *found.Confirmed, at)
	}
}

func object(t testing.TB, raw json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	if raw != nil {
		require.NoError(t, json.Unmarshal(raw, &out))
	}
	return out
}

func compareMembers(t testing.TB, at string, want map[string]*string, got map[string]json.RawMessage) {
	for name, text := range want {
		raw, found := got[name]
		if !assert.True(t, found, "%s: %s is missing", at, name) {
			continue
		}
		var shown *string
		if json.Unmarshal(raw, &shown) != nil { // the member success of Ptop's event is a boolean
			literal := string(raw)
			shown = &literal
		}
		assert.Equal(t, text, shown, "%s: %s", at, name)
	}
}

func compareRefund(t testing.TB, at string, want map[string]string, ev payack.Event) {
	e, ok := ev.(*payack.PayatomEvent)
	require.True(t, ok, at)
	refund, ok := e.Unsigned.Refund()
	assert.Equal(t, len(want) > 0, ok, "%s: whether there is a refund", at)
	got := map[string]string{
		"refunded_upi": refund.RefundedUPI.String(), "refund_amount": refund.Amount.String(),
		"refund_initiated_time": refund.InitiatedTime.String(), "refund_completed_time": refund.CompletedTime.String(),
		"refund_status": refund.Status.String(), "refund_notes": refund.Notes.String(),
	}
	for name, text := range want {
		shown, known := got[name]
		assert.True(t, known, "%s: a refund has no %s", at, name)
		assert.Equal(t, text, shown, "%s: %s of the refund", at, name)
	}
}
