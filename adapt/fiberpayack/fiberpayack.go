package fiberpayack

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/gofiber/fiber/v3"

	"github.com/payack/payack/internal/nilness"
)

// Handler returns h, a handler of package handlers or any other, as a handler of
// fiber. The package documentation says what request h gets. The answer of h is held
// in memory until h returns, so h can neither flush nor hijack the connection.
//
// Handler panics if h is nil. It panics while the routes are set up, not while
// serving.
func Handler(h http.Handler) fiber.Handler {
	if nilness.Of(h) {
		panic("fiberpayack: Handler: the handler is nil; look at the error that its constructor returned")
	}
	return func(c fiber.Ctx) error {
		r, err := requestOf(c)
		if err != nil {
			return fiber.NewError(http.StatusBadRequest, "the request's target is no URL")
		}
		a := newAnswer()
		switch p := serve(h, a.writer(c.App().Config().ReadTimeout > 0), r); {
		case p == nil:
			a.send(c)
		case p.aborts():
			hangUp(c)
		default:
			slog.Error("fiberpayack: a handler panicked", "path", r.URL.Path, "panic", fmt.Sprint(p.value), "stack", string(p.stack))
			return fiber.ErrInternalServerError
		}
		return nil
	}
}

// thrown is a recovered panic.
type thrown struct {
	value any
	stack []byte
}

// serve calls the handler and returns its panic, because fasthttp recovers none.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (p *thrown) {
	defer func() {
		if value := recover(); value != nil {
			p = &thrown{value, debug.Stack()}
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// aborts reports whether the panic asks for the connection to end.
func (p *thrown) aborts() bool {
	err, ok := p.value.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// hangUp ends the connection without an answer.
func hangUp(c fiber.Ctx) {
	c.RequestCtx().HijackSetNoResponse(true)
	c.RequestCtx().Hijack(func(net.Conn) {}) // fasthttp closes it
}
