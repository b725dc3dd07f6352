// Package adapttest is the conformance suite for ways to mount payack in a web
// framework. It is for users' own adaptors and routers, too:
//
//	func TestConformance(t *testing.T) {
//		adapttest.Run(t, adapttest.Framework{
//			Handler: func(t testing.TB, h http.Handler) string {
//				mux := http.NewServeMux()
//				mux.Handle("POST /callbacks/{tenant}", h)
//				return adapttest.Serve(t, mux)
//			},
//		})
//	}
//
// Run it with -race. It needs no assertion library. Everything goes over
// connections on loopback.
package adapttest

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// Framework says how payack is mounted in a framework. Its functions start a
// server on loopback and return its URL, without a path. The server has the
// route POST /callbacks/{tenant}, in the framework's own spelling, with a path
// parameter named tenant. It ends with t.Cleanup.
type Framework struct {
	// Handler serves h at the route.
	Handler func(t testing.TB, h http.Handler) (url string)
	// Wrap puts rc in front of a handler of the framework's own kind, which calls
	// shop. It is nil for a framework that has none.
	Wrap func(t testing.TB, rc *middleware.Receiver[*payack.PayatomEvent], shop Shop) (url string)
	// ReadsAhead says that the server has read the body before it calls a handler,
	// so that a slow one is ended by the server's own timeout. Set that to a second:
	// the suite waits 30.
	ReadsAhead bool
}

// Shop is what the merchant's handler does. The framework's handler calls it with
// the context that is documented for payack's functions. It reports an error, if
// there is one, in the framework's way, and writes the answer, if there is one, by
// the framework's functions, in the order that the framework wants. It lets a panic
// pass.
type Shop func(ctx context.Context, seen Seen) (*payack.Answer, error)

// Seen is what a handler reads of the request by the framework's functions.
type Seen struct {
	Tenant string // the path parameter
	Body   string
	Order  string // order_id of the query
}

// Run tests a framework, each property in a subtest.
func Run(t *testing.T, f Framework) {
	t.Helper()
	if f.Handler == nil {
		t.Fatal("adapttest: Run was given no Handler")
	}
	t.Run("Handler", func(t *testing.T) { each(t, f, f.startHandler, both) })
	if f.Wrap != nil {
		t.Run("Wrap", func(t *testing.T) {
			each(t, f, f.startWrap, both)
			each(t, f, f.startWrap, behindWrap)
		})
	}
}

// Serve starts a server of net/http for h, which ends with the test, and returns
// its URL.
func Serve(t testing.TB, h http.Handler) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

type property struct {
	name string
	run  func(*probe)
}

var both = []property{
	{"genuine", genuine},
	{"tampered", tampered},
	{"redelivered", redelivered},
	{"failing", failing},
	{"panicking", panicking},
	{"aborting", aborting},
	{"tenant by path parameter", tenants},
	{"refused at the gate", refused},
	{"body limit", bodyLimit},
	{"slow body", slowBody},
	{"1,000 in parallel", parallel},
}

var behindWrap = []property{
	{"what the handler sees", sees},
	{"own answer", ownAnswer},
	{"own answer of a failure", ownFailure},
	{"no sign of having run", idle},
}

func each(t *testing.T, f Framework, start start, properties []property) {
	for _, p := range properties {
		t.Run(p.name, func(t *testing.T) { p.run(&probe{T: t, framework: f, start: start}) })
	}
}
