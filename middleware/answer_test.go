package middleware_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack/middleware"
)

// Entity headers set by a failed handler describe an answer that it never wrote.
// They must not stay on payack's answer.
func TestEntityHeadersOfAFailedHandlerAreDropped(t *testing.T) {
	in := serve(ptopReceiver(t, middleware.Options{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", "999")
		w.Header().Set("X-Request-Id", "7")
		middleware.Fail(r.Context(), errMerchant)
	})), ptopRequest(t, "T1"))
	assert.Equal(t, http.StatusInternalServerError, in.Code)
	assert.Equal(t, http.Header{"X-Request-Id": {"7"}}, in.Header())
}
