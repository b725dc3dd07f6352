package diagnose_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/handlers"
)

// A webhook with a wrong content type and upper-case digits in its signature.
func ExampleSuggest() {
	h, err := handlers.NewPtop(handlers.PtopConfig{
		SigningKeys: payack.Secrets("the signature of the back office"), ConfirmInCallback: true,
		Options: handlers.Options{Logger: slog.New(slog.DiscardHandler)},
	}, func(context.Context, *payack.PtopEvent) error { return nil })
	if err != nil {
		log.Fatal(err)
	}
	// From an observer or a recording.
	delivery := &payack.Delivery{
		Method: "POST", Path: "/callbacks/ptop",
		Header: http.Header{
			"Content-Type": {"text/plain"},
			"X-Signature":  {"6B82B11C12350A8F9F9CBB4DBB65160798CF70F3DC7D1D2DC6BE053659109E6C"},
		},
		Body: `{"success":true,"transaction_id":"T1","order_id":"ORD1"}`,
	}
	report, err := diagnose.Explain(context.Background(), h, delivery, diagnose.Options{})
	if err != nil {
		log.Fatal(err)
	}
	advice, err := diagnose.Suggest(context.Background(), h, delivery, diagnose.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Outcome, report.Reason, report.Answer.Status)
	fmt.Println(advice.Fix)
	for _, change := range advice.Changes {
		fmt.Println("-", change.What)
	}
	// Output:
	// refused content_type 415
	// it verifies under scheme header with key 1: have it announced as application/json, or set ptop.sniff to true, and have the signature sent in lower-case digits
	// - have it announced as application/json, or set ptop.sniff to true
	// - have the signature sent in lower-case digits
}
