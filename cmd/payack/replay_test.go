package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/payacktest"
)

// Recorded deliveries of all providers can be replayed to a new receiver.
func TestReplay(t *testing.T) {
	c := fixedConfig()
	dir := t.TempDir()
	genuine := map[payack.Provider]payacktest.Callback{
		payack.Ptop:    payacktest.Ptop(payacktest.NewPtopKeys()).Header("the_signature").Callback(t),
		payack.PTS:     payacktest.PTS(payacktest.NewPTSKeys()).Envelope().Callback(t),
		payack.Payatom: payacktest.Payatom(payacktest.NewPayatomKeys()).Callback(t),
	}
	for n, p := range providers.All {
		data, err := os.ReadFile(recordedFile(t, c, p, genuine[p]))
		require.NoError(t, err)
		// The recording gets the path at which listen mounts the provider.
		data = []byte(strings.Replace(string(data), "/callbacks/"+string(p), "/"+string(p), 1))
		require.NoError(t, os.WriteFile(filepath.Join(dir, string(rune('1'+n))+".json"), data, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte("no recording"), 0o600))
	l := startListener(t, c)

	status, stdout, stderr := call(context.Background(), "replay", "-url", l.url, dir)
	require.Equal(t, exitDone, status, stdout+stderr)
	require.Equal(t, strings.Join([]string{
		filepath.Join(dir, "1.json") + ": HTTP 200", "",
		filepath.Join(dir, "2.json") + ": HTTP 200 text/plain", "SUCCESS",
		filepath.Join(dir, "3.json") + ": HTTP 200 " + payatomJSONType, payatomYes, "",
	}, "\n"), stdout)
	for _, p := range providers.All {
		require.Equal(t, string(p)+" accepted", l.line().verdict())
	}

	// Files may come before flags. A redelivery counts as acknowledged.
	status, _, _ = call(context.Background(), "replay", filepath.Join(dir, "2.json"), "-url", l.url+"/pts")
	require.Equal(t, exitDone, status)
	require.Equal(t, "pts duplicate", l.line().verdict())

	// The receiver of PTS answers a forged callback with FAILED and status 200. A dump
	// doesn't name its provider.
	forged := genuine[payack.PTS].Tampered(t, payacktest.FlipSignature)
	recorded := recordedFile(t, c, payack.PTS, forged)
	status, stdout, stderr = call(context.Background(), "replay", "-url", l.url+"/pts", recorded, filepath.Join(dir, "2.json"))
	require.Equal(t, exitFailed, status)
	require.Equal(t, 2, strings.Count(stdout, ": HTTP 200 text/plain"))
	require.Equal(t, "payack: 1 of 2 recordings were not acknowledged; the receiver's own output gives the reason\n", stderr)
	dump, err := forged.Dump("/pts")
	require.NoError(t, err)
	file := writeFile(t, "dump", string(dump))
	for _, whose := range [][]string{nil, {"-provider", "pts"}} {
		status, _, stderr = call(context.Background(), append([]string{"replay", "-url", l.url, file}, whose...)...)
		require.Equal(t, exitFailed, status)
		require.Contains(t, stderr, "1 of 1 recordings were not acknowledged")
	}
	for _, want := range []string{"rejected signature", "duplicate", "rejected signature", "rejected signature"} {
		require.Equal(t, "pts "+want, l.line().verdict())
	}
	// A forged delivery of Payatom or Ptop is not acknowledged either. The genuine
	// delivery beside it is.
	for p, signed := range map[payack.Provider]payacktest.Callback{payack.Payatom: genuine[payack.Payatom], payack.Ptop: genuine[payack.Ptop]} {
		dump, err := signed.Tampered(t, payacktest.FlipSignature).Dump("/" + string(p))
		require.NoError(t, err)
		status, _, stderr = call(context.Background(), "replay", "-url", l.url, "-provider", string(p), filepath.Join(dir, "2.json"), writeFile(t, "dump", string(dump)))
		require.Equal(t, exitFailed, status)
		require.Contains(t, stderr, "1 of 2 recordings were not acknowledged")
		l.line()
		l.line()
	}
	// For a wrong path, the error says that nothing is there.
	status, stdout, stderr = call(context.Background(), "replay", "-url", l.url+"/pst", filepath.Join(dir, "2.json"))
	require.Equal(t, exitFailed, status)
	require.Contains(t, stdout, "nothing is at /pst (404); give -url with the path of the receiver\n")
	require.Equal(t, "payack: 1 of 1 recordings were answered 404: nothing is at that path; give -url with the path of the receiver\n", stderr)
	l.end()
	require.Contains(t, l.stderr.String(), "path=/pst nearest=/pts")
}

// The replayed request has the recorded bytes.
func TestReplayedBytes(t *testing.T) {
	var mu sync.Mutex
	var got *http.Request
	var body []byte
	answer := http.StatusNoContent
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(answer)
	}))
	defer s.Close()
	exact := "{ \"a\" : \"\xff\x00\" }\n"
	dump := writeFile(t, "dump", "PUT /a%2Fb/c?token=1 HTTP/1.1\r\nHost: shop.example\r\nX-Signature: AbC\r\nX-Signature: d\r\nContent-Type: text/html; charset=x\r\n"+
		"User-Agent: Provider/1\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: x\r\nExpect: 100-continue\r\n"+
		"Authorization: Basic x\r\nCookie: a=b\r\nAccept-Encoding: br\r\nX-Forwarded-For: 192.0.2.9\r\nContent-Length: 16\r\n\r\n"+exact)
	require.Len(t, exact, 15)
	status, _, stderr := call(context.Background(), "replay", "-url", s.URL, dump)
	require.Equal(t, exitUsage, status)
	require.Contains(t, stderr, "announces 16 bytes and has 15")

	text, err := os.ReadFile(dump)
	require.NoError(t, err)
	dump = writeFile(t, "dump", strings.Replace(string(text), "Length: 16", "Length: 15", 1))
	status, stdout, stderr := call(context.Background(), "replay", "-url", s.URL, dump)
	require.Equal(t, exitDone, status, stderr)
	require.Equal(t, dump+": HTTP 204\n\n", stdout)
	require.Equal(t, "PUT", got.Method)
	require.Equal(t, "/a%2Fb/c", got.RequestURI)
	require.Equal(t, exact, string(body))
	require.EqualValues(t, 15, got.ContentLength)
	require.Equal(t, http.Header{
		"X-Signature": {"AbC", "d"}, "Content-Type": {"text/html; charset=x"}, "User-Agent": {"Provider/1"},
		"X-Forwarded-For": {"192.0.2.9"}, "Content-Length": {"15"}, "Accept-Encoding": {"gzip"},
	}, got.Header)

	status, _, _ = call(context.Background(), "replay", "-url", s.URL+"/x?y=1", dump)
	require.Equal(t, exitDone, status)
	require.Equal(t, "/x?y=1", got.RequestURI, "a URL with a path stays as it is")

	// An incomplete recording is refused.
	got = nil
	cut := writeFile(t, "cut.json", `{"format":"payack-delivery/1","time":"2026-01-02T03:04:05Z","provider":"ptop","method":"POST","path":"/x","header":{},`+
		`"content_length":500,"body":"{","body_bytes":500,"body_read":true}`)
	status, stdout, stderr = call(context.Background(), "replay", "-url", s.URL, cut)
	require.Equal(t, exitFailed, status)
	require.Nil(t, got)
	require.Equal(t, cut+": not posted: the recording holds a part of the body only\n", stdout)
	require.Contains(t, stderr, "1 of 1 recordings")

	answer = http.StatusServiceUnavailable
	status, _, _ = call(context.Background(), "replay", "-url", s.URL, dump)
	require.Equal(t, exitFailed, status)
}

// If one recording gets no answer, the others are posted nevertheless.
func TestReplayGoesOn(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n++; n == 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer s.Close()
	status, stdout, stderr := call(t.Context(), "replay", "-url", s.URL+"/x", writeFile(t, "one", "{}"), writeFile(t, "two", "{}"))
	require.Equal(t, exitFailed, status)
	require.Regexp(t, `/one: no answer: .*EOF\n.*/two: HTTP 200\n`, stdout)
	require.Contains(t, stderr, "1 of 2 recordings got no answer: ")
	require.Equal(t, 2, n)
}

func TestReplayCalls(t *testing.T) {
	body := writeFile(t, "body", "{}")
	folder := t.TempDir()
	bad := filepath.Dir(writeFile(t, "bad.json", "what is this?"))
	for _, tt := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{}, exitUsage, "-url"},
		{[]string{body}, exitUsage, "-url"},
		{[]string{"-url", "127.0.0.1:1", body}, exitUsage, "-url"},
		{[]string{"-url", "ftp://127.0.0.1", body}, exitUsage, "-url"},
		{[]string{"-url", "http://127.0.0.1:1"}, exitUsage, "the recordings are missing"},
		{[]string{"-url", "http://127.0.0.1:1", "-x"}, exitUsage, "-x"},
		{[]string{"-url", "http://127.0.0.1:1", "-provider", "stripe", body}, exitUsage, `"stripe"; there are ptop, pts and payatom`},
		{[]string{"-url", "http://127.0.0.1:1", "/nonexistent"}, exitUsage, "no such file"},
		{[]string{"-url", "http://127.0.0.1:1", folder}, exitUsage, "no recordings in this folder"},
		{[]string{"-url", "http://127.0.0.1:1", body, bad}, exitUsage, "bad.json"},
		{[]string{"-url", "http://127.0.0.1:1", body}, exitFailed, "connection refused"},
	} {
		status, stdout, stderr := call(context.Background(), append([]string{"replay"}, tt.args...)...)
		require.Equal(t, tt.status, status, tt.args)
		if status == exitUsage {
			require.Empty(t, stdout)
		}
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Equal(t, 1, strings.Count(stderr, "payack: "), stderr)
		require.Contains(t, stderr, tt.stderr)
	}
}
