package middleware_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// wire is a connection of a sender who writes what he likes.
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
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second))) // a test that hangs should say so
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

func TestBodyLimit(t *testing.T) {
	w, c := newWatch(), &counter{}
	o := w.options()
	o.MaxBody, o.ReadTimeout = 200, time.Second
	s := server(t, ptopHandler(t, o, c.accept))

	t.Run("an announced length over it is refused before anything is read", func(t *testing.T) {
		conn := dial(t, s)
		head, _ := ptopRaw(t, "T1", "Content-Length: 201", "Expect: 100-continue")
		conn.write(head) // and not one byte of the body
		res, body := conn.answer()
		assert.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode, "not even asked to go on")
		assert.Empty(t, body)
		assert.True(t, res.Close)
		assert.True(t, conn.closed())
		seen := w.last(t)
		assert.Equal(t, payack.ReasonTooLarge, seen.Reason)
		assert.ErrorIs(t, seen.Err, payack.ErrTooLarge)
		assert.ErrorIs(t, seen.Err, payack.ErrRefused)
		assert.Empty(t, seen.Delivery.Body)
		assert.Zero(t, seen.Took.Capture)
	})
	t.Run("chunks over it are refused while reading", func(t *testing.T) {
		conn := dial(t, s)
		head, _ := ptopRaw(t, "T1", "Transfer-Encoding: chunked")
		conn.write(head + "c8\r\n" + strings.Repeat(" ", 200) + "\r\n" + "1\r\n \r\n") // and no end
		res, _ := conn.answer()
		assert.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
		assert.True(t, res.Close)
		seen := w.last(t)
		assert.Equal(t, payack.ReasonTooLarge, seen.Reason)
		assert.Equal(t, payack.OutcomeRefused, seen.Outcome)
	})
	t.Run("chunks up to it are taken", func(t *testing.T) {
		conn := dial(t, s)
		body := ptopBody("T2") + strings.Repeat(" ", 200-len(ptopBody("T2")))
		conn.write("POST / HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nX-Signature: " + ptopSignature(t, body) +
			"\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n" + body[:1] + "\r\nc7\r\n" + body[1:] + "\r\n0\r\n\r\n")
		res, _ := conn.answer()
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.False(t, res.Close)
		assert.Equal(t, body, w.last(t).Delivery.Body)
	})
	t.Run("a length up to it is taken", func(t *testing.T) {
		body := ptopBody("T3") + strings.Repeat(" ", 200-len(ptopBody("T3")))
		res, err := http.DefaultTransport.RoundTrip(func() *http.Request {
			r, _ := http.NewRequest(http.MethodPost, s.URL, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Signature", ptopSignature(t, body))
			r.Close = true
			return r
		}())
		require.NoError(t, err)
		defer res.Body.Close()
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Equal(t, payack.OutcomeAccepted, w.last(t).Outcome)
	})
	t.Run("a limit set in front of it counts too", func(t *testing.T) {
		h := ptopHandler(t, w.options(), c.accept)
		in := serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(rw, r.Body, 10)
			h.ServeHTTP(rw, r)
		}), ptopRequest(t, "T4"))
		assert.Equal(t, http.StatusRequestEntityTooLarge, in.Code)
		assert.Equal(t, payack.ReasonTooLarge, w.last(t).Reason)
	})
	assert.Equal(t, 2, c.get())
}

func TestBodiesThatDoNotArrive(t *testing.T) {
	w, c := newWatch(), &counter{}
	o := w.options()
	o.ReadTimeout = 250 * time.Millisecond
	s := server(t, ptopHandler(t, o, c.accept))
	head, body := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(ptopBody("T1"))))

	failed := func(t *testing.T, conn *wire) {
		res, text := conn.answer()
		assert.Equal(t, http.StatusInternalServerError, res.StatusCode)
		assert.Empty(t, text)
		seen := w.last(t)
		assert.Equal(t, payack.ReasonBodyRead, seen.Reason)
		assert.Equal(t, payack.OutcomeFailed, seen.Outcome)
		assert.Empty(t, seen.EventID)
	}
	t.Run("half of it, then the end", func(t *testing.T) {
		conn := dial(t, s)
		conn.write(head + body[:len(body)/2])
		require.NoError(t, conn.conn.CloseWrite())
		failed(t, conn)
	})
	t.Run("nothing of it, then the end", func(t *testing.T) {
		conn := dial(t, s)
		conn.write(head)
		require.NoError(t, conn.conn.CloseWrite())
		failed(t, conn)
	})
	t.Run("half of it, and nothing more", func(t *testing.T) {
		conn := dial(t, s)
		conn.write(head + body[:len(body)/2])
		failed(t, conn)
	})
	t.Run("half a chunk, and nothing more", func(t *testing.T) {
		conn := dial(t, s)
		chunked, _ := ptopRaw(t, "T1", "Transfer-Encoding: chunked")
		conn.write(chunked + "ff\r\n{")
		failed(t, conn)
	})
	t.Run("chunks that are none", func(t *testing.T) {
		conn := dial(t, s)
		chunked, _ := ptopRaw(t, "T1", "Transfer-Encoding: chunked")
		conn.write(chunked + "zz\r\n{")
		failed(t, conn)
	})
	t.Run("longer announced than sent", func(t *testing.T) {
		conn := dial(t, s)
		longer, _ := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(body)+1))
		conn.write(longer + body)
		require.NoError(t, conn.conn.CloseWrite())
		failed(t, conn)
	})
	t.Run("shorter announced than sent", func(t *testing.T) {
		conn := dial(t, s)
		shorter, _ := ptopRaw(t, "T1", fmt.Sprintf("Content-Length: %d", len(body)-1))
		conn.write(shorter + body)
		res, _ := conn.answer()
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
		assert.Equal(t, payack.ReasonMalformed, w.last(t).Reason, "the server cuts it")
	})
	assert.Zero(t, c.get())

	t.Run("the connection serves on when a body came in time", func(t *testing.T) {
		patient := w.options()
		conn := dial(t, server(t, ptopHandler(t, patient, c.accept)))
		for i := range 3 {
			conn.write(head + body)
			res, _ := conn.answer()
			assert.Equal(t, http.StatusOK, res.StatusCode, "request %d", i+1)
			w.last(t)
		}
		assert.Equal(t, 1, c.get())
	})
	t.Run("the read deadline does not outlive the body", func(t *testing.T) {
		hold := make(chan struct{})
		h := ptopHandler(t, o, func(ctx context.Context, _ *payack.PtopEvent) error {
			<-hold
			return ctx.Err()
		})
		deadline := make(chan struct{})
		s := server(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			context.AfterFunc(r.Context(), func() { close(deadline) })
			h.ServeHTTP(rw, r)
		}))
		conn := dial(t, s)
		conn.write(head + body)
		timer := time.AfterFunc(2*o.ReadTimeout, func() { close(hold) })
		defer timer.Stop()
		select {
		case <-deadline:
			t.Error("the server took the end of the read deadline for a client that hung up")
			<-hold
		case <-hold:
		}
		res, _ := conn.answer()
		assert.Equal(t, http.StatusOK, res.StatusCode)
		w.last(t)
	})
}

// inMemory is a request whose body is not the server's.
func inMemory(t testing.TB, announced int64, body io.Reader) *http.Request {
	t.Helper()
	r := ptopRequest(t, "T1")
	r.ContentLength, r.Body = announced, io.NopCloser(body)
	return r
}

// A sender who is refused and never sends the announced body must not hold a
// goroutine: the server wants to read it before it goes on.
func TestRefusedBodiesThatNeverCome(t *testing.T) {
	for name, change := range map[string]func(head string) string{
		"method":       func(head string) string { return strings.Replace(head, "POST", "PUT", 1) },
		"content type": func(head string) string { return strings.Replace(head, "application/json", "text/html", 1) },
		"too large": func(head string) string {
			return strings.Replace(head, "Content-Length: 100", "Content-Length: 70000", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatch()
			o := w.options()
			o.ReadTimeout = 50 * time.Millisecond
			s := server(t, ptopHandler(t, o, acceptAll))
			conn := dial(t, s)
			head, _ := ptopRaw(t, "T1", "Content-Length: 100")
			conn.write(change(head))
			res, _ := conn.answer()
			assert.GreaterOrEqual(t, res.StatusCode, 400)
			assert.True(t, conn.closed(), "the connection must end")
			assert.Equal(t, payack.OutcomeRefused, w.last(t).Outcome)
		})
	}
}

func TestAnnouncedLengthIsHeld(t *testing.T) {
	body := ptopBody("T1")
	for name, tc := range map[string]struct {
		announced int64
		reason    payack.Reason
	}{
		"exact":      {int64(len(body)), ""},
		"unknown":    {-1, ""},
		"too short":  {int64(len(body)) - 1, payack.ReasonBodyRead},
		"too long":   {int64(len(body)) + 1, payack.ReasonBodyRead},
		"none":       {0, payack.ReasonBodyRead},
		"over limit": {middleware.DefaultMaxBody + 1, payack.ReasonTooLarge},
	} {
		w := newWatch()
		serve(ptopHandler(t, w.options(), acceptAll), inMemory(t, tc.announced, iotestOneByte{strings.NewReader(body)}))
		assert.Equal(t, tc.reason, w.last(t).Reason, name)
	}
}

// iotestOneByte hands out one byte at a time.
type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestBodyReadByAMiddlewareInFront(t *testing.T) {
	read := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			next.ServeHTTP(w, r)
		})
	}
	readAndRestored := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(b))
			next.ServeHTTP(w, r)
		})
	}
	parsed := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			next.ServeHTTP(w, r)
		})
	}
	json, form := ptopBody("T1"), "success=1&transaction_id=T1&order_id=ORD1"
	for _, tc := range []struct {
		name    string
		front   func(http.Handler) http.Handler
		body    string
		chunked bool
		reason  payack.Reason
	}{
		{"read", read, json, false, payack.ReasonBodyConsumed},
		{"read and restored", readAndRestored, json, false, ""},
		{"read and restored, chunked", readAndRestored, json, true, ""},
		{"ParseForm leaves JSON alone", parsed, json, false, ""},
		{"ParseForm leaves chunked JSON alone", parsed, json, true, ""},
		{"ParseForm reads a form", parsed, form, false, payack.ReasonBodyConsumed},
		{"ParseForm reads a chunked form", parsed, form, true, payack.ReasonBodyConsumed},
		{"read, chunked", read, json, true, payack.ReasonMalformed}, // could be anybody's empty body
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWatch()
			config := middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Options: w.options()}
			contentType := "application/json"
			if tc.body == form {
				config.Body, contentType = verify.BodyForm, "application/x-www-form-urlencoded"
			}
			h, err := middleware.Handle(ptopConfigured(t, config), acceptAll)
			require.NoError(t, err)
			s := server(t, tc.front(h))
			conn := dial(t, s)
			head := "POST / HTTP/1.1\r\nHost: shop\r\nContent-Type: " + contentType + "\r\nX-Signature: " + ptopSignature(t, tc.body) + "\r\n"
			if tc.chunked {
				conn.write(fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, len(tc.body), tc.body))
			} else {
				conn.write(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(tc.body), tc.body))
			}
			res, _ := conn.answer()
			seen := w.last(t)
			assert.Equal(t, tc.reason, seen.Reason)
			switch tc.reason {
			case "":
				assert.Equal(t, http.StatusOK, res.StatusCode)
				assert.Equal(t, tc.body, seen.Delivery.Body)
			case payack.ReasonMalformed:
				assert.Equal(t, http.StatusBadRequest, res.StatusCode)
				assert.Contains(t, seen.Err.Error(), "mount payack before it")
			case payack.ReasonBodyConsumed:
				assert.Equal(t, http.StatusInternalServerError, res.StatusCode, "it must be sent again once the set-up is fixed")
				assert.Contains(t, seen.Err.Error(), "mount payack before it, or let it put the bytes back into r.Body")
			}
		})
	}
}

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
		{name: "a spoofed header counts for nothing", peer: "198.51.100.1:1", header: http.Header{forwarded: {"203.0.113.9"}},
			client: "198.51.100.1"},
		{name: "nor opens the list", peer: "198.51.100.1:1", header: http.Header{forwarded: {"203.0.113.9"}},
			allowed: prefixes("203.0.113.0/24")},
		{name: "nor behind another's proxy", peer: "198.51.100.1:1", header: http.Header{forwarded: {"203.0.113.9"}},
			allowed: prefixes("203.0.113.0/24"), proxies: prefixes("10.0.0.0/8")},
		{name: "a trusted proxy is believed", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9"}},
			allowed: prefixes("203.0.113.0/24"), proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "and not what came before it", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9, 198.51.100.1"}},
			allowed: prefixes("203.0.113.0/24"), proxies: prefixes("10.0.0.0/8")},
		{name: "through two proxies", peer: "10.0.0.1:1", header: http.Header{forwarded: {"1.1.1.1, 203.0.113.9 , 10.9.9.9"}},
			proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "several lines are one list", peer: "10.0.0.1:1", header: http.Header{forwarded: {"1.1.1.1", "203.0.113.9, 10.0.0.7", "10.0.0.8"}},
			proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "the last line is the nearest", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9", "198.51.100.1"}},
			proxies: prefixes("10.0.0.0/8"), client: "198.51.100.1"},
		{name: "only proxies", peer: "10.0.0.1:1", header: http.Header{forwarded: {"10.0.0.3, 10.0.0.2"}},
			proxies: prefixes("10.0.0.0/8"), client: "10.0.0.3"},
		{name: "a proxy that names nobody", peer: "10.0.0.1:1", proxies: prefixes("10.0.0.0/8"), client: "10.0.0.1"},
		{name: "another header", peer: "10.0.0.1:1", header: http.Header{"X-Real-Ip": {"203.0.113.9"}, forwarded: {"1.1.1.1"}},
			proxies: prefixes("10.0.0.0/8"), headerSet: "x-real-ip", client: "203.0.113.9"},
		{name: "with ports", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9:8080"}},
			proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "IPv6 with a port", peer: "[2001:db8::1]:1", header: http.Header{forwarded: {"[2001:db8:1::9]:8080"}},
			proxies: prefixes("2001:db8::/64"), client: "2001:db8:1::9"},
		{name: "IPv4 in IPv6 is IPv4", peer: "[::ffff:203.0.113.9]:1", allowed: prefixes("203.0.113.9/32"), client: "203.0.113.9"},
		{name: "of a proxy too", peer: "[::ffff:10.0.0.1]:1", header: http.Header{forwarded: {"::ffff:203.0.113.9"}},
			allowed: prefixes("203.0.113.9/32"), proxies: prefixes("10.0.0.0/8"), client: "203.0.113.9"},
		{name: "zones are dropped", peer: "[fe80::1%eth0]:1", allowed: prefixes("fe80::/64"), client: "fe80::1"},
		{name: "not on the list", peer: "203.0.114.9:1", allowed: prefixes("203.0.113.0/24", "2001:db8::/64")},
		{name: "IPv6 is not IPv4", peer: "[::1]:1", allowed: prefixes("0.0.0.0/0")},
		{name: "an unparsable entry", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9, unknown"}},
			proxies: prefixes("10.0.0.0/8")},
		{name: "an empty entry", peer: "10.0.0.1:1", header: http.Header{forwarded: {"203.0.113.9,"}}, proxies: prefixes("10.0.0.0/8")},
		{name: "an obfuscated one", peer: "10.0.0.1:1", header: http.Header{forwarded: {"_hidden"}}, proxies: prefixes("10.0.0.0/8")},
		{name: "what stands left of the client is not looked at", peer: "10.0.0.1:1", header: http.Header{forwarded: {"unknown, 203.0.113.9"}},
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

func TestForwardedHeadersWithoutAProxyAreWarnedOfOnce(t *testing.T) {
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

func TestExactBytesAreAvailable(t *testing.T) {
	body := " {\"success\" : true,\r\n\t\"transaction_id\":\"T\\u0031\",\"order_id\":\"ORD1\", \"message\":\"\\/é\"} \n"
	request := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/ptop?x=1", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Signature", ptopSignature(t, body))
		return r
	}
	t.Run("in a callback", func(t *testing.T) {
		called := false
		h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, ev *payack.PtopEvent) error {
			d, ok := payack.DeliveryFrom(ctx)
			require.True(t, ok)
			assert.Equal(t, body, d.Body)
			assert.Same(t, ev, d.Event)
			assert.Equal(t, "/ptop", d.Path)
			assert.Equal(t, http.MethodPost, d.Method)
			assert.Equal(t, payack.Ptop, d.Provider)
			assert.NotEmpty(t, d.Header.Get("X-Signature"))
			assert.WithinDuration(t, time.Now(), d.Received, time.Minute)
			same, ok := payack.EventFrom[*payack.PtopEvent](ctx)
			assert.True(t, ok)
			assert.Same(t, ev, same)
			called = true
			return nil
		})
		assert.Equal(t, http.StatusOK, serve(h, request()).Code)
		assert.True(t, called)
	})
	t.Run("behind Wrap", func(t *testing.T) {
		called := false
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			assert.Equal(t, body, string(b))
			assert.Equal(t, int64(len(body)), r.ContentLength)
			d, ok := payack.DeliveryFrom(r.Context())
			require.True(t, ok)
			assert.Equal(t, body, d.Body)
			ev, ok := payack.EventFrom[*payack.PtopEvent](r.Context())
			require.True(t, ok)
			assert.Equal(t, "T1", ev.TransactionID)
			_, ok = payack.EventFrom[*payack.PTSEvent](r.Context())
			assert.False(t, ok)
			called = true
		})
		r := request()
		r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		assert.Equal(t, http.StatusOK, serve(ptopReceiver(t, middleware.Options{}).Wrap(next), r).Code)
		assert.True(t, called)
	})
	t.Run("of a form that the handler behind parses", func(t *testing.T) {
		const form = "success=1&transaction_id=T1&order_id=ORD1"
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Signature", ptopSignature(t, form))
		rc := ptopConfigured(t, middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Body: verify.BodyForm})
		called := false
		serve(rc.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "ORD1", r.PostFormValue("order_id"))
			called = true
		})), r)
		assert.True(t, called)
	})
}

// Bodies are read into rooms that are used again: what one delivery has is its
// own, whatever comes later, and however it came.
func TestDeliveriesShareNoBody(t *testing.T) {
	type kept struct{ sent, body, order, message string }
	var mu sync.Mutex
	var all []kept
	h := ptopHandler(t, middleware.Options{}, func(ctx context.Context, ev *payack.PtopEvent) error {
		d, _ := payack.DeliveryFrom(ctx)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, kept{ev.TransactionID, d.Body, ev.OrderID, ev.Message.String()})
		return nil
	})
	bodyOf := func(g, i int) string {
		return fmt.Sprintf(`{"success":true,"transaction_id":"T%d-%d","order_id":"O%d-%d","message":"%s"}`, g, i, g, i, strings.Repeat(string(rune('a'+g)), 700*(i%5)))
	}
	var n sync.WaitGroup
	for g := range 4 {
		n.Go(func() {
			for i := range 50 {
				body := bodyOf(g, i)
				r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
				if i%2 == 0 {
					r.ContentLength = -1 // in chunks
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("X-Signature", ptopSignature(t, body))
				assert.Equal(t, http.StatusOK, serve(h, r).Code)
			}
		})
	}
	n.Wait()
	require.Len(t, all, 200)
	for _, k := range all {
		var g, i int
		_, err := fmt.Sscanf(k.sent, "T%d-%d", &g, &i)
		require.NoError(t, err)
		require.Equal(t, bodyOf(g, i), k.body)
		require.Equal(t, fmt.Sprintf("O%d-%d", g, i), k.order)
		require.Equal(t, strings.Repeat(string(rune('a'+g)), 700*(i%5)), k.message)
	}
}

// Where nobody supports read deadlines ReadTimeout does nothing, and the log says
// so once.
func TestReadTimeoutWithoutEffectIsWarnedOfOnce(t *testing.T) {
	for _, supported := range []bool{true, false} {
		w := newWatch()
		h := ptopHandler(t, w.options(), acceptAll)
		for range 3 {
			if supported {
				h.ServeHTTP(&discardWriter{header: http.Header{}}, ptopRequest(t, "T1"))
			} else {
				serve(h, ptopRequest(t, "T1"))
			}
		}
		n := 0
		for _, line := range w.lines(t) {
			if strings.Contains(line["msg"].(string), "ReadTimeout has no effect") {
				n++
			}
		}
		assert.Equal(t, map[bool]int{true: 0, false: 1}[supported], n)
	}
}

// A charset is no encoding. The answer is the same, and the log names the cause.
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
