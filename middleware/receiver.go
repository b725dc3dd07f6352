package middleware

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Receiver receives one provider's callbacks. It is made by NewPtop, NewPTS or
// NewPayatom, and is safe for concurrent use. [Handle] makes it call a function
// with each event, and Wrap puts it around an existing handler.
type Receiver[E payack.Event] struct{ engine *receiver }

// receiver is the engine: the way of a delivery, without the type of its
// events.
type receiver struct {
	options Options
	stages  stages[payack.Event]
	once    once
	rules   *rules

	// refusals at the gate are made once: a flood of them must cost little. Nobody
	// writes to them, since a refused request has no event.
	refusals          map[payack.Reason]error
	unknownAddress    error
	charsetAsEncoding error

	schemeReported atomic.Bool
	proxyWarned    atomic.Bool
	timeoutWarned  atomic.Bool
}

// stages are what one provider does its own way; everything else is common.
type stages[E payack.Event] struct {
	provider payack.Provider
	answers  *answers
	// accepts reports whether a content type fits.
	accepts func(contentType string) bool
	// verify finds the keys and verifies. The event is there beside an error that
	// is invalid, too.
	verify func(ctx context.Context, r *http.Request, m verify.Message) (E, error)
	// explain does the same and tells each step.
	explain func(ctx context.Context, r *http.Request, m verify.Message) (verify.Explanation, error)
	// with returns the verifier and the keys that a request is verified with.
	with func(ctx context.Context, r *http.Request) (verifier, keys any, err error)
	// asks reports whether somebody is to be asked about an event: the merchant
	// for what is expected, the provider for what is true. It is nil where nobody
	// ever is.
	asks func(ev E) bool
	// ask asks them, and writes what they say into the event.
	ask func(ctx context.Context, ev E) error
	// expect is the part of ask that asks the merchant only, nil where none does.
	expect func(ctx context.Context, ev E) error
	// confirms reports whether ask asks the provider, too; nil where it never does.
	confirms func(ev E) bool
	// binding returns what ties a signature to its event, nil where a signature
	// can't belong to two.
	binding func(ev E) (binding, bool)
	// unknown reports whether nobody knows the event's status; nil where the
	// provider has none.
	unknown func(ev E) bool
	// details returns the key under which the unsigned details of an event are
	// remembered, and the details. It is nil where they don't matter.
	details func(ev E) (id, digest string, ok bool)
	// variant returns the unsigned handle that a question is asked by. It is nil
	// where questions are asked by signed members only.
	variant func(ev E) string
	// tenant is the scope of static keys, and tenants reports that there are none:
	// each request has its own.
	tenant  string
	tenants bool
	// pinned reports that one scheme is configured, so that nobody is told to pin it.
	pinned bool
}

// erased returns the same stages without the type of their events.
func (s stages[E]) erased() stages[payack.Event] {
	var none E
	out := stages[payack.Event]{
		provider: s.provider, answers: s.answers, accepts: s.accepts, explain: s.explain, with: s.with, pinned: s.pinned, tenant: s.tenant, tenants: s.tenants,
		verify: func(ctx context.Context, r *http.Request, m verify.Message) (payack.Event, error) {
			ev, err := s.verify(ctx, r, m)
			if any(ev) == any(none) {
				return nil, err // and not a nil of the event's type
			}
			return ev, err
		},
	}
	if s.asks != nil {
		out.asks = func(ev payack.Event) bool { return s.asks(ev.(E)) }
		out.ask = func(ctx context.Context, ev payack.Event) error { return s.ask(ctx, ev.(E)) }
	}
	if s.expect != nil {
		out.expect = func(ctx context.Context, ev payack.Event) error { return s.expect(ctx, ev.(E)) }
	}
	if s.confirms != nil {
		out.confirms = func(ev payack.Event) bool { return s.confirms(ev.(E)) }
	}
	if s.unknown != nil {
		out.unknown = func(ev payack.Event) bool { return s.unknown(ev.(E)) }
	}
	if s.details != nil {
		out.details = func(ev payack.Event) (id, digest string, ok bool) { return s.details(ev.(E)) }
	}
	if s.variant != nil {
		out.variant = func(ev payack.Event) string { return s.variant(ev.(E)) }
	}
	if s.binding != nil {
		out.binding = func(ev payack.Event) (binding, bool) { return s.binding(ev.(E)) }
	}
	return out
}

func newReceiver[E payack.Event](o Options, s stages[E]) (*Receiver[E], error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	var zero E
	rules, err := newRules(zero, o.Validate)
	if err != nil {
		return nil, err
	}
	refuse := func(reason payack.Reason, detail string) error {
		return &payack.Error{Provider: s.provider, Stage: payack.StageGate, Reason: reason, Detail: detail}
	}
	refusals := make(map[payack.Reason]error)
	for reason, detail := range o.refused() {
		refusals[reason] = refuse(reason, detail)
	}
	return &Receiver[E]{&receiver{
		options: o, stages: s.erased(), once: newOnce(s.provider, &o), rules: rules, refusals: refusals,
		unknownAddress:    refuse(payack.ReasonAddress, errAddress.Error()),
		charsetAsEncoding: refuse(payack.ReasonContentEncoding, "Content-Encoding names a charset, which is no encoding; the sender, or a proxy of yours that adds it, means the charset of Content-Type"),
	}}, nil
}

// serve takes a request all the way. It is answered once, unless the merchant's
// code ends the connection or the goroutine, and always observed once.
func (rc *receiver) serve(w http.ResponseWriter, r *http.Request, call callFunc) {
	now := time.Now()
	d := &delivery{w: w, r: r, Delivery: payack.Delivery{
		Received: now, Method: r.Method, Path: r.URL.Path, Header: r.Header,
	}}
	rc.begin(d)
	defer rc.finish(r.Context(), d)

	err := rc.run(d, call)
	if err != http.ErrAbortHandler {
		d.end(err)
		rc.answer(d)
	}
	if err == http.ErrAbortHandler || d.saidTooMuch() {
		panic(http.ErrAbortHandler) // net/http's way to end a connection without an answer
	}
}

// finish tells the log, the observer and the limiter how a request ended.
func (rc *receiver) finish(ctx context.Context, d *delivery) {
	rc.observe(ctx, &d.observation)
	rc.chargeFailure(ctx, d)
}

// run takes a request through both halves, or with an inbox through the first
// one. It returns nil for an event that is accepted, or was; a *payack.Error
// otherwise; and http.ErrAbortHandler when the merchant's code panicked with that.
// It is where panics end.
func (rc *receiver) run(d *delivery, call callFunc) (err error) {
	defer rc.recovered(d, &err)
	// The server reads on what is refused, so the deadline is set first.
	bounded := setReadDeadline(d.w, d.Received.Add(rc.options.ReadTimeout))
	if !bounded && rc.timeoutWarned.CompareAndSwap(false, true) {
		rc.warnUnbounded(d.w)
	}
	if err := rc.gate(d); err != nil {
		return err
	}
	if err := rc.capture(d); err != nil {
		return err
	}
	if bounded {
		// Left in place it would cut a later request, or the server's watch for a
		// client that hangs up.
		setReadDeadline(d.w, time.Time{})
	}
	ctx := d.within(d.r.Context(), d.Received.Add(rc.options.Deadline))
	defer d.deadline.Stop()
	ev, err := rc.verify(ctx, d)
	if rc.options.Inbox != nil && ev != nil {
		return rc.keep(ctx, d, ev) // what makes it invalid, if anything, is in d.Invalid
	}
	if err != nil {
		return err
	}
	return rc.process(ctx, d, ev, call)
}

// process is the second half, which can run after the answer, too: it takes a
// verified event to the merchant's function, once only. Nothing is held while
// somebody is asked about the event.
func (rc *receiver) process(ctx context.Context, d *delivery, ev payack.Event, call callFunc) error {
	fingerprint := ev.Fingerprint()
	if done, err := rc.guard(ctx, d, ev, fingerprint); done || err != nil {
		return rc.duplicate(ctx, d, ev, err)
	}
	// Before take there is nothing to give up; after commit only what locks others out.
	defer d.hold.release(ctx)
	done, err := rc.take(ctx, d, ev, fingerprint)
	if done || err != nil {
		return rc.duplicate(ctx, d, ev, err)
	}
	err = call(ctx, ev, d)
	d.observation.Took.Call = d.lap()
	if err != nil {
		return rc.callbackError(ctx, err)
	}
	d.unrecorded(d.hold.commit(ctx))
	return nil
}
