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

// Callback is one delivery, ready to be sent as often as wanted. Sending the
// same one twice is a redelivery.
//
// It is a value: tampering returns another one, and nothing changes its header
// and body but the caller.
type Callback struct {
	// Provider is whose it is, empty when that isn't known (a loaded file).
	Provider payack.Provider
	// Method is POST when empty.
	Method string
	// Header has no Content-Length: see ContentLength.
	Header http.Header
	// Body is the exact body.
	Body []byte

	// length is what is announced when it is not the body's own length.
	length *int64
	// signatureHeader carries the signature, where the builder put it into one.
	signatureHeader string
	// keys reach into an envelope: those of the provider, in its own type.
	keys any
}

// Bytes returns a copy of the exact body.
func (cb Callback) Bytes() []byte { return bytes.Clone(cb.Body) }

// ContentLength is the length that is announced: the body's, unless
// [AnnounceLength] or a recording says another; -1 is none at all (chunked).
func (cb Callback) ContentLength() int64 {
	if cb.length != nil {
		return *cb.length
	}
	return int64(len(cb.Body))
}

// Clone returns a copy that shares nothing with cb.
func (cb Callback) Clone() Callback {
	cb.Header = cb.Header.Clone()
	if cb.Header == nil {
		cb.Header = http.Header{}
	}
	cb.Body = bytes.Clone(cb.Body)
	return cb
}

// Equal reports whether both put the same on the wire: method, header, announced
// length and body.
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

// Message returns the callback for a verifier of package verify.
func (cb Callback) Message() verify.Message {
	return verify.Message{ContentType: cb.Header.Get("Content-Type"), Header: cb.Header.Clone(), Body: string(cb.Body)}
}

// Request returns a new request for a handler's ServeHTTP, as a server would
// hand it over. The target is a path or an absolute URL; it panics for one that
// is neither, as httptest.NewRequest does.
func (cb Callback) Request(target string) *http.Request {
	r := httptest.NewRequest(cb.method(), target, bytes.NewReader(cb.Bytes()))
	r.Header = cb.Clone().Header
	r.ContentLength = cb.ContentLength()
	if r.ContentLength < 0 {
		r.TransferEncoding = []string{"chunked"}
	}
	return r
}

// Deliver hands the callback to a handler and returns its answer. The path is
// "/"; use Request where another one matters.
func (cb Callback) Deliver(h http.Handler) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, cb.Request("/"))
	return w.Result()
}

// maxAnswer bounds what is read of a server's answer.
const maxAnswer = 1 << 20

// noRedirects: a provider follows none either.
var noRedirects = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Post sends the callback to a real server. A nil client is one that follows no
// redirects and waits at most 30 seconds. The answer's body (its first MiB) has
// been read, and need not be closed.
//
// A callback that announces a wrong length goes over a connection of its own,
// since no client of net/http sends one; that works for http URLs only, and
// takes nothing of the client but its Timeout.
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

// postRaw writes the bytes of the request as they are announced.
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
	// A server that answers early may close while we still write: what it
	// answered counts.
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

// readAnswer takes the body off the connection.
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
// headers in the order of their names, a blank line, and the body. [Load]
// reads it. The length is the one announced; without one the body follows
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

// must ends a test that could not be set up.
func must(t testing.TB, cb Callback, err error) Callback {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return cb
}
