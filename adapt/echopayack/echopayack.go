package echopayack

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/nilness"
	"github.com/payack/payack/middleware"
)

// Wrap returns echo middleware that calls the handler behind it with each
// verified event of rc. The package's documentation says what it finds and what
// makes an event accepted or failed.
//
// It panics, when it is mounted and not while serving, if rc is nil (its
// constructor has then returned an error), and if rc has an Inbox, since a wrapped
// handler can't run later.
func Wrap[E payack.Event](rc *middleware.Receiver[E]) echo.MiddlewareFunc {
	rc.Wrap(http.NotFoundHandler()) // which panics where rc can't wrap
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			request, response := c.Request(), c.Response()
			defer func() {
				c.SetRequest(request)
				c.SetResponse(response)
			}()
			serve(c, rc.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				// A response of its own, because echo's knows one status only.
				c.SetResponse(echo.NewResponse(w, c.Logger()))
				if err := next(c); err != nil {
					middleware.Fail(r.Context(), err) // a nil would say that the handler has run
				}
			})))
			return nil // the provider is answered: echo's error handler would write a second answer
		}
	}
}

// Handler returns h, a handler of package handlers or any other, as a handler of
// echo. Path parameters are known as r.PathValue, which a KeyFunc needs to tell
// tenants apart (a catch-all's name is "*").
//
// It panics, when it is mounted and not while serving, if h is nil.
func Handler(h http.Handler) echo.HandlerFunc {
	if nilness.Of(h) {
		panic("echopayack: Handler: the handler is nil; look at the error that its constructor returned")
	}
	return func(c *echo.Context) error {
		serve(c, h)
		return nil
	}
}

func serve(c *echo.Context, h http.Handler) {
	r := c.Request()
	for _, p := range c.PathValues() {
		r.SetPathValue(p.Name, p.Value)
	}
	h.ServeHTTP(c.Response(), r)
}
