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

// Message is a request to be made, as often as wanted.
type Message struct {
	Method, Target string
	Header         http.Header
	Body           string
}

// Request returns a fresh request.
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

// With returns the message with these values of a header, or without it.
func (m Message) With(name string, values ...string) Message {
	m.Header = m.Header.Clone()
	if m.Header[name] = values; len(values) == 0 {
		delete(m.Header, name)
	}
	return m
}

// Replace returns the message with the first old of its body replaced.
func (m Message) Replace(old, text string) Message {
	m.Body = strings.Replace(m.Body, old, text, 1)
	return m
}

// Answer is what a sender gets.
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
	b, _ := io.ReadAll(res.Body) // of a recorder: in memory
	return Answer{res.StatusCode, res.Header, string(b)}
}

// Server delivers over real connections, to one receiver after the other.
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

// Send delivers a message to h and returns the answer, once the observer was
// told. Its target is a path on this server.
func (s *Server) Send(t testing.TB, h http.Handler, m Message) Answer {
	t.Helper()
	done := make(chan struct{}) // the observer is told after the answer was sent
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
