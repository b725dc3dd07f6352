// Package adapttest is the conformance suite for adaptors that mount payack in a
// web framework. Run it on your own adaptor or router:
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
// Run it with -race. It needs no assertion library. All requests go over
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

// Framework mounts payack in a framework. Each of its functions starts a server
// on loopback, which ends with t.Cleanup, and returns its URL without a path. The
// server has the route POST /callbacks/{tenant}, in the framework's own syntax,
// with a path parameter named tenant.
type Framework struct {
	// Handler serves h at the route. It is required.
	Handler func(t testing.TB, h http.Handler) (url string)
	// Wrap serves a handler of the framework's own kind behind rc. The handler calls
	// shop. Leave Wrap nil if the adaptor wraps no such handlers.
	Wrap func(t testing.TB, rc *middleware.Receiver[*payack.PayatomEvent], shop Shop) (url string)
	// ReadsAhead means that the server reads the body before it calls a handler.
	// A slow body is then ended by the server's own timeout. Set that timeout to a
	// few seconds: the suite waits 30 seconds, and with one second other properties
	// would fail on a busy machine.
	ReadsAhead bool
}

// Shop is the body of the merchant's handler. The framework's handler calls it
// with the context that the adaptor documents for payack's functions. The handler
// then reports a non-nil error and writes a non-nil answer, both by the
// framework's functions and in the order that the framework requires. The handler
// must not recover a panic of the Shop.
type Shop func(ctx context.Context, seen Seen) (*payack.Answer, error)

// Seen is what a handler reads from the request through the framework's
// functions.
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

// Serve starts a server of net/http for h and returns its URL. The server ends
// with the test.
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
	{"a genuine event arrives complete", genuine},
	{"a tampered event does not arrive", tampered},
	{"a redelivery is not processed again", redelivered},
	{"a failed event is delivered again", failing},
	{"a panic fails the event and not the server", panicking},
	{"http.ErrAbortHandler accepts nothing", aborting},
	{"the path parameter names the tenant", tenants},
	{"requests are refused before the body is read", refused},
	{"the body limit of the receiver holds", bodyLimit},
	{"a slow body is ended", slowBody},
	{"1,000 in parallel are not mixed up", parallel},
}

var behindWrap = []property{
	{"what the handler sees", sees},
	{"an own answer is sent as it is", ownAnswer},
	{"an own answer that fails is sent as it is", ownFailure},
	{"a handler that shows no sign of running fails the event", idle},
}

func each(t *testing.T, f Framework, start start, properties []property) {
	for _, p := range properties {
		t.Run(p.name, func(t *testing.T) { p.run(&probe{T: t, framework: f, start: start}) })
	}
}
