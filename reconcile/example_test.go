package reconcile_test

import (
	"context"
	"fmt"
	"iter"
	"log"
	"log/slog"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/reconcile"
)

// A payment whose callback got lost is found by asking the provider. It is passed
// to the function that would have got the callback. The gateway is a fake. Store
// or Inbox must outlive the process.
func Example() {
	gw, err := gateway.NewPTS(gateway.PTSConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()

	pts, err := client.NewPTS(client.PTSConfig{
		BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
		PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
	})
	if err != nil {
		log.Fatal(err)
	}
	paid := make(chan string)
	receiver, err := handlers.NewPTS(handlers.PTSConfig{
		UserID: gw.UserID(), Safecode: gw.Safecode(), PublicKeys: []string{gw.PublicKey()},
		Options: handlers.Options{Store: openStore(), Logger: slog.New(slog.DiscardHandler)},
	}, func(_ context.Context, ev *payack.PTSEvent) error {
		if ev.Paid() {
			paid <- ev.OrderID + " over " + ev.AcceptAmount.String()
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx, stop := context.WithCancel(context.Background())
	created := time.Now()
	_, err = pts.Payment(ctx, client.PTSPayment{
		OrderID: "ORD1", Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "GCASH", CallbackURL: "http://127.0.0.1:1/lost",
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := gw.Pay("ORD1"); err != nil { // its callback gets lost
		log.Fatal(err)
	}

	r, err := reconcile.New(reconcile.Config{
		Orders: func(context.Context) iter.Seq2[reconcile.Order, error] { // SELECT … FROM orders WHERE state = 'open'
			return func(yield func(reconcile.Order, error) bool) {
				yield(reconcile.Order{Provider: payack.PTS, OrderID: "ORD1", Created: created}, nil)
			}
		},
		Accounts: []reconcile.Account{reconcile.PTS(pts, receiver)},
		Waits:    []time.Duration{100 * time.Millisecond}, // for the example; the default is 1, 5 and 15 minutes, then hours
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	fmt.Println("paid:", <-paid)
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output: paid: ORD1 over 100.50
}

// openStore stands for redisstore.New or sqlstore.Open.
func openStore() payack.Store { return newDurable() }

// Payatom's list of a day is compared with the merchant's records. The list is not
// signed, so each difference is asked about before anything is settled.
func ExampleReconciler_Ask_payatomsDay() {
	gw, err := gateway.NewPayatom(gateway.PayatomConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()
	keys := []payack.Secret{gw.SecretKey()}
	atom, err := client.NewPayatom(client.PayatomConfig{BaseURL: gw.URL, PID: gw.PID(), SecretKeys: keys, ReconcileToken: gw.Token()})
	if err != nil {
		log.Fatal(err)
	}
	receiver, err := handlers.NewPayatom(handlers.PayatomConfig{
		SecretKeys: keys, ExpectInCallback: true,
		Options: handlers.Options{Store: openStore(), Logger: slog.New(slog.DiscardHandler)},
	}, func(_ context.Context, ev *payack.PayatomEvent) error {
		fmt.Println(ev.OrderID, ev.Status, ev.ReceivedAmount) // a real function compares with the order, then settles
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	r, err := reconcile.New(reconcile.Config{
		Orders: func(context.Context) iter.Seq2[reconcile.Order, error] {
			return func(func(reconcile.Order, error) bool) {}
		},
		Accounts: []reconcile.Account{reconcile.Payatom(atom, receiver)},
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	for _, id := range []string{"ORD1000001", "ORD1000002"} {
		_, err := atom.Payin(ctx, client.PayatomPayin{
			OrderID: id, Amount: payack.NewAmount("500"), Name: "A. Buyer", Email: "buyer@shop.example", Phone: "9000000000",
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := gw.Pay("ORD1000002"); err != nil {
		log.Fatal(err)
	}

	day, err := atom.ReconcilePayins(ctx, time.Now().UTC())
	if err != nil {
		log.Fatal(err)
	}
	ours := client.PayatomBooks{Records: func(yield func(client.PayatomRecord, error) bool) {
		for _, id := range []string{"ORD1000001", "ORD1000002"} {
			if !yield(client.PayatomRecord{OrderID: id, Status: payack.PayatomPending}, nil) {
				return
			}
		}
	}}
	asked := map[string]bool{} // an order may differ in several ways
	for difference, err := range day.Compare(ours) {
		if err != nil {
			log.Fatal(err)
		}
		if difference.Row == nil || asked[difference.OrderID] {
			continue
		}
		asked[difference.OrderID] = true
		if _, err := r.Ask(ctx, reconcile.Order{Provider: payack.Payatom, OrderID: difference.OrderID, Handle: difference.Row.RefCode.String()}); err != nil {
			log.Fatal(err)
		}
	}
	// Output: ORD1000002 Approved 500
}
