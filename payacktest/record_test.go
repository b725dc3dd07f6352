package payacktest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	. "github.com/payack/payack/payacktest"
)

// problems collects the errors that a recorder reports.
type problems struct {
	mu   sync.Mutex
	errs []error
}

func (p *problems) add(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
}

func (p *problems) all() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errs
}

func recorder(t testing.TB, dir string, o RecorderOptions) (*Recorder, *problems) {
	t.Helper()
	p := &problems{}
	o.OnError = p.add
	rec, err := NewRecorder(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rec.Close()) })
	return rec, p
}

func loadAll(t testing.TB, rec *Recorder, dir string) []Recorded {
	t.Helper()
	rec.Flush()
	all, err := LoadDir(dir)
	require.NoError(t, err)
	return all
}

// Every delivery of every builder loads back byte for byte, and a new receiver
// accepts it again.
func TestRecordLoadDeliver(t *testing.T) {
	dir := t.TempDir()
	rec, failures := recorder(t, dir, RecorderOptions{Keep: []string{"X-Callback-Digest"}})
	all := combinations(t)
	for _, x := range all {
		h, _ := x.handler(t)
		server := httptest.NewServer(rec.Wrap(h))
		res, err := x.callback.Post(context.Background(), nil, server.URL+"/callbacks/a%2Fb?token=secret")
		require.NoError(t, err)
		Accepted(t, x.callback.Provider, res)
		server.Close()
		rec.Flush()
	}
	assert.Empty(t, failures.all())
	loaded := loadAll(t, rec, dir)
	require.Len(t, loaded, len(all))
	for i, got := range loaded {
		x := all[i]
		assert.Equal(t, x.callback.Body, got.Body, x.name)
		for name, values := range x.callback.Header {
			assert.Equal(t, values, got.Header[name], x.name)
		}
		assert.Equal(t, "/callbacks/a%2Fb", got.Path)
		assert.Equal(t, payack.OutcomeAccepted, got.Outcome)
		assert.Equal(t, 200, got.Answer.Status)
		assert.False(t, got.Incomplete)
		assert.WithinDuration(t, time.Now(), got.Time, time.Minute)
		assert.EqualValues(t, len(got.Body), got.ContentLength())
		h, _ := x.handler(t)
		Accepted(t, x.callback.Provider, got.Deliver(h))
	}
	dirEntries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range dirEntries {
		info, err := e.Info()
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		assert.NotContains(t, string(b), "token=secret")
	}
}

func TestRecordedOutcomes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "recordings")
	rec, _ := recorder(t, dir, RecorderOptions{})
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())

	c := NewPTSKeys().Config()
	c.Logger, c.Observer = quiet, rec
	observed, err := handlers.NewPTS(c, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(t, err)
	cb := PTS(NewPTSKeys()).Envelope().Callback(t)
	forged := cb.Tampered(t, FlipSignature)
	plain := ptsReceiver(t, NewPTSKeys().Config())
	payatom, boom := payatomReceiver(t, NewPayatomKeys().Config()), payatomReceiver(t, NewPayatomKeys().Config())
	boom.events.Return(errors.New("boom"))
	ptop, down, notMine := ptopReceiver(t, NewPtopKeys().Config()), ptopReceiver(t, NewPtopKeys().Config()), ptopReceiver(t, NewPtopKeys().Config())
	down.events.Return(errors.New("boom"))
	notMine.events.Return(payack.ErrUnexpected)
	silent := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, x := range []struct {
		h    http.Handler
		cb   Callback
		want Recorded
	}{
		{observed, cb, Recorded{Outcome: "accepted", Scheme: "literal", EventID: "pts:v1::1:ORD1000001:T1000001:2000"}},
		{observed, cb, Recorded{Outcome: "duplicate", Scheme: "literal", EventID: "pts:v1::1:ORD1000001:T1000001:2000"}},
		{observed, forged, Recorded{Outcome: "rejected", Reason: "signature"}},
		{observed, cb.Tampered(t, AnnounceType("a/b")), Recorded{Outcome: "refused", Reason: "content_type"}},
		{plain, cb, Recorded{Outcome: "accepted"}},
		{plain, forged, Recorded{}}, // FAILED has several meanings
		{plain, cb.Tampered(t, AnnounceType("a/b")), Recorded{Outcome: "refused"}},
		{payatom, Payatom(NewPayatomKeys()).Callback(t), Recorded{Outcome: "accepted"}},
		{payatom, Payatom(NewPayatomKeys()).Callback(t).Tampered(t, FlipIV), Recorded{Outcome: "rejected"}},
		{boom, Payatom(NewPayatomKeys()).Callback(t), Recorded{}}, // HashMatched with "acknowledge":"no" has several meanings, too
		{down, Ptop(NewPtopKeys()).Callback(t), Recorded{Outcome: "failed"}},
		{notMine, Ptop(NewPtopKeys()).Callback(t), Recorded{Outcome: "rejected"}},
		{ptop, Ptop(NewPtopKeys()).Callback(t), Recorded{Outcome: "accepted"}},
		{ptop, Ptop(NewPtopKeys()).Callback(t).Tampered(t, FlipMAC), Recorded{Outcome: "rejected"}},
		{ptop, Ptop(NewPtopKeys()).Callback(t).Tampered(t, DuplicateMember("success")), Recorded{Outcome: "rejected"}},
		{http.NotFoundHandler(), cb, Recorded{}},
		{silent, cb, Recorded{Outcome: "accepted"}},
	} {
		before := len(loadAll(t, rec, dir))
		res := x.cb.Deliver(rec.Wrap(x.h))
		after := loadAll(t, rec, dir)
		require.Len(t, after, before+1)
		got := after[before]
		assert.Equal(t, x.want, Recorded{Outcome: got.Outcome, Reason: got.Reason, Scheme: got.Scheme, EventID: got.EventID})
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		assert.Equal(t, payack.Answer{Status: res.StatusCode, ContentType: res.Header.Get("Content-Type"), Body: string(body)}, got.Answer)
		if x.want.Reason != "" || x.want.Scheme != "" {
			assert.Equal(t, payack.PTS, got.Provider)
		}
	}
	// Without the recorder in front an observation belongs to no recording.
	rec.Observe(context.Background(), &payack.Observation{})
}

// With Outcomes only deliveries with a chosen outcome or an unknown outcome are
// recorded.
func TestRecordedOutcomesOnly(t *testing.T) {
	dir := t.TempDir()
	rec, _ := recorder(t, dir, RecorderOptions{Outcomes: []payack.Outcome{payack.OutcomeRejected}})
	c := NewPTSKeys().Config()
	c.Logger, c.Observer = quiet, rec
	observed, err := handlers.NewPTS(c, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(t, err)
	plain := ptsReceiver(t, NewPTSKeys().Config())
	cb := PTS(NewPTSKeys()).Envelope().Callback(t)
	for _, h := range []http.Handler{observed, plain} {
		for _, cb := range []Callback{cb, cb, cb.Tampered(t, FlipSignature), cb.Tampered(t, AnnounceType("a/b"))} {
			cb.Deliver(rec.Wrap(h))
		}
	}
	var got []payack.Outcome
	for _, r := range loadAll(t, rec, dir) {
		got = append(got, r.Outcome)
	}
	assert.Equal(t, []payack.Outcome{"rejected", ""}, got)
}

func TestRecordingIsReadable(t *testing.T) {
	dir := t.TempDir()
	rec, _ := recorder(t, dir, RecorderOptions{})
	r := ptsReceiver(t, NewPTSKeys().Config())
	cb := Callback{Header: http.Header{"Content-Type": {"application/json"}, "Cookie": {"a=b"}}, Body: []byte(`{"a":"<é>"}`)}
	cb.Deliver(rec.Wrap(r))
	rec.Flush()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	lines := strings.Split(string(b), "\n")
	lines[2] = `  "time": …,`
	assert.Equal(t, `{
  "format": "payack-delivery/1",
  "time": …,
  "method": "POST",
  "path": "/",
  "header": {
    "Content-Type": [
      "application/json"
    ]
  },
  "redacted": [
    "Cookie"
  ],
  "content_length": 12,
  "body": "{\"a\":\"<é>\"}",
  "body_bytes": 12,
  "body_read": true,
  "answer": {
    "status": 200,
    "content_type": "text/plain",
    "body": "FAILED"
  }
}
`, strings.Join(lines, "\n"))
}

func TestRedaction(t *testing.T) {
	dir := t.TempDir()
	rec, _ := recorder(t, dir, RecorderOptions{Redact: []string{"date", "X-Both"}, Keep: []string{"x-ptop-HASH", "X-Request-Id", "x-both", "X-Long", "X-Binary"}})
	cb := Callback{Header: http.Header{}, Body: []byte("x")}
	secret := []string{"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Token", "Api-Key", "X-Api-Key", "X-Auth-Token",
		"X-Amzn-Oidc-Data", "X-Goog-Iap-Jwt-Assertion", "X-Session-Id", "X-Client-Secret", "X-Signature-Secret", "X-Customer", "Referer", "X-Password",
		"X-Forwarded-For", "X-Harmless", "X-Auth-Signature", "Signature", "X-Signature2", "Date", "X-Both"}
	kept := []string{"X-Signature", "The_signature", "X-Transaction-Signature", "Content-Type", "Content-Encoding", "User-Agent", "Accept", "Accept-Encoding",
		"X-Ptop-Hash", "X-Request-Id"}
	for _, name := range secret {
		cb.Header[name] = []string{"SENSITIVE"}
	}
	for _, name := range kept {
		cb.Header[name] = []string{"one", "two"}
	}
	cb.Header["X-Long"] = []string{"short", strings.Repeat("SENSITIVE", 1000)}
	cb.Header["X-Binary"] = []string{"\xff"}
	cb.Header["X-None"] = nil
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "SENSITIVE", r.Header.Get("Authorization"), "the handler sees all of it")
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "SENSITIVE"})
		w.WriteHeader(http.StatusNoContent)
	})
	cb.Deliver(rec.Wrap(h))
	all := loadAll(t, rec, dir)
	require.Len(t, all, 1)
	assert.ElementsMatch(t, append(secret, "X-Long", "X-Binary"), all[0].Redacted)
	assert.Len(t, all[0].Header, len(kept))
	for _, name := range kept {
		assert.Equal(t, []string{"one", "two"}, all[0].Header[name], name)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	assert.NotContains(t, string(b), "SENSITIVE")
}

func TestRecorderIsConcurrent(t *testing.T) {
	dir := t.TempDir()
	rec, failures := recorder(t, dir, RecorderOptions{})
	c := NewPTSKeys().Config()
	c.Logger, c.Observer = quiet, rec
	h, err := handlers.NewPTS(c, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(t, err)
	server := httptest.NewServer(rec.Wrap(h))
	defer server.Close()
	const senders, each = 8, 6 // 48 deliveries fit into the recorder's queue
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for range each {
				cb, err := PTS(NewPTSKeys()).Fresh().Build()
				if !assert.NoError(t, err) {
					return
				}
				res, err := cb.Post(context.Background(), nil, server.URL)
				if assert.NoError(t, err) {
					Accepted(t, payack.PTS, res)
				}
			}
		})
	}
	wg.Wait()
	assert.Empty(t, failures.all())
	all := loadAll(t, rec, dir)
	assert.Len(t, all, senders*each)
	ids := map[string]bool{}
	for _, r := range all {
		assert.Equal(t, payack.OutcomeAccepted, r.Outcome)
		ids[r.EventID] = true
	}
	assert.Len(t, ids, senders*each)
}

func TestRecorderBounds(t *testing.T) {
	cb := Callback{Header: http.Header{"Content-Type": {"text/plain"}}, Body: bytes.Repeat([]byte("x"), 500)}
	read := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Len(t, b, 500)
	})
	t.Run("body", func(t *testing.T) {
		dir := t.TempDir()
		rec, _ := recorder(t, dir, RecorderOptions{MaxBody: 100})
		cb.Deliver(rec.Wrap(read))
		got := loadAll(t, rec, dir)[0]
		assert.Len(t, got.Body, 100)
		assert.True(t, got.Incomplete)
		assert.EqualValues(t, 500, got.ContentLength())
	})
	t.Run("files, with the oldest dropped", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "old.http"), []byte("a=b"), 0o600))
		names := func() (all []string) {
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				all = append(all, e.Name())
			}
			return all
		}
		before, _ := recorder(t, dir, RecorderOptions{})
		for range 3 {
			cb.Deliver(before.Wrap(read))
		}
		before.Flush()
		was := names()
		rec, failures := recorder(t, dir, RecorderOptions{MaxFiles: 4, DropOldest: true})
		for range 2 {
			cb.Deliver(rec.Wrap(read))
		}
		rec.Flush()
		got := names()
		assert.Len(t, got, 4)
		assert.Equal(t, was[2], got[0], "the newest of those before")
		assert.NotContains(t, got, was[0])
		assert.NotContains(t, got, was[1])
		assert.Equal(t, "old.http", got[3], "it is no recording")
		require.NoError(t, os.Remove(filepath.Join(dir, got[0]))) // somebody moves it away
		for range 4 {
			cb.Deliver(rec.Wrap(read))
		}
		rec.Flush()
		assert.LessOrEqual(t, len(names()), 4)
		assert.Contains(t, names(), "old.http")
		assert.Empty(t, failures.all())
	})
	t.Run("bytes, with the oldest dropped", func(t *testing.T) {
		dir := t.TempDir()
		rec, failures := recorder(t, dir, RecorderOptions{MaxBytes: 3000, DropOldest: true})
		for range 20 {
			cb.Deliver(rec.Wrap(read))
		}
		rec.Flush()
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		var total int64
		for _, e := range entries {
			info, err := e.Info()
			require.NoError(t, err)
			total += info.Size()
		}
		assert.NotEmpty(t, entries)
		assert.LessOrEqual(t, total, int64(3000))
		assert.Empty(t, failures.all())
		rec, failures = recorder(t, t.TempDir(), RecorderOptions{MaxBytes: 10, DropOldest: true})
		cb.Deliver(rec.Wrap(read))
		rec.Flush()
		require.Len(t, failures.all(), 1)
		assert.ErrorIs(t, failures.all()[0], ErrFull)
	})
	t.Run("files", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "old.http"), []byte("a=b"), 0o600))
		rec, failures := recorder(t, dir, RecorderOptions{MaxFiles: 3})
		for range 5 {
			cb.Deliver(rec.Wrap(read))
		}
		assert.Len(t, loadAll(t, rec, dir), 3)
		require.Len(t, failures.all(), 3)
		assert.ErrorIs(t, failures.all()[0], ErrFull)
	})
	t.Run("bytes", func(t *testing.T) {
		dir := t.TempDir()
		rec, failures := recorder(t, dir, RecorderOptions{MaxBytes: 2000})
		for range 5 {
			cb.Deliver(rec.Wrap(read))
		}
		assert.Len(t, loadAll(t, rec, dir), 2)
		assert.Len(t, failures.all(), 3)
		var sum int64
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			info, err := os.Stat(f)
			require.NoError(t, err)
			sum += info.Size()
		}
		assert.LessOrEqual(t, sum, int64(2000))
	})
}

// A failing disk costs recordings only.
func TestRecorderWithoutADisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	rec, failures := recorder(t, dir, RecorderOptions{})
	require.NoError(t, os.RemoveAll(dir))
	r := ptsReceiver(t, NewPTSKeys().Config())
	Accepted(t, payack.PTS, PTS(NewPTSKeys()).Callback(t).Deliver(rec.Wrap(r)))
	rec.Flush()
	require.Len(t, failures.all(), 1)
	assert.ErrorIs(t, failures.all()[0], fs.ErrNotExist)
	assert.NotContains(t, failures.all()[0].Error(), "ORD1000001")

	require.NoError(t, rec.Close())
	require.NoError(t, rec.Close())
	rec.Flush()
	Accepted(t, payack.PTS, PTS(NewPTSKeys()).Callback(t).Deliver(rec.Wrap(r)))
	assert.Len(t, failures.all(), 1)
}

// A slow disk delays no delivery. In this test OnError blocks instead of a disk.
// Deliveries that don't fit the queue are dropped and counted.
func TestRecorderWithASlowDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	stuck, hold := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := &problems{}
	rec, err := NewRecorder(dir, RecorderOptions{OnError: func(err error) {
		once.Do(func() { close(stuck); <-hold })
		p.add(err)
		panic("a hook's panic ends nothing")
	}})
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	r := ptsReceiver(t, NewPTSKeys().Config())
	h, cb := rec.Wrap(r), PTS(NewPTSKeys()).Callback(t)
	cb.Deliver(h)
	<-stuck
	for range 70 {
		Accepted(t, payack.PTS, cb.Deliver(h))
	}
	close(hold)
	require.NoError(t, rec.Close())
	var dropped int
	for _, err := range p.all() {
		if errors.Is(err, ErrDropped) {
			dropped++
			assert.ErrorContains(t, err, ": 6")
		}
	}
	assert.Equal(t, 1, dropped)
	assert.Len(t, p.all(), 1+64+1)
}

func TestRecorderRefusesBadDirectories(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{"", file, filepath.Join(file, "below")} {
		_, err := NewRecorder(dir, RecorderOptions{})
		assert.Error(t, err)
	}
	for _, o := range []RecorderOptions{{MaxBody: -1}, {MaxFiles: -1}, {MaxBytes: -1}} {
		_, err := NewRecorder(t.TempDir(), o)
		assert.ErrorContains(t, err, "negative")
	}
	if os.Getuid() != 0 { // root writes everywhere
		readOnly := t.TempDir()
		require.NoError(t, os.Chmod(readOnly, 0o500))
		_, err := NewRecorder(readOnly, RecorderOptions{})
		assert.ErrorIs(t, err, fs.ErrPermission)
	}
}

// The receiver behind the recorder gets the body unchanged, even if the body is
// incomplete, too long or sent in chunks.
func TestRecorderLeavesTheBodyAlone(t *testing.T) {
	dir := t.TempDir()
	rec, _ := recorder(t, dir, RecorderOptions{})
	r := ptsReceiver(t, NewPTSKeys().Config())
	h := rec.Wrap(r)
	server := httptest.NewServer(h)
	defer server.Close()
	cb := PTS(NewPTSKeys()).Callback(t)
	n := int64(len(cb.Body))
	post := func(cb Callback) {
		t.Helper()
		_, err := cb.Post(context.Background(), nil, server.URL)
		require.NoError(t, err)
	}
	last := func() Recorded {
		all := loadAll(t, rec, dir)
		return all[len(all)-1]
	}

	post(cb.Tampered(t, AnnounceLength(n+10)))
	got := last()
	assert.Equal(t, payack.ReasonBodyRead, r.last.Reason)
	assert.Equal(t, cb.Body, got.Body)
	assert.Equal(t, n+10, got.ContentLength())
	assert.True(t, got.Incomplete)
	post(got.Callback) // replays the incomplete recording
	assert.Equal(t, payack.ReasonBodyRead, r.last.Reason)

	post(cb.Tampered(t, Pad(70000)))
	assert.Equal(t, payack.ReasonTooLarge, r.last.Reason)
	assert.Empty(t, last().Body, "refused before it was read")
	assert.True(t, last().Incomplete)
	post(cb.Tampered(t, Pad(70000), AnnounceLength(-1)))
	assert.Equal(t, payack.ReasonTooLarge, r.last.Reason)
	got = last()
	assert.Len(t, got.Body, 64<<10)
	assert.EqualValues(t, -1, got.ContentLength())
	assert.True(t, got.Incomplete)

	post(cb.Tampered(t, AnnounceLength(-1)))
	assert.Equal(t, payack.OutcomeAccepted, r.last.Outcome)
	got = last()
	assert.Equal(t, cb.Body, got.Body)
	assert.False(t, got.Incomplete)
	assert.EqualValues(t, -1, got.ContentLength())

	post(Callback{Header: cb.Header})
	assert.Equal(t, payack.ReasonMalformed, r.last.Reason)
	assert.Empty(t, last().Body)
	assert.False(t, last().Incomplete)
}

// The handler gets each part of a body as soon as it arrives.
func TestRecorderStreams(t *testing.T) {
	rec, _ := recorder(t, t.TempDir(), RecorderOptions{})
	first := make(chan string, 1)
	server := httptest.NewServer(rec.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 5)
		_, err := io.ReadFull(r.Body, b)
		assert.NoError(t, err)
		first <- string(b)
		assert.NoError(t, http.NewResponseController(w).SetReadDeadline(time.Now().Add(50*time.Millisecond)), "deadlines reach the server")
		_, err = io.ReadAll(r.Body)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst")
	require.NoError(t, err)
	assert.Equal(t, "first", <-first)
	_, _ = io.ReadAll(conn)
}

func TestRecorderAndPanics(t *testing.T) {
	dir := t.TempDir()
	rec, _ := recorder(t, dir, RecorderOptions{})
	h := rec.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { Callback{Body: []byte("a=b")}.Deliver(h) })
	got := loadAll(t, rec, dir)
	require.Len(t, got, 1)
	assert.Zero(t, got[0].Answer)
	assert.True(t, got[0].Incomplete)
}

func TestRecorderPaths(t *testing.T) {
	dir := t.TempDir()
	rec, _ := recorder(t, dir, RecorderOptions{})
	h := rec.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = w.Write(bytes.Repeat([]byte("\xffy"), 4000))
	}))
	for target, want := range map[string]string{
		"/a%20b/%C3%A9?x=1": "/a%20b/%C3%A9", "/" + strings.Repeat("%20", 2000): "/" + strings.Repeat("%20", 682), "*": "/",
	} {
		r := httptest.NewRequest("OPTIONS", target, nil)
		r.Body = nil
		h.ServeHTTP(httptest.NewRecorder(), r)
		all := loadAll(t, rec, dir)
		got := all[len(all)-1]
		assert.Equal(t, want, got.Path)
		assert.Equal(t, 200, got.Answer.Status)
		assert.LessOrEqual(t, len(got.Answer.Body), 3*4096)
		assert.False(t, got.Incomplete)
		assert.NotNil(t, got.Request(got.Path))
	}
}

// fullDisk is a file that accepts a few bytes only.
type fullDisk struct{ io.WriteCloser }

var errNoSpace = errors.New("no space left")

func (f fullDisk) Write(p []byte) (int, error) {
	n, err := f.WriteCloser.Write(p[:10])
	return n, errors.Join(err, errNoSpace)
}

func TestRecorderOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	rec, failures := recorder(t, dir, RecorderOptions{})
	rec.SetCreate(func(w io.WriteCloser) io.WriteCloser { return fullDisk{w} })
	r := ptsReceiver(t, NewPTSKeys().Config())
	Accepted(t, payack.PTS, PTS(NewPTSKeys()).Callback(t).Deliver(rec.Wrap(r)))
	rec.Flush()
	require.Len(t, failures.all(), 1)
	assert.ErrorIs(t, failures.all()[0], errNoSpace)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "half a file must not stay")
}
