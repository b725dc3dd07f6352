package echopayack

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/nilness"
	"github.com/payack/payack/middleware"
)

// Wrap returns echo middleware. It calls the handler behind it with each verified
// event of rc. The package documentation says what that handler finds, and when
// the event is accepted or failed.
//
// Wrap panics if rc is nil. A nil rc means that its constructor returned an error.
// Wrap also panics if rc has an Inbox, because a wrapped handler can't run later. It
// panics while the routes are set up, not while serving.
func Wrap[E payack.Event](rc *middleware.Receiver[E]) echo.MiddlewareFunc {
	rc.Wrap(http.NotFoundHandler()) // panics if rc can't wrap
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			request, response := c.Request(), c.Response()
			defer func() {
				c.SetRequest(request)
				c.SetResponse(response)
			}()
			serve(c, rc.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				// The handler gets a new response, because an echo.Response keeps its first
				// status.
				c.SetResponse(echo.NewResponse(w, c.Logger()))
				if err := next(c); err != nil {
					middleware.Fail(r.Context(), err) // nil would say that the handler has processed the event
				}
			})))
			return nil // the provider has its answer; echo's error handler would write another
		}
	}
}

// Handler returns h, a handler of package handlers or any other, as a handler of
// echo. It sets echo's path parameters as r.PathValue, which a KeyFunc needs to
// distinguish tenants; the name of a catch-all is "*".
//
// Handler panics if h is nil. It panics while the routes are set up, not while
// serving.
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
