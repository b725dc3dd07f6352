package ginpayack

import (
	"errors"
	"net/http"
	"reflect"

	"github.com/gin-gonic/gin"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/nilness"
	"github.com/payack/payack/middleware"
)

// Wrap returns gin middleware. It calls the handlers behind it with each verified
// event of rc. The package documentation says what those handlers find, and when
// the event is accepted or failed.
//
// Wrap panics if rc is nil. A nil rc means that its constructor returned an error.
// Wrap also panics if rc has an Inbox, because a wrapped handler can't run later. It
// panics while the routes are set up, not while serving.
func Wrap[E payack.Event](rc *middleware.Receiver[E]) gin.HandlerFunc {
	rc.Wrap(http.NotFoundHandler()) // panics if rc can't wrap
	var own uintptr
	handler := func(c *gin.Context) {
		outer, request := c.Writer, c.Request
		returned := false
		defer func() {
			c.Writer, c.Request = outer, request
			if !returned {
				c.Abort() // otherwise gin would call the handlers that must not run
			}
		}()
		serve(c, rc.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if own == reflect.ValueOf(c.Handler()).Pointer() {
				middleware.Fail(r.Context(), errors.New("no gin handler stands behind payack"))
				return
			}
			behind := &writer{ResponseWriter: outer, tracked: w, size: unsent}
			c.Writer, c.Request = behind, r
			before := len(c.Errors)
			c.Next()
			returned = true
			behind.finish()
			if err := failure(c, before, behind); err != nil {
				middleware.Fail(r.Context(), err) // nil would say that a handler has processed the event
			}
		})))
	}
	own = reflect.ValueOf(handler).Pointer()
	return handler
}

// failure returns why the handlers did not process the event, as far as gin shows it.
// If they attached an error, failure returns the first one, whatever they answered.
// Without an attached error it returns nil if they wrote an answer, because payack
// reads that answer. It also returns nil if gin shows nothing, because payack knows
// whether they asked for the event.
func failure(c *gin.Context, before int, w *writer) error {
	switch {
	case len(c.Errors) > before:
		return c.Errors[before]
	case w.Written():
		return nil
	case c.IsAborted():
		return errors.New("a gin handler aborted and answered nothing")
	case c.FullPath() == "":
		return errors.New("gin matched no route, so no handler has processed the event")
	}
	return nil
}

// Handler returns h, a handler of package handlers or any other, as a handler of
// gin. It does two things more than gin.WrapH. It sets gin's path parameters as
// r.PathValue, which a KeyFunc needs to distinguish tenants; as in c.Param, a
// catch-all's value begins with a slash. And it keeps gin.Recovery from answering
// 200 when a callback panics with http.ErrAbortHandler.
//
// Handler panics if h is nil. It panics while the routes are set up, not while
// serving.
func Handler(h http.Handler) gin.HandlerFunc {
	if nilness.Of(h) {
		panic("ginpayack: Handler: the handler is nil; look at the error that its constructor returned")
	}
	return func(c *gin.Context) { serve(c, h) }
}

// serve calls h and sends its status at once. Gin itself would send a status
// without a body only after all handlers, and would let them change it until
// then.
func serve(c *gin.Context, h http.Handler) {
	for _, p := range c.Params {
		c.Request.SetPathValue(p.Key, p.Value)
	}
	w, answered := c.Writer, false
	defer func() {
		// A panic passes through. If it is http.ErrAbortHandler, gin.Recovery
		// swallows it, and gin would send its initial status, 200: to some
		// providers that means accepted.
		if !answered && !w.Written() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}()
	h.ServeHTTP(w, c.Request)
	w.WriteHeaderNow()
	answered = true
}
