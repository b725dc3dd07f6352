package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Handler is a receiver with the function that it calls. It is an http.Handler,
// and has the second half of the way of a request, which can run without a
// request. It is safe for concurrent use.
type Handler struct {
	engine *receiver
	call   callFunc
	owns   func(payack.Event) bool
}

// Handle returns a handler that calls fn with each verified event, at the most
// once at a time for one event, and never again once it has returned nil, within
// what the store remembers.
//
// The context carries the delivery ([payack.DeliveryFrom]) and a deadline; it is
// not cancelled when the provider hangs up, so a settlement is not cut in half.
// An error, or a panic, makes the provider send again; an error that is
// [payack.ErrUnexpected] says that the event is not the merchant's, and rejects
// it.
//
// The error is for a nil receiver or function, and that of a function whose type
// is a [payack.StoreChecker], which does not go with InsecureProcessWithoutStore;
// with an inbox also that of mounting it there.
func Handle[E payack.Event, F ~func(context.Context, E) error](rc *Receiver[E], fn F) (*Handler, error) {
	if rc == nil || rc.engine == nil {
		return nil, errors.New("payack: Handle: the receiver is nil; look at the error that its constructor returned")
	}
	if fn == nil {
		return nil, fmt.Errorf("payack: %s: the callback is nil; give the function that settles an event", rc.engine.stages.provider)
	}
	if checks, ok := any(fn).(payack.StoreChecker); ok {
		if rc.engine.options.InsecureProcessWithoutStore {
			return nil, fmt.Errorf("payack: %s: InsecureProcessWithoutStore: the callback commits in the store, so it can't do without; leave one of them out", rc.engine.stages.provider)
		}
		if err := checks.CheckStore(rc.engine.once.store); err != nil {
			return nil, fmt.Errorf("payack: %s: %w", rc.engine.stages.provider, err)
		}
	}
	h := &Handler{
		engine: rc.engine,
		call:   func(ctx context.Context, ev payack.Event, _ *delivery) error { return fn(ctx, ev.(E)) },
		owns: func(ev payack.Event) bool {
			own, ok := ev.(E)
			var none E
			return ok && any(own) != any(none)
		},
	}
	if err := h.mount(); err != nil {
		return nil, err
	}
	return h, nil
}

// ServeHTTP receives a callback and answers it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.engine.serve(w, r, h.call) }

// Provider names whose callbacks it receives.
func (h *Handler) Provider() payack.Provider { return h.engine.stages.provider }

// Name returns what its inbox knows it by, or would.
func (h *Handler) Name() string { return h.engine.name() }

// Tenant returns the scope of its static keys. It is false where a KeyFunc finds
// keys for each request, and with them the tenant.
func (h *Handler) Tenant() (tenant string, static bool) {
	return h.engine.stages.tenant, !h.engine.stages.tenants
}

// Store returns the store that the receiver claims events in: its inbox, where it
// has one.
func (h *Handler) Store() payack.Store { return h.engine.once.store }

// Lookup reports what is known of an event, as [payack.Store.Lookup] does: in the
// store that was there before an inbox, too.
func (h *Handler) Lookup(ctx context.Context, ev payack.Event) (payack.ClaimState, error) {
	return h.engine.once.lookup(ctx, ev.ID(), ev.Fingerprint())
}

// Process runs the second half of the way of a request for an event that was
// verified before: it is looked up, compared and confirmed, held, handed to the
// function, and committed, with the same promises. It is for workers that
// process what was kept, and for events that were found by asking.
//
// d.Event is the event, as verified or as [payack.DecodeEvent] returned it. ctx
// gives values only: the deadline of the options counts from now, and a
// cancellation of ctx does not cut a settlement in half. Process fills o, and
// leaves it to the caller to have it logged and observed ([Handler.Observe]).
//
// The error is nil for an event that is accepted, or was (o tells which), and a
// *[payack.Error] otherwise.
func (h *Handler) Process(ctx context.Context, d *payack.Delivery, o *payack.Observation) error {
	if d == nil {
		d = &payack.Delivery{}
	}
	if o == nil {
		o = &payack.Observation{}
	}
	ctx, end := h.engine.startAttempt(ctx, d)
	defer func() { end(o) }()
	return h.withoutRequest(ctx, d, o, func(ctx context.Context, d *delivery) error {
		if d.Invalid != "" {
			return d.invalid(d.Invalid)
		}
		return h.engine.process(ctx, d, d.Event, h.call)
	})
}

// Deliver processes an event that was found by asking the provider as if its
// callback had arrived: with an inbox it is kept, an invalid one too, and
// processed by the inbox; without one it is processed now, as by [Handler.Process],
// which says the rest. Set d.Source. An event of [payack.SourceQuery] that has the
// provider's answer in Confirmed is not confirmed by another question where Confirm
// is a method of package client, which would ask the same; any other Confirm is
// asked.
//
// The error is nil for an event that is kept or accepted, or was.
func (h *Handler) Deliver(ctx context.Context, d *payack.Delivery, o *payack.Observation) error {
	if h.engine.options.Inbox == nil {
		return h.Process(ctx, d, o)
	}
	return h.withoutRequest(ctx, d, o, func(ctx context.Context, d *delivery) error {
		return h.engine.keep(ctx, d, d.Event)
	})
}

// withoutRequest has an event that was verified before taken the rest of its way.
func (h *Handler) withoutRequest(ctx context.Context, d *payack.Delivery, o *payack.Observation, rest func(context.Context, *delivery) error) error {
	if d == nil {
		d = &payack.Delivery{}
	}
	mine, started := &delivery{Delivery: *d}, time.Now()
	h.engine.begin(mine)
	mine.lapped = started // somebody always asks
	// Deferred, because the function may end the goroutine.
	defer func() {
		if o != nil {
			*o = mine.observation
			o.Delivery = d
			o.Took.Total = time.Since(started)
		}
	}()
	err := h.resume(ctx, mine, started.Add(h.engine.options.Deadline), rest)
	mine.end(err)
	return err
}

// resume prepares a delivery that has no request, and calls the rest of its way.
// Panics end here, since there is no server to recover them.
func (h *Handler) resume(parent context.Context, d *delivery, end time.Time, rest func(context.Context, *delivery) error) (err error) {
	rc := h.engine
	defer d.notAborted(&err)
	defer rc.recovered(d, &err)
	ctx := d.within(parent, end)
	defer d.deadline.Stop()
	if d.Event == nil || !h.owns(d.Event) {
		return d.invalid("the delivery has no verified event of this provider")
	}
	d.has(d.Event)
	if d.OwnRule { // the rules may be others now
		d.Invalid, d.OwnRule = "", false
	}
	// The event comes from elsewhere, and so may have broken a rule since.
	if err := d.Event.Check(); err != nil && d.Invalid == "" {
		d.Invalid = err.Error()
	}
	if err := rc.rules.check(d.Event); err != nil && d.Invalid == "" {
		d.Invalid, d.OwnRule = err.Error(), true
	}
	return rest(ctx, d)
}

// Observe writes the log line of an observation and hands it to the receiver's
// observer, as ServeHTTP does for requests.
func (h *Handler) Observe(ctx context.Context, o *payack.Observation) {
	if o == nil {
		return
	}
	h.engine.tell(ctx, o)
}

// Explain verifies a recorded delivery like a received one, and tells each step.
// Nothing is processed, and no store or provider is asked; a KeyFunc is, with a
// request that is made of the delivery: it has the path, and no path values. The
// error is that of the key source.
// What it tells is for whoever holds the keys: see [verify.Explanation].
func (h *Handler) Explain(ctx context.Context, d *payack.Delivery) (verify.Explanation, error) {
	if d == nil {
		d = &payack.Delivery{}
	}
	m := verify.Message{Header: d.Header, Body: d.Body, ContentType: http.Header(d.Header).Get("Content-Type")}
	r, err := requestOf(ctx, d)
	if err != nil {
		return verify.Explanation{}, err
	}
	return h.engine.stages.explain(r.Context(), r, m)
}

// Healthy reports whether what the receiver needs is there: the error is that of
// the store's Ping, where the store has one, and names what does not answer.
func (h *Handler) Healthy(ctx context.Context) error {
	store, ok := h.engine.once.store.(interface{ Ping(context.Context) error })
	if !ok {
		return nil
	}
	if err := store.Ping(ctx); err != nil {
		return fmt.Errorf("payack: %s: the store does not answer: %w", h.Provider(), err)
	}
	return nil
}
