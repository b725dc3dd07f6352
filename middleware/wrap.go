package middleware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/nilness"
)

// Wrap returns a handler that verifies each callback and calls next with the event.
// The handler is safe for concurrent use when next is. Wrap has the shape of a
// middleware for net/http and chi.
//
// What next receives:
//   - The context carries the event ([payack.EventFrom]) and the delivery
//     ([payack.DeliveryFrom]). It ends at [Options].Deadline and is not cancelled
//     when the provider hangs up.
//   - r.Body holds the body exactly as it arrived; an envelope is still sealed.
//     JSON that was announced as a form has Content-Type application/json.
//   - The query and parsed forms are removed, since no signature covers them.
//
// When next returns, the event is accepted, except in the following cases. The
// event fails if next called [Fail] with an error, wrote a status other than a 2xx,
// or panicked. It also fails if next wrote nothing and never asked its context for
// the event or the delivery: then next has probably not run, since some frameworks'
// adaptors run handlers later or never. The log names the fix.
//
// The provider gets the answer that next wrote, or the one that its contract
// prescribes when next wrote none. If next writes a 2xx without the provider's
// acknowledgement (SUCCESS for PTS), the provider may send the event again; the log
// says so once. If next panics after writing a 2xx, the connection is ended without
// an answer, so that the provider sends again.
//
// Wrap panics when rc or next is nil, and when the receiver has an Inbox, since a
// wrapped handler can't run after the request. These panics happen when Wrap is
// called, never while serving.
//
// In gin and echo use the modules adapt/ginpayack and adapt/echopayack. Behind
// echo.WrapMiddleware next is never called and every event fails, because that
// adaptor hides the errors that handlers return. In other frameworks that report
// errors in a way of their own, use package handlers with a function.
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

// errNotRun is the failure of a wrapped handler that shows no sign of having run.
var errNotRun = errors.New("the wrapped handler neither asked for the event or the delivery nor wrote an answer, so it has not run; ask for the event with payack.EventFrom(r.Context()), and where a framework's adaptor runs handlers later, mount a handler of package handlers with a function instead (by the modules adapt/ginpayack, adapt/echopayack and adapt/fiberpayack in their frameworks)")

// wrapped records what a wrapped handler does. It has a mutex because handlers may
// start goroutines that outlive them.
type wrapped struct {
	engine *receiver

	mu      sync.Mutex
	failure error  // the first error given to Fail
	asked   bool   // it asked for the event or the delivery, or called Fail
	written int    // the status that it wrote, or 0
	body    []byte // the beginning of the body that it wrote
	ended   bool   // it has returned
}

// call runs the handler, and returns an error if its event has failed.
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

type wrappedKey struct{}

// Fail tells payack that the event was not processed. A handler behind
// [Receiver.Wrap] calls it with its request's context, before it writes anything
// and before it returns.
//
// The event is then not marked as done, and the provider is asked to send it again;
// an error that matches [payack.ErrUnexpected] rejects it instead. If the handler
// also writes an answer, the provider gets that one. The first error counts. A nil
// error records no failure, but shows that the handler has run.
//
// Fail returns true when the call took effect. It returns false in three cases:
//   - ctx does not come from a handler behind Wrap. Nothing happens.
//   - The handler has returned. The event keeps the outcome it has. If err is not
//     nil, it is logged.
//   - The handler has written a 2xx, and err is not nil. The event is not marked as
//     done, but the provider was told that all is well and won't send it again. The
//     error is logged.
//
// Fail is safe for concurrent use.
func Fail(ctx context.Context, err error) bool {
	b, ok := ctx.Value(wrappedKey{}).(*wrapped)
	if !ok {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ended && err != nil:
		b.engine.options.Logger.Error("payack: Fail was called after the wrapped handler had returned, so the event keeps its outcome; call it before the handler returns",
			"provider", b.engine.stages.provider, "error", err)
		return false
	case b.ended:
		return false
	case b.failure == nil:
		b.failure = err
	}
	b.asked = true // the handler has run
	if err != nil && b.written >= 200 && b.written <= 299 {
		b.engine.options.Logger.Error("payack: Fail was called after the wrapped handler had answered with a 2xx, so the provider won't send the event again; call it before anything is written",
			"provider", b.engine.stages.provider, "status", b.written, "error", err)
		return false
	}
	return true
}

// behindWrap is a wrapped handler's context. It records that the handler asked for
// the delivery, or for the event, which is a member of the delivery.
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

// request returns the request for a wrapped handler: with the captured body, and
// without the parts that no signature covers.
func (b *wrapped) request(ctx context.Context, d *delivery) *http.Request {
	r := d.r.WithContext(behindWrap{ctx, b})
	// Remove the query and parsed forms, so that the handler can't take them for
	// signed data. Parsing a form merges the query into the form.
	if r.URL != nil && (r.URL.RawQuery != "" || r.URL.ForceQuery) {
		url := *r.URL
		url.RawQuery, url.ForceQuery = "", false
		r.URL, r.RequestURI = &url, url.RequestURI()
	}
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil
	// The handler must not parse JSON as a form.
	if strings.HasPrefix(strings.TrimLeft(d.Body, " \t\r\n"), "{") && strings.Contains(strings.ToLower(contentType(r)), "form") {
		r.Header = r.Header.Clone()
		r.Header.Set("Content-Type", "application/json")
	}
	r.Body = io.NopCloser(strings.NewReader(d.Body))
	r.ContentLength = int64(len(d.Body))
	r.TransferEncoding = nil
	return r
}
