package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/payack/payack"
	"github.com/payack/payack/inspector"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/observe/prompayack"
	"github.com/payack/payack/reconcile"
)

const (
	// minAdminToken is the least length that package inspector accepts.
	minAdminToken = 16
	// healthTimeout bounds the wait for the database's answer.
	healthTimeout = 3 * time.Second
)

// completeAdmin checks the inspector's address and token.
func (c *config) completeAdmin() error {
	if c.Admin == "" {
		if c.AdminToken != "" {
			return errors.New("admin_token: it has no effect without admin; give admin an address, like 127.0.0.1:8081, or leave admin_token out")
		}
		return nil
	}
	host, _, err := net.SplitHostPort(c.Admin)
	switch {
	case err != nil:
		return fmt.Errorf("admin: %q is no address; write it like 127.0.0.1:8081", c.Admin)
	case c.AdminToken != "" && len(c.AdminToken) < minAdminToken:
		return fmt.Errorf("admin_token: it has fewer than %d characters and could be guessed; give a longer one, as openssl rand -base64 32 makes it", minAdminToken)
	case c.AdminToken == "" && !loopback(host):
		return fmt.Errorf("admin: %q is not a loopback address, so others can reach it; give 127.0.0.1 and a port, or set admin_token", c.Admin)
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// admin serves the inspector, the health check and the metrics beside the
// receivers.
type admin struct {
	page    *inspector.Inspector
	metrics *prompayack.Observer
	asks    *reconcile.Reconciler // nil if no provider can be asked
	db      *ledger               // nil if events are in memory only
	// receivers are the mounted receivers.
	receivers map[payack.Provider]*middleware.Handler
	ending    atomic.Bool
	handler   http.Handler
}

// newAdmin makes the inspector. The inspector is made before the receivers,
// because it is their observer.
func newAdmin(c *config, db *ledger, logger *slog.Logger) (*admin, error) {
	a := &admin{db: db, receivers: map[payack.Provider]*middleware.Handler{}}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics := prompayack.Config{Registerer: registry}
	page := inspector.Config{
		Token: payack.NewSecret(c.AdminToken), ShowBodies: true, Logger: logger,
	}
	for _, s := range c.sections {
		page.KeepHeaders = append(page.KeepHeaders, s.signatureHeaders()...)
	}
	if host, _, _ := net.SplitHostPort(c.Admin); !loopback(host) { // the token alone protects such an address, so any host name is allowed
		page.Hosts = []string{"*"}
	}
	if db != nil {
		metrics.Inbox, page.Inbox = db, db.Inbox
		if len(c.askable()) > 0 {
			page.Ask = func(ctx context.Context, o reconcile.Order) (reconcile.Answer, error) { return a.asks.Ask(ctx, o) }
		}
	}
	var err error
	if a.metrics, err = prompayack.New(metrics); err != nil {
		return nil, err
	}
	if a.page, err = inspector.New(page); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}))
	mux.Handle("/", a.page)
	a.handler = mux
	return a, nil
}

// observer returns the observer of all deliveries.
func (a *admin) observer() payack.Observer { return payack.Observers(a.metrics, a.page) }

// askable returns the providers that can be asked about an order.
func (c *config) askable() (out []payack.Provider) {
	for _, p := range c.configured() {
		if s, ok := c.sections[p].(asker); ok {
			if _, _, err := s.account(nil); err == nil {
				out = append(out, p)
			}
		}
	}
	return out
}

// knows returns a wrapper that adds each receiver to the inspector, and then
// applies wrap.
func (a *admin) knows(wrap wrapper) wrapper {
	return func(h *middleware.Handler) http.Handler {
		_ = a.page.Add(h) // can't fail: the receiver is not nil and its provider is known
		a.receivers[h.Provider()] = h
		return wrap(h)
	}
}

// asksOf lets the inspector ask the providers about orders.
func (a *admin) asksOf(c *config) error {
	if a.db == nil || len(c.askable()) == 0 {
		return nil
	}
	var accounts []reconcile.Account
	for _, p := range c.askable() {
		account, _, err := c.sections[p].(asker).account(a.receivers[p])
		if err != nil {
			return providerError(p, err)
		}
		accounts = append(accounts, account)
	}
	var err error
	a.asks, err = reconcile.New(reconcile.Config{Orders: noOrders, Accounts: accounts})
	return err
}

// health answers in one line whether the process serves and its database answers.
func (a *admin) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	switch {
	case a.ending.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "shutting down")
	case a.db != nil && a.db.Ping(ctx) != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "the database does not answer")
	default:
		fmt.Fprintln(w, "ok")
	}
}

// start begins to serve, and writes the inspector's address into first. The
// address holds the token unless the token is configured.
func (a *admin) start(ctx context.Context, c *config, logger *slog.Logger, first *started) (stop func(), err error) {
	if err := a.asksOf(c); err != nil {
		return nil, usageError{err}
	}
	l, err := net.Listen("tcp", c.Admin)
	if err != nil {
		return nil, usagef("admin: %w; give another address, or port 0 for a free one", err)
	}
	first.Admin = a.page.URL("http://" + l.Addr().String())
	return a.serve(ctx, l, logger), nil
}

// serve serves until stop is called. Once ctx has ended, the health check answers
// that the process is shutting down.
func (a *admin) serve(ctx context.Context, l net.Listener, logger *slog.Logger) (stop func()) {
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	server := newServer(a.handler, logger)
	server.BaseContext = func(net.Listener) context.Context { return base }
	context.AfterFunc(ctx, func() { a.ending.Store(true) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("the inspector is no longer served", "error", err)
		}
	}()
	return func() {
		end() // ends the streams of open pages, which would delay the shutdown
		_ = server.Close()
		<-ended
	}
}
