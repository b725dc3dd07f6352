package main

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/echopayack"
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

func newHandler(c config, shop *orders.Orders, in *inbox.Inbox, page *inspector.Inspector) (http.Handler, error) {
	// A handler: payack commits each verified event before it answers PTS, and then
	// calls the function. One transaction marks the order as paid and the event as done.
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

	// A middleware: the shop keeps the handler that it had, which is called for verified
	// events only.
	payatom, err := middleware.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{c.payatomSecret},
		// Order ORD1 with amount 500 and order ORD15 with amount 00 have the same
		// hash, so each event is compared with the order.
		Expect:  shop.Expect,
		Options: middleware.Options{Observer: page},
	})
	if err != nil {
		return nil, err
	}

	// The inspector needs a handler to explain what a receiver refused. Middleware is
	// not a handler, so this makes one from the same receiver. Its function is never
	// called.
	explains, err := middleware.Handle(payatom, func(context.Context, *payack.PayatomEvent) error { return nil })
	if err != nil {
		return nil, err
	}
	if err := page.Add(pts, explains); err != nil {
		return nil, err
	}

	e := echo.New()
	e.Use(echomiddleware.Recover()) // middleware that reads bodies goes behind payack
	e.POST("/callbacks/pts", echopayack.Handler(pts))
	e.POST("/callbacks/payatom", settlePayatom(shop), echopayack.Wrap(payatom))
	e.GET("/healthz", health(in))
	return e, nil
}

// settlePayatom is the handler that the shop already had. It writes no answer, so
// payack answers in Payatom's words.
func settlePayatom(shop *orders.Orders) echo.HandlerFunc {
	return func(c *echo.Context) error {
		ctx := c.Request().Context()
		ev, ok := payack.EventFrom[*payack.PayatomEvent](ctx)
		if !ok { // mounted without payack in front, so nothing is verified
			return echo.ErrInternalServerError
		}
		if !ev.Paid() {
			return nil
		}
		return shop.Settle(ctx, ev.OrderID, ev.ReceivedAmount) // an error makes Payatom send again
	}
}

// health answers a probe. It reports a failure if the database fails, or if events
// wait too long.
func health(in *inbox.Inbox) echo.HandlerFunc {
	return func(c *echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), 5*time.Second)
		defer cancel()
		if err := in.Healthy(ctx); err != nil {
			slog.Warn("the shop is not healthy", "error", err)
			return c.NoContent(http.StatusServiceUnavailable)
		}
		return c.NoContent(http.StatusOK)
	}
}
