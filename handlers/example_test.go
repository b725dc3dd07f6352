package handlers_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest"
)

func ExampleNewPTS() {
	keys := payacktest.NewPTSKeys()
	pts, err := handlers.NewPTS(handlers.PTSConfig{
		Safecode:   keys.Safecode, // from PTS's back office
		PublicKeys: []string{keys.PublicKey},
	}, func(_ context.Context, ev *payack.PTSEvent) error {
		if ev.Paid() {
			fmt.Println("settle", ev.OrderID, "over", ev.AcceptAmount, ev.AcceptCurrency)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /callbacks/pts", pts)

	callback, _ := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Set("accept_currency", "PHP").Build()
	fmt.Println(callback.Deliver(pts).StatusCode)
	// Output:
	// settle ORD-1 over 100.50 PHP
	// 200
}

func ExampleNewPayatom() {
	keys := payacktest.NewPayatomKeys()
	orders := map[string]string{"ORD1000001": "500"}
	payatom, err := handlers.NewPayatom(handlers.PayatomConfig{
		SecretKeys: []payack.Secret{keys.SecretKey}, // from Payatom's back office
		Expect: func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
			amount, found := orders[ev.OrderID]
			return payack.Expectation{Found: found, Amount: payack.NewAmount(amount)}, nil
		},
	}, func(_ context.Context, ev *payack.PayatomEvent) error {
		fmt.Println(ev.OrderID, ev.Status, ev.ReceivedAmount)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, amount := range []string{"500.00", "5000"} {
		callback, _ := payacktest.Payatom(keys).Order("ORD1000001").Amount(amount).Status(payack.PayatomApproved).Build()
		fmt.Println(callback.Deliver(payatom).StatusCode)
	}
	// Output:
	// ORD1000001 Approved 500.00
	// 200
	// 200
}

func ExampleNewPtop() {
	keys := payacktest.NewPtopKeys()
	ptop, err := handlers.NewPtop(handlers.PtopConfig{
		SigningKeys: []payack.Secret{keys.SigningKey}, // from Ptop's back office
		// In a program, give the Confirm method of a client.Ptop.
		Confirm: func(context.Context, *payack.PtopEvent) (*payack.Confirmation, error) {
			return &payack.Confirmation{Paid: true, Status: "1", Amount: payack.NewAmount("25.00")}, nil
		},
	}, func(_ context.Context, ev *payack.PtopEvent) error {
		if ev.Paid() {
			fmt.Println("settle", ev.OrderID, "over", ev.Confirmed.Amount)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	callback, _ := payacktest.Ptop(keys).Order("ORD-1").Build()
	fmt.Println(callback.Deliver(ptop).StatusCode)
	// Output:
	// settle ORD-1 over 25.00
	// 200
}
