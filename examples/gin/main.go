// Command gin receives callbacks with gin: those of Ptop by a handler of
// payack's, those of PTS in front of a handler that was there before.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/ginpayack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
)

type config struct {
	ptopURL        string
	ptopWebsiteID  string
	ptopSecretKey  payack.Secret
	ptopSigningKey payack.Secret
	ptsUserID      string
	ptsSafecode    payack.Secret
	ptsPublicKey   string // PEM
}

func newServer(c config, db *orders.Orders) (http.Handler, error) {
	asks, err := client.NewPtop(client.PtopConfig{
		BaseURL: c.ptopURL, WebsiteID: c.ptopWebsiteID, SecretKey: c.ptopSecretKey,
	})
	if err != nil {
		return nil, err
	}

	// A handler: payack calls the function with each verified event.
	ptop, err := handlers.NewPtop(middleware.PtopConfig{
		SigningKeys: []payack.Secret{c.ptopSigningKey},
		// Ptop's webhook carries no amount, so payack asks Ptop before the
		// function is called.
		Confirm: asks.Confirm,
	}, func(ctx context.Context, ev *payack.PtopEvent) error {
		if !ev.Paid() {
			return nil
		}
		return db.Settle(ctx, ev.OrderID, ev.Confirmed.Amount)
	})
	if err != nil {
		return nil, err
	}

	// A middleware: the handler that was there before stays, and is called for
	// verified events only.
	pts, err := middleware.NewPTS(middleware.PTSConfig{
		UserID:     c.ptsUserID,
		Safecode:   c.ptsSafecode,
		PublicKeys: []string{c.ptsPublicKey},
		Options: middleware.Options{
			Validate: map[string]string{"AcceptCurrency": "eq=PHP"}, // the orders' currency
		},
	})
	if err != nil {
		return nil, err
	}

	r := gin.New()
	r.Use(gin.Recovery()) // middleware that reads bodies goes behind payack
	r.POST("/callbacks/ptop", ginpayack.Handler(ptop))
	r.POST("/callbacks/pts", ginpayack.Wrap(pts), settlePTS(db))
	return r, nil
}

// settlePTS is the handler that was there before. It writes no answer, so
// payack answers in PTS's words.
func settlePTS(db *orders.Orders) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := c.Request.Context() // c itself doesn't hand on what is in it
		ev, ok := payack.EventFrom[*payack.PTSEvent](ctx)
		if !ok { // mounted without payack in front: nothing is verified
			c.AbortWithStatus(http.StatusInternalServerError)
			return
		}
		if !ev.Paid() {
			return
		}
		if err := db.Settle(ctx, ev.OrderID, ev.AcceptAmount); err != nil {
			_ = c.Error(err) // PTS is asked to send again
		}
	}
}

func main() {
	if err := run(); err != nil {
		slog.Error("the server ended", "error", err)
		os.Exit(1)
	}
}

func run() error {
	handler, err := newServer(config{
		ptopURL:        "https://ptop.me",
		ptopWebsiteID:  os.Getenv("PTOP_WEBSITE_ID"),
		ptopSecretKey:  payack.NewSecret(os.Getenv("PTOP_SECRET_KEY")),
		ptopSigningKey: payack.NewSecret(os.Getenv("PTOP_SIGNING_KEY")),
		ptsUserID:      os.Getenv("PTS_USER_ID"),
		ptsSafecode:    payack.NewSecret(os.Getenv("PTS_SAFECODE")),
		ptsPublicKey:   os.Getenv("PTS_PUBLIC_KEY"),
	}, orders.New(map[string]string{"ORD-1": "100.50"}))
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr:              ":8080",
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second, // longer than payack's deadline of 8
		IdleTimeout:       time.Minute,
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		// Callbacks that have begun may finish, and be answered.
		last, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		ended <- server.Shutdown(last)
	}()
	slog.Info("receiving callbacks", "address", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
