package inspector_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/reconcile"
)

// A dead event can be retried, a done event can't.
func TestRetryOne(t *testing.T) {
	s := open(t)
	s.fail("ORD-1", payack.ErrUnexpected)
	deliver(s.pts, paid(t, "ORD-1"))
	s.work()
	s.fail("ORD-1", nil)
	a := s.ask("POST", "/deliveries/1/retry", "")
	assert.Equal(t, http.StatusSeeOther, a.StatusCode)
	assert.Equal(t, "/deliveries/1", a.Header.Get("Location"))
	s.work()
	assert.Equal(t, []string{"ORD-1 accepted"}, s.orders(""))
	for _, asks := range []func(*http.Request){asJSON, func(*http.Request) {}} {
		a = s.ask("POST", "/deliveries/1/retry", "", asks)
		assert.Equal(t, http.StatusConflict, a.StatusCode)
		assert.Contains(t, a.text, "is done")
	}
	assert.Equal(t, http.StatusNotFound, s.ask("POST", "/deliveries/99/retry", "").StatusCode)
	assert.Equal(t, http.StatusNotFound, s.ask("POST", "/deliveries/m1/retry", "").StatusCode)
	assert.NotContains(t, s.ask("GET", "/deliveries/1", "").text, "Try again now")
}

// Closing takes a note, which is kept.
func TestCloseByHand(t *testing.T) {
	s := open(t)
	s.dead("ORD-1")
	for _, note := range []string{"", "  ", strings.Repeat("x", 1001), "a\nb", "a\xffb"} {
		a := s.ask("POST", "/deliveries/2/close", url.Values{"note": {note}}.Encode(), asJSON)
		assert.Equal(t, http.StatusBadRequest, a.StatusCode, note)
	}
	a := s.ask("POST", "/deliveries/2/close", "note=refunded+by+bank", asJSON)
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.Contains(t, a.text, `"note": "refunded by bank"`)
	assert.Equal(t, "closed", s.open("2", "").Outcome)
	assert.Contains(t, s.ask("GET", "/", "").text, "refunded by bank")
	assert.Equal(t, http.StatusConflict, s.ask("POST", "/deliveries/1/close", "note=x").StatusCode)
}

// An event that a person closed can't be retried, alone or with others, and the
// page doesn't offer it.
func TestClosedStaysClosed(t *testing.T) {
	s := open(t)
	s.fail("ORD-1", payack.ErrUnexpected)
	deliver(s.pts, paid(t, "ORD-1"))
	s.work()
	s.fail("ORD-1", nil)
	require.Equal(t, http.StatusOK, s.ask("POST", "/deliveries/1/close", "note=paid+out+by+hand", asJSON).StatusCode)
	page := s.ask("GET", "/deliveries/1", "").text
	assert.NotContains(t, page, "Try again now")
	assert.NotContains(t, page, "Close by hand")
	assert.Equal(t, http.StatusConflict, s.ask("POST", "/deliveries/1/retry", "").StatusCode)
	for _, query := range []string{"", "outcome=closed", "q=ORD-1", "outcome=superseded", "outcome=accepted"} {
		assert.Contains(t, s.ask("GET", "/retry?"+query, "").text, "Nothing to try again", query)
		assert.Equal(t, http.StatusConflict, s.ask("POST", "/retry?"+query, "count=100").StatusCode, query)
	}
	s.work()
	assert.Equal(t, []string{"ORD-1 closed"}, s.orders(""))
}

// A read-only page changes nothing and offers no action.
func TestReadOnly(t *testing.T) {
	s := open(t, func(c *inspector.Config) {
		c.ReadOnly = true
		c.Ask = func(context.Context, reconcile.Order) (reconcile.Answer, error) { panic("asked") }
	})
	s.dead("ORD-1")
	for _, path := range []string{"/deliveries/2/retry", "/deliveries/2/close", "/deliveries/2/ask", "/retry?outcome=dead", "/jobs/1/stop"} {
		assert.Equal(t, http.StatusForbidden, s.ask("POST", path, "note=x&count=1").StatusCode, path)
	}
	assert.Equal(t, http.StatusForbidden, s.ask("GET", "/retry", "").StatusCode)
	for _, path := range []string{"/", "/deliveries/2", "/deliveries/1"} {
		page := s.ask("GET", path, "").text
		assert.NotContains(t, page, `method="post"`, path)
		assert.NotContains(t, page, "again…", path)
		assert.Contains(t, page, "read-only")
	}
	assert.Equal(t, []string{"ORD-1 dead", "ORD-1 accepted"}, s.orders(""))
}

// job is the progress of a bulk retry.
type job struct {
	ID               int64
	Total, Retried   int
	Running, Stopped bool
	Failed           string
}

func (s *shop) job(id int64) (j job) {
	s.t.Helper()
	s.ask("GET", fmt.Sprintf("/jobs/%d", id), "", asJSON).into(s.t, &j)
	return j
}

// The page asks for confirmation, and names the number of dead and pending events
// that match. Then it retries all of them.
func TestRetryMany(t *testing.T) {
	s := open(t)
	for i := range 8 {
		s.fail(fmt.Sprint("ORD-", i), payack.ErrUnexpected)
		s.fail(fmt.Sprint("ODD-", i), errLedger)
		deliver(s.pts, paid(t, fmt.Sprint("ORD-", i)))
		deliver(s.pts, paid(t, fmt.Sprint("ODD-", i)))
		deliver(s.pts, paid(t, fmt.Sprint("FINE-", i)))
	}
	s.work()
	for i := range 8 {
		s.fail(fmt.Sprint("ORD-", i), nil)
		s.fail(fmt.Sprint("ODD-", i), nil)
	}
	page := s.ask("GET", "/retry?reason=callback", "").text
	assert.Contains(t, page, "Try 8 deliveries again?")
	assert.Contains(t, s.ask("GET", "/retry?outcome=accepted", "").text, "Nothing to try again")
	assert.Contains(t, s.ask("GET", "/retry?q=ORD-1", "").text, "Try 1 delivery again?")

	for _, count := range []string{"", "0", "-1", "x", "1000000"} {
		assert.Equal(t, http.StatusBadRequest, s.ask("POST", "/retry?reason=callback", "count="+count).StatusCode, count)
	}
	assert.Equal(t, http.StatusConflict, s.ask("POST", "/retry?outcome=accepted", "count=8", asJSON).StatusCode)

	a := s.ask("POST", "/retry?reason=unexpected", "count=5", asJSON)
	require.Equal(t, http.StatusAccepted, a.StatusCode, a.text)
	var j job
	a.into(t, &j)
	assert.Equal(t, 5, j.Total, "no more than was asked for")
	require.Eventually(t, func() bool { return !s.job(j.ID).Running }, 30*time.Second, 5*time.Millisecond)
	assert.Equal(t, 5, s.job(j.ID).Retried)
	s.work()
	assert.Len(t, s.orders("outcome=accepted"), 13)
	assert.Contains(t, s.ask("GET", "/jobs/1", "").text, "5 of 5 due now")
	a = s.ask("POST", "/retry?within=1h", "count=100")
	assert.Equal(t, "/jobs/2", a.Header.Get("Location"))
	require.Eventually(t, func() bool { return !s.job(2).Running }, 30*time.Second, 5*time.Millisecond)
	s.work()
	assert.Len(t, s.orders("outcome=accepted"), 24, "%v", s.orders(""))
	assert.Equal(t, http.StatusNotFound, s.ask("GET", "/jobs/3", "").StatusCode)
}

// The provider is asked about the order that the message names, and its answer
// is shown.
func TestAskNow(t *testing.T) {
	var asked reconcile.Order
	var fails error
	s := open(t, func(c *inspector.Config) {
		c.Ask = func(_ context.Context, o reconcile.Order) (reconcile.Answer, error) {
			asked = o
			ev := &payack.PTSEvent{UserID: "1", OrderID: o.OrderID, Status: payack.PTSSuccess, AcceptAmount: payack.NewAmount("5")}
			return reconcile.Answer{Event: ev, Status: "2000", Amount: payack.NewAmount("5"), Signed: true, Delivered: true,
				Observation: payack.Observation{Outcome: payack.OutcomeDuplicate}}, fails
		}
	})
	s.dead("ORD-1")
	a := s.ask("POST", "/deliveries/2/ask", "", asJSON)
	require.Equal(t, http.StatusOK, a.StatusCode, a.text)
	assert.Equal(t, reconcile.Order{Provider: payack.PTS, OrderID: "ORD-1", Handle: "TX-ORD-1"}, asked)
	assert.Contains(t, a.text, `"paid": true`)
	page := s.ask("POST", "/deliveries/2/ask", "").text
	assert.Contains(t, page, "<h1>Paid</h1>")
	assert.Contains(t, page, "duplicate")
	fails = errors.New("reconcile: pts: the gateway <b>is down</b>")
	assert.Contains(t, s.ask("POST", "/deliveries/2/ask", "").text, "&lt;b&gt;is down")
	assert.Contains(t, s.ask("GET", "/deliveries/2", "").text, "Ask pts now")

	without := open(t)
	without.dead("ORD-1")
	assert.Equal(t, http.StatusNotFound, without.ask("POST", "/deliveries/2/ask", "").StatusCode)
	assert.NotContains(t, without.ask("GET", "/deliveries/2", "").text, "Ask pts now")
}
