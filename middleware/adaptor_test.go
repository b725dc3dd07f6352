package middleware_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
)

// WrapMiddleware has the same name as echo's, but hides no errors.
func WrapMiddleware(middleware func(http.Handler) http.Handler) http.Handler {
	return middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		payack.EventFrom[*payack.PtopEvent](r.Context())
	}))
}

// The WrapMiddleware above is not mistaken for echo's. The tests with echo's are in
// adapt/echopayack.
func TestOnlyEchoHidesErrors(t *testing.T) {
	h := WrapMiddleware(ptopReceiver(t, newWatch().options()).Wrap)
	assert.Equal(t, 200, serve(h, ptopRequest(t, "O-1")).Code)
}
