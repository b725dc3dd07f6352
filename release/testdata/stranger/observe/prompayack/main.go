// A stranger's program: a receiver that Prometheus can watch.
package main

import (
	"context"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/observe/prompayack"
)

func main() {
	metrics, err := prompayack.New(prompayack.Config{})
	if err != nil {
		log.Fatal(err)
	}
	h, err := handlers.NewPtop(handlers.PtopConfig{
		SigningKeys: payack.Secrets("a stranger's key"), ConfirmInCallback: true, Options: handlers.Options{Observer: metrics},
	}, func(context.Context, *payack.PtopEvent) error { return nil })
	if err != nil {
		log.Fatal(err)
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	w := httptest.NewRecorder()
	promhttp.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(w.Body.String(), `payack_delivery_duration_seconds_count{error_type="method"`) {
		log.Fatal("the refused request is not counted")
	}
}
