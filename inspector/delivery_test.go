package inspector_test

import (
	"fmt"
	"html"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/payacktest"
)

// opened is a delivery as JSON.
type opened struct {
	inspector.Entry
	Diagnosis struct {
		Cause, Fix string
		Changes    []struct{ Setting, What string }
		Failed     *struct{ Name, Text string }
		Steps      []struct{ Name, Text string }
		None       string
	}
	Signed, Unsigned []struct{ Name, Text string }
	Missing          string
	AttemptsLog      []struct {
		Number        int
		Reason, Error string
	} `json:"attempts_log"`
	Headers        []struct{ Name, Value string }
	HeadersNotKept []string `json:"headers_not_kept"`
	BodyBytes      int      `json:"body_bytes"`
	Body           *struct{ Raw, Formatted, Wrong string }
}

func (s *shop) open(id, query string) (d opened) {
	s.t.Helper()
	a := s.ask("GET", "/deliveries/"+id+query, "", asJSON)
	require.Equal(s.t, http.StatusOK, a.StatusCode, a.text)
	a.into(s.t, &d)
	return d
}

// A refused delivery is explained: the failed step comes first, with the setting
// that would accept it.
func TestRefusedNamesTheSetting(t *testing.T) {
	s := withoutInbox(t)
	cb := payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-1").Callback(t)
	deliver(s.ptop, cb.Tampered(t, payacktest.AnnounceType("text/plain")))
	d := s.open("m1", "")
	assert.Equal(t, payack.ReasonContentType, d.Reason)
	require.NotNil(t, d.Diagnosis.Failed)
	assert.Equal(t, "gate", d.Diagnosis.Failed.Name)
	assert.Contains(t, d.Diagnosis.Fix, "ptop.sniff")
	assert.NotEmpty(t, d.Diagnosis.Steps)
	assert.Contains(t, d.Missing, "Nothing verified")

	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Order("ORD-1").Scheme(payack.SchemeSpliced).Callback(t))
	d = s.open("m2", "")
	require.NotEmpty(t, d.Diagnosis.Changes)
	assert.Equal(t, "ptop.schemes", d.Diagnosis.Changes[0].Setting)
	assert.Equal(t, "signature", d.Diagnosis.Failed.Name)
	assert.Contains(t, s.ask("GET", "/deliveries/m2", "").text, "It failed at: signature")
}

// Signed members are shown apart from unsigned ones. A failed attempt is shown with
// its error.
func TestKeptDelivery(t *testing.T) {
	s := open(t)
	s.fail("ORD-1", errLedger)
	deliver(s.pts, paid(t, "ORD-1", "reference_number", "BANK-1"))
	s.work()
	d := s.open("1", "")
	assert.Equal(t, "pending", d.Outcome)
	assert.Equal(t, payack.ReasonCallback, d.Reason)
	assert.NotNil(t, d.Next)
	require.Len(t, d.AttemptsLog, 1)
	assert.Contains(t, d.AttemptsLog[0].Error, errLedger.Error())
	assert.Contains(t, d.Diagnosis.Cause, errLedger.Error())
	assert.Equal(t, "function", d.Diagnosis.Failed.Name)
	names := func(members []struct{ Name, Text string }) (out []string) {
		for _, m := range members {
			out = append(out, m.Name+"="+m.Text)
		}
		return out
	}
	assert.Contains(t, names(d.Signed), "accept_amount=100.50")
	assert.Contains(t, names(d.Unsigned), "reference_number=BANK-1")
	assert.NotContains(t, strings.Join(names(d.Signed), " "), "BANK-1")
	page := s.ask("GET", "/deliveries/1", "").text
	assert.Less(t, strings.Index(page, "accept_amount"), strings.Index(page, "Not signed"))
	assert.Less(t, strings.Index(page, "Not signed"), strings.Index(page, "BANK-1</bdi></td>"))

	s.fail("ORD-1", nil)
	require.NoError(t, s.in.Retry(t.Context(), 1))
	s.work()
	d = s.open("1", "")
	assert.Equal(t, "accepted", d.Outcome)
	assert.Empty(t, d.Diagnosis.Cause)
	assert.Len(t, d.AttemptsLog, 2)
}

// A body is shown when it is asked for, and only if ShowBodies allows it.
func TestBodies(t *testing.T) {
	s := withoutInbox(t)
	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Set("message", "SAID").Callback(t))
	post(s.ptop, "{\"success\": true,\n \"order_id\": \"ORD-2\" \"x\": 1}")
	deliver(s.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Form().Callback(t).Tampered(t, payacktest.AnnounceType("application/json")))
	assert.Nil(t, s.open("m1", "").Body)
	body := func(id string) string {
		page := s.ask("GET", "/deliveries/"+id+"?body=1", "").text
		return page[strings.Index(page, `id="message"`):]
	}
	assert.NotContains(t, s.ask("GET", "/deliveries/m1", "").text[strings.Index(s.ask("GET", "/deliveries/m1", "").text, `id="message"`):], "SAID")
	assert.Contains(t, body("m1"), "SAID")
	d := s.open("m1", "?body=1")
	assert.Contains(t, d.Body.Raw, "SAID")
	assert.Contains(t, d.Body.Formatted, "\n  \"")
	broken := s.open("m2", "?body=1")
	assert.Contains(t, broken.Body.Wrong, "line 2, column 22")
	assert.Contains(t, body("m2"), "<mark>&#34;</mark>")
	assert.Contains(t, s.open("m3", "?body=1").Body.Formatted, "order_id = ")

	hidden := withoutInbox(t, func(c *inspector.Config) { c.ShowBodies = false })
	deliver(hidden.ptop, payacktest.Ptop(payacktest.NewPtopKeys()).Set("message", "SAID").Callback(t).Tampered(t, payacktest.FlipSignature))
	assert.Nil(t, hidden.open("m1", "?body=1").Body)
	assert.NotContains(t, hidden.ask("GET", "/deliveries/m1?body=1", "").text, "SAID")
}

// A small body doesn't become a large page, however it is nested.
func TestNestedBodyStaysSmall(t *testing.T) {
	s := withoutInbox(t)
	for _, body := range []string{
		strings.Repeat("[", 9990) + strings.Repeat("]", 9990),
		strings.Repeat("[", 9990) + strings.Repeat("1,", 20_000) + "1" + strings.Repeat("]", 9990),
		strings.Repeat(`{"a":`, 9990) + "1" + strings.Repeat("}", 9990),
		strings.Repeat("[", 5000) + `"\""` + strings.Repeat(",[]", 5000) + strings.Repeat("]", 5000),
	} {
		post(s.ptop, body)
		id := first(s.entries(""))[0].ID
		for _, as := range []func(*http.Request){asJSON, func(*http.Request) {}} {
			a := s.ask("GET", "/deliveries/"+id+"?body=1", "", as)
			require.Equal(t, http.StatusOK, a.StatusCode)
			assert.Less(t, len(a.text), 2<<20)
		}
	}
	post(s.ptop, `{"order_id": [["a,b", {"x\"[": 1}]]}`)
	assert.Contains(t, s.open(first(s.entries(""))[0].ID, "?body=1").Body.Formatted, "\n      {\n")
}

// Texts of senders stay texts, whatever they contain.
func TestHostileTexts(t *testing.T) {
	s := withoutInbox(t)
	const markup = `"><img src=x onerror=alert(1)><script>alert(2)</script>`
	const turned = "ORD\u202e1-GRO\u2066\u200b"
	for _, text := range []string{markup, turned, strings.Repeat("A", 64<<10-400), "</textarea>{{.}}<!--", "javascript:alert(1)"} {
		b := payacktest.Ptop(payacktest.NewPtopKeys()).Order(text)
		deliver(s.ptop, b.Callback(t))
		deliver(s.ptop, b.Callback(t).Tampered(t, payacktest.FlipSignature))
	}
	post(s.ptop, "{\"order_id\":\"\\u0000\\u202e\\ud800\",\x00\xff<script>alert(1)</script>}")
	pages := []string{"/", "/?q=" + "%22%3E%3Cscript%3Ealert(3)%3C/script%3E"}
	for i := range 11 {
		pages = append(pages, fmt.Sprintf("/deliveries/m%d?body=1", i+1))
	}
	for _, p := range pages {
		a := s.ask("GET", p, "")
		require.Equal(t, http.StatusOK, a.StatusCode)
		page := a.text
		assert.NotRegexp(t, `(?i)<script>|<img|<!--|<[^>]*\son[a-z]+=`, page, p)
		assert.NotContains(t, page, "\u202e")
		assert.NotContains(t, page, "\u2066")
		assert.NotContains(t, page, "\x00")
	}
	list := s.ask("GET", "/", "").text
	assert.Contains(t, html.UnescapeString(list), "ORD‹U+202E›1-GRO")
	assert.Less(t, len(list), 40_000, "a list shows the beginning of a long order")
	for _, id := range []string{"x", "m", "m99", "-1", "9223372036854775808", "%2e%2e", "1%00"} {
		assert.Equal(t, http.StatusNotFound, s.ask("GET", "/deliveries/"+id, "").StatusCode, id)
	}
}

// Reading changes nothing in the database.
func TestReadingWritesNothing(t *testing.T) {
	s := open(t)
	s.dead("ORD-1", "ORD-2")
	file := func() string {
		var path string
		var n int
		require.NoError(t, s.db.QueryRow(`PRAGMA database_list`).Scan(&n, new(string), &path))
		_, err := s.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
		require.NoError(t, err)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		wal, _ := os.ReadFile(path + "-wal")
		return string(b) + string(wal)
	}
	before := file()
	for _, p := range []string{"/", "/?q=ORD-1", "/?outcome=dead&within=1h", "/numbers", "/retry", "/retry?reason=conflict", "/deliveries/1", "/deliveries/2?body=1", "/deliveries/3"} {
		assert.Equal(t, http.StatusOK, s.ask("GET", p, "").StatusCode, p)
	}
	wal := before == file()
	assert.True(t, wal, "the file and its log are the same")
}
