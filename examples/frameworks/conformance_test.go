package frameworks_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/julienschmidt/httprouter"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/adapttest"
	"github.com/payack/payack/examples/frameworks"
	"github.com/payack/payack/middleware"
)

// route makes a server with a handler at POST /callbacks/{tenant}.
type route func(h http.Handler) http.Handler

// conforms runs the conformance suite on a router of net/http handlers. The function
// param reads a path parameter in the router's own way.
func conforms(t *testing.T, route route, param func(r *http.Request, name string) string) {
	adapttest.Run(t, adapttest.Framework{
		Handler: func(t testing.TB, h http.Handler) string { return adapttest.Serve(t, route(h)) },
		Wrap: func(t testing.TB, rc *middleware.Receiver[*payack.PayatomEvent], shop adapttest.Shop) string {
			return adapttest.Serve(t, route(rc.Wrap(settles(t, shop, param))))
		},
	})
}

// settles returns the merchant's handler, which payack wraps.
func settles(t testing.TB, shop adapttest.Shop, param func(r *http.Request, name string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		answer, err := shop(r.Context(), adapttest.Seen{
			Tenant: param(r, "tenant"), Body: string(body), Order: r.FormValue("order_id"),
		})
		if err != nil {
			middleware.Fail(r.Context(), err)
		}
		if answer != nil {
			w.Header().Set("Content-Type", answer.ContentType)
			w.WriteHeader(answer.Status)
			_, _ = io.WriteString(w, answer.Body)
		}
	})
}

func TestChi(t *testing.T) {
	conforms(t, func(h http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Method(http.MethodPost, "/callbacks/{tenant}", h)
		return r
	}, chi.URLParam)
}

func TestGorilla(t *testing.T) {
	conforms(t, func(h http.Handler) http.Handler {
		r := mux.NewRouter()
		r.Use(frameworks.PathVars)
		r.Handle("/callbacks/{tenant}", h).Methods(http.MethodPost)
		return r
	}, func(r *http.Request, name string) string { return mux.Vars(r)[name] })
}

func TestHTTPRouter(t *testing.T) {
	conforms(t, func(h http.Handler) http.Handler {
		r := httprouter.New()
		r.POST("/callbacks/:tenant", frameworks.PathParams(h))
		return r
	}, func(r *http.Request, name string) string { return r.PathValue(name) })
}
