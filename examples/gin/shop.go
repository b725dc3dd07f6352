package main

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/ginpayack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/middleware"
)

type config struct {
	file           string // of SQLite, with the orders and the inbox
	ptopURL        string
	ptopWebsiteID  string
	ptopSecretKey  payack.Secret
	ptopSigningKey payack.Secret
	ptsUserID      string
	ptsSafecode    payack.Secret
	ptsPublicKey   string // PEM
}

func newHandler(c config, shop *orders.Orders, in *inbox.Inbox, page *inspector.Inspector) (http.Handler, error) {
	asks, err := client.NewPtop(client.PtopConfig{
		BaseURL: c.ptopURL, WebsiteID: c.ptopWebsiteID, SecretKey: c.ptopSecretKey,
	})
	if err != nil {
		return nil, err
	}

	// A handler: payack commits each verified event before it answers Ptop, and then
	// calls the function. One transaction marks the order as paid and the event as done.
	ptop, err := handlers.NewPtop(middleware.PtopConfig{
		SigningKeys: []payack.Secret{c.ptopSigningKey},
		// Ptop's webhook carries no amount, so payack asks Ptop before the
		// function is called.
		Confirm: asks.Confirm,
		Options: middleware.Options{Inbox: in, Observer: page},
	}, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PtopEvent) error {
		if !ev.Paid() {
			return nil
		}
		return orders.Settle(ctx, tx, ev.OrderID, ev.Confirmed.Amount)
	}))
	if err != nil {
		return nil, err
	}

	// A middleware: the shop keeps the handler that it had, which is called for verified
	// events only.
	pts, err := middleware.NewPTS(middleware.PTSConfig{
		UserID:     c.ptsUserID,
		Safecode:   c.ptsSafecode,
		PublicKeys: []string{c.ptsPublicKey},
		Options: middleware.Options{
			Observer: page,
			Validate: map[string]string{"AcceptCurrency": "eq=PHP"}, // the orders' currency
		},
	})
	if err != nil {
		return nil, err
	}

	// The inspector needs a handler to explain what a receiver refused. Middleware is
	// not a handler, so this makes one from the same receiver. Its function is never
	// called.
	explains, err := middleware.Handle(pts, func(context.Context, *payack.PTSEvent) error { return nil })
	if err != nil {
		return nil, err
	}
	if err := page.Add(ptop, explains); err != nil {
		return nil, err
	}

	r := gin.New()
	r.Use(gin.Recovery()) // middleware that reads bodies goes behind payack
	r.POST("/callbacks/ptop", ginpayack.Handler(ptop))
	r.POST("/callbacks/pts", ginpayack.Wrap(pts), settlePTS(shop))
	r.GET("/healthz", health(in))
	return r, nil
}

// settlePTS is the handler that the shop already had. It writes no answer, so
// payack answers in PTS's words.
func settlePTS(shop *orders.Orders) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := c.Request.Context() // c itself doesn't pass on the event or the deadline
		ev, ok := payack.EventFrom[*payack.PTSEvent](ctx)
		if !ok { // mounted without payack in front, so nothing is verified
			c.AbortWithStatus(http.StatusInternalServerError)
			return
		}
		if !ev.Paid() {
			return
		}
		if err := shop.Settle(ctx, ev.OrderID, ev.AcceptAmount); err != nil {
			_ = c.Error(err) // PTS is asked to send again
		}
	}
}

// health answers a probe. It reports a failure if the database fails, or if events
// wait too long.
func health(in *inbox.Inbox) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), 5*time.Second)
		defer cancel()
		if err := in.Healthy(ctx); err != nil {
			slog.Warn("the shop is not healthy", "error", err)
			c.Status(http.StatusServiceUnavailable)
		}
	}
}
