package inspector_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/inspector"
	"github.com/payack/payack/payacktest"
)

// stream reads server-sent events.
type stream struct {
	t  *testing.T
	in *bufio.Reader
}

func (s *shop) stream(t *testing.T, query string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // an event that doesn't come fails the test
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", s.url+"/live?"+query, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { res.Body.Close() })
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	return &stream{t, bufio.NewReader(res.Body)}
}

// next returns the data of the next event with this name. An empty name matches
// any event.
func (s *stream) next(name string) string {
	s.t.Helper()
	for {
		found := false
		var data strings.Builder
		for {
			line, err := s.in.ReadString('\n')
			require.NoError(s.t, err)
			if line == "\n" {
				break
			}
			found = found || line == "event: "+name+"\n" || name == "" && strings.HasPrefix(line, "event: ")
			if text, ok := strings.CutPrefix(line, "data: "); ok {
				data.WriteString(text)
			}
		}
		if found {
			return data.String()
		}
	}
}

// A stream begins with the current list, or with the state of the one delivery that
// it is about. Then it sends new and changed rows that match the filter, and removes
// rows that no longer match.
func TestStream(t *testing.T) {
	s := open(t)
	deliver(s.pts, paid(t, "ORD-1"))
	all, waiting, one := s.stream(t, ""), s.stream(t, "outcome=pending"), s.stream(t, "only=1")
	assert.Contains(t, all.next("list"), "ORD-1")
	assert.Contains(t, waiting.next("list"), "ORD-1")
	assert.Contains(t, one.next("ready"), "pending")
	deliver(s.pts, paid(t, "ORD-2").Tampered(t, payacktest.FlipSignature))
	assert.Contains(t, all.next("row"), "ORD-2")
	assert.Contains(t, all.next("state"), "did not verify")
	s.work()
	assert.Contains(t, all.next("row"), `mark accepted`)
	assert.Equal(t, "1\n", waiting.next("gone"))
	assert.Contains(t, one.next("row"), `mark accepted`)

	// A later stream begins with what needs a person, too.
	assert.Contains(t, s.stream(t, "").next("state"), "did not verify")
	assert.Contains(t, s.stream(t, "only=1").next("state"), "did not verify")

	// A stream with a filter sends a new row that matches.
	again := s.stream(t, "q=ORD-3")
	assert.NotContains(t, again.next("list"), "<tr")
	deliver(s.pts, paid(t, "ORD-3"))
	assert.Contains(t, again.next("row"), "ORD-3")

	assert.Equal(t, http.StatusBadRequest, s.ask("GET", "/live?outcome=x", "").StatusCode)
}

// A matching row arrives, however many others come at the same moment.
func TestStreamUnderLoad(t *testing.T) {
	s := open(t)
	kept, forged := s.stream(t, "q=KEPT-0"), s.stream(t, "q=FORGED-0")
	kept.next("list")
	forged.next("list")
	for i := range 260 {
		deliver(s.pts, paid(t, fmt.Sprint("FORGED-", i)).Tampered(t, payacktest.FlipSignature))
	}
	for i := range 260 {
		deliver(s.pts, paid(t, fmt.Sprint("KEPT-", i)))
	}
	has := func(in *stream, name string) {
		for { // the delivery comes as a row, or in a new list
			if strings.Contains(in.next(""), name) {
				return
			}
		}
	}
	has(forged, "FORGED-0")
	has(kept, "KEPT-0")
}

// The page of a delivery that is gone doesn't reconnect forever. A HEAD request
// for a stream is answered at once.
func TestNoStream(t *testing.T) {
	s := open(t)
	for _, id := range []string{"m99", "99", "x"} {
		assert.Equal(t, http.StatusNotFound, s.ask("GET", "/live?only="+id, "").StatusCode, id)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, s.ask("HEAD", "/live", "").StatusCode)
}

// While the database fails, a stream ends at once without an error status: a
// browser then reconnects. After the failure a stream has the list again.
func TestStreamAfterAFailure(t *testing.T) {
	s := open(t)
	deliver(s.pts, paid(t, "ORD-1"))
	_, err := s.db.Exec(`ALTER TABLE payack_inbox RENAME TO away`)
	require.NoError(t, err)
	text, err := io.ReadAll(s.stream(t, "").in)
	require.NoError(t, err)
	assert.Equal(t, "retry: 5000\n\n", string(text))
	_, err = s.db.Exec(`ALTER TABLE away RENAME TO payack_inbox`)
	require.NoError(t, err)
	assert.Contains(t, s.stream(t, "").next("list"), "ORD-1")
}

// A client that leaves while its list is read is no failure of the database.
func TestStreamOfAClientThatLeft(t *testing.T) {
	var log bytes.Buffer
	s := open(t, func(c *inspector.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	log.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", s.url+"/live", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.page.ServeHTTP(w, r)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Empty(t, w.Body.String())
	assert.Empty(t, log.String())
}

// A server's own short deadlines don't end the stream.
func TestStreamOutlastsTheServersDeadline(t *testing.T) {
	s := withoutInbox(t)
	server := httptest.NewUnstartedServer(s.page)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 2*time.Second, 2*time.Second
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.url = server.URL
	events := s.stream(t, "")
	events.next("list")
	for i := range 2 {
		time.Sleep(2200 * time.Millisecond) // longer than the deadlines
		deliver(s.pts, paid(t, fmt.Sprint("ORD-", i)))
		assert.Contains(t, events.next("row"), fmt.Sprint("ORD-", i))
	}
}
