package main

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/fiberpayack"
	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/middleware"
)

type config struct {
	file          string // of SQLite, with the orders and the inbox
	ptsUserID     string
	ptsSafecode   payack.Secret
	ptsPublicKey  string // PEM
	payatomSecret payack.Secret
}

func newApp(c config, shop *orders.Orders, in *inbox.Inbox, page *inspector.Inspector) (*fiber.App, error) {
	// payack commits each verified event before it answers the provider, and then calls
	// the function. One transaction marks the order as paid and the event as done.
	pts, err := handlers.NewPTS(middleware.PTSConfig{
		UserID:     c.ptsUserID,
		Safecode:   c.ptsSafecode,
		PublicKeys: []string{c.ptsPublicKey},
		Options: middleware.Options{
			Inbox:    in,
			Observer: page,
			Validate: map[string]string{"AcceptCurrency": "eq=PHP"}, // the orders' currency
		},
	}, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PTSEvent) error {
		if !ev.Paid() {
			return nil // the payment is pending or failed, or its status is unknown
		}
		return orders.Settle(ctx, tx, ev.OrderID, ev.AcceptAmount)
	}))
	if err != nil {
		return nil, err
	}

	payatom, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{c.payatomSecret},
		// Order ORD1 with amount 500 and order ORD15 with amount 00 have the same
		// hash, so each event is compared with the order.
		Expect:  shop.Expect,
		Options: middleware.Options{Inbox: in, Observer: page},
	}, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
		if !ev.Paid() {
			return nil
		}
		return orders.Settle(ctx, tx, ev.OrderID, ev.ReceivedAmount)
	}))
	if err != nil {
		return nil, err
	}

	// The inspector can explain what these two handlers refuse.
	if err := page.Add(pts, payatom); err != nil {
		return nil, err
	}

	app := fiber.New(fiber.Config{
		ReadTimeout:  10 * time.Second, // fiber has no default; payack's own ReadTimeout has no effect in fiber
		WriteTimeout: 20 * time.Second, // longer than payack's deadline, which is 8 seconds
		IdleTimeout:  time.Minute,
		BodyLimit:    middleware.DefaultMaxBody, // fiber keeps whole bodies in memory
	})
	app.Post("/callbacks/pts", fiberpayack.Handler(pts))
	app.Post("/callbacks/payatom", fiberpayack.Handler(payatom))
	app.Get("/healthz", health(in))
	return app, nil
}

// health answers a probe. It reports a failure if the database fails, or if events
// wait too long.
func health(in *inbox.Inbox) fiber.Handler {
	return func(c fiber.Ctx) error {
		ctx, cancel := context.WithTimeout(c.Context(), 5*time.Second)
		defer cancel()
		if err := in.Healthy(ctx); err != nil {
			slog.Warn("the shop is not healthy", "error", err)
			return c.SendStatus(fiber.StatusServiceUnavailable)
		}
		return c.SendStatus(fiber.StatusOK)
	}
}
