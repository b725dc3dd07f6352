package middleware

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/nilness"
)

// Wrap returns a handler that calls next with each verified event in its
// context ([payack.EventFrom], [payack.DeliveryFrom]) and the exact body as
// r.Body. The query and a parsed form, which nobody signed, are not there. Its
// shape is that of a middleware of net/http and chi.
//
// The event is accepted when next reported no error with [Fail], and wrote a 2xx
// or nothing at all; the provider is then answered by its contract, unless next
// wrote an answer itself, which stands. A handler that neither asked its context
// for the event or the delivery nor wrote anything has not run: adaptors of some
// frameworks run it later, or never. That is a failure, and the log names the
// fix. When next has written a 2xx and panics, the connection is ended without
// an answer, so that the provider sends again.
//
// It panics, when it is mounted and not while serving, if next is nil, and with an
// Inbox, since a wrapped handler can't run later. Handlers of gin and echo need the
// modules adapt/ginpayack and adapt/echopayack; behind echo.WrapMiddleware, which
// hides their errors, they are not called and the event fails. Those of other
// frameworks report errors in ways that can't be seen from here: give their
// receivers a function, by package handlers.
func (rc *Receiver[E]) Wrap(next http.Handler) http.Handler {
	if rc == nil || rc.engine == nil {
		panic("payack: Wrap: the receiver is nil; look at the error that its constructor returned")
	}
	if nilness.Of(next) {
		panic("payack: Wrap: the wrapped handler is nil; give the handler that settles an event")
	}
	if rc.engine.options.Inbox != nil {
		panic("payack: Wrap: a wrapped handler can't run later, so it does not go with an Inbox; use the constructors of package handlers with a function, or leave the Inbox out")
	}
	hidden := hidesErrors(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc.engine.serve(w, r, func(ctx context.Context, _ payack.Event, d *delivery) error {
			if hidden {
				return errHidden
			}
			d.wrapped = &wrapped{engine: rc.engine}
			return d.wrapped.call(ctx, next, d)
		})
	})
}

// errNotRun is the failure of a wrapped handler that gave no sign of having run.
var errNotRun = errors.New("the wrapped handler neither asked for the event or the delivery nor wrote an answer, so it has not run; ask for the event with payack.EventFrom(r.Context()), and where a framework's adaptor runs handlers later, mount a handler of package handlers with a function instead (by the modules adapt/ginpayack, adapt/echopayack and adapt/fiberpayack in their frameworks)")

// wrapped is what is known of a wrapped handler. Handlers may start goroutines
// that outlive them.
type wrapped struct {
	engine *receiver

	mu      sync.Mutex
	failure error // what it reported with Fail
	asked   bool  // for the event or the delivery, or it has reported
	written int   // the status that it answered itself, or 0
	ended   bool  // it has returned
}

// call runs the handler and returns what makes its event a failed one.
func (b *wrapped) call(ctx context.Context, next http.Handler, d *delivery) error {
	defer b.end() // deferred, because the handler may panic
	next.ServeHTTP(&trackingWriter{ResponseWriter: d.w, behind: b}, b.request(ctx, d))
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failure != nil:
		return b.failure
	case b.written != 0 && (b.written < 200 || b.written > 299):
		return fmt.Errorf("the wrapped handler answered with status %d", b.written)
	case b.written == 0 && !b.asked:
		return errNotRun
	}
	return nil
}

func (b *wrapped) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// wrote notes the status of an answer; the first one counts.
func (b *wrapped) wrote(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written == 0 {
		b.written = status
	}
}

// answered returns the status that a wrapped handler answered with, or 0.
func (d *delivery) answered() int {
	if d.wrapped == nil {
		return 0
	}
	d.wrapped.mu.Lock()
	defer d.wrapped.mu.Unlock()
	return d.wrapped.written
}

// saidTooMuch reports whether a wrapped handler wrote success and then panicked.
// It has not settled, and without an answer the provider sends again.
func (d *delivery) saidTooMuch() bool {
	status := d.answered()
	return d.observation.Reason == payack.ReasonPanic && status >= 200 && status <= 299
}

type wrappedKey struct{}

// Fail reports that the event was not processed, to be called by a handler
// behind Wrap before it returns. Unless the handler writes a response itself,
// the provider is asked to send again; a response stands, and the event is not
// marked as done in either case. A nil error changes nothing; of several the
// first counts.
//
// It reports whether the report came in time: false outside of Wrap, false after
// the handler has written a 2xx, which tells the provider that all is well, and
// false after the handler has returned. Both are logged. It is safe for concurrent
// use.
func Fail(ctx context.Context, err error) bool {
	b, ok := ctx.Value(wrappedKey{}).(*wrapped)
	if !ok {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ended && err != nil:
		b.engine.options.Logger.Error("payack: Fail was called after the wrapped handler had returned, so the event stands as it was answered; call it before the handler returns",
			"provider", b.engine.stages.provider, "error", err)
		return false
	case b.ended:
		return false
	case b.failure == nil:
		b.failure = err
	}
	b.asked = true // whoever reports has run
	if err != nil && b.written >= 200 && b.written <= 299 {
		b.engine.options.Logger.Error("payack: Fail was called after the wrapped handler had answered with a 2xx, so the provider won't send the event again; call it before anything is written",
			"provider", b.engine.stages.provider, "status", b.written, "error", err)
		return false
	}
	return true
}

// behindWrap is a wrapped handler's context. It notes that the delivery was
// asked for.
type behindWrap struct {
	context.Context
	behind *wrapped
}

func (c behindWrap) Value(key any) any {
	if key == (wrappedKey{}) {
		return c.behind
	}
	value := c.Context.Value(key)
	if _, ok := value.(*payack.Delivery); ok {
		c.behind.mu.Lock()
		c.behind.asked = true
		c.behind.mu.Unlock()
	}
	return value
}

// request is the request as a wrapped handler sees it: with the body that was
// captured, and without what isn't signed.
func (b *wrapped) request(ctx context.Context, d *delivery) *http.Request {
	r := d.r.WithContext(behindWrap{ctx, b})
	// What isn't signed must not be read as if it were: the query, and a form that
	// somebody parsed with it.
	if r.URL != nil && (r.URL.RawQuery != "" || r.URL.ForceQuery) {
		url := *r.URL
		url.RawQuery, url.ForceQuery = "", false
		r.URL, r.RequestURI = &url, url.RequestURI()
	}
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil
	// JSON that was announced as a form must not be parsed as one.
	if strings.HasPrefix(strings.TrimLeft(d.Body, " \t\r\n"), "{") && strings.Contains(strings.ToLower(contentType(r)), "form") {
		r.Header = r.Header.Clone()
		r.Header.Set("Content-Type", "application/json")
	}
	r.Body = io.NopCloser(strings.NewReader(d.Body))
	r.ContentLength = int64(len(d.Body))
	r.TransferEncoding = nil
	return r
}

// trackingWriter reports whether a wrapped handler answers itself. Other
// abilities of the writer are reached through http.ResponseController.
type trackingWriter struct {
	http.ResponseWriter
	behind *wrapped
}

func (t *trackingWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *trackingWriter) WriteHeader(status int) {
	t.ResponseWriter.WriteHeader(status) // panics for a status that is none
	if status >= 200 {                   // 1xx announce, they don't answer
		t.behind.wrote(status)
	}
}

func (t *trackingWriter) Write(b []byte) (int, error) {
	t.behind.wrote(http.StatusOK)
	return t.ResponseWriter.Write(b)
}

// FlushError is what http.ResponseController calls. A flush sends the header,
// and so is an answer.
func (t *trackingWriter) FlushError() error {
	err := http.NewResponseController(t.ResponseWriter).Flush()
	if err == nil {
		t.behind.wrote(http.StatusOK)
	}
	return err
}

// Hijack takes the connection away from us, and the answer with it; 101 is no
// success.
func (t *trackingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err == nil {
		t.behind.wrote(http.StatusSwitchingProtocols)
	}
	return conn, rw, err
}
