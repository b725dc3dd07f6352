package client_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack/client"
)

type connKey struct{}

// tired is a server that keeps connections alive, but aborts every second request
// of a connection, like a gateway that has just closed the connection. It counts
// the requests of each connection.
type tired struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[net.Conn]int
}

func newTired(t *testing.T) *tired {
	s := &tired{seen: map[net.Conn]int{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c := r.Context().Value(connKey{}).(net.Conn)
		s.mu.Lock()
		s.seen[c]++
		again := s.seen[c] > 1
		s.mu.Unlock()
		if again {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// A call that is sent only once never uses a kept-alive connection; a repeatable call
// does.
func TestCallsThatAreSentOnceUseNewConnections(t *testing.T) {
	for name, own := range map[string]http.RoundTripper{
		"the default transport": nil,
		"one of the merchant's": &http.Transport{MaxIdleConnsPerHost: 4},
	} {
		t.Run(name, func(t *testing.T) {
			for _, call := range sortedKeys(calls(t, "http://127.0.0.1:1")) {
				if call == "payatom data" {
					continue // net/http itself repeats a GET
				}
				s := newTired(t)
				ptopC, ptsC, payatomC := ptopConfig(s.URL), ptsConfig(s.URL), payatomConfig(s.URL)
				for _, o := range []*client.Options{&ptopC.Options, &ptsC.Options, &payatomC.Options} {
					o.HTTPClient = &http.Client{Transport: own}
				}
				all := callsOf(newClients(t, ptopC, ptsC, payatomC))
				// A query of the same client leaves a kept-alive connection.
				before := map[byte]string{'o': "ptop check", 's': "pts query", 'y': "payatom polling"}[call[len("pt")]]
				assert.Error(t, all[before](t.Context()))
				err := all[call](t.Context())
				once := !slices.Contains(repeated, call)
				assert.Equal(t, !once, err != nil && errorsIsUnreachable(err), "%s: %v", call, err)
				s.mu.Lock()
				assert.Len(t, s.seen, map[bool]int{true: 2, false: 1}[once], call)
				s.mu.Unlock()
			}
		})
	}
}

// For a call that is sent only once, a Transport that is not an *http.Transport gets
// a request whose Close is set.
func TestOtherTransportsGetCloseSet(t *testing.T) {
	g := says(t, 200, `{}`)
	var closes []bool
	c := ptsConfig(g.URL)
	c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		closes = append(closes, r.Close)
		return http.DefaultTransport.RoundTrip(r)
	})}
	pts, err := client.NewPTS(c)
	require.NoError(t, err)
	_, _ = pts.PaymentQuery(t.Context(), "O1")
	_, _ = pts.Payment(t.Context(), ptsPayment())
	assert.Equal(t, []bool{false, true}, closes)
}
