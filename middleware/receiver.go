package middleware

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// Receiver receives one provider's callbacks; E is the type of their events.
// NewPtop, NewPTS and NewPayatom return one. [Handle] makes it call a function with
// each event, and Wrap puts it in front of an existing handler. A Receiver is safe
// for concurrent use.
type Receiver[E payack.Event] struct{ engine *receiver }

// receiver is the engine behind Receiver. It does not depend on the type of the
// events.
type receiver struct {
	options Options
	stages  stages[payack.Event]
	once    once
	rules   *rules

	// refusals holds the errors of the gate. They are made once and shared, so that
	// a flood of refused requests costs little. Sharing is safe: an error is only
	// changed to add an event's id, and a refused request has no event.
	refusals          map[payack.Reason]error
	unknownAddress    error
	charsetAsEncoding error

	schemeReported atomic.Bool
	proxyWarned    atomic.Bool
	timeoutWarned  atomic.Bool
	wordsWarned    atomic.Bool
}

// stages are the steps that differ between providers.
type stages[E payack.Event] struct {
	provider payack.Provider
	answers  *answers
	// accepts reports whether the endpoint takes a content type.
	accepts func(contentType string) bool
	// verify finds the keys and verifies. When the event verifies but is invalid,
	// it returns both the event and the error.
	verify func(ctx context.Context, r *http.Request, m verify.Message) (E, error)
	// explain does what verify does, and explains each step.
	explain func(ctx context.Context, r *http.Request, m verify.Message) (verify.Explanation, error)
	// with returns the verifier and the keys for a request.
	with func(ctx context.Context, r *http.Request) (verifier, keys any, err error)
	// asks reports whether the merchant or the provider is asked about an event. It
	// is nil where neither is ever asked.
	asks func(ev E) bool
	// ask asks the merchant, the provider or both, and writes the answers into the
	// event.
	ask func(ctx context.Context, ev E) error
	// expect asks the merchant only. It is nil where the merchant is never asked.
	expect func(ctx context.Context, ev E) error
	// confirms reports whether ask asks the provider. It is nil where ask never
	// does.
	confirms func(ev E) bool
	// binding returns what ties a signature to its event. It is nil where no two
	// events can share a signature.
	binding func(ev E) (binding, bool)
	// unknown reports whether the event's status is missing from the provider's
	// documents. It is nil where events have no status.
	unknown func(ev E) bool
	// details returns a digest of the unsigned details of an event, and the key
	// under which the store keeps the digest. It is nil where unsigned details
	// don't matter.
	details func(ev E) (id, digest string, ok bool)
	// variant returns the unsigned text by which Confirm asks, such as a ref_code.
	// It is nil where Confirm asks by signed members only.
	variant func(ev E) string
	// tenant is the tenant of static keys. With tenants set, each request has a
	// tenant of its own.
	tenant  string
	tenants bool
	// pin names the member of the configuration that pins a scheme. It is empty
	// when exactly one scheme is configured.
	pin string
}

// erased returns the same stages for events of the interface type.
func (s stages[E]) erased() stages[payack.Event] {
	var none E
	out := stages[payack.Event]{
		provider: s.provider, answers: s.answers, accepts: s.accepts, explain: s.explain, with: s.with, pin: s.pin, tenant: s.tenant, tenants: s.tenants,
		verify: func(ctx context.Context, r *http.Request, m verify.Message) (payack.Event, error) {
			ev, err := s.verify(ctx, r, m)
			if any(ev) == any(none) {
				return nil, err // a nil interface, not one that holds a nil pointer
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
		charsetAsEncoding: refuse(payack.ReasonContentEncoding, "Content-Encoding names a charset, which is not an encoding; have the sender, or the proxy that adds the header, put it into Content-Type as charset"),
	}}, nil
}

// serve takes a request through the receiver. The request is answered once, unless
// the merchant's code ends the connection or the goroutine. It is always observed
// once.
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

// run takes a request through both halves. With an inbox it takes the request only
// through the first half. It returns nil for an event that is kept or accepted, now
// or before. It returns http.ErrAbortHandler when the merchant's code panicked with
// it, and a *payack.Error otherwise. Panics of the merchant's code end here.
func (rc *receiver) run(d *delivery, call callFunc) (err error) {
	defer rc.recovered(d, &err)
	// The server reads the body even after a refusal, so set the deadline before
	// the gate.
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
		// A deadline left in place would break a later request on the connection, and
		// the server's watch for a client that hangs up.
		setReadDeadline(d.w, time.Time{})
	}
	ctx := d.within(d.r.Context(), d.Received.Add(rc.options.Deadline))
	defer d.deadline.Stop()
	ev, err := rc.verify(ctx, d)
	if rc.options.Inbox != nil && ev != nil {
		return rc.keep(ctx, d, ev) // err, if any, is recorded in d.Invalid
	}
	if err != nil {
		return err
	}
	return rc.process(ctx, d, ev, call)
}

// process is the second half: it calls the merchant's function once for a verified
// event. It may run after the answer. Nothing is claimed while the provider is
// asked, because the event may be a copy that an attacker gave another unsigned
// ref_code: a claim for the copy would keep the genuine event out.
func (rc *receiver) process(ctx context.Context, d *delivery, ev payack.Event, call callFunc) error {
	fingerprint := ev.Fingerprint()
	if done, err := rc.guard(ctx, d, ev, fingerprint); done || err != nil {
		return rc.duplicate(ctx, d, ev, err)
	}
	// After a failure, release gives up all claims. After d.hold.commit, it gives up
	// only the claim of binding.lock.
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
