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
// fiber. The package's documentation says what it is given. What it writes is held
// in memory until it returns, so it can neither flush nor take the connection over.
//
// It panics, when it is mounted and not while serving, if h is nil.
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

// thrown is a panic that was recovered.
type thrown struct {
	value any
	stack []byte
}

// serve calls the handler, and returns its panic: fasthttp recovers none.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (p *thrown) {
	defer func() {
		if value := recover(); value != nil {
			p = &thrown{value, debug.Stack()}
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// aborts reports whether the handler wanted the connection to end.
func (p *thrown) aborts() bool {
	err, ok := p.value.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// hangUp ends the connection without an answer.
func hangUp(c fiber.Ctx) {
	c.RequestCtx().HijackSetNoResponse(true)
	c.RequestCtx().Hijack(func(net.Conn) {}) // fasthttp closes it
}
