package middleware_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// wire is a raw connection, for senders that break the protocol.
type wire struct {
	t    testing.TB
	conn *net.TCPConn
	r    *bufio.Reader
}

func dial(t testing.TB, s *httptest.Server) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second))) // a test that hangs fails
	return &wire{t, conn.(*net.TCPConn), bufio.NewReader(conn)}
}

func (w *wire) write(text string) {
	w.t.Helper()
	_, err := io.WriteString(w.conn, text)
	require.NoError(w.t, err)
}

func (w *wire) answer() (*http.Response, string) {
	w.t.Helper()
	res, err := http.ReadResponse(w.r, nil)
	require.NoError(w.t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return res, string(b)
}

// closed reports whether the server ends the connection.
func (w *wire) closed() bool {
	_, err := w.r.ReadByte()
	return err == io.EOF
}

func server(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// inMemory returns a request that announces this length. No server has compared the
// length with the body.
func inMemory(t testing.TB, announced int64, body io.Reader) *http.Request {
	t.Helper()
	r := ptopRequest(t, "T1")
	r.ContentLength, r.Body = announced, io.NopCloser(body)
	return r
}

// iotestOneByte hands out one byte at a time.
type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestContentTypesAndEncodings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header http.Header
		reason payack.Reason
	}{
		{"JSON", http.Header{"Content-Type": {"application/json"}}, ""},
		{"JSON in capitals", http.Header{"Content-Type": {"Application/JSON"}}, ""},
		{"charset UTF-8", http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, ""},
		{"charset utf8 in quotes", http.Header{"Content-Type": {`application/json;charset="utf8"`}}, ""},
		{"another charset", http.Header{"Content-Type": {"application/json; charset=utf-16"}}, payack.ReasonContentType},
		{"latin", http.Header{"Content-Type": {"application/json; charset=ISO-8859-1"}}, payack.ReasonContentType},
		{"none", http.Header{}, payack.ReasonContentType},
		{"empty", http.Header{"Content-Type": {""}}, payack.ReasonContentType},
		{"two, both right", http.Header{"Content-Type": {"application/json", "application/json"}}, payack.ReasonContentType},
		{"two in one", http.Header{"Content-Type": {"application/json, text/plain"}}, payack.ReasonContentType},
		{"form", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, payack.ReasonContentType},
		{"text", http.Header{"Content-Type": {"text/plain"}}, payack.ReasonContentType},
		{"multipart", http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, payack.ReasonContentType},
		{"a longer type", http.Header{"Content-Type": {"application/json+x"}}, payack.ReasonContentType},
		{"identity", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity"}}, ""},
		{"identity in capitals", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"Identity"}}, ""},
		{"empty encoding", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {""}}, ""},
		{"gzip", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, payack.ReasonContentEncoding},
		{"gzip in a second line", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity", "gzip"}}, payack.ReasonContentEncoding},
		{"gzip in a list", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity, gzip"}}, payack.ReasonContentEncoding},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWatch()
			r := ptopRequest(t, "T1")
			r.Header.Del("Content-Type")
			for name, values := range tc.header {
				r.Header[name] = values
			}
			in := serve(ptopHandler(t, w.options(), acceptAll), r)
			seen := w.last(t)
			assert.Equal(t, tc.reason, seen.Reason)
			if tc.reason != "" {
				assert.Equal(t, http.StatusUnsupportedMediaType, in.Code)
				assert.Empty(t, seen.Delivery.Body, "nothing is read before the gate")
			}
		})
	}
}

func TestSniffTakesJSONUnderAnyType(t *testing.T) {
	for _, types := range [][]string{nil, {""}, {"text/html"}, {"text/plain"}, {"application/json; charset=utf-16"}, {"\x00"}} {
		w := newWatch()
		h, err := middleware.Handle(ptopConfigured(t, middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Sniff: true, Options: w.options()}), acceptAll)
		require.NoError(t, err)
		r := ptopRequest(t, "T1")
		r.Header["Content-Type"] = types
		assert.Equal(t, http.StatusOK, serve(h, r).Code, "%q", types)
		w.last(t)
	}
	w := newWatch()
	h, err := middleware.Handle(ptopConfigured(t, middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Sniff: true, Options: w.options()}), acceptAll)
	require.NoError(t, err)
	r := ptopRequest(t, "T1")
	r.Header["Content-Type"] = []string{"text/html", "application/json"}
	assert.Equal(t, http.StatusUnsupportedMediaType, serve(h, r).Code, "two types are two meanings")
}

func TestMethods(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "BREW"} {
		w := newWatch()
		r := ptopRequest(t, "T1")
		r.Method = method
		in := serve(ptopHandler(t, w.options(), acceptAll), r)
		assert.Equal(t, http.StatusMethodNotAllowed, in.Code, method)
		assert.Equal(t, "POST", in.Header().Get("Allow"))
		assert.Equal(t, payack.ReasonMethod, w.last(t).Reason)
	}
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestClientAddresses(t *testing.T) {
	const forwarded = "X-Forwarded-For"
	for _, tc := range []struct {
		name      string
		peer      string
		header    http.Header
		allowed   []netip.Prefix
		proxies   []netip.Prefix
		headerSet string
		client    string // empty: refused
	}{
		{name: "the peer", peer: "203.0.113.9:1234", client: "203.0.113.9"},
		{name: "without a port", peer: "203.0.113.9", client: "203.0.113.9"},
		{name: "a spoofed header has no effect", peer: "198.51.100.1:1", header: http.Header{forwarded: {"203.0.113.9"}},
			client: "198.51.100.1"},
		{name: "a spoofed header does not pass the list", peer: "198.51.100.1:1", header: http.Header{forwarded: {"203.0.113.9"}},
			allowed: prefixes("203.0.113.0/24")},
		{name: "an untrusted proxy's header has no effect", peer: "198.51.100.1:1", header: http.Header{forwarded: {"203.0.113.9"}},
			allowed: prefixes("203.0.113.0/24"), proxies: prefixes("10.0.0.0/8")},
		{name: "a trusted proxy is believed", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9"}},
			allowed: prefixes("203.0.113.0/24"), proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "entries left of the proxy's are ignored", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9, 198.51.100.1"}},
			allowed: prefixes("203.0.113.0/24"), proxies: prefixes("10.0.0.0/8")},
		{name: "through two proxies", peer: "10.0.0.1:1", header: http.Header{forwarded: {"1.1.1.1, 203.0.113.9 , 10.9.9.9"}},
			proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "several lines are one list", peer: "10.0.0.1:1", header: http.Header{forwarded: {"1.1.1.1", "203.0.113.9, 10.0.0.7", "10.0.0.8"}},
			proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "the last line is the nearest", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9", "198.51.100.1"}},
			proxies: prefixes("10.0.0.0/8"), client: "198.51.100.1"},
		{name: "only proxies", peer: "10.0.0.1:1", header: http.Header{forwarded: {"10.0.0.3, 10.0.0.2"}},
			proxies: prefixes("10.0.0.0/8"), client: "10.0.0.3"},
		{name: "a proxy without a header", peer: "10.0.0.1:1", proxies: prefixes("10.0.0.0/8"), client: "10.0.0.1"},
		{name: "another header", peer: "10.0.0.1:1", header: http.Header{"X-Real-Ip": {"203.0.113.9"}, forwarded: {"1.1.1.1"}},
			proxies: prefixes("10.0.0.0/8"), headerSet: "x-real-ip", client: "203.0.113.9"},
		{name: "with ports", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9:8080"}},
			proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "IPv6 with a port", peer: "[2001:db8::1]:1", header: http.Header{forwarded: {"[2001:db8:1::9]:8080"}},
			proxies: prefixes("2001:db8::/64"), client: "2001:db8:1::9"},
		{name: "IPv4 in IPv6 is IPv4", peer: "[::ffff:203.0.113.9]:1", allowed: prefixes("203.0.113.9/32"), client: "203.0.113.9"},
		{name: "IPv4 in IPv6 from a proxy", peer: "[::ffff:10.0.0.1]:1", header: http.Header{forwarded: {"::ffff:203.0.113.9"}},
			allowed: prefixes("203.0.113.9/32"), proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "zones are dropped", peer: "[fe80::1%eth0]:1", allowed: prefixes("fe80::/64"), client: "fe80::1"},
		{name: "not on the list", peer: "203.0.114.9:1", allowed: prefixes("203.0.113.0/24", "2001:db8::/64")},
		{name: "IPv6 is not IPv4", peer: "[::1]:1", allowed: prefixes("0.0.0.0/0")},
		{name: "an unparsable entry", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9, unknown"}},
			proxies: prefixes("10.0.0.0/8")},
		{name: "an empty entry", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9,"}}, proxies: prefixes("10.0.0.0/8")},
		{name: "an obfuscated entry", peer: "10.0.0.1:1", header: http.Header{forwarded: {"_hidden"}}, proxies: prefixes("10.0.0.0/8")},
		{name: "entries left of the client are not parsed", peer: "10.0.0.1:1", header: http.Header{forwarded: {"unknown, 203.0.113.9"}},
			proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "an unparsable peer where addresses matter", peer: "@", allowed: prefixes("0.0.0.0/0", "::/0")},
		{name: "an unparsable peer where they don't", peer: "@", client: "invalid IP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWatch()
			o := w.options()
			o.AllowedAddresses, o.TrustedProxies, o.ForwardedHeader = tc.allowed, tc.proxies, tc.headerSet
			r := ptopRequest(t, "T1")
			r.RemoteAddr = tc.peer
			for name, values := range tc.header {
				r.Header[name] = values
			}
			in := serve(ptopHandler(t, o, acceptAll), r)
			seen := w.last(t)
			if tc.client == "" {
				assert.Equal(t, http.StatusForbidden, in.Code)
				assert.Equal(t, payack.ReasonAddress, seen.Reason)
				assert.Empty(t, seen.Delivery.Body)
				return
			}
			assert.Equal(t, http.StatusOK, in.Code)
			assert.Equal(t, tc.client, seen.Delivery.Client.String())
		})
	}
}

func TestForwardedHeadersWithoutTrustedProxiesAreLoggedOnce(t *testing.T) {
	warnings := func(w *watch) (n int) {
		for _, line := range w.lines(t) {
			if line["level"] == "WARN" && strings.Contains(line["msg"].(string), "TrustedProxies") {
				n++
			}
		}
		return n
	}
	w := newWatch()
	h := ptopHandler(t, w.options(), acceptAll)
	serve(h, ptopRequest(t, "T1"))
	assert.Zero(t, warnings(w))
	for range 3 {
		r := ptopRequest(t, "T1")
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		serve(h, r)
	}
	assert.Equal(t, 1, warnings(w))

	w = newWatch()
	o := w.options()
	o.TrustedProxies = prefixes("10.0.0.0/8")
	h = ptopHandler(t, o, acceptAll)
	r := ptopRequest(t, "T1")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	serve(h, r)
	assert.Zero(t, warnings(w))
}

// A charset is not an encoding. The request is refused like any other encoded one,
// and the log names the cause.
func TestCharsetAsContentEncoding(t *testing.T) {
	w := newWatch()
	h := ptopHandler(t, w.options(), acceptAll)
	for encoding, detail := range map[string]string{"UTF-8": "names a charset", "utf8": "names a charset", "gzip": "switch compression off"} {
		r := ptopRequest(t, "T1")
		r.Header.Set("Content-Encoding", encoding)
		assert.Equal(t, http.StatusUnsupportedMediaType, serve(h, r).Code)
		o := w.last(t)
		assert.Equal(t, payack.ReasonContentEncoding, o.Reason)
		assert.ErrorContains(t, o.Err, detail)
	}
}

// A client whose address can't be read is refused if an option depends on the
// address, and only then.
func TestClientsWithoutAnAddress(t *testing.T) {
	limiter := newLimiter(t, 100, 100)
	for name, c := range map[string]struct {
		o      middleware.Options
		reason payack.Reason
	}{
		"nothing goes by it":       {middleware.Options{}, ""},
		"allowed addresses":        {middleware.Options{AllowedAddresses: prefixes("192.0.2.0/24")}, payack.ReasonAddress},
		"trusted proxies":          {middleware.Options{TrustedProxies: prefixes("192.0.2.0/24")}, payack.ReasonAddress},
		"a limiter":                {middleware.Options{Limiter: limiter}, payack.ReasonAddress},
		"a limiter by another key": {middleware.Options{Limiter: limiter, LimitKey: limitKeyFunc(func() {})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatch()
			o := w.options()
			o.AllowedAddresses, o.TrustedProxies, o.Limiter, o.LimitKey = c.o.AllowedAddresses, c.o.TrustedProxies, c.o.Limiter, c.o.LimitKey
			serve(ptopHandler(t, o, acceptAll), sentFrom("@", ptopRequest(t, "T1")))
			assert.Equal(t, c.reason, w.last(t).Reason)
		})
	}
}
