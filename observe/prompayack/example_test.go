package prompayack_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/observe/prompayack"
)

func ExampleNew() {
	registry := prometheus.NewRegistry()
	metrics, err := prompayack.New(prompayack.Config{Registerer: registry}) // if you have an inbox, set the member Inbox to it
	if err != nil {
		fmt.Println(err)
		return
	}
	ptop, err := handlers.NewPtop(handlers.PtopConfig{
		SigningKeys: payack.Secrets("the_signature"), ConfirmInCallback: true,
		Options: handlers.Options{Observer: metrics},
	}, func(context.Context, *payack.PtopEvent) error { return nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /callbacks/ptop", ptop)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	// Output:
}
