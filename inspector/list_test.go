package inspector_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/payacktest"
)

// The list shows deliveries that the inbox keeps and deliveries that it doesn't,
// the newest first.
func TestList(t *testing.T) {
	s := open(t)
	deliver(s.pts, paid(t, "ORD-1"))
	time.Sleep(2 * time.Millisecond) // SQLite's clock counts milliseconds
	deliver(s.pts, paid(t, "ORD-2").Tampered(t, payacktest.SetMember("accept_amount", "9999")))
	time.Sleep(2 * time.Millisecond)
	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-3").Callback(t))
	time.Sleep(2 * time.Millisecond)
	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-3").Callback(t))
	all, older := s.entries("")
	require.Len(t, all, 4)
	assert.Empty(t, older)
	assert.Equal(t, []string{"ORD-3 duplicate", "ORD-3 pending", "ORD-2 rejected", "ORD-1 pending"}, s.orders(""))
	refused := all[2]
	assert.Equal(t, payack.ReasonSignature, refused.Reason)
	assert.False(t, refused.Verified, "its order is a claim")
	assert.Equal(t, 200, refused.Answered)
	assert.Equal(t, "192.0.2.7", refused.Client)
	s.work()
	assert.Equal(t, []string{"ORD-3 duplicate", "ORD-3 accepted", "ORD-2 rejected", "ORD-1 accepted"}, s.orders(""))
	assert.Equal(t, "100.50 PHP", last(s.entries("q=ORD-1")).Amount)
}

func last(all []inspector.Entry, _ string) inspector.Entry { return all[len(all)-1] }

// Each filter, and each name of a delivery, finds the right deliveries.
func TestFilters(t *testing.T) {
	s := open(t)
	deliver(s.pts, paid(t, "ORD-1", "reference_number", "BANK-1"))
	s.work()
	deliver(s.pts, paid(t, "ORD-1").Tampered(t, payacktest.FlipSignature))
	deliver(s.atom, payacktest.Payatom(payacktest.NewPayatomKeys()).Order("ORD-2").Set("ref_code", "CODE-2").Callback(t))
	done := last(s.entries("outcome=accepted"))
	for query, want := range map[string][]string{
		"q=ORD-1":                            {"ORD-1 rejected", "ORD-1 accepted"},
		"q=TX-ORD-1":                         {"ORD-1 rejected", "ORD-1 accepted"},
		"q=BANK-1":                           {"ORD-1 accepted"},
		"q=CODE-2":                           {"ORD-2 pending"},
		"q=" + url.QueryEscape(done.EventID): {"ORD-1 accepted"},
		"q=ORD":                              nil,
		"provider=payatom":                   {"ORD-2 pending"},
		"outcome=rejected":                   {"ORD-1 rejected"},
		"outcome=dead":                       nil,
		"reason=signature":                   {"ORD-1 rejected"},
		"within=15m":                         {"ORD-2 pending", "ORD-1 rejected", "ORD-1 accepted"},
		"before=2020-01-01T00:00":            nil,
		"from=2020-01-01T00:00&provider=pts": {"ORD-1 rejected", "ORD-1 accepted"},
		"from=" + url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339)): nil,
	} {
		// Deliveries within one millisecond have no order, because SQLite's clock
		// counts milliseconds.
		assert.ElementsMatch(t, want, s.orders(query), query)
	}
	for _, query := range []string{"provider=acme", "outcome=fine", "within=1y", "from=yesterday", "older=x", "older=1", "reason=" + strings.Repeat("x", 99)} {
		a := s.ask("GET", "/?"+query, "", asJSON)
		assert.Equal(t, http.StatusBadRequest, a.StatusCode, query)
	}
}

// Page after page, the list shows each kept and each remembered delivery exactly
// once.
func TestPages(t *testing.T) {
	s := open(t)
	for i := range 130 {
		deliver(s.pts, paid(t, fmt.Sprint("KEPT-", i)))
		deliver(s.pts, paid(t, fmt.Sprint("FORGED-", i)).Tampered(t, payacktest.FlipSignature))
	}
	seen := map[string]bool{}
	older := ""
	for pages := 0; ; pages++ {
		require.Less(t, pages, 5)
		all, next := s.entries("older=" + older)
		for _, e := range all {
			require.False(t, seen[e.ID], e.ID)
			seen[e.ID] = true
		}
		if older = next; next == "" {
			break
		}
	}
	assert.Len(t, seen, 260)
}

// The memory is bounded in number and bytes, and senders without a key can't push
// out deliveries that verified.
func TestMemoryIsBounded(t *testing.T) {
	s := withoutInbox(t, func(c *inspector.Config) { c.Remember, c.RememberBytes = 20, 1<<20 })
	deliver(s.pts, paid(t, "GENUINE"))
	for i := range 50 {
		deliver(s.pts, paid(t, fmt.Sprint("FORGED-", i)).Tampered(t, payacktest.FlipSignature))
	}
	all := s.orders("")
	assert.Len(t, all, 21)
	assert.Contains(t, all, "GENUINE accepted")
	assert.Contains(t, all, "FORGED-49 rejected")
	assert.NotContains(t, all, "FORGED-29 rejected")
	big := payacktest.Ptop(payacktest.NewPtopKeys()).Set("message", strings.Repeat("x", 60_000)).Callback(t).Tampered(t, payacktest.FlipSignature)
	for range 50 {
		deliver(s.ptop, big)
	}
	n := len(s.orders("outcome=rejected"))
	assert.Less(t, n, 18, "a MiB of them")
	assert.Greater(t, n, 10)
}

// All parts of a request count against the bound, not only the body. No
// remembered part keeps the rest of the request in memory.
func TestMemoryHoldsNothingMore(t *testing.T) {
	s := withoutInbox(t, func(c *inspector.Config) { c.RememberBytes = 1 << 20 })
	held := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := held()
	for i := range 100 {
		long := strings.Repeat(string(rune('A'+i%26)), 900_000)
		s.pts.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/callbacks?"+long, strings.NewReader("{}")))
		s.pts.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/"+long, nil))
		s.pts.ServeHTTP(httptest.NewRecorder(), &http.Request{Method: long, URL: &url.URL{Path: "/"}, Body: http.NoBody})
	}
	assert.Less(t, held()-before, int64(20<<20), "of 270 MB that came")
	assert.NotEmpty(t, s.orders("outcome=refused"))
	assert.LessOrEqual(t, len(s.ask("GET", "/deliveries/m300", "").text), 20_000)
}

// The names of headers whose values are not remembered count against
// RememberBytes.
func TestMemoryCountsHeaderNames(t *testing.T) {
	s := withoutInbox(t, func(c *inspector.Config) { c.RememberBytes = 1 << 20 })
	for range 400 {
		r := httptest.NewRequest("GET", "/callbacks", nil)
		for i := range 50 {
			r.Header.Set(fmt.Sprintf("X-%060d", i), "x")
		}
		s.pts.ServeHTTP(httptest.NewRecorder(), r)
	}
	all, older := s.entries("")
	for older != "" {
		var more []inspector.Entry
		more, older = s.entries("older=" + older)
		all = append(all, more...)
	}
	assert.Less(t, len(all), 140, "50 names of 62 bytes each are more than 7 kB")
	assert.Greater(t, len(all), 50)
}

// The list shows the order that a rejected body names only if it is a text or a
// number. Anything else would show a part of the body.
func TestClaimsAreTextsOrNumbers(t *testing.T) {
	s := withoutInbox(t, func(c *inspector.Config) { c.ShowBodies = false })
	for body, want := range map[string]string{
		`{"order_id": {"name": "Maria"}}`:                  " rejected",
		`{"order_id": ["Maria"]}`:                          " rejected",
		`{"order_id": 17}`:                                 "17 rejected",
		`{"order_id": "` + strings.Repeat("x", 600) + `"}`: strings.Repeat("x", 512) + "… rejected",
	} {
		post(s.ptop, body)
		assert.Equal(t, want, s.orders("")[0])
	}
}

// Every page is available as HTML and as JSON.
func TestEmptyPages(t *testing.T) {
	for name, s := range map[string]*shop{"with an inbox": open(t), "without": withoutInbox(t)} {
		a := s.ask("GET", "/", "")
		assert.Equal(t, http.StatusOK, a.StatusCode, name)
		assert.Contains(t, a.text, "payack send ptop", "what to do next")
		assert.Contains(t, a.text, "Nothing needs a person.")
		assert.Contains(t, s.ask("GET", "/?q=ORD-9", "").text, "Nothing matches.")
		assert.Contains(t, s.ask("GET", "/numbers", "").text, "None within the last day")
		assert.Equal(t, http.StatusNotFound, s.ask("GET", "/deliveries/m1", "").StatusCode)
		assert.Equal(t, http.StatusNotFound, s.ask("GET", "/deliveries/1", "").StatusCode)
		assert.Equal(t, http.StatusNotFound, s.ask("GET", "/static/nothing.css", "").StatusCode)
		assert.Equal(t, http.StatusNotFound, s.ask("GET", "/static/", "").StatusCode)
		assert.Contains(t, s.ask("GET", "/", "", asJSON).text, `"deliveries": []`)
	}
}

// All links begin with the path at which the page is mounted.
func TestPrefix(t *testing.T) {
	s := open(t, func(c *inspector.Config) { c.Prefix = "/ops/payack/" })
	deliver(s.pts, paid(t, "ORD-1"))
	a := s.ask("GET", "/", "")
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.NotRegexp(t, `(href|src|action|data-live)="/[^o]`, a.text)
	assert.Contains(t, a.text, `href="/ops/payack/deliveries/1"`)
	assert.Equal(t, http.StatusOK, s.ask("GET", "/deliveries/1", "").StatusCode)
	assert.Equal(t, http.StatusOK, s.ask("GET", "/static/page.js", "").StatusCode)
	a = call(t, "GET", s.url+"/numbers?token="+url.QueryEscape(token))
	assert.Equal(t, "/ops/payack/numbers", a.Header.Get("Location"))
	assert.Equal(t, "/ops/payack/", a.Cookies()[0].Path)
}

func first(all []inspector.Entry, _ string) []inspector.Entry { return all }
