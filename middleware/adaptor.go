package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"strings"
)

// errHidden is the failure of every event whose wrapped handler hides its errors.
// The handler is not called, because payack could not see whether it failed.
var errHidden = errors.New("the wrapped handler stands behind echo.WrapMiddleware, which hides the errors that handlers return, so it was not called; mount echopayack.Wrap(receiver) of the module adapt/echopayack instead")

// hidesErrors reports whether next comes from echo.WrapMiddleware. Echo writes a
// handler's error only after Wrap has answered.
func hidesErrors(next http.Handler) bool {
	f, ok := next.(http.HandlerFunc)
	if !ok {
		return false
	}
	pc := reflect.ValueOf(f).Pointer()
	code := runtime.FuncForPC(pc)
	if code == nil || !strings.Contains(code.Name(), "WrapMiddleware") {
		return false
	}
	// Inlining may change the package in the function's name, but not the file.
	file, _ := code.FileLine(pc)
	return strings.Contains(file, "labstack/echo")
}

// warnUnbounded warns that a writer supports no read deadlines. If the writer is
// that of fasthttp's adaptor, the warning is a different one, because this adaptor
// reuses a request's memory after the answer.
func (rc *receiver) warnUnbounded(w http.ResponseWriter) {
	if strings.HasPrefix(fmt.Sprintf("%T", w), "*fasthttpadaptor.") {
		rc.options.Logger.Warn("payack: the request comes through fasthttp's adaptor, which reuses a request's memory, so whatever is kept of a request changes later; in fiber use fiberpayack.Handler of the module adapt/fiberpayack, and set fiber's ReadTimeout",
			"provider", rc.stages.provider)
		return
	}
	rc.options.Logger.Warn("payack: the server or the adaptor in front supports no read deadlines, so ReadTimeout has no effect; set the server's own read timeout",
		"provider", rc.stages.provider)
}
