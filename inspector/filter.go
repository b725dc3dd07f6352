package inspector

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/internal/providers"
)

// filter says which deliveries are meant, as a query does.
type filter struct {
	find     string
	provider payack.Provider
	outcome  string
	reason   payack.Reason
	within   string // a time span before now
	from     time.Time
	before   time.Time
}

// spans are those that can be chosen, with what they are called.
var spans = []struct {
	Name, Text string
	span       time.Duration
}{
	{"15m", "last 15 minutes", 15 * time.Minute}, {"1h", "last hour", time.Hour},
	{"24h", "last day", 24 * time.Hour}, {"7d", "last week", 7 * 24 * time.Hour},
}

// states are the states of the inbox by which outcomes of rows are called.
var states = map[string]inbox.State{
	string(payack.OutcomeAccepted): inbox.Done, "pending": inbox.Pending, "running": inbox.Running, "dead": inbox.Dead,
	"superseded": inbox.Superseded, "closed": inbox.Closed, "refuted": inbox.Refuted,
}

// localTime is how a browser writes a time that was entered, here in UTC.
const localTime = "2006-01-02T15:04"

// filterOf reads a query. The error says which value is none.
func filterOf(q url.Values, now time.Time) (filter, error) {
	f := filter{
		find: strings.TrimSpace(q.Get("q")), provider: payack.Provider(q.Get("provider")), outcome: q.Get("outcome"),
		reason: payack.Reason(q.Get("reason")), within: q.Get("within"),
	}
	_, state := states[f.outcome]
	switch {
	case f.provider != "" && !slices.Contains(providers.All, f.provider):
		return f, fmt.Errorf("provider: there is no %.40q; there are %s", string(f.provider), providers.Names())
	case f.outcome != "" && !state && !slices.Contains(outcomes, payack.Outcome(f.outcome)):
		return f, fmt.Errorf("outcome: there is no %.40q", f.outcome)
	case len(f.reason) > 40:
		return f, fmt.Errorf("reason: there is no %.40q", string(f.reason))
	}
	if f.within != "" {
		at := slices.IndexFunc(spans, func(s struct {
			Name, Text string
			span       time.Duration
		}) bool {
			return s.Name == f.within
		})
		if at < 0 {
			return f, fmt.Errorf("within: there is no %.40q; give 15m, 1h, 24h or 7d", f.within)
		}
		f.from = now.Add(-spans[at].span)
	}
	for name, t := range map[string]*time.Time{"from": &f.from, "before": &f.before} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(localTime, text)
		if err != nil {
			if at, err = time.Parse(time.RFC3339, text); err != nil {
				return f, fmt.Errorf("%s: %.40q is no time; write it like 2026-11-29T18:30, in UTC", name, text)
			}
		}
		*t = at.UTC()
	}
	return f, nil
}

// query is the filter as a query, without a place in the list.
func (f *filter) query() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("q", f.find)
	set("provider", string(f.provider))
	set("outcome", f.outcome)
	set("reason", string(f.reason))
	set("within", f.within)
	if f.within == "" && !f.from.IsZero() {
		set("from", f.from.Format(localTime))
	}
	if !f.before.IsZero() {
		set("before", f.before.Format(localTime))
	}
	return q
}

// rows is the filter for the inbox. It is false where no row can fit.
func (f *filter) rows() (inbox.Filter, bool) {
	out := inbox.Filter{Find: f.find, Reason: f.reason, Provider: f.provider, From: f.from, Before: f.before}
	if f.outcome == "" {
		return out, true
	}
	state, ok := states[f.outcome]
	out.States = []inbox.State{state}
	return out, ok
}

// remembered reports whether a remembered delivery fits.
func (f *filter) remembered(s *seen) bool {
	received := s.delivery.Received
	return (f.provider == "" || f.provider == s.delivery.Provider) &&
		(f.outcome == "" || f.outcome == string(s.outcome)) &&
		(f.reason == "" || f.reason == s.reason) &&
		(f.from.IsZero() || !received.Before(f.from)) && (f.before.IsZero() || received.Before(f.before)) &&
		(f.find == "" || slices.Contains(s.names(), f.find))
}

// fits reports whether a listed delivery fits.
func (f *filter) fits(e *Entry) bool {
	return (f.provider == "" || f.provider == e.Provider) &&
		(f.outcome == "" || f.outcome == e.Outcome) &&
		(f.reason == "" || f.reason == e.Reason) &&
		(f.from.IsZero() || !e.Received.Before(f.from)) && (f.before.IsZero() || e.Received.Before(f.before)) &&
		(f.find == "" || slices.Contains([]string{e.Order, e.EventID, e.Transaction, e.Reference}, f.find))
}
