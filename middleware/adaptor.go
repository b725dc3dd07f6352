package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"strings"
)

// errHidden is the failure of a wrapped handler whose errors nobody can see. It is
// not called: it would settle an event that is then sent again.
var errHidden = errors.New("the wrapped handler stands behind echo.WrapMiddleware, which hides the errors that handlers return, so it was not called; mount echopayack.Wrap(receiver) of the module adapt/echopayack instead")

// hidesErrors reports whether a wrapped handler is the one that echo makes of a
// handler with a result. Echo writes an error only after Wrap has answered.
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
	// The compiler names the function after whoever it was inlined into.
	file, _ := code.FileLine(pc)
	return strings.Contains(file, "labstack/echo")
}

// warnUnbounded logs that a writer has no read deadlines. Where it is that of
// fasthttp's adaptor, requests change when they have been answered.
func (rc *receiver) warnUnbounded(w http.ResponseWriter) {
	if strings.HasPrefix(fmt.Sprintf("%T", w), "*fasthttpadaptor.") {
		rc.options.Logger.Warn("payack: the adaptor in front is fasthttp's, which hands on memory that is reused, so what is kept of a request changes later; in fiber mount by fiberpayack.Handler of the module adapt/fiberpayack, and set fiber's ReadTimeout",
			"provider", rc.stages.provider)
		return
	}
	rc.options.Logger.Warn("payack: the server or the adaptor in front supports no read deadlines, so ReadTimeout has no effect; set the server's own read timeout",
		"provider", rc.stages.provider)
}
