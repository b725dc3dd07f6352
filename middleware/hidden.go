package middleware

import (
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"strings"
)

// errHidden is the failure of a wrapped handler whose outcome nobody can see.
var errHidden = errors.New("the wrapped handler stands behind echo.WrapMiddleware, which hides the errors that handlers return, so nobody knows whether it processed the event; mount echopayack.Wrap(receiver) of the module adapt/echopayack instead, or let the handler report by middleware.Fail, without an error too")

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
