package payack_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// A webhook is verified, compared with the merchant's order and passed to the
// merchant's function. The answer is the one that the gateway expects.
func Example() {
	secret := payack.NewSecret("throwaway key of this example")
	handler, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{secret},
		Expect: func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: ev.OrderID == "ORD1000001", Amount: payack.NewAmount("500")}, nil
		},
		Options: middleware.Options{Logger: slog.New(slog.DiscardHandler)},
	}, func(_ context.Context, ev *payack.PayatomEvent) error {
		fmt.Println("order", ev.OrderID, "is", ev.Status, "with", ev.ReceivedAmount)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	// The gateway's side.
	gateway, err := verify.NewPayatomSigner(secret)
	if err != nil {
		log.Fatal(err)
	}
	body := fmt.Sprintf(`{"order_id":"ORD1000001","received_amount":"500.00","status":"Approved","post_hash":%q}`,
		gateway.PostHash("ORD1000001", "500.00", "Approved"))
	r := httptest.NewRequest(http.MethodPost, "/callbacks/payatom", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output:
	// order ORD1000001 is Approved with 500.00
	// {"hash_status":"HashMatched","acknowledge":"yes"}
}

// A forged webhook never reaches the merchant's function.
func Example_forged() {
	handler, err := handlers.NewPtop(middleware.PtopConfig{
		SigningKeys:       payack.Secrets("throwaway key of this example"),
		ConfirmInCallback: true,
		Options:           middleware.Options{Logger: slog.New(slog.DiscardHandler)},
	}, func(context.Context, *payack.PtopEvent) error {
		fmt.Println("never called")
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	body := `{"success":true,"transaction_id":"a93kd82hda","order_id":"ORD-1001"}`
	r := httptest.NewRequest(http.MethodPost, "/callbacks/ptop", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Signature", strings.Repeat("0", 64))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 403 Invalid signature
}

// An existing handler stays unchanged behind payack. payack verifies, and answers
// if the handler writes nothing.
func Example_wrap() {
	receiver, err := middleware.NewPtop(middleware.PtopConfig{
		SigningKeys:       payack.Secrets("throwaway key of this example"),
		ConfirmInCallback: true,
		Options:           middleware.Options{Logger: slog.New(slog.DiscardHandler)},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := receiver.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ev, _ := payack.EventFrom[*payack.PtopEvent](r.Context())
		fmt.Println("transaction", ev.TransactionID, "verified by", ev.Scheme)
	}))

	// Ptop's side.
	callback, err := verify.SignPtopCallback(payack.NewSecret("throwaway key of this example"), payack.SchemeSpliced,
		verify.PtopLast, `{"success":true,"transaction_id":"a93kd82hda","order_id":"ORD-1001"}`)
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/callbacks/ptop", strings.NewReader(callback.Body))
	r.Header.Set("Content-Type", callback.ContentType)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// transaction a93kd82hda verified by spliced
	// 200
}

// An amount keeps the text that was received. A conversion is exact, or it returns
// an error.
func ExampleAmount() {
	a := payack.NewAmount("100.50")
	cents, err := a.MinorUnits(2)
	fmt.Println(a, cents, err)
	_, err = a.MinorUnits(1)
	fmt.Println(err)
	_, err = payack.NewAmount("100.505").MinorUnits(2)
	fmt.Println(err)
	fmt.Println(a.Equal(payack.NewAmount("1005e-1")))
	// Output:
	// 100.50 10050 <nil>
	// <nil>
	// payack: the amount is not a whole number of minor units that fits an int64
	// true
}

// A payer sent only a part of the amount. The gateway confirms what was paid, and
// the merchant's function compares it with the order.
func ExampleAnyAmount() {
	secret := payack.NewSecret("throwaway key of this example")
	handler, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{secret},
		Expect: func(context.Context, *payack.PayatomEvent) (payack.Expectation, error) {
			return payack.Expectation{Found: true, Amount: payack.NewAmount("500"), RefCode: "b73ea664"}, nil
		},
		Match: payack.AnyAmount,
		Confirm: func(_ context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
			// Ask the gateway by ev.Expected.RefCode here.
			return &payack.Confirmation{Paid: true, Status: "Approved", Amount: ev.ReceivedAmount}, nil
		},
		Options: middleware.Options{Logger: slog.New(slog.DiscardHandler)},
	}, func(_ context.Context, ev *payack.PayatomEvent) error {
		if !ev.ReceivedAmount.Equal(ev.Expected.Amount) {
			fmt.Println("received", ev.ReceivedAmount, "of", ev.Expected.Amount)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	// The gateway's side.
	gateway, err := verify.NewPayatomSigner(secret)
	if err != nil {
		log.Fatal(err)
	}
	body := fmt.Sprintf(`{"order_id":"ORD1000001","received_amount":"300.00","status":"Approved","post_hash":%q}`,
		gateway.PostHash("ORD1000001", "300.00", "Approved"))
	r := httptest.NewRequest(http.MethodPost, "/callbacks/payatom", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output:
	// received 300.00 of 500
	// {"hash_status":"HashMatched","acknowledge":"yes"}
}

// All spellings of an amount give the same identity and fingerprint.
func ExamplePayatomEvent_ID() {
	for _, received := range []string{"63.00", "63.0", "63"} {
		ev := &payack.PayatomEvent{OrderID: "ORD1000001", ReceivedAmount: payack.NewAmount(received), Status: payack.PayatomLateApproved}
		fmt.Println(ev.ID(), ev.Fingerprint())
	}
	// Output:
	// payatom:v1::ORD1000001:Approved 63
	// payatom:v1::ORD1000001:Approved 63
	// payatom:v1::ORD1000001:Approved 63
}

// An event is stored as bytes, together with how it was verified, and is the same
// after decoding.
func ExampleEncodeEvent() {
	ev := &payack.PtopEvent{Success: true, TransactionID: "a93kd82hda", OrderID: "ORD-1001"}
	ev.Tenant = "shop"
	encoded, err := payack.EncodeEvent(ev)
	if err != nil {
		log.Fatal(err)
	}
	back, err := payack.DecodeEvent(encoded)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(back.ID(), back.ID() == ev.ID())
	// Output:
	// ptop:v1:shop:a93kd82hda:true true
}

// An amount's value is that of the signed text.
func ExampleAmount_Signed() {
	a := payack.NewAmount("500.000000000000001").Signed("500")
	units, err := a.MinorUnits(2)
	fmt.Println(a, units, err)
	fmt.Println(a.Literal())
	// Output:
	// 500 50000 <nil>
	// 500.000000000000001
}
