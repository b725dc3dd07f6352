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

// Handler is a receiver together with the function that it calls. As an
// http.Handler it receives callbacks. [Handler.Process] and [Handler.Deliver] run
// the second half without a request. A Handler is safe for concurrent use.
type Handler struct {
	engine *receiver
	call   callFunc
	owns   func(payack.Event) bool
}

// Handle returns a handler that calls fn with each verified event. After fn has
// returned nil, it is not called for that event again as long as the store
// remembers the event. Within one process, fn never runs twice at the same time for
// one event. In two processes that share a store it can, but only after the claim's
// lease ([Options].Lease) has ended.
//
// The context carries the delivery ([payack.DeliveryFrom]) and ends at
// [Options].Deadline. It is not cancelled when the provider hangs up, so a
// settlement is not interrupted.
//
// When fn returns an error or panics, the provider is asked to send the event
// again. With an inbox, the inbox calls fn again instead. Return an error that
// matches [payack.ErrUnexpected] for an event that the merchant does not expect. The
// event is then rejected.
//
// Handle fails in these cases:
//   - rc or fn is nil.
//   - The type of fn is a [payack.StoreChecker] and refuses the store.
//   - The type of fn is a [payack.StoreChecker] and InsecureProcessWithoutStore is
//     set.
//   - The inbox refuses the receiver's name.
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

// ServeHTTP receives one callback and answers it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.engine.serve(w, r, h.call) }

// Provider returns the provider whose callbacks the handler receives.
func (h *Handler) Provider() payack.Provider { return h.engine.stages.provider }

// Name returns the name under which an inbox knows the receiver: [Options].Name, or
// its default. Without an inbox it returns the default.
func (h *Handler) Name() string { return h.engine.name() }

// Tenant returns the tenant of the configured keys. The result static is false with
// a KeyFunc: each request then has a tenant of its own.
func (h *Handler) Tenant() (tenant string, static bool) {
	return h.engine.stages.tenant, !h.engine.stages.tenants
}

// Store returns the store in which the receiver claims events. With an inbox that
// is the inbox.
func (h *Handler) Store() payack.Store { return h.engine.once.store }

// Lookup reports what is known of an event, as [payack.Store.Lookup] does, and
// changes nothing. With an inbox it consults the former store ([Options].Store)
// first. An error is a *[payack.Error]. Under InsecureProcessWithoutStore a store
// that fails counts as one that knows nothing.
func (h *Handler) Lookup(ctx context.Context, ev payack.Event) (payack.ClaimState, error) {
	return h.engine.once.lookup(ctx, ev.ID(), ev.Fingerprint())
}

// Process runs the second half (guard, hold, call and commit) for an event that was
// verified before. It gives the guarantees of [Handle]. Workers call it for events
// that an inbox kept.
//
// d.Event is the event, as verified or as [payack.DecodeEvent] returned it. Process
// uses ctx only for its values. [Options].Deadline counts from this call, and
// cancelling ctx does not interrupt a settlement. Process fills o but neither logs
// nor observes it; call [Handler.Observe] for that. o may be nil.
//
// The error is nil for an event that is accepted now or was accepted before;
// o.Outcome says which. Any other result is a *[payack.Error], also for a nil d or
// an event of another type.
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

// Deliver takes an event that was found by asking the provider, and treats it as if
// its callback had arrived. Set d.Source to [payack.SourceQuery]. With an inbox the
// event is kept, even if it is invalid, and the inbox processes it later. Without
// an inbox Deliver does what [Handler.Process] does.
//
// Without an inbox, a Confirm method of package client does not ask again when the
// event has the provider's answer in Confirmed. Any other Confirm function is
// called.
//
// The error is nil for an event that is kept or accepted, now or before.
func (h *Handler) Deliver(ctx context.Context, d *payack.Delivery, o *payack.Observation) error {
	if h.engine.options.Inbox == nil {
		return h.Process(ctx, d, o)
	}
	return h.withoutRequest(ctx, d, o, func(ctx context.Context, d *delivery) error {
		return h.engine.keep(ctx, d, d.Event)
	})
}

// withoutRequest calls the function rest for an event that was verified before, and
// fills o.
func (h *Handler) withoutRequest(ctx context.Context, d *payack.Delivery, o *payack.Observation, rest func(context.Context, *delivery) error) error {
	if d == nil {
		d = &payack.Delivery{}
	}
	mine, started := &delivery{Delivery: *d}, time.Now()
	h.engine.begin(mine)
	mine.lapped = started // the callers of Process and Deliver use the durations
	// Deferred, because the merchant's function may end the goroutine.
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

// resume checks a delivery that has no request, and calls the function rest. It
// turns panics into errors, since no server is there to recover from them.
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
	if d.OwnRule { // the configured rules may have changed since the first half
		d.Invalid, d.OwnRule = "", false
	}
	// The caller supplied the event, so it may break a rule.
	if err := d.Event.Check(); err != nil && d.Invalid == "" {
		d.Invalid = err.Error()
	}
	if err := rc.rules.check(d.Event); err != nil && d.Invalid == "" {
		d.Invalid, d.OwnRule = err.Error(), true
	}
	return rest(ctx, d)
}

// Observe logs an observation and hands it to the receiver's observer, as ServeHTTP
// does for requests. A nil o is ignored.
func (h *Handler) Observe(ctx context.Context, o *payack.Observation) {
	if o == nil {
		return
	}
	h.engine.tell(ctx, o)
}

// Explain verifies a recorded delivery as if it had been received, and explains
// each step. It processes nothing and asks neither store nor provider. A KeyFunc is
// called, with a request that is built from the delivery and has no path values;
// the error is the KeyFunc's.
//
// Show the explanation only to people who may see the keys: see
// [verify.Explanation].
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

// Healthy returns an error when the store does not answer its Ping method. It
// returns nil for a store that has no such method.
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
