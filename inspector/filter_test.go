package inspector_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
)

// A query that can't be understood is refused, and never selects more than was
// asked for.
func TestUnknownFiltersAreRefused(t *testing.T) {
	s := open(t)
	for _, order := range []string{"ORD-1", "ORD-2"} {
		s.fail(order, payack.ErrUnexpected)
		deliver(s.pts, paid(t, order))
	}
	s.work()
	for _, query := range []string{
		"order=ORD-1", "Q=ORD-1", "q=ORD-1;outcome=dead", "q=%zz", "reason=signatur", "reason=" + url.QueryEscape("x y"), "q=ORD-1&q=ORD-2",
		"outcome=Dead", "within=1h&from=2026-01-01T00:00", "state=dead",
	} {
		for _, call := range []struct{ method, path, form string }{
			{"GET", "/", ""}, {"GET", "/live", ""}, {"GET", "/retry", ""}, {"POST", "/retry", "count=100"},
		} {
			a := s.ask(call.method, call.path+"?"+query, call.form, asJSON)
			assert.Equal(t, http.StatusBadRequest, a.StatusCode, call.method+" "+call.path+"?"+query)
		}
	}
	assert.Equal(t, http.StatusBadRequest, s.ask("POST", "/retry", "count=100&order=ORD-1", asJSON).StatusCode)
	assert.Len(t, s.orders("outcome=dead"), 2, "nothing was tried again")
	assert.Equal(t, http.StatusOK, s.ask("GET", "/?q=&provider=&outcome=&reason=&within=&from=&before=", "").StatusCode, "the empty form")
}

var filterInLink = regexp.MustCompile(`href="/retry\?([^"]*)"`)

// The link from the list to the page that retries keeps the shown filter, to the
// millisecond.
func TestFilterIsKeptExactly(t *testing.T) {
	s := open(t)
	s.fail("ORD-1", errLedger)
	deliver(s.pts, paid(t, "ORD-1"))
	s.work()
	received := first(s.entries(""))[0].Received
	for _, before := range []time.Time{received.Add(time.Second), received.Truncate(time.Second).Add(time.Minute), received.Add(3 * time.Millisecond)} {
		from := received.Add(-time.Second)
		q := url.Values{"from": {from.Format(time.RFC3339Nano)}, "before": {before.Format(time.RFC3339Nano)}}
		page := s.ask("GET", "/?"+q.Encode(), "").text
		require.Contains(t, page, "ORD-1")
		link := filterInLink.FindStringSubmatch(page)
		require.NotNil(t, link)
		assert.Contains(t, s.ask("GET", "/retry?"+html.UnescapeString(link[1]), "").text, "Try 1 delivery again?", link[1])
	}
	q := url.Values{"before": {received.Add(-time.Second).Format(time.RFC3339Nano)}}
	assert.Contains(t, s.ask("GET", "/retry?"+q.Encode(), "").text, "Nothing to try again")
}
