package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
)

func runListen(ctx context.Context, io stdio, args []string) error {
	fs := newFlags(io, "listen", "listen -config FILE", "payack listen -config payack.json")
	file := fs.String("config", "", "the configuration's `file` (JSON)")
	if err := parse(fs, args); err != nil {
		return err
	}
	// Without this, a reader of standard output that goes away would end the
	// process in the middle of a callback.
	signal.Ignore(syscall.SIGPIPE)
	c, err := loadConfig(*file)
	if err != nil {
		return err
	}
	return listen(ctx, io, c)
}

// rewordedAttr has the log call members as the configuration does.
func rewordedAttr(_ []string, a slog.Attr) slog.Attr {
	if (a.Key == slog.MessageKey || a.Key == "error") && a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(reworded("", a.Value.String()))
	}
	return a
}

// Bounds of the server. A callback is small, and its sender is a server.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 64 << 10
	shutdownTimeout   = 15 * time.Second
)

// listen serves until the context ends, then lets running callbacks finish.
func listen(ctx context.Context, std stdio, c *config) error {
	logger := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{ReplaceAttr: rewordedAttr}))
	out := &lines{w: std.out, logger: logger}
	o, err := c.options(out, logger)
	if err != nil {
		return usageError{err}
	}
	if closer, ok := o.Limiter.(io.Closer); ok {
		defer closer.Close()
	}
	handler, err := newHandler(c, o, out.accept)
	if err != nil {
		return usageError{err}
	}
	l, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return usagef("addr: %w; give another addr, or port 0 for a free one", err)
	}
	if err := out.write(struct {
		Listening string `json:"listening"`
	}{"http://" + l.Addr().String()}); err != nil {
		l.Close()
		return fmt.Errorf("standard output: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
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

// newHandler mounts the configured providers. Every path takes every method, so
// that a wrong one is answered by the provider's contract and shows in the
// output.
func newHandler(c *config, o middleware.Options, fn function) (http.Handler, error) {
	mounted := map[string]http.Handler{}
	unknown := unknownPaths{logger: o.Logger}
	for _, p := range c.configured() {
		path := c.path(p)
		h, err := c.handler(p, o, fn)
		if err != nil {
			return nil, err
		}
		mounted[path] = h
		unknown.mounted = append(unknown.mounted, path)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Not a ServeMux: it would redirect paths that it finds unclean.
		if h, found := mounted[r.URL.Path]; found {
			h.ServeHTTP(w, r)
			return
		}
		unknown.warn(r.URL.Path)
		http.NotFound(w, r)
	}), nil
}

// unknownPaths warns of requests to paths that are not mounted: a provider may
// have been given a wrong URL. There is one warning within unknownPathsEvery,
// since anybody can ask for anything.
type unknownPaths struct {
	logger  *slog.Logger
	mounted []string

	mu      sync.Mutex
	quiet   time.Time // until then
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

// handler is the receiver of a configured provider, in front of a function.
func (c *config) handler(p payack.Provider, o middleware.Options, fn function) (*middleware.Handler, error) {
	h, err := c.sections[p].receiver(o, fn)
	if err != nil {
		return nil, providerError(p, err)
	}
	return h, nil
}

// function takes the events of all providers.
type function func(ctx context.Context, ev payack.Event) error

// nothing is the function where no event is received.
func nothing(context.Context, payack.Event) error { return nil }

// of is the function for one provider's events.
func of[E payack.Event](fn function) func(context.Context, E) error {
	return func(ctx context.Context, ev E) error { return fn(ctx, ev) }
}

// options are common to the providers; they share one store, where identities
// name the provider.
func (c *config) options(out *lines, logger *slog.Logger) (middleware.Options, error) {
	o := middleware.Options{
		MaxBody:          c.MaxBodyBytes,
		TrustedProxies:   c.proxies,
		AllowedAddresses: c.allowed,
		Store:            memstore.New(0),
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

// lines writes JSON lines to standard output, one for each delivery.
type lines struct {
	logger *slog.Logger
	broken sync.Once

	mu   sync.Mutex
	w    io.Writer
	torn bool // the last line was not written to its end
}

// line is a delivery's line. Other programs read it.
type line struct {
	Time     time.Time       `json:"time"`
	Provider payack.Provider `json:"provider"`
	Outcome  payack.Outcome  `json:"outcome"`
	Reason   payack.Reason   `json:"reason"`
	Detail   string          `json:"detail"`
	Scheme   payack.Scheme   `json:"scheme"`
	EventID  string          `json:"event_id"`
	Status   int             `json:"status"`
	Event    payack.Event    `json:"event,omitempty"`
}

// accept is the merchant's function of this program: an event's line on standard
// output is all that becomes of it, so that the provider sends again what could
// not be written.
func (l *lines) accept(ctx context.Context, ev payack.Event) error {
	d, _ := payack.DeliveryFrom(ctx)
	answer, err := middleware.AnswerOf(d.Provider, "")
	if err != nil {
		return err
	}
	return l.write(line{
		Time: d.Received.UTC(), Provider: d.Provider, Outcome: payack.OutcomeAccepted,
		Scheme: ev.VerifiedBy().Scheme, EventID: ev.ID(), Status: answer.Status, Event: ev,
	})
}

// Observe implements payack.Observer. It leaves out what accept has written.
func (l *lines) Observe(_ context.Context, o *payack.Observation) {
	if o.Outcome == payack.OutcomeAccepted {
		return
	}
	var refusal *payack.Error
	detail := ""
	if errors.As(o.Err, &refusal) {
		detail = reworded(refusal.Provider, refusal.Detail)
	}
	// The error is logged by write: the outcome stands.
	_ = l.write(line{
		Time: o.Delivery.Received.UTC(), Provider: o.Delivery.Provider,
		Outcome: o.Outcome, Reason: o.Reason, Detail: detail, Scheme: o.Scheme, EventID: o.EventID,
		Status: o.Status, Event: o.Delivery.Event,
	})
}

// write writes one line. The first error is logged. A line that was written in part
// (a full disk) is ended before the next one, which would be lost in it.
func (l *lines) write(v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	whole := text.Bytes()
	if l.torn {
		whole = append([]byte("\n"), whole...)
	}
	n, err := l.w.Write(whole)
	l.torn = err != nil && (n > 0 || l.torn)
	if err != nil {
		l.broken.Do(func() {
			l.logger.Error("standard output can't be written; the providers are told to send accepted callbacks again, the lines of others are lost", "error", err)
		})
	}
	return err
}
