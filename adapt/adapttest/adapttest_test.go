package adapttest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/adapttest"
	"github.com/payack/payack/middleware"
)

// net/http's own mux needs no adaptor.
func TestMux(t *testing.T) {
	serve := func(t testing.TB, h http.Handler) string {
		mux := http.NewServeMux()
		mux.Handle("POST /callbacks/{tenant}", h)
		return adapttest.Serve(t, mux)
	}
	adapttest.Run(t, adapttest.Framework{
		Handler: serve,
		Wrap: func(t testing.TB, rc *middleware.Receiver[*payack.PayatomEvent], shop adapttest.Shop) string {
			return serve(t, rc.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				answer, err := shop(r.Context(), adapttest.Seen{
					Tenant: r.PathValue("tenant"), Body: string(body), Order: r.URL.Query().Get("order_id"),
				})
				if err != nil {
					middleware.Fail(r.Context(), err)
				}
				if answer != nil {
					w.Header().Set("Content-Type", answer.ContentType)
					w.WriteHeader(answer.Status)
					_, _ = io.WriteString(w, answer.Body)
				}
			})))
		},
	})
}
