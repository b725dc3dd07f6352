// Command chi receives callbacks with chi: those of Payatom by a handler of
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

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/payack/payack"
	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
)

type config struct {
	payatomSecret payack.Secret
	ptsUserID     string
	ptsSafecode   payack.Secret
	ptsPublicKey  string // PEM
}

func newServer(c config, db *orders.Orders) (http.Handler, error) {
	// A handler: payack calls the function with each verified event.
	payatom, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{c.payatomSecret},
		// Payatom's hash can't tell order ORD1 with amount 500 from order ORD15
		// with amount 00. The orders can.
		Expect: db.Expect,
	}, func(ctx context.Context, ev *payack.PayatomEvent) error {
		if !ev.Paid() {
			return nil // on its way, declined, or a status that is new
		}
		return db.Settle(ctx, ev.OrderID, ev.ReceivedAmount)
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

	r := chi.NewRouter()
	r.Use(chimiddleware.Recoverer) // middleware that reads bodies goes behind payack
	r.Method(http.MethodPost, "/callbacks/payatom", payatom)
	r.With(pts.Wrap).Post("/callbacks/pts", settlePTS(db))
	return r, nil
}

// settlePTS is the handler that was there before. It answers itself, in the
// words that PTS expects; what it writes stands.
func settlePTS(db *orders.Orders) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ev, ok := payack.EventFrom[*payack.PTSEvent](r.Context())
		if !ok { // mounted without payack in front: nothing is verified
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		if ev.Paid() {
			if err := db.Settle(r.Context(), ev.OrderID, ev.AcceptAmount); err != nil {
				// The status of PTS's FAILED is 200, so only Fail tells payack
				// that the event is to be processed again.
				middleware.Fail(r.Context(), err)
				_, _ = w.Write([]byte("FAILED"))
				return
			}
		}
		_, _ = w.Write([]byte("SUCCESS"))
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
		payatomSecret: payack.NewSecret(os.Getenv("PAYATOM_SECRET_KEY")),
		ptsUserID:     os.Getenv("PTS_USER_ID"),
		ptsSafecode:   payack.NewSecret(os.Getenv("PTS_SAFECODE")),
		ptsPublicKey:  os.Getenv("PTS_PUBLIC_KEY"),
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
