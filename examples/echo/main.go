// Command echo is a small shop that receives callbacks with echo. A handler of payack
// receives the callbacks of PTS through an inbox. The callbacks of Payatom go to a
// handler that the shop already had, behind payack's middleware.
//
// The keys are in the environment: PTS_USER_ID, PTS_SAFECODE, PTS_PUBLIC_KEY (PEM)
// and PAYATOM_SECRET_KEY. Three more variables have defaults: ADDRESS
// (127.0.0.1:8080), INSPECTOR_ADDRESS (127.0.0.1:8081) and SHOP_FILE (shop.db).
package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/inbox"
	"github.com/payack/payack/inbox/sqlite"
	"github.com/payack/payack/inspector"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := listen(ctx, config{
		file:          cmp.Or(os.Getenv("SHOP_FILE"), "shop.db"),
		ptsUserID:     os.Getenv("PTS_USER_ID"),
		ptsSafecode:   payack.NewSecret(os.Getenv("PTS_SAFECODE")),
		ptsPublicKey:  os.Getenv("PTS_PUBLIC_KEY"),
		payatomSecret: payack.NewSecret(os.Getenv("PAYATOM_SECRET_KEY")),
	})
	if err != nil {
		slog.Error("the shop ended", "error", err)
		os.Exit(1)
	}
}

// listen listens on ADDRESS and INSPECTOR_ADDRESS, and runs the shop.
func listen(ctx context.Context, c config) error {
	callbacks, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDRESS"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	admin, err := net.Listen("tcp", cmp.Or(os.Getenv("INSPECTOR_ADDRESS"), "127.0.0.1:8081"))
	if err != nil {
		return err
	}
	return run(ctx, callbacks, admin, c)
}

// run serves callbacks, and the inspector on a listener of its own, until ctx ends.
// It still answers callbacks that have begun by then.
func run(ctx context.Context, callbacks, admin net.Listener, c config) error {
	defer callbacks.Close()
	defer admin.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	db, err := sqlite.OpenFile(c.file)
	if err != nil {
		return err
	}
	defer db.Close()
	shop, err := orders.Open(ctx, db)
	if err != nil {
		return err
	}
	in, err := inbox.Open(ctx, inbox.Config{DB: db, Dialect: sqlite.Dialect})
	if err != nil {
		return err
	}
	page, err := inspector.New(inspector.Config{Inbox: in})
	if err != nil {
		return err
	}
	handler, err := newHandler(c, shop, in, page)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second, // longer than payack's deadline, which is 8 seconds
		IdleTimeout:       time.Minute,
	}
	pages := &http.Server{
		Handler:           page,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // so that open pages end with ctx
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
	}

	worked := make(chan error, 1)
	go func() { worked <- in.Run(context.WithoutCancel(ctx)) }() // returns after in.Close
	served := make(chan error, 2)
	go func() { served <- server.Serve(callbacks) }()
	go func() { served <- pages.Serve(admin) }()
	slog.Info("receiving callbacks", "address", callbacks.Addr().String())
	slog.Info("serving the inspector", "url", page.URL("http://"+admin.Addr().String()))
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	stop()
	last, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	err = errors.Join(err, server.Shutdown(last), pages.Shutdown(last))
	// Events in the inbox that are not done are processed after the next start.
	return errors.Join(err, in.Close(), <-worked)
}
