package otelpayack_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/observe/otelpayack"
)

func ExampleNew() {
	metrics, err := otelpayack.New(otelpayack.Config{}) // if you have an inbox, set the member Inbox to it
	if err != nil {
		fmt.Println(err)
		return
	}
	defer metrics.Close()
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
	// Output:
}
