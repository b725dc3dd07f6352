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
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

var quiet = middleware.Options{Logger: slog.New(slog.DiscardHandler)}

// A payment is created and paid, PTS calls back, is asked, and only then the
// merchant's function runs. The gateway here is a fake one.
func ExamplePTS_Confirm() {
	gateway, err := payacktest.NewPTSGateway(payacktest.PTSGatewayConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer gateway.Close()
	pts, err := client.NewPTS(client.PTSConfig{
		BaseURL: gateway.URL, GUID: gateway.GUID(), UserID: gateway.UserID(), Safecode: gateway.Safecode(),
		PrivateKey: gateway.MerchantKey(), PublicKeys: []string{gateway.PublicKey()}, TransactionSecret: gateway.TransactionSecret(),
	})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := handlers.NewPTS(middleware.PTSConfig{
		Safecode: gateway.Safecode(), PublicKeys: []string{gateway.PublicKey()},
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
	if err := gateway.Pay("ORD1000001"); err != nil {
		log.Fatal(err)
	}
	if err := gateway.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("acknowledged:", gateway.Deliveries("ORD1000001")[0].Acknowledged)
	// Output:
	// order ORD1000001 paid: true 100.50
	// acknowledged: true
}

// The same with Payatom. Its query goes by the ref_code of the webhook, and what
// it answers about order, amount and status must be what the webhook says.
func ExamplePayatom_Confirm() {
	gateway, err := payacktest.NewPayatomGateway(payacktest.PayatomGatewayConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer gateway.Close()
	payatom, err := client.NewPayatom(client.PayatomConfig{
		BaseURL: gateway.URL, PID: gateway.PID(), SecretKeys: []payack.Secret{gateway.SecretKey()},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{gateway.SecretKey()},
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
	gateway.SetWebhookURL(shop.URL)

	ctx := context.Background()
	if _, err := payatom.Payin(ctx, client.PayatomPayin{
		OrderID: "ORD1000001", Amount: payack.NewAmount("500"), Name: "Customer", Email: "customer@shop.example", Phone: "9000000000",
	}); err != nil {
		log.Fatal(err)
	}
	if err := gateway.Pay("ORD1000001"); err != nil {
		log.Fatal(err)
	}
	if err := gateway.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("acknowledged:", gateway.Deliveries("ORD1000001")[0].Acknowledged)
	// Output:
	// order ORD1000001 paid: true 500
	// acknowledged: true
}
