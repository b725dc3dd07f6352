// Command stdmux receives callbacks with net/http's own mux: those of PTS by a
// handler of payack's, those of Payatom in front of a handler that was there
// before.
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

	"github.com/payack/payack"
	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
)

type config struct {
	ptsUserID     string
	ptsSafecode   payack.Secret
	ptsPublicKey  string // PEM
	payatomSecret payack.Secret
}

func newServer(c config, db *orders.Orders) (http.Handler, error) {
	// A handler: payack calls the function with each verified event.
	pts, err := handlers.NewPTS(middleware.PTSConfig{
		UserID:     c.ptsUserID,
		Safecode:   c.ptsSafecode,
		PublicKeys: []string{c.ptsPublicKey},
		Options: middleware.Options{
			Validate: map[string]string{"AcceptCurrency": "eq=PHP"}, // the orders' currency
		},
	}, func(ctx context.Context, ev *payack.PTSEvent) error {
		if !ev.Paid() {
			return nil // on its way, failed, or a status that is new
		}
		return db.Settle(ctx, ev.OrderID, ev.AcceptAmount)
	})
	if err != nil {
		return nil, err
	}

	// A middleware: the handler that was there before stays, and is called for
	// verified events only.
	payatom, err := middleware.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{c.payatomSecret},
		// Payatom's hash can't tell order ORD1 with amount 500 from order ORD15
		// with amount 00. The orders can.
		Expect: db.Expect,
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.Handle("POST /callbacks/pts", pts)
	mux.Handle("POST /callbacks/payatom", payatom.Wrap(settlePayatom(db)))
	return mux, nil
}

// settlePayatom is the handler that was there before. It writes no answer, so
// payack answers in Payatom's words.
func settlePayatom(db *orders.Orders) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ev, ok := payack.EventFrom[*payack.PayatomEvent](r.Context())
		if !ok { // mounted without payack in front: nothing is verified
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if ev.Paid() {
			// An error makes Payatom send again; nil changes nothing.
			middleware.Fail(r.Context(), db.Settle(r.Context(), ev.OrderID, ev.ReceivedAmount))
		}
	})
}

func main() {
	if err := run(); err != nil {
		slog.Error("the server ended", "error", err)
		os.Exit(1)
	}
}

func run() error {
	handler, err := newServer(config{
		ptsUserID:     os.Getenv("PTS_USER_ID"),
		ptsSafecode:   payack.NewSecret(os.Getenv("PTS_SAFECODE")),
		ptsPublicKey:  os.Getenv("PTS_PUBLIC_KEY"),
		payatomSecret: payack.NewSecret(os.Getenv("PAYATOM_SECRET_KEY")),
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
