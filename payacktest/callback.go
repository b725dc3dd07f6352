package payacktest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Callback is one delivery. It can be sent any number of times; sending it twice is
// a redelivery.
//
// It is a value: tampering returns another Callback, and no function of this
// package changes its header or body.
type Callback struct {
	// Provider is the sender. It is empty if the sender is unknown, as in a dump
	// that was loaded.
	Provider payack.Provider
	// Method is the HTTP method; empty means POST.
	Method string
	// Header holds the headers without Content-Length; see ContentLength.
	Header http.Header
	// Body is the body, byte for byte.
	Body []byte

	// length is the announced length if it differs from the body's.
	length *int64
	// signatureHeader is the header in which the builder put the signature, if any.
	signatureHeader string
	// keys open an envelope. They have the type of the provider's keys.
	keys any
}

// Bytes returns a copy of the exact body.
func (cb Callback) Bytes() []byte { return bytes.Clone(cb.Body) }

// ContentLength returns the announced length. It is the body's length unless
// [AnnounceLength] or a recording sets another length. -1 means that no length is
// announced (chunked).
func (cb Callback) ContentLength() int64 {
	if cb.length != nil {
		return *cb.length
	}
	return int64(len(cb.Body))
}

// Clone returns a copy whose header and body are not shared with cb.
func (cb Callback) Clone() Callback {
	cb.Header = cb.Header.Clone()
	if cb.Header == nil {
		cb.Header = http.Header{}
	}
	cb.Body = bytes.Clone(cb.Body)
	return cb
}

// Equal reports whether both callbacks are the same on the wire: method, headers,
// announced length and body.
func (cb Callback) Equal(other Callback) bool {
	return cb.method() == other.method() && cb.ContentLength() == other.ContentLength() &&
		bytes.Equal(cb.Body, other.Body) && maps.EqualFunc(cb.Header, other.Header, slices.Equal[[]string])
}

func (cb Callback) method() string {
	if cb.Method == "" {
		return http.MethodPost
	}
	return cb.Method
}

// Message returns the callback as input for a verifier of package verify.
func (cb Callback) Message() verify.Message {
	return verify.Message{ContentType: cb.Header.Get("Content-Type"), Header: cb.Header.Clone(), Body: string(cb.Body)}
}

// Request returns a new request for a handler's ServeHTTP, as a server would pass
// it. The target is a path or an absolute URL; like httptest.NewRequest it panics
// for anything else.
func (cb Callback) Request(target string) *http.Request {
	r := httptest.NewRequest(cb.method(), target, bytes.NewReader(cb.Bytes()))
	r.Header = cb.Clone().Header
	r.ContentLength = cb.ContentLength()
	if r.ContentLength < 0 {
		r.TransferEncoding = []string{"chunked"}
	}
	return r
}

// Deliver passes the callback to a handler and returns the answer. The path is
// "/"; use Request for another path.
func (cb Callback) Deliver(h http.Handler) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, cb.Request("/"))
	return w.Result()
}

// maxAnswer bounds how much of a server's answer is read, in bytes.
const maxAnswer = 1 << 20

// noRedirects follows no redirects, because providers follow none.
var noRedirects = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Post sends the callback to a real server. A nil client means one that follows no
// redirects and waits at most 30 seconds. The first MiB of the answer's body is
// already read, and Body need not be closed.
//
// A callback that announces a wrong length is sent over a connection of its own,
// because an http.Client never announces a wrong length. Such a connection
// supports only http URLs, and only the client's Timeout applies to it.
func (cb Callback) Post(ctx context.Context, client *http.Client, target string) (*http.Response, error) {
	if client == nil {
		client = noRedirects
	}
	req, err := http.NewRequestWithContext(ctx, cb.method(), target, bytes.NewReader(cb.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("payacktest: %w", err)
	}
	req.Header = cb.Clone().Header
	var res *http.Response
	switch n := cb.ContentLength(); {
	case n < 0:
		req.ContentLength, req.Body, req.GetBody = -1, io.NopCloser(bytes.NewReader(cb.Bytes())), nil
		res, err = client.Do(req)
	case n != int64(len(cb.Body)):
		if client.Timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, client.Timeout)
			defer cancel()
		}
		return cb.postRaw(ctx, req)
	default:
		res, err = client.Do(req)
	}
	if err != nil {
		return nil, fmt.Errorf("payacktest: posting: %w", err)
	}
	return res, readAnswer(res)
}

// postRaw writes the request with the announced length, even if the body has
// another length.
func (cb Callback) postRaw(ctx context.Context, req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "http" {
		return nil, fmt.Errorf("payacktest: a wrong length can be announced to http URLs only, not to %s", req.URL.Scheme)
	}
	address := req.URL.Host
	if req.URL.Port() == "" {
		address = net.JoinHostPort(req.URL.Hostname(), "80")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("payacktest: posting: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	dump, err := cb.Dump(req.URL.String())
	if err != nil {
		return nil, err
	}
	// The server may answer and close before everything is written, so read the
	// answer even after a failed write.
	_, writeErr := conn.Write(dump)
	if half, ok := conn.(*net.TCPConn); ok && writeErr == nil {
		_ = half.CloseWrite()
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return nil, fmt.Errorf("payacktest: no answer to a body of another length than announced: %w", err)
	}
	return res, readAnswer(res)
}

// readAnswer reads the answer's body into memory and closes the original.
func readAnswer(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("payacktest: reading the answer: %w", err)
	}
	return nil
}

// Dump returns the callback as the text of an HTTP/1.1 request: request line,
// headers sorted by name, a blank line and the body. [Load] reads it.
// Content-Length is the announced length; if none is announced, the body follows
// without chunks. The target is a path or an absolute URL.
func (cb Callback) Dump(target string) ([]byte, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("payacktest: %w", err)
	}
	if !isToken(cb.method()) {
		return nil, fmt.Errorf("payacktest: the method is no token of HTTP")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", cb.method(), u.RequestURI())
	if u.Host != "" {
		fmt.Fprintf(&b, "Host: %s\r\n", u.Host)
	}
	for _, name := range slices.Sorted(maps.Keys(cb.Header)) {
		for _, value := range cb.Header[name] {
			if !isToken(name) || !isHeaderValue(value) {
				return nil, fmt.Errorf("payacktest: the header %q or its value cannot be written", name)
			}
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	if n := cb.ContentLength(); n >= 0 {
		fmt.Fprintf(&b, "Content-Length: %s\r\n", strconv.FormatInt(n, 10))
	}
	b.WriteString("\r\n")
	b.Write(cb.Body)
	return b.Bytes(), nil
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func isHeaderValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// must ends the test if err is set.
func must(t testing.TB, cb Callback, err error) Callback {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return cb
}
