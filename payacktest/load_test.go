package payacktest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	. "github.com/payack/payack/payacktest"
)

func TestDumpsLoadBack(t *testing.T) {
	for _, x := range combinations(t) {
		dump, err := x.callback.Dump("http://127.0.0.1:8080/cb?x=1")
		require.NoError(t, err)
		for _, data := range [][]byte{dump, append(bytes.Clone(dump), '\n'), append(bytes.Clone(dump), "\r\n"...)} {
			rec, err := Parse(data)
			require.NoError(t, err, x.name)
			assert.True(t, rec.Equal(x.callback), x.name)
			assert.Equal(t, "/cb", rec.Path)
		}
	}
	binary := Callback{Header: http.Header{"Content-Type": {"text/plain"}, "X-Two": {"a", "b"}}, Body: []byte("\xff\x00\r\n\r\n\n")}
	dump, err := binary.Dump("/")
	require.NoError(t, err)
	rec, err := Parse(dump)
	require.NoError(t, err)
	assert.True(t, rec.Equal(binary))

	_, err = Callback{Method: "A B"}.Dump("/")
	assert.Error(t, err)
	_, err = Callback{Header: http.Header{"X": {"a\r\nB: c"}}}.Dump("/")
	assert.Error(t, err)
	_, err = Callback{}.Dump("::")
	assert.Error(t, err)
}

func TestParseForms(t *testing.T) {
	type want struct{ method, path, contentType, body string }
	for name, x := range map[string]struct {
		data string
		want want
	}{
		"dump, bare line breaks": {"POST /cb HTTP/1.1\nHost: h\ncontent-type: application/json\n\n{\"a\":1}", want{"POST", "/cb", "application/json", `{"a":1}`}},
		"dump, absolute URL":     {"PUT http://h/cb%20d?x=1 HTTP/1.0\r\n\r\nx", want{"PUT", "/cb%20d", "", "x"}},
		"dump, no length":        {"POST / HTTP/2\nContent-Type: text/plain\n\nYWJj\n", want{"POST", "/", "text/plain", "YWJj\n"}},
		"dump, editor's break":   {"POST / HTTP/1.1\nContent-Length: 4\n\nYWJj\n", want{"POST", "/", "", "YWJj"}},
		"dump, empty body":       {"POST / HTTP/1.1\nContent-Length: 0\n\n", want{"POST", "/", "", ""}},
		"dump, asterisk":         {"OPTIONS * HTTP/1.1\n\n", want{"OPTIONS", "/", "", ""}},
		"curl -v": {"*   Trying 127.0.0.1:80...\n> POST /cb HTTP/1.1\n> Host: h\n* between\n> Content-Type: text/plain\n> Content-Length: 4\n>\nYWJj\n* upload completely sent off\n< HTTP/1.1 200 OK\n<\nSUCCESS",
			want{"POST", "/cb", "text/plain", "YWJj"}},
		"curl -v, to the end": {"> POST /cb HTTP/1.1\r\n> Content-Type: application/json\r\n> \r\n{ \"a\" :\n1}", want{"POST", "/cb", "application/json", "{ \"a\" :\n1}"}},
		"bare JSON, exact":    {" {\"a\":1}\n", want{"POST", "/", "application/json", " {\"a\":1}\n"}},
		"bare JSON, broken":   {"{", want{"POST", "/", "application/json", "{"}},
		"bare base64":         {"YWJjZA==\n", want{"POST", "/", "text/plain", "YWJjZA=="}},
		"bare base64, CR":     {"YWJj\r\n", want{"POST", "/", "text/plain", "YWJj"}},
		"bare form":           {"a=1&b=%20\n", want{"POST", "/", "application/x-www-form-urlencoded", "a=1&b=%20"}},
	} {
		t.Run(name, func(t *testing.T) {
			rec, err := Parse([]byte(x.data))
			require.NoError(t, err)
			assert.Equal(t, x.want, want{rec.Method, rec.Path, rec.Header.Get("Content-Type"), string(rec.Body)})
			assert.EqualValues(t, len(rec.Body), rec.ContentLength())
			assert.NotNil(t, rec.Request(rec.Path))
		})
	}
}

const goodRecording = `{"format":"payack-delivery/1","time":"2026-01-02T03:04:05Z","method":"POST","path":"/a","header":{"content-type":["text/plain"],"Host":["x"]},"content_length":3,"body":"abc","body_bytes":3,"body_read":true}`

func TestRecordingsByHand(t *testing.T) {
	rec, err := Parse([]byte(goodRecording))
	require.NoError(t, err)
	assert.Equal(t, http.Header{"Content-Type": {"text/plain"}}, rec.Header)
	assert.Equal(t, "abc", string(rec.Body))
	assert.False(t, rec.Incomplete)

	rec, err = Parse([]byte(strings.Replace(goodRecording, `"body":"abc"`, `"body_base64":"/wA="`, 1)))
	require.NoError(t, err)
	assert.Equal(t, "\xff\x00", string(rec.Body))
	assert.True(t, rec.Incomplete, "one byte is missing")
}

func TestDamagedFiles(t *testing.T) {
	replace := func(old, text string) string {
		require.Contains(t, goodRecording, old)
		return strings.Replace(goodRecording, old, text, 1)
	}
	for name, x := range map[string]struct{ data, err string }{
		"empty":               {"", "empty"},
		"too large":           {"{" + strings.Repeat(" ", MaxFile), "larger"},
		"noise":               {"\x00\x01", "neither"},
		"words":               {"no callback at all", "neither"},
		"an answer":           {"HTTP/1.1 200 OK\r\n\r\nSUCCESS", "dump the request"},
		"cut":                 {goodRecording[:100], "damaged recording: JSON ends too early"},
		"another version":     {replace("delivery/1", "delivery/2"), "another version"},
		"given twice":         {replace(`"method"`, `"path":"/","method"`), "given twice"},
		"unknown member":      {replace(`"method"`, `"extra":"SECRET","method"`), "does not know"},
		"another case":        {replace(`"method"`, `"Method"`), "does not know"},
		"no method":           {replace(`"method":"POST",`, ``), "method is missing"},
		"bad provider":        {replace(`"method"`, `"provider":"SECRET","method"`), "provider is none"},
		"bad method":          {replace(`POST`, `PO ST`), "method is no token"},
		"no length":           {replace(`"content_length":3,`, ``), "content_length is missing"},
		"length of words":     {replace(`"content_length":3`, `"content_length":"SECRET"`), "another type"},
		"negative length":     {replace(`"content_length":3`, `"content_length":-2`), "too small"},
		"fewer bytes":         {replace(`"body_bytes":3`, `"body_bytes":2`), "too small"},
		"no body":             {replace(`"body":"abc",`, ``), "body or body_base64"},
		"two bodies":          {replace(`"body":"abc"`, `"body":"abc","body_base64":"YWJj"`), "body or body_base64"},
		"bad base64":          {replace(`"body":"abc"`, `"body_base64":"YW Jj"`), "body or body_base64"},
		"header of bad name":  {replace(`content-type`, `a b`), "a header's name or value is not valid"},
		"header of two lines": {replace(`text/plain`, `x\r\nY: z`), "a header's name or value is not valid"},
		"bad path":            {replace(`"/a"`, `"http://h/"`), "path is none"},
		"bad time":            {replace(`2026-01-02T03:04:05Z`, `yesterday`), "another type"},
		"something after":     {goodRecording + "{}", "something after"},
		"dump cut":            {"POST / HTTP/1.1\r\nHost: x", "ends within its headers"},
		"dump, bad header":    {"POST / HTTP/1.1\nSECRET\n\n", "header 1 of the dump"},
		"dump, folded":        {"POST / HTTP/1.1\nA: b\n c: d\n\n", "header 2 of the dump"},
		"dump, shorter":       {"POST / HTTP/1.1\nContent-Length: 9\n\nabc", "announces 9 bytes and has 3"},
		"dump, longer":        {"POST / HTTP/1.1\nContent-Length: 2\n\nabc", "announces 2 bytes and has 3"},
		"dump, two lengths":   {"POST / HTTP/1.1\nContent-Length: 2\nContent-Length: 3\n\nabc", "given twice"},
		"dump, no length":     {"POST / HTTP/1.1\nContent-Length: -2\n\nabc", "is no length"},
		"dump, no URL":        {"POST %zz HTTP/1.1\n\nabc", "no URL"},
		"curl -v, no body":    {"> POST / HTTP/1.1\n>\n* sent\n", "has no body"},
		"curl -v, cut":        {"> POST / HTTP/1.1\n> Host: x\n", "ends within its headers"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(x.data))
			require.Error(t, err)
			assert.Contains(t, err.Error(), x.err)
			assert.True(t, strings.HasPrefix(err.Error(), "payacktest: "), err.Error())
			assert.NotContains(t, err.Error(), "SECRET")
		})
	}
}

func TestLoadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
		return path
	}
	rec, err := Load(write("a.json", goodRecording))
	require.NoError(t, err)
	assert.Equal(t, "a.json", rec.Name)
	write("b.http", "POST /b HTTP/1.1\n\na=b")
	write("c", "a=b")
	write(".hidden", "\x00")
	write("README.md", "words")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	var names []string
	Run(t, dir, func(t *testing.T, rec Recorded) { names = append(names, rec.Name+" "+rec.Path) })
	assert.Equal(t, []string{"a.json /a", "b.http /b", "c /"}, names)

	_, err = Load(write("bad", "\x00"))
	assert.ErrorContains(t, err, "(in bad)")
	_, err = LoadDir(dir)
	assert.ErrorContains(t, err, "(in bad)")
	_, err = Load(filepath.Join(dir, "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = LoadDir(filepath.Join(dir, "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(dir)
	assert.ErrorContains(t, err, "LoadDir")

	huge := write("huge", "") // must not be read whole
	require.NoError(t, os.Truncate(huge, 1<<40))
	_, err = Load(huge)
	assert.ErrorContains(t, err, "larger")
}

// FuzzParse checks that parsing never panics, that the result can be sent, and that
// a dump of it loads back equal.
func FuzzParse(f *testing.F) {
	for _, x := range combinations(f) {
		if dump, err := x.callback.Dump("/cb"); err == nil && len(x.name) < 40 {
			f.Add(dump)
			f.Add(x.callback.Body)
		}
	}
	f.Add([]byte(goodRecording))
	f.Add([]byte("* x\n> POST / HTTP/1.1\n> Content-Length: 3\n>\na=b\n< HTTP/1.1 200 OK\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := Parse(data)
		if err != nil {
			return
		}
		r := rec.Request(rec.Path)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		assert.Equal(t, len(rec.Body), len(body))
		_, _ = Forgeries(rec.Callback)
		if rec.ContentLength() != int64(len(rec.Body)) || strings.HasPrefix(rec.Path, "//") {
			return // a dump needs the true length, and url.Parse takes what follows a leading // for a host
		}
		for name, values := range rec.Header {
			for _, v := range values {
				if strings.Trim(v, " \t") != v || name == "" {
					return // HTTP trims these blanks
				}
			}
		}
		dump, err := rec.Dump(rec.Path)
		require.NoError(t, err)
		again, err := Parse(dump)
		require.NoError(t, err)
		assert.True(t, again.Equal(rec.Callback))
	})
}

// FuzzRecordLoad checks that a recording loads back equal, apart from redacted
// headers.
func FuzzRecordLoad(f *testing.F) {
	f.Add("POST", "/cb?x=1", "X-Signature", "v", []byte(`{"a":"é"}`))
	f.Add("GET", "/%2f//", "Cookie", "v", []byte("\xff\x00"))
	f.Add("PUT", "*", "X-Long", strings.Repeat("x", 5000), []byte{})
	f.Add("POST", "//h/p", "X-Bytes", "\xff\r\n", []byte("\ufffd\u2028\ufeff"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, method, path, name, value string, body []byte) {
		dir, err := os.MkdirTemp(dir, "x")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		req, err := http.NewRequestWithContext(context.Background(), method, "http://h/", bytes.NewReader(body))
		if err != nil {
			return
		}
		if u, err := req.URL.Parse(path); err == nil {
			req.URL.Path, req.URL.RawPath = u.Path, u.RawPath
		}
		name = http.CanonicalHeaderKey(name)
		req.Header[name] = []string{value, value}
		rec, problems := recorder(t, dir, RecorderOptions{})
		rec.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(w, r.Body)
			assert.NoError(t, err)
		})).ServeHTTP(httptest.NewRecorder(), req)
		require.NoError(t, rec.Close())
		require.Empty(t, problems.all())
		all, err := LoadDir(dir)
		require.NoError(t, err)
		require.Len(t, all, 1)
		got := all[0]
		assert.Equal(t, string(body[:min(len(body), DefaultRecordBody)]), string(got.Body))
		assert.EqualValues(t, len(body), got.ContentLength())
		assert.Equal(t, req.Method, got.Method)
		if values, kept := got.Header[name]; kept {
			assert.Equal(t, []string{value, value}, values)
			assert.True(t, utf8.ValidString(value))
		}
		assert.Equal(t, 200, got.Answer.Status)
		assert.NotEqual(t, payack.OutcomeFailed, got.Outcome)
	})
}
