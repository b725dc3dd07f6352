package inspector_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/payacktest"
)

// A new delivery appears once, without reloading. Its changes appear as well.
func TestBrowserLive(t *testing.T) {
	s := open(t)
	b := browse(t, s)
	b.until(`getComputedStyle(document.querySelector(".empty")).display === "block"`)
	b.until(`document.querySelector("#live").textContent === "Live"`)
	s.run()
	s.fail("ORD-2", errLedger)
	deliver(s.pts, paid(t, "ORD-1"))
	deliver(s.pts, paid(t, "ORD-2"))
	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-3").Callback(t).Tampered(t, payacktest.FlipSignature))
	b.until(`document.querySelectorAll("#rows tr").length === 3`)
	b.until(rows + `.match(/accepted ORD-1/) && ` + rows + `.match(/pending ORD-2 .*callback/) && ` + rows + `.match(/rejected ORD-3/)`)
	b.until(`getComputedStyle(document.querySelector(".empty")).display === "none"`)
	b.until(`document.querySelector("#state").innerText.includes("did not verify")`)

	// While somebody reads further down, nothing moves. Afterwards the new rows
	// appear.
	for i := range 30 {
		deliver(s.pts, paid(t, fmt.Sprint("MORE-", i)))
	}
	b.until(rows + `.match(/accepted MORE-29/)`)
	b.do(chromedp.Evaluate[chromedp.Void](`scrollTo(0, 400)`))
	deliver(s.pts, paid(t, "LATE-1"))
	b.until(`document.querySelector("#live").textContent.startsWith("Paused. 1 new")`)
	assert.NotContains(t, b.text(rows), "LATE-1")
	b.do(chromedp.Evaluate[chromedp.Void](`scrollTo(0, 0)`))
	b.until(rows + `.match(/accepted LATE-1/)`)

	// A delivery that comes while the connection is lost shows once the
	// connection is back.
	b.expected = "net::ERR_" // the browser's message about a lost connection
	s.server.CloseClientConnections()
	deliver(s.pts, paid(t, "LOST-1"))
	b.until(rows + `.match(/accepted LOST-1/)`)
	assert.Equal(t, "35", b.text(`document.querySelectorAll("#rows tr").length`))
	assert.Equal(t, "1", b.text(rows+`.match(/LOST-1/g).length`))
}

// A page that was hidden shows what needs a person when it is looked at again, also
// if nothing changes any more.
func TestBrowserHidden(t *testing.T) {
	s := withoutInbox(t)
	b := browse(t, s)
	show := func(hidden string) {
		b.do(chromedp.Evaluate[chromedp.Void](`Object.defineProperty(document, "hidden", {value: ` + hidden + `, configurable: true}); document.dispatchEvent(new Event("visibilitychange"))`))
	}
	b.until(`document.querySelector("#live").textContent === "Live"`)
	show("true")
	deliver(s.pts, paid(t, "ORD-1").Tampered(t, payacktest.FlipSignature))
	// By now the server has noticed that nobody reads, and knows the new state.
	for began := time.Now(); inspector.Looks(s.page) || !strings.Contains(s.ask("GET", "/", "").text, "did not verify"); time.Sleep(100 * time.Millisecond) {
		require.Less(t, time.Since(began), time.Minute)
	}
	show("false")
	b.until(`document.querySelector("#state").innerText.includes("did not verify")`)
}

// A refused delivery can be found and opened, and names the setting that would
// accept it.
func TestBrowserRefused(t *testing.T) {
	s := open(t)
	deliver(s.pts, paid(t, "ORD-1"))
	s.work()
	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-2").Callback(t).Tampered(t, payacktest.AnnounceType("text/plain")))
	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-3").Scheme(payack.SchemeSpliced).Callback(t))
	b := browse(t, s)
	b.do(chromedp.Evaluate[chromedp.Void](`{ const s = document.querySelector("[name=outcome]"); s.value = "refused"; s.dispatchEvent(new Event("change")) }`))
	b.until(`location.search.includes("outcome=refused") && document.querySelectorAll("#rows tr").length === 1`)
	b.until(`document.querySelector("#live").textContent === "Live"`) // the first list replaces the rows
	b.click("#rows a")
	b.until(`document.querySelector(".cause h2")?.textContent === "It failed at: gate"`)
	assert.Contains(t, b.text(`document.querySelector(".cause").innerText`), "ptop.sniff")
	assert.Equal(t, "gate", b.text(`document.querySelector(".steps li.failed b").innerText`))
	assert.Equal(t, "true", b.text(`document.querySelector(".steps li").classList.contains("failed")`), "it is first")
	b.open("/deliveries/m2")
	assert.NotContains(t, b.text(`document.body.innerText`), "Payment done")
	assert.Contains(t, b.text(`document.querySelector(".cause .setting").innerText`), "ptop.schemes")
	b.click(`a[href$="body=1#body"]`)
	b.until(`document.querySelector("pre.raw")?.innerText.includes("Payment done")`)

	b.open("/")
	b.enter("[name=q]", "TX-ORD-1"+kb.Enter)
	b.until(`location.search.includes("q=TX-ORD-1") && document.querySelectorAll("#rows tr").length === 1`)
	assert.Contains(t, b.text(rows), "accepted ORD-1")
	b.open("/?q=NOTHING")
	b.until(`document.querySelector(".empty").innerText.includes("Nothing matches.")`)
}

// A dead event is retried and turns accepted on the open page.
func TestBrowserRetry(t *testing.T) {
	s := open(t)
	s.fail("ORD-1", payack.ErrUnexpected)
	s.fail("ORD-2", payack.ErrUnexpected)
	deliver(s.pts, paid(t, "ORD-1"))
	deliver(s.pts, paid(t, "ORD-2"))
	s.work()
	s.fail("ORD-1", nil)
	b := browse(t, s)
	b.until(`document.querySelector("#state a")?.innerText.startsWith("2 ")`)
	b.open("/deliveries/1")
	b.until(`document.querySelector("h2").innerText.includes("function")|| document.querySelector(".mark.dead")`)
	s.run()
	b.click("form[action$=retry] button")
	b.until(`document.querySelector(".title .mark")?.innerText === "accepted"`)
	assert.Equal(t, "0", b.text(`document.querySelectorAll("form[action$=retry]").length`), "what is done is not tried again")
	b.until(`document.querySelectorAll(".log tbody tr").length === 2`)

	b.open("/deliveries/2")
	b.click("details summary.button")
	b.enter("[name=note]", "the customer was paid back"+kb.Enter)
	b.until(`document.querySelector(".title .mark")?.innerText === "closed"`)
	assert.Contains(t, b.text(`document.body.innerText`), "the customer was paid back")
}

// The page asks the person to confirm before it retries many events. The person can
// stop the retries.
func TestBrowserRetryMany(t *testing.T) {
	s := open(t)
	const many = 40
	for i := range many {
		s.fail(fmt.Sprint("ORD-", i), payack.ErrUnexpected)
		deliver(s.pts, paid(t, fmt.Sprint("ORD-", i)))
	}
	s.work()
	var stopped atomic.Bool
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.page.ServeHTTP(w, r)
		if strings.HasSuffix(r.URL.Path, "/stop") {
			stopped.Store(true)
		}
	}))
	b := browse(t, s)
	b.open("/?outcome=dead&reason=unexpected")
	b.click(`a[href*="/retry?"]`)
	b.until(fmt.Sprintf(`document.querySelector("h1")?.innerText === "Try %d deliveries again?"`, many))
	// Another connection keeps the database busy, so that there is time to stop.
	s.waitsForLocks()
	tx, err := s.db.Begin()
	require.NoError(t, err)
	b.click("button.first")
	b.until(fmt.Sprintf(`document.querySelector("h1")?.innerText === "Trying %d again"`, many))
	// The page reloads each second, which may swallow a click. So each page that comes
	// gets one.
	const stop = `[...document.querySelectorAll("button")].find(b => b.innerText === "Stop")`
	b.until(stop)
	require.Eventually(t, func() bool {
		_ = chromedp.Do(b.ctx, chromedp.Evaluate[chromedp.Void](`(b => { if (b && !window.clicked) { window.clicked = true; b.click(); } })(`+stop+`)`)) // fails while a page is loading
		return stopped.Load()
	}, time.Minute, 20*time.Millisecond)
	require.NoError(t, tx.Rollback())
	b.until(`document.querySelector("h1")?.innerText === "Stopped"`)
	assert.Contains(t, b.text(`document.querySelector("#progress").innerText`), fmt.Sprintf(" of %d due now", many))
	left := len(s.orders("outcome=dead"))
	assert.NotZero(t, left, "it was stopped")

	b.open("/retry?outcome=dead")
	b.click("button.first")
	b.until(`document.querySelector("h1")?.innerText === "All are due"`)
	assert.Empty(t, s.orders("outcome=dead"))
}

// A read-only page offers no action.
func TestBrowserReadOnly(t *testing.T) {
	s := open(t, func(c *inspector.Config) { c.ReadOnly = true })
	s.dead("ORD-1")
	b := browse(t, s)
	b.until(rows + `.match(/dead ORD-1/)`)
	for _, p := range []string{"/", "/deliveries/2"} {
		b.open(p)
		assert.Equal(t, "0", b.text(`document.querySelectorAll("form[method=post], a[href*=retry]").length`))
		assert.Contains(t, b.text(`document.querySelector("header").innerText`), "read-only")
	}
}

// Hostile texts have no effect and don't break the page, not even on a narrow
// screen.
func TestBrowserHostile(t *testing.T) {
	s := withoutInbox(t)
	texts := []string{
		`"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`,
		"ORD\u202e1-GRO\u2066\u200b", strings.Repeat("A", 60_000), `</textarea><svg onload=document.title='owned'>`, `javascript:document.title='owned'`,
	}
	b := browse(t, s)
	b.until(`document.querySelector("#live").textContent === "Live"`)
	for _, text := range texts {
		cb := payacktest.Ptop(payacktest.NewPtopKeys()).Order(text).Callback(t)
		deliver(s.ptop, cb)
		deliver(s.ptop, cb.Tampered(t, payacktest.FlipSignature))
	}
	b.until(`document.querySelectorAll("#rows tr").length === 10`)
	for _, path := range []string{"/", "/deliveries/m1?body=1", "/deliveries/m2?body=1", "/deliveries/m4?body=1", "/deliveries/m6?body=1", "/deliveries/m8?body=1", "/numbers"} {
		b.open(path)
		for _, w := range []int64{1280, 380} {
			b.width(w, 800)
			assert.Equal(t, "true", b.text(`document.documentElement.scrollWidth <= innerWidth`), "%s has no room at %d", path, w)
		}
		assert.NotContains(t, b.text(`document.title`), "owned")
		assert.Equal(t, "0", b.text(`document.querySelectorAll("img, main svg[onload], main script, textarea").length`))
		assert.NotContains(t, b.text(`document.body.innerText`), "\u202e")
	}
}

// Everything can be reached without a mouse: search, next, open, back.
func TestBrowserKeyboard(t *testing.T) {
	s := open(t)
	for i := range 3 {
		deliver(s.pts, paid(t, fmt.Sprint("ORD-", i)))
	}
	s.fail("ORD-9", payack.ErrUnexpected)
	deliver(s.pts, paid(t, "ORD-9"))
	s.work()
	b := browse(t, s)
	b.until(`document.querySelector("#live").textContent === "Live"`)
	b.keys("j")
	b.until(`document.activeElement.innerText === "ORD-9"`)
	b.keys("jj")
	b.until(`document.activeElement.innerText === "ORD-1"`)
	b.keys("k")
	b.until(`document.activeElement.innerText === "ORD-2"`)
	assert.NotEqual(t, "none", b.text(`getComputedStyle(document.activeElement.closest("tr")).outlineStyle`), "focus is seen")
	b.keys(kb.Enter)
	b.until(`document.querySelector("h1")?.innerText === "ORD-2"`)
	b.keys("u")
	b.until(`document.querySelector("#rows")`)
	b.keys("/")
	b.until(`document.activeElement.name === "q"`)
	b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.value = ""`)) // chromedp also types the slash that the page handled
	b.keys("ORD-9" + kb.Enter)
	b.until(`document.querySelectorAll("#rows tr").length === 1 && location.search.includes("ORD-9")`)
	b.keys("j" + kb.Enter)
	b.until(`document.querySelector("form[action$=retry] button")`)
	for range 40 {
		if b.text(`document.activeElement.innerText`) == "Try again now" {
			break
		}
		b.keys(kb.Tab)
	}
	assert.NotEqual(t, "none", b.text(`getComputedStyle(document.activeElement).outlineStyle`))
	s.fail("ORD-9", nil)
	s.run()
	b.keys(kb.Enter)
	b.until(`document.querySelector(".title .mark")?.innerText === "accepted"`)
}

// Without scripts everything works except live updates.
func TestBrowserWithoutScript(t *testing.T) {
	s := open(t)
	s.dead("ORD-1")
	page := http.NewServeMux()
	page.Handle("/", s.page)
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "page.js") {
			w.Header().Set("Content-Type", "text/javascript")
			return // an empty script
		}
		page.ServeHTTP(w, r)
	}))
	b := browse(t, s)
	b.until(rows + `.match(/dead ORD-1/)`)
	b.enter("[name=q]", "ORD-1")
	b.click(".filter button")
	b.until(`location.search.includes("q=ORD-1")`)
	b.click("#rows a")
	b.until(`document.querySelector("form[action$=retry] button")`)
	b.click("form[action$=retry] button")
	b.until(`document.querySelector(".title .mark")?.innerText === "pending"`)
	b.open("/retry?q=ORD-1")
	b.click("button.first")
	b.until(`document.querySelector("h1")?.innerText === "All are due"`)
}
