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

// Wrap returns gin middleware that calls the handlers behind it with each
// verified event of rc. The package's documentation says what they find and
// what makes an event accepted or failed.
//
// It panics, when it is mounted and not while serving, if rc is nil: its
// constructor has then returned an error.
func Wrap[E payack.Event](rc *middleware.Receiver[E]) gin.HandlerFunc {
	rc.Wrap(http.NotFoundHandler()) // which panics if there is none
	var own uintptr
	handler := func(c *gin.Context) {
		outer, request := c.Writer, c.Request
		returned := false
		defer func() {
			c.Writer, c.Request = outer, request
			if !returned {
				c.Abort() // gin would go on with the handlers that were not to run
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
				middleware.Fail(r.Context(), err) // a nil would say that a handler has run
			}
		})))
	}
	own = reflect.ValueOf(handler).Pointer()
	return handler
}

// failure returns why the handlers did not process the event. It is nil if they
// did, if what they wrote says it, and if they gave no sign: payack knows what
// they asked for.
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

// Handler returns h, a handler of package handlers or any other, as a handler
// of gin. Other than gin.WrapH it makes gin's path parameters known as
// r.PathValue, which a KeyFunc needs to tell tenants apart (a catch-all's value
// begins with a slash, as c.Param has it), and it keeps gin.Recovery from
// turning a callback that panicked with http.ErrAbortHandler into a 200.
//
// It panics, when it is mounted and not while serving, if h is nil.
func Handler(h http.Handler) gin.HandlerFunc {
	if nilness.Of(h) {
		panic("ginpayack: Handler: the handler is nil; look at the error that its constructor returned")
	}
	return func(c *gin.Context) { serve(c, h) }
}

// serve has h answer, for good: gin itself sends a status without a body only
// when all handlers have returned, and takes another one until then.
func serve(c *gin.Context, h http.Handler) {
	for _, p := range c.Params {
		c.Request.SetPathValue(p.Key, p.Value)
	}
	w, answered := c.Writer, false
	defer func() {
		// A panic passes through. If it is http.ErrAbortHandler, gin.Recovery
		// swallows it, and gin would send the 200 that it begins with: to some
		// providers, "accepted".
		if !answered && !w.Written() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}()
	h.ServeHTTP(w, c.Request)
	w.WriteHeaderNow()
	answered = true
}
