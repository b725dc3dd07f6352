package field

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
)

func TestProvidersAreComplete(t *testing.T) { require.NoError(t, registry.Check()) }

func load(t *testing.T) []Case {
	t.Helper()
	cases, err := Load()
	require.NoError(t, err)
	return cases
}

func TestCases(t *testing.T) {
	literal := map[payack.Provider]bool{}
	for _, c := range load(t) {
		t.Run(c.File+"/"+c.Name, func(t *testing.T) { Run(t, &c) })
		for _, d := range c.Deliveries {
			if d.Sign == "" && d.Outcome == payack.OutcomeAccepted {
				literal[c.Provider] = true
			}
		}
	}
	assert.Len(t, literal, len(providers.All), "each provider has a genuine delivery that isn't signed by this code")
}

// fake is a testing.TB that records a failure and does not fail the real test.
type fake struct {
	testing.TB
	mu     sync.Mutex
	failed bool
}

func (f *fake) Helper() {}

func (f *fake) Errorf(string, ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
}

func (f *fake) FailNow() {
	f.Errorf("")
	panic(f)
}

// fails reports whether a case fails.
func fails(t *testing.T, c Case) bool {
	t.Helper()
	f := &fake{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(f) {
				panic(p)
			}
		}()
		Run(f, &c)
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// A case must fail if any one of its expectations is wrong.
func TestWhatIsExpectedCounts(t *testing.T) {
	other := "another"
	text := func(m map[string]*string) bool {
		for name := range m {
			m[name] = &other
			return true
		}
		return false
	}
	spoilt := func(m map[string]string) bool {
		for name := range m {
			m[name] = other
			return true
		}
		return false
	}
	event := func(spoil func(e *Event) bool) func(d *Delivery) bool {
		return func(d *Delivery) bool { return d.Event != nil && spoil(d.Event) }
	}
	for name, spoil := range map[string]func(d *Delivery) bool{
		"outcome": func(d *Delivery) bool {
			was := d.Outcome
			d.Outcome = payack.OutcomeFailed
			return was != d.Outcome
		},
		"reason": func(d *Delivery) bool { d.Reason = payack.ReasonRate; return true },
		"answer": func(d *Delivery) bool { d.Answer += "x"; return true },
		"detail": func(d *Delivery) bool { d.Detail = strings.ToUpper(d.Detail); return d.Detail != "" },
		"called": func(d *Delivery) bool { n := 7; d.Called = &n; return true },
		"warns":  func(d *Delivery) bool { d.Warns += "x"; return true },
		"warns, which nobody expects": func(d *Delivery) bool {
			was := d.Warns
			d.Warns = ""
			return was != ""
		},
		"asked": func(d *Delivery) bool { return spoilt(d.Asked) },
		"event": func(d *Delivery) bool {
			d.Event = nil
			return d.Reason.AfterVerified()
		},
		"event, where there is none": func(d *Delivery) bool {
			d.Event = &Event{}
			return d.Outcome == payack.OutcomeRejected && !d.Reason.AfterVerified()
		},
		"id":       event(func(e *Event) bool { e.ID += "x"; return true }),
		"scheme":   event(func(e *Event) bool { e.Scheme += "x"; return true }),
		"paid":     event(func(e *Event) bool { return flip(&e.Paid) }),
		"final":    event(func(e *Event) bool { return flip(&e.Final) }),
		"members":  event(func(e *Event) bool { return text(e.Members) }),
		"unsigned": event(func(e *Event) bool { return text(e.Unsigned) }),
		"extra":    event(func(e *Event) bool { return text(e.Extra) }),
		"missing":  event(func(e *Event) bool { e.Extra = map[string]*string{"no such": nil}; return true }),
		"literals": event(func(e *Event) bool { return spoilt(e.Literals) }),
		"refund":   event(func(e *Event) bool { return spoilt(e.Refund) }),
		"no refund": event(func(e *Event) bool {
			if len(e.Refund) == 0 {
				return false
			}
			e.Refund = map[string]string{}
			return true
		}),
		"expected":  event(func(e *Event) bool { e.Expected = &Order{Amount: "7"}; return true }),
		"confirmed": event(func(e *Event) bool { e.Confirmed = &payack.Confirmation{Status: other}; return true }),
	} {
		t.Run(name, func(t *testing.T) {
			tried := map[payack.Provider]int{}
			total := 0
			for _, c := range load(t) { // loaded again, because the test changes them
				if tried[c.Provider] == 2 {
					continue
				}
				at := -1
				for i, d := range c.Deliveries {
					if spoil(&d) {
						c.Deliveries[i], at = d, i
						break
					}
				}
				if at < 0 {
					continue
				}
				assert.True(t, fails(t, c), "%s, delivery %d", c.Name, at+1)
				tried[c.Provider]++
				total++
			}
			assert.Greater(t, total, 1)
		})
	}
	for _, c := range load(t) {
		if c.Error != "" {
			c.Error += "x"
			assert.True(t, fails(t, c), c.Name)
		}
	}
}

func flip(b **bool) bool {
	if *b == nil {
		return false
	}
	no := !**b
	*b = &no
	return true
}

// Parse refuses mistakes in a file.
func TestParseIsStrict(t *testing.T) {
	const good = `[{"name": "n", "why": "w", "provider": "pts", "deliveries": [{"sign": "pts", "outcome": "accepted", "answer": "200 SUCCESS", "event": {"id": "x"}}]}]`
	_, err := Parse([]byte(good))
	require.NoError(t, err)
	for _, tc := range []struct{ old, text, says string }{
		{`"why"`, `"wy"`, "unknown field"},
		{`"outcome"`, `"outcomes"`, "unknown field"},
		{`"id"`, `"ids"`, "unknown field"},
		{`"why": "w"`, `"why": "w", "config": {"bodies": "json"}`, "unknown field"},
		{`"why": "w"`, `"why": "w", "config": {"orders": {"A": {"amounts": "1"}}}`, "unknown field"},
		{`"name": "n"`, `"name": "n", "name": "m"`, `"name" is given twice`},
		{`"sign": "pts"`, `"sign": "pts", "sign": "none"`, `"sign" is given twice`},
		{`"sign": "pts"`, `"set": {"a": {"b": 1, "b": 2}}, "sign": "pts"`, `"b" is given twice`},
		{`"sign": "pts"`, `"set": []`, "not an object"},
		{`"name": "n"`, `"name": ""`, "name and why are needed"},
		{`"pts", "deliveries"`, `"visa", "deliveries"`, "no provider"},
		{`"deliveries": [{`, `"error": "x", "deliveries": [{`, "either deliveries or the error"},
		{`"answer": "200 SUCCESS"`, `"detail": "x"`, "outcome and answer are needed"},
		{`"accepted"`, `"rejected"`, "doesn't go with"},
		{`"accepted"`, `"accepted", "reason": "busy"`, "doesn't go with"},
		{`"sign": "pts"`, `"set": {}`, "sign is needed"},
		{`"sign": "pts"`, `"sign": "pts", "body": "{}"`, "no {sign}"},
		{`"sign": "pts"`, `"sign": "pts", "body": "{sign}", "body_base64": "e30="`, "body and body_base64"},
		{`"sign": "pts"`, `"body": "{}", "drop": ["a"]`, "set and drop"},
		{`"sign": "pts"`, `"sign": "pts", "place": "first"`, "shape is PTS's and place is Ptop's"},
		{`"outcome": "accepted", "answer": "200 SUCCESS", "event": {"id": "x"}`, `"outcome": "rejected", "reason": "invalid", "answer": "200 FAILED"`, "say what is expected of its event"},
		{`}]}]`, `}]}] []`, "after the list"},
	} {
		bad := strings.Replace(good, tc.old, tc.text, 1)
		require.NotEqual(t, good, bad)
		_, err := Parse([]byte(bad))
		assert.ErrorContains(t, err, tc.says, fmt.Sprintf("%s for %s", tc.text, tc.old))
	}
	for _, slip := range []Delivery{
		{Drop: []string{"none"}, Sign: "pts"},
		{Sign: "payatom"},
		{Sign: "pts", Shape: "box"},
		{Sign: "pts", Swap: map[string]string{"nowhere": "x"}},
		{Sign: "pts", Set: Members{{"channel", `"§"`}}, Swap: map[string]string{"§": "hex:f"}},
		{BodyBase64: "!"},
	} {
		c := &Case{Provider: payack.PTS}
		key, err := c.Key()
		require.NoError(t, err)
		_, _, err = c.Message(&slip, key)
		assert.Error(t, err, "%+v", slip)
	}
	_, err = (&Case{Provider: payack.PTS, Config: Config{Key: "none"}}).Key()
	assert.ErrorContains(t, err, `no key "none"`)
}
