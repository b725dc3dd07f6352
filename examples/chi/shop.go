package main

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/payack/payack"
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
	// A handler: payack keeps each verified event before Payatom is answered, and
	// calls the function a moment later. The order is paid exactly when the event is
	// done.
	payatom, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{c.payatomSecret},
		// Payatom's hash can't tell order ORD1 with amount 500 from order ORD15
		// with amount 00. The orders can.
		Expect:  shop.Expect,
		Options: middleware.Options{Inbox: in, Observer: page},
	}, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
		if !ev.Paid() {
			return nil // on its way, declined, or a status that is new
		}
		return orders.Settle(ctx, tx, ev.OrderID, ev.ReceivedAmount)
	}))
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
			Observer: page,
			Validate: map[string]string{"AcceptCurrency": "eq=PHP"}, // the orders' currency
		},
	})
	if err != nil {
		return nil, err
	}

	// The inspector explains refusals by handlers. This one stands for the middleware:
	// it has the same receiver, is mounted nowhere, and calls nothing.
	behind, err := middleware.Handle(pts, func(context.Context, *payack.PTSEvent) error { return nil })
	if err != nil {
		return nil, err
	}
	if err := page.Add(payatom, behind); err != nil {
		return nil, err
	}

	r := chi.NewRouter()
	r.Use(chimiddleware.Recoverer) // middleware that reads bodies goes behind payack
	r.Method(http.MethodPost, "/callbacks/payatom", payatom)
	r.With(pts.Wrap).Post("/callbacks/pts", settlePTS(shop))
	r.Get("/healthz", health(in))
	return r, nil
}

// settlePTS is the handler that was there before. It answers itself, in the
// words that PTS expects; what it writes stands.
func settlePTS(shop *orders.Orders) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ev, ok := payack.EventFrom[*payack.PTSEvent](r.Context())
		if !ok { // mounted without payack in front: nothing is verified
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		if ev.Paid() {
			if err := shop.Settle(r.Context(), ev.OrderID, ev.AcceptAmount); err != nil {
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

// health is for a probe: it fails when the database is away, or events wait.
func health(in *inbox.Inbox) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if err := in.Healthy(ctx); err != nil {
			slog.Warn("the shop is not healthy", "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
}
