package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
)

// Message is a request that can be sent several times.
type Message struct {
	Method, Target string
	Header         http.Header
	Body           string
}

// Request returns a new request.
func (m Message) Request() *http.Request {
	r := httptest.NewRequest(m.Method, m.Target, strings.NewReader(m.Body))
	r.Header = m.Header.Clone()
	return r
}

// To returns the message for another URL.
func (m Message) To(target string) Message {
	m.Target = target
	return m
}

// With returns the message with these values of a header, or without the header if
// there are none.
func (m Message) With(name string, values ...string) Message {
	m.Header = m.Header.Clone()
	if m.Header[name] = values; len(values) == 0 {
		delete(m.Header, name)
	}
	return m
}

// Replace returns the message with the first occurrence of old in its body replaced.
func (m Message) Replace(old, text string) Message {
	m.Body = strings.Replace(m.Body, old, text, 1)
	return m
}

// Answer is a receiver's answer to a message.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Send delivers a message and returns the answer.
func Send(h http.Handler, m Message) Answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, m.Request())
	res := w.Result()
	b, _ := io.ReadAll(res.Body) // in memory: never fails
	return Answer{res.StatusCode, res.Header, string(b)}
}

// Server delivers messages over real connections.
type Server struct {
	http    *httptest.Server
	handler atomic.Pointer[http.Handler]
}

// NewServer starts a server that ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.http.Close)
	return s
}

// Send delivers a message to h and returns the answer after h's observer was called.
// The message's target must be a path.
func (s *Server) Send(t testing.TB, h http.Handler, m Message) Answer {
	t.Helper()
	done := make(chan struct{}) // the observer is called after the answer was sent
	var signalling http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		h.ServeHTTP(w, r)
	})
	s.handler.Store(&signalling)
	r, err := http.NewRequest(m.Method, s.http.URL+m.Target, strings.NewReader(m.Body))
	require.NoError(t, err)
	r.Header = m.Header
	res, err := s.http.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	<-done
	return Answer{res.StatusCode, res.Header, string(b)}
}

// Genuine returns a paid callback as the provider sends it.
func Genuine(t testing.TB, p payack.Provider) Message {
	t.Helper()
	return providerOf(t, p).genuine(t)
}
