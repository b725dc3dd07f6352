package inspector

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/internal/providers"
)

// filter selects deliveries. It is read from the query of a request.
type filter struct {
	find     string
	provider payack.Provider
	outcome  string
	reason   payack.Reason
	within   string // the name of a span, such as 15m
	from     time.Time
	before   time.Time
}

// span is a period up to now that a user can choose.
type span struct {
	Name, Text string
	span       time.Duration
}

var spans = []span{
	{"15m", "last 15 minutes", 15 * time.Minute}, {"1h", "last hour", time.Hour},
	{"24h", "last day", 24 * time.Hour}, {"7d", "last week", 7 * 24 * time.Hour},
}

// states maps outcomes of rows to the inbox's states.
var states = map[string]inbox.State{
	string(payack.OutcomeAccepted): inbox.Done, "pending": inbox.Pending, "running": inbox.Running, "dead": inbox.Dead,
	"superseded": inbox.Superseded, "closed": inbox.Closed, "refuted": inbox.Refuted,
}

// localTime is the format in which a browser sends a time from a form; the page
// reads it as UTC. exactTime is the same format with seconds and milliseconds.
const (
	localTime = "2006-01-02T15:04"
	exactTime = "2006-01-02T15:04:05.999"
)

// filterNames are the names of the query parameters that make up a filter.
var filterNames = []string{"q", "provider", "outcome", "reason", "within", "from", "before"}

// queryOf reads the query of a request. An unknown name is an error: ignoring it
// would select more than was asked for.
func queryOf(r *http.Request, others ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errors.New("the query can't be read; write names and values with & between them, escaped as URLs are")
	}
	return q, known(q, others...)
}

// known checks that each name in a query is in filterNames or in others, and has
// one value.
func known(q url.Values, others ...string) error {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(filterNames, name) && !slices.Contains(others, name) {
			return fmt.Errorf("%.40q is not a filter; the filters are %s", name, strings.Join(filterNames, ", "))
		}
		if len(q[name]) > 1 {
			return fmt.Errorf("%s is given more than once; give one value", name)
		}
	}
	return nil
}

// filterOf reads a filter from a query. The error names the wrong value.
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
		return f, fmt.Errorf("outcome: there is no %.40q; there are %s", f.outcome, strings.Join(wordsOf(true), ", "))
	case f.reason != "" && !slices.Contains(reasons, f.reason):
		return f, fmt.Errorf("reason: there is no %.40q; the page lists them all", string(f.reason))
	case f.within != "" && q.Get("from") != "":
		return f, errors.New("within and from both set the beginning; give one of them")
	}
	if f.within != "" {
		at := slices.IndexFunc(spans, func(s span) bool { return s.Name == f.within })
		if at < 0 {
			return f, fmt.Errorf("within: there is no %.40q; give 15m, 1h, 24h or 7d", f.within)
		}
		f.from = now.Add(-spans[at].span)
	}
	if text := q.Get("from"); text != "" {
		at, err := timeOf("from", text)
		if err != nil {
			return f, err
		}
		f.from = at
	}
	if text := q.Get("before"); text != "" {
		at, err := timeOf("before", text)
		if err != nil {
			return f, err
		}
		f.before = at
	}
	return f, nil
}

// timeOf reads a time, and truncates it to milliseconds because a form shows no
// more.
func timeOf(name, text string) (time.Time, error) {
	for _, layout := range []string{localTime, exactTime, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC().Truncate(time.Millisecond), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s: %.40q is no time; write it like 2026-11-29T18:30, in UTC", name, text)
}

// timeText formats a time exactly as a form shows it.
func timeText(t time.Time) string {
	if t.Equal(t.Truncate(time.Minute)) {
		return t.Format(localTime)
	}
	return t.Format(exactTime)
}

// query returns the filter as a query, without the place in the list.
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
		set("from", timeText(f.from))
	}
	if !f.before.IsZero() {
		set("before", timeText(f.before))
	}
	return q
}

// rows returns the filter for the inbox. The bool is false if no row can match.
func (f *filter) rows() (inbox.Filter, bool) {
	out := inbox.Filter{Find: f.find, Reason: f.reason, Provider: f.provider, From: f.from, Before: f.before}
	if f.outcome == "" {
		return out, true
	}
	state, ok := states[f.outcome]
	out.States = []inbox.State{state}
	return out, ok
}

// remembered reports whether a remembered delivery matches.
func (f *filter) remembered(s *seen) bool {
	received := s.delivery.Received
	return (f.provider == "" || f.provider == s.delivery.Provider) &&
		(f.outcome == "" || f.outcome == string(s.outcome)) &&
		(f.reason == "" || f.reason == s.reason) &&
		(f.from.IsZero() || !received.Before(f.from)) && (f.before.IsZero() || received.Before(f.before)) &&
		(f.find == "" || slices.Contains(s.names(), f.find))
}

// fits reports whether a listed delivery matches.
func (f *filter) fits(e *Entry) bool {
	return (f.provider == "" || f.provider == e.Provider) &&
		(f.outcome == "" || f.outcome == e.Outcome) &&
		(f.reason == "" || f.reason == e.Reason) &&
		(f.from.IsZero() || !e.Received.Before(f.from)) && (f.before.IsZero() || e.Received.Before(f.before)) &&
		(f.find == "" || slices.Contains([]string{e.Order, e.EventID, e.Transaction, e.Reference}, f.find))
}
