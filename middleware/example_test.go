package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

// answered prints the answer of a handler to a callback.
func answered(h http.Handler, cb payacktest.Callback) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, cb.Request("/callbacks/pts"))
	fmt.Println(w.Code, w.Body)
}

// Wrap leaves an existing handler as it is. The handler finds the event in its
// request's context. When the handler writes nothing, payack answers in PTS's words.
func ExampleReceiver_Wrap() {
	keys := payacktest.NewPTSKeys() // yours come from the environment
	pts, err := middleware.NewPTS(middleware.PTSConfig{
		Safecode: keys.Safecode, PublicKeys: []string{keys.PublicKey}, Options: unlogged,
	})
	if err != nil {
		fmt.Println(err) // an empty key is refused here, not while serving
		return
	}
	existing := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ev, ok := payack.EventFrom[*payack.PTSEvent](r.Context())
		fmt.Println(ok, ev.OrderID, ev.AcceptAmount)
	})
	h := pts.Wrap(existing)

	paid, _ := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Build()
	answered(h, paid)
	answered(h, paid) // sent again: the handler is not called
	// Output:
	// true ORD-1 100.50
	// 200 SUCCESS
	// 200 SUCCESS
}

// A net/http handler can't return an error, so a handler behind Wrap calls Fail.
// PTS then sends the event again.
func ExampleFail() {
	keys := payacktest.NewPTSKeys()
	config := keys.Config()
	config.Options = unlogged
	pts, err := middleware.NewPTS(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	settled := errors.New("the database is away")
	h := pts.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("in time:", middleware.Fail(r.Context(), settled))
	}))

	paid, _ := payacktest.PTS(keys).Build()
	answered(h, paid)
	settled = nil // the database is back
	answered(h, paid)
	// Output:
	// in time: true
	// 200 FAILED
	// in time: true
	// 200 SUCCESS
}

// Handle turns a receiver and a function into an http.Handler. The constructors of
// package handlers do both in one step.
func ExampleHandle() {
	keys := payacktest.NewPayatomKeys()
	config := keys.Config()
	config.Options = unlogged
	payatom, err := middleware.NewPayatom(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	h, err := middleware.Handle(payatom, func(_ context.Context, ev *payack.PayatomEvent) error {
		fmt.Println(ev.OrderID, ev.ReceivedAmount)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	approved, _ := payacktest.Payatom(keys).Order("ORD-1").Amount("500").Build()
	answered(h, approved)
	// Output:
	// ORD-1 500
	// 200 {"hash_status":"HashMatched","acknowledge":"yes"}
}

// Your own tests can compare their results with a provider's contract.
func ExampleAnswerOf() {
	for _, reason := range []payack.Reason{"", payack.ReasonCallback, payack.ReasonSignature} {
		a, err := middleware.AnswerOf(payack.Ptop, reason)
		fmt.Printf("%d %q %v\n", a.Status, a.Body, err)
	}
	// Output:
	// 200 "" <nil>
	// 500 "" <nil>
	// 403 "Invalid signature" <nil>
}

// unlogged are options that discard the log.
var unlogged = middleware.Options{Logger: slog.New(slog.DiscardHandler)}
