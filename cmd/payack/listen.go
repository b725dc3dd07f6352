package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
)

func runListen(ctx context.Context, io stdio, args []string) error {
	fs := newFlags(io, "listen", "listen -config FILE [-json]\n\nReceives callbacks of all configured providers until SIGINT or SIGTERM.", "payack listen -config payack.json")
	asJSON := fs.Bool("json", false, "write JSON lines to a terminal too")
	usage := fs.Usage
	fs.Usage = func() {
		usage()
		fmt.Fprint(fs.Output(), "\nThe whole configuration; payack config -example prints it alone:\n\n")
		_ = writeExample(fs.Output())
	}
	file := fs.String("config", "", "the configuration's `file` (JSON)")
	if err := parse(fs, args); err != nil {
		return err
	}
	// Without this, the process would end in the middle of a callback when the
	// reader of standard output goes away.
	signal.Ignore(syscall.SIGPIPE)
	c, err := loadConfig(*file)
	if err != nil {
		return err
	}
	t := terminalOf(io.out)
	if *asJSON {
		t = nil
	}
	return listen(ctx, io, c, t)
}

// rewordedAttr makes the log use the configuration's names of members.
func rewordedAttr(_ []string, a slog.Attr) slog.Attr {
	if (a.Key == slog.MessageKey || a.Key == "error") && a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(reworded("", a.Value.String()))
	}
	return a
}

// Bounds of the server. Callbacks are small, and their senders are servers.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 64 << 10
	shutdownTimeout   = 15 * time.Second
	logTimeout        = time.Second // for writing the log's last lines
)

// listen serves until the context ends. Then it waits for running callbacks, and
// after them for running attempts. If t is not nil, it writes its lines for a
// person.
func listen(ctx context.Context, std stdio, c *config, t *terminal) (err error) {
	log, logger := newLog(std.err, func(w io.Writer) slog.Handler {
		h := slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: rewordedAttr})
		if t != nil && isTerminal(std.err) {
			return withoutCallbacks{h}
		}
		return h
	})
	defer log.flush(logTimeout) // runs last
	out := newLines(std.out, logger)
	out.terminal = t
	// A hanging standard output must not delay the shutdown for longer than
	// shutdownTimeout.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(shutdownTimeout, out.end) })()
	defer out.flush(shutdownTimeout) // runs after the attempts have ended
	o, err := c.options(out, logger)
	if err != nil {
		return usageError{err}
	}
	if closer, ok := o.Limiter.(io.Closer); ok {
		defer closer.Close()
	}
	fn := out.accept
	if c.Forward != nil {
		f, err := newForwarder(c.Forward)
		if err != nil {
			return usageError{err}
		}
		fn, out.forwarded = f.send, true
		o.Deadline = middleware.DefaultDeadline + c.Forward.timeout // an attempt forwards after it has asked the provider
	}
	var db *ledger
	if *c.Database == "" {
		o.Store = memstore.New(0)
	} else {
		if db, err = c.openLedger(ctx, logger, true); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		o.Inbox, out.kept = db, true
	}
	var page *admin
	if c.Admin != "" {
		if page, err = newAdmin(c, db, logger); err != nil {
			return usageError{err}
		}
		o.Observer = payack.Observers(o.Observer, page.observer())
	}
	wrap := wrapper(unwrapped)
	if c.Record != "" {
		rec, err := c.recorder(logger)
		if err != nil {
			return usageError{err}
		}
		defer rec.Close()
		o.Observer = payack.Observers(o.Observer, rec)
		wrap = func(h *middleware.Handler) http.Handler { return rec.Wrap(h) }
	}
	if page != nil {
		wrap = page.knows(wrap)
	}
	handler, err := newHandler(c, o, fn, wrap)
	if err != nil {
		return usageError{err}
	}
	l, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return usagef("addr: %w; give another addr, or port 0 for a free one", err)
	}
	if db == nil {
		logger.Warn(`database is "" (memory only): when this process ends it forgets which events were accepted, and a redelivery is processed again; name a file, like payack.db`)
	}
	begun := c.started("http://" + l.Addr().String())
	if page != nil {
		stop, err := page.start(ctx, c, logger, &begun)
		if err != nil {
			l.Close()
			return err
		}
		defer stop() // runs after the server has ended
	}
	if err := out.say(ctx, begun); err != nil {
		l.Close()
		return fmt.Errorf("standard output: %w", err)
	}
	if db != nil {
		defer db.work(ctx, out)() // works from now on; the deferred call ends the work after the server has ended
	}
	return serve(ctx, l, handler, logger)
}

// started returns the first line of output.
func (c *config) started(url string) started {
	s := started{Listening: url, becomes: "events are kept in " + c.databaseName() + " and printed"}
	switch {
	case *c.Database == "":
		s.becomes = "events are printed, and not kept"
	case c.Forward != nil:
		s.becomes = "events are kept in " + c.databaseName() + " and forwarded"
	}
	for _, p := range c.configured() {
		s.mounted = append(s.mounted, fmt.Sprintf("%-8s %s", p, url+c.path(p)))
	}
	return s
}

// withoutCallbacks drops log records about single callbacks, whose lines are on
// the same terminal. It keeps records that say more than the line: where a panic
// came from, and that an accepted event could not be recorded as done.
type withoutCallbacks struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h withoutCallbacks) Handle(ctx context.Context, r slog.Record) error {
	outcome, callback := strings.CutPrefix(r.Message, "payack: callback ")
	more := r.Level >= slog.LevelError && outcome == string(payack.OutcomeAccepted)
	r.Attrs(func(a slog.Attr) bool {
		more = more || a.Key == "stack"
		return !more
	})
	if callback && !more {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h withoutCallbacks) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutCallbacks{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h withoutCallbacks) WithGroup(name string) slog.Handler {
	return withoutCallbacks{h.Handler.WithGroup(name)}
}

// newServer returns a server with bounds on time and size.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

func serve(ctx context.Context, l net.Listener, handler http.Handler, logger *slog.Logger) error {
	server := newServer(handler, logger)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		return fmt.Errorf("some callbacks were still running after %v: %w", shutdownTimeout, err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// newHandler mounts the configured providers, each wrapped by wrap. Every path
// accepts every method, so that a wrong method gets the answer of the provider's
// contract and a line of output.
func newHandler(c *config, o middleware.Options, fn function, wrap wrapper) (http.Handler, error) {
	mounted := map[string]http.Handler{}
	unknown := unknownPaths{logger: o.Logger}
	for _, p := range c.configured() {
		path := c.path(p)
		h, err := c.handler(p, o, fn)
		if err != nil {
			return nil, err
		}
		mounted[path] = wrap(h)
		unknown.mounted = append(unknown.mounted, path)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A ServeMux is not used, because it would redirect unclean paths.
		if h, found := mounted[r.URL.Path]; found {
			h.ServeHTTP(w, r)
			return
		}
		unknown.warn(r.URL.Path)
		http.NotFound(w, r)
	}), nil
}

// wrapper wraps a receiver.
type wrapper func(*middleware.Handler) http.Handler

// unwrapped returns the receiver itself.
func unwrapped(h *middleware.Handler) http.Handler { return h }

// unknownPaths warns about requests to paths that are not mounted, because a
// provider may have been given a wrong URL. It warns at most once per
// unknownPathsEvery, since anybody can send such requests.
type unknownPaths struct {
	logger  *slog.Logger
	mounted []string

	mu      sync.Mutex
	quiet   time.Time // no warning before this time
	skipped int
}

const (
	unknownPathsEvery = 10 * time.Second
	maxShownPath      = 100 // characters
)

func (u *unknownPaths) warn(path string) {
	u.mu.Lock()
	now := time.Now()
	if now.Before(u.quiet) {
		u.skipped++
		u.mu.Unlock()
		return
	}
	skipped := u.skipped
	u.quiet, u.skipped = now.Add(unknownPathsEvery), 0
	u.mu.Unlock()
	shown := path
	if characters := []rune(path); len(characters) > maxShownPath {
		shown = string(characters[:maxShownPath]) + "…"
	}
	u.logger.Warn("nothing is mounted at the path of a request; if it is a provider's, correct the URL that it was given",
		"path", plain(shown), "nearest", nearest(path, u.mounted), "others_since", skipped)
}

// handler returns the receiver of a configured provider, in front of a function.
// Its name in an inbox contains its path, so that each of several processes of
// listen on one database processes the events that it received.
func (c *config) handler(p payack.Provider, o middleware.Options, fn function) (*middleware.Handler, error) {
	if o.Inbox != nil {
		o.Name = string(p) + " " + c.path(p)
	}
	h, err := c.sections[p].receiver(o, fn)
	if err != nil {
		return nil, providerError(p, err)
	}
	return h, nil
}

// function handles the events of all providers.
type function func(ctx context.Context, ev payack.Event) error

// nothing is a function for handlers that receive no events.
func nothing(context.Context, payack.Event) error { return nil }

// of returns the function for one provider's events.
func of[E payack.Event](fn function) func(context.Context, E) error {
	return func(ctx context.Context, ev E) error { return fn(ctx, ev) }
}

// options returns the options that all providers have in common. All providers
// share one store or inbox, since an event's identity names its provider.
func (c *config) options(out *lines, logger *slog.Logger) (middleware.Options, error) {
	o := middleware.Options{
		MaxBody:          c.MaxBodyBytes,
		TrustedProxies:   c.proxies,
		AllowedAddresses: c.allowed,
		Logger:           logger,
		Observer:         out,
	}
	var err error
	if c.RateLimit != nil && *c.RateLimit.PerSecond > 0 {
		o.Limiter, err = c.limiter(logger)
		o.Charge = c.RateLimit.Charge
	}
	return o, err
}
