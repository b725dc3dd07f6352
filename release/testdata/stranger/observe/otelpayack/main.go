// A stranger's program: a receiver that OpenTelemetry can watch.
package main

import (
	"context"
	"log"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/observe/otelpayack"
)

func main() {
	metrics, err := otelpayack.New(otelpayack.Config{Stages: true})
	if err != nil {
		log.Fatal(err)
	}
	defer metrics.Close()
	if _, err := handlers.NewPtop(handlers.PtopConfig{
		SigningKeys: payack.Secrets("a stranger's key"), ConfirmInCallback: true, Options: handlers.Options{Observer: payack.Observers(metrics)},
	}, func(context.Context, *payack.PtopEvent) error { return nil }); err != nil {
		log.Fatal(err)
	}
}
