package client_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest/gateway"
)

var quiet = handlers.Options{Logger: slog.New(slog.DiscardHandler)}

// A payment is created and paid. PTS calls back, the receiver asks PTS to confirm,
// and only then the merchant's function runs. The gateway is a fake.
func ExamplePTS_Confirm() {
	gw, err := gateway.NewPTS(gateway.PTSConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()
	pts, err := client.NewPTS(client.PTSConfig{
		BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(),
		PrivateKey: gw.MerchantKey(), PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
	})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := handlers.NewPTS(handlers.PTSConfig{
		Safecode: gw.Safecode(), PublicKeys: []string{gw.PublicKey()},
		Confirm: pts.Confirm,
		Options: quiet,
	}, func(_ context.Context, ev *payack.PTSEvent) error {
		fmt.Println("order", ev.OrderID, "paid:", ev.Paid(), ev.Confirmed.Amount)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	shop := httptest.NewServer(handler)
	defer shop.Close()

	ctx := context.Background()
	if _, err := pts.Payment(ctx, client.PTSPayment{
		OrderID: "ORD1000001", Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "GCASH", CallbackURL: shop.URL,
	}); err != nil {
		log.Fatal(err)
	}
	if err := gw.Pay("ORD1000001"); err != nil {
		log.Fatal(err)
	}
	if err := gw.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("acknowledged:", gw.Deliveries("ORD1000001")[0].Acknowledged)
	// Output:
	// order ORD1000001 paid: true 100.50
	// acknowledged: true
}

// A payment is created and paid. Payatom sends a webhook, and the receiver asks
// Payatom to confirm it by the webhook's ref_code. The answer's order, amount and
// status must be those of the webhook. The gateway is a fake.
func ExamplePayatom_Confirm() {
	gw, err := gateway.NewPayatom(gateway.PayatomConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()
	payatom, err := client.NewPayatom(client.PayatomConfig{
		BaseURL: gw.URL, PID: gw.PID(), SecretKeys: []payack.Secret{gw.SecretKey()},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := handlers.NewPayatom(handlers.PayatomConfig{
		SecretKeys: []payack.Secret{gw.SecretKey()},
		Confirm:    payatom.Confirm,
		Options:    quiet,
	}, func(_ context.Context, ev *payack.PayatomEvent) error {
		fmt.Println("order", ev.OrderID, "paid:", ev.Paid(), ev.Confirmed.Amount)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	shop := httptest.NewServer(handler)
	defer shop.Close()
	gw.SetWebhookURL(shop.URL)

	ctx := context.Background()
	if _, err := payatom.Payin(ctx, client.PayatomPayin{
		OrderID: "ORD1000001", Amount: payack.NewAmount("500"), Name: "Customer", Email: "customer@shop.example", Phone: "9000000000",
	}); err != nil {
		log.Fatal(err)
	}
	if err := gw.Pay("ORD1000001"); err != nil {
		log.Fatal(err)
	}
	if err := gw.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("acknowledged:", gw.Deliveries("ORD1000001")[0].Acknowledged)
	// Output:
	// order ORD1000001 paid: true 500
	// acknowledged: true
}
