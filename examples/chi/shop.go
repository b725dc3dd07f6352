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
	// A handler: payack commits each verified event before it answers Payatom, and then
	// calls the function. One transaction marks the order as paid and the event as done.
	payatom, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{c.payatomSecret},
		// Order ORD1 with amount 500 and order ORD15 with amount 00 have the same
		// hash, so each event is compared with the order.
		Expect:  shop.Expect,
		Options: middleware.Options{Inbox: in, Observer: page},
	}, inbox.InTx(func(ctx context.Context, tx *sql.Tx, ev *payack.PayatomEvent) error {
		if !ev.Paid() {
			return nil // the payment is pending or declined, or its status is unknown
		}
		return orders.Settle(ctx, tx, ev.OrderID, ev.ReceivedAmount)
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
	if err := page.Add(payatom, explains); err != nil {
		return nil, err
	}

	r := chi.NewRouter()
	r.Use(chimiddleware.Recoverer) // middleware that reads bodies goes behind payack
	r.Method(http.MethodPost, "/callbacks/payatom", payatom)
	r.With(pts.Wrap).Post("/callbacks/pts", settlePTS(shop))
	r.Get("/healthz", health(in))
	return r, nil
}

// settlePTS is the handler that the shop already had. It writes the answer that PTS
// expects, and payack sends this answer unchanged.
func settlePTS(shop *orders.Orders) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ev, ok := payack.EventFrom[*payack.PTSEvent](r.Context())
		if !ok { // mounted without payack in front, so nothing is verified
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

// health answers a probe. It reports a failure if the database fails, or if events
// wait too long.
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
