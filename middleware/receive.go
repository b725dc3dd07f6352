package middleware

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/ratelimit"
	"github.com/payack/payack/verify"
)

// Receiver receives one provider's callbacks. It is made by NewPtop, NewPTS or
// NewPayatom, and safe for concurrent use.
type Receiver[E payack.Event] struct {
	options Options
	stages  stages[E]
	rules   *rules

	// refusals at the gate are made once: a flood of them must cost little.
	refusals       map[payack.Reason]error
	unknownAddress error

	inFlight       inFlight
	schemeReported atomic.Bool
	proxyWarned    atomic.Bool
}

// stages are what one provider does its own way; everything else is common.
type stages[E payack.Event] struct {
	provider payack.Provider
	answers  *answers
	// accepts tells whether a content type fits.
	accepts func(contentType string) bool
	// verify finds the keys and verifies.
	verify func(ctx context.Context, r *http.Request, m verify.Message) (E, error)
	// guard compares the event with what the merchant expects and the provider
	// confirms; nil where there is nothing to compare.
	guard func(ctx context.Context, ev E, d *delivery) error
	// pinned tells that the scheme needs no advice.
	pinned bool
}

// delivery is a callback on its way.
type delivery struct {
	payack.Delivery
	observation payack.Observation
	deadline    deadline
	contentType string
	// claims are held until the callback has returned: the event's, and
	// Payatom's on its hash.
	claims    []claim
	claimsBuf [3]claim
	// limitKey is whose budget it is taken from, and limit what the limiter said.
	limitKey string
	limit    ratelimit.Decision
	// values has room for those of our headers.
	values [2]string
	set    int
	// spent is what the stages so far took; without an observer nobody asks, and
	// the clock is left alone.
	spent   time.Duration
	stopped bool
	// entered tells that the event is in flight.
	entered bool
	// wraps tells that a wrapped handler had the response in hand.
	wraps bool
	// failure is what a wrapped handler reported with Fail.
	failure error
	// written is the status that a wrapped handler answered itself, or 0.
	written int
}

// claim is what a store gave. It is committed when the callback has returned
// nil, and given up otherwise; a lock is given up in any case.
type claim struct {
	id, fingerprint, token string
	lock                   bool
}

// lap returns what has passed since the last stage ended.
func (d *delivery) lap() time.Duration {
	if d.stopped {
		return 0
	}
	before := d.spent
	d.spent = time.Since(d.Received)
	return d.spent - before
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
	details := o.refused()
	refusals := make(map[payack.Reason]error, len(details))
	for reason, detail := range details {
		refusals[reason] = &payack.Error{Provider: s.provider, Stage: payack.StageGate, Reason: reason, Detail: detail}
	}
	return &Receiver[E]{
		options: o, stages: s, rules: rules, refusals: refusals,
		unknownAddress: &payack.Error{Provider: s.provider, Stage: payack.StageGate, Reason: payack.ReasonAddress, Detail: errAddress.Error()},
	}, nil
}

// refused says why the gate turns a request away, and names the mend.
func (o *Options) refused() map[payack.Reason]string {
	return map[payack.Reason]string{
		payack.ReasonMethod:          "only POST is taken",
		payack.ReasonTooLarge:        tooLarge(o.MaxBody),
		payack.ReasonContentType:     "it is not the content type of the configured Body; if it announces JSON wrongly, set Sniff",
		payack.ReasonContentEncoding: "bodies are taken as they were signed; switch compression off in whatever stands in front",
		payack.ReasonAddress:         "the client is not among AllowedAddresses; behind a proxy it is known by TrustedProxies only",
		payack.ReasonRate:            "the Limiter's budget for this client is used up",
	}
}

func tooLarge(limit int64) string {
	return fmt.Sprintf("the body is over the limit of %d bytes; raise MaxBody if the provider's are larger", limit)
}

// Handler returns a handler that calls fn with each verified event, at the most
// once at a time for one event, and never again once it has returned nil.
//
// The context carries the delivery ([payack.DeliveryFrom]) and a deadline; it is
// not cancelled when the provider hangs up, so a settlement is not cut in half.
// An error, or a panic, makes the provider send again. The error for a nil fn
// is returned here.
func (rc *Receiver[E]) Handler(fn func(ctx context.Context, ev E) error) (http.Handler, error) {
	if fn == nil {
		return nil, fmt.Errorf("payack: %s: the callback is nil; give the function that settles an event", rc.stages.provider)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc.serve(w, r, func(ctx context.Context, ev E, _ *delivery) error { return fn(ctx, ev) })
	}), nil
}

// Wrap returns a handler that calls next with each verified event in its
// context ([payack.EventFrom], [payack.DeliveryFrom]) and the exact body as
// r.Body. When next wrote nothing, the provider is answered by its contract:
// success, or a failure when next reported one with [Fail]. When next has
// written a 2xx and panics, the connection is ended without an answer, so that
// the provider sends again.
//
// Its shape is that of a middleware of net/http and chi. A nil next is answered
// as a failing callback. Gin's handlers need the module ginpayack.
func (rc *Receiver[E]) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc.serve(w, r, func(ctx context.Context, _ E, d *delivery) error {
			if next == nil {
				return errors.New("the wrapped handler is nil")
			}
			d.wraps = true
			tracked := &trackingWriter{ResponseWriter: w, d: d}
			next.ServeHTTP(tracked, requestBehind(ctx, r, d))
			switch {
			case d.failure != nil:
				return d.failure
			case d.written != 0 && (d.written < 200 || d.written > 299):
				return fmt.Errorf("the wrapped handler answered with status %d", d.written)
			}
			return nil
		})
	})
}

type deliveryStateKey struct{}

// Fail reports that the event was not processed, to be called by a handler
// behind Wrap. Unless the handler writes a response itself, the provider is
// asked to send again; a response stands, and the event is not marked as done
// in either case. A nil error changes nothing; of several the first counts.
// Outside of Wrap it does nothing and returns false.
func Fail(ctx context.Context, err error) bool {
	d, ok := ctx.Value(deliveryStateKey{}).(*delivery)
	if ok && err != nil && d.failure == nil {
		d.failure = err
	}
	return ok
}

// requestBehind is the request as a wrapped handler sees it: with the body that
// was captured.
func requestBehind(ctx context.Context, r *http.Request, d *delivery) *http.Request {
	r = r.WithContext(context.WithValue(ctx, deliveryStateKey{}, d))
	r.Body = io.NopCloser(strings.NewReader(d.Body))
	r.ContentLength = int64(len(d.Body))
	r.TransferEncoding = nil
	return r
}

// trackingWriter notes whether a wrapped handler answers itself. Other
// abilities of the writer are reached through http.ResponseController.
type trackingWriter struct {
	http.ResponseWriter
	d *delivery
}

func (t *trackingWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *trackingWriter) WriteHeader(status int) {
	t.ResponseWriter.WriteHeader(status)   // panics for a status that is none
	if t.d.written == 0 && status >= 200 { // 1xx announce, they don't answer
		t.d.written = status
	}
}

func (t *trackingWriter) Write(b []byte) (int, error) {
	if t.d.written == 0 {
		t.d.written = http.StatusOK
	}
	return t.ResponseWriter.Write(b)
}

// FlushError is what http.ResponseController calls. A flush sends the header,
// and so is an answer.
func (t *trackingWriter) FlushError() error {
	err := http.NewResponseController(t.ResponseWriter).Flush()
	if err == nil && t.d.written == 0 {
		t.d.written = http.StatusOK
	}
	return err
}

// Hijack takes the connection away from us, and the answer with it; 101 is no
// success.
func (t *trackingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err == nil && t.d.written == 0 {
		t.d.written = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// serve takes a request all the way. Whatever happens, it is answered once and
// observed once.
func (rc *Receiver[E]) serve(w http.ResponseWriter, r *http.Request, call func(context.Context, E, *delivery) error) {
	d := &delivery{Delivery: payack.Delivery{
		Provider: rc.stages.provider, Received: time.Now(),
		Method: r.Method, Path: r.URL.Path, Header: r.Header,
	}}
	d.claims, d.stopped = d.claimsBuf[:0], rc.options.Observer == nil
	o := &d.observation
	o.Delivery = &d.Delivery
	aborted := false
	defer func() {
		if o.Outcome == "" { // the goroutine ends in the callback, or is to end
			o.Outcome, o.Reason = payack.OutcomeFailed, payack.ReasonPanic
		}
		rc.observe(r.Context(), o)
		rc.chargeFailure(r.Context(), d)
		if aborted {
			panic(http.ErrAbortHandler) // net/http's way to end a connection without an answer
		}
	}()

	err := rc.process(w, r, d, call)
	if err == http.ErrAbortHandler {
		aborted = true
		return
	}
	rc.answer(w, d, err)
	// A wrapped handler that wrote success and then panicked has not settled:
	// without an answer the provider sends again.
	aborted = o.Reason == payack.ReasonPanic && d.written >= 200 && d.written <= 299
}

// answer sends the provider's answer, unless a wrapped handler gave one.
func (rc *Receiver[E]) answer(w http.ResponseWriter, d *delivery, err error) {
	o := &d.observation
	if refusal, ok := err.(*payack.Error); ok { // process returns no other
		if refusal.EventID == "" && o.EventID != "" {
			refusal.EventID = o.EventID
		}
		o.Outcome, o.Reason, o.Err = refusal.Reason.Outcome(), refusal.Reason, refusal
	} else if o.Outcome == "" {
		o.Outcome = payack.OutcomeAccepted
	}
	if d.written != 0 {
		o.Status = d.written
		return
	}
	a := rc.stages.answers.of(o.Outcome, o.Reason)
	o.Status = a.Status
	rc.limitHeaders(w, d)
	d.write(w, a)
}

// process returns nil for an event that is accepted, or was (the outcome is
// then duplicate), and a *payack.Error otherwise. It is where panics of the
// merchant's code end.
func (rc *Receiver[E]) process(w http.ResponseWriter, r *http.Request, d *delivery, call func(context.Context, E, *delivery) error) (err error) {
	o := &d.observation
	defer func() {
		if p := recover(); p != nil {
			err = rc.panicked(p, o)
		}
	}()
	// Bounds the reading of the body, and with it what the server reads of one
	// that was refused. Not every server and writer supports deadlines; then the
	// server's own ReadTimeout has to do.
	bounded := setReadDeadline(w, d.Received.Add(rc.options.ReadTimeout))
	if err := rc.gate(r, d); err != nil {
		return err
	}
	body, err := capture(r, rc.options.MaxBody)
	o.Took.Capture = d.lap()
	if err != nil {
		return rc.captureError(err)
	}
	if bounded {
		// Left in place it would cut a later request, or the server's watch
		// for a client that hangs up.
		setReadDeadline(w, time.Time{})
	}
	if len(body) == 0 {
		return rc.fail(payack.StageCapture, payack.ReasonMalformed, nil, "the body is empty; if something in front of payack reads bodies, mount payack before it")
	}
	d.Body = body

	// The provider that hangs up must not stop a half-done settlement.
	ctx := &d.deadline
	ctx.parent, ctx.delivery, ctx.end = r.Context(), &d.Delivery, d.Received.Add(rc.options.Deadline)
	defer ctx.stop()
	return rc.deliver(ctx, r, d, call)
}

// deliver takes a captured body to the merchant's code. What it claims is
// settled before anybody else may enter, whatever that code does.
func (rc *Receiver[E]) deliver(ctx context.Context, r *http.Request, d *delivery, call func(context.Context, E, *delivery) error) (err error) {
	o, done := &d.observation, false
	defer func() {
		p := recover()
		// Deferred, because the logger may panic, and what was thrown when it is
		// asked what it is.
		if d.entered {
			defer rc.inFlight.leave(o.EventID)
		}
		defer rc.settle(ctx, d, done)
		if p != nil {
			err = rc.panicked(p, o)
		}
	}()

	ev, err := rc.verify(ctx, r, d)
	if err != nil {
		return err
	}
	o.EventID, o.Scheme, d.Event = ev.ID(), ev.Verified().Scheme, ev
	if d.entered = rc.inFlight.enter(o.EventID); !d.entered {
		return rc.fail(payack.StageGuard, payack.ReasonBusy, nil, "the same event is being processed in this process")
	}

	err = rc.guard(ctx, ev, d)
	o.Took.Guard = d.lap()
	if err != nil || o.Outcome == payack.OutcomeDuplicate {
		return err
	}

	err = call(ctx, ev, d)
	o.Took.Call = d.lap()
	if err != nil {
		return rc.callbackError(ctx, err)
	}
	done = true
	return nil
}

// gate turns away what needs no reading. It costs no cryptography.
func (rc *Receiver[E]) gate(r *http.Request, d *delivery) error {
	o := &rc.options
	addr, addrErr := clientAddr(r, o.TrustedProxies, o.ForwardedHeader)
	d.Client = addr // first, so that every refusal says whose it is
	if r.Method != http.MethodPost {
		return rc.refusals[payack.ReasonMethod]
	}
	if r.ContentLength > o.MaxBody {
		return rc.refusals[payack.ReasonTooLarge]
	}
	// Of two types two readers could take two.
	types := r.Header["Content-Type"]
	if len(types) > 0 {
		d.contentType = types[0]
	}
	if len(types) > 1 || !rc.stages.accepts(d.contentType) {
		return rc.refusals[payack.ReasonContentType]
	}
	for _, encoding := range r.Header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return rc.refusals[payack.ReasonContentEncoding]
		}
	}
	if len(o.TrustedProxies) == 0 && r.Header[o.ForwardedHeader] != nil && rc.proxyWarned.CompareAndSwap(false, true) {
		o.Logger.Warn("payack: requests carry "+o.ForwardedHeader+" and no proxy is trusted, so clients are known by the peer's address only; set TrustedProxies if there is a proxy of yours in front",
			"provider", rc.stages.provider)
	}
	needed := len(o.AllowedAddresses) > 0 || len(o.TrustedProxies) > 0 || o.Limiter != nil && o.LimitKey == nil
	switch {
	case addrErr != nil && needed:
		return rc.unknownAddress
	case len(o.AllowedAddresses) > 0 && !within(addr, o.AllowedAddresses):
		return rc.refusals[payack.ReasonAddress]
	}
	return rc.limitGate(r, d)
}

func (rc *Receiver[E]) captureError(err error) error {
	switch err {
	case errBodyTooLarge:
		return rc.fail(payack.StageCapture, payack.ReasonTooLarge, nil, tooLarge(rc.options.MaxBody))
	case errBodyConsumed:
		return rc.fail(payack.StageCapture, payack.ReasonBodyConsumed, nil, err.Error())
	}
	return rc.fail(payack.StageCapture, payack.ReasonBodyRead, nil, err.Error())
}

// verify finds the keys, verifies, and applies the merchant's own rules.
func (rc *Receiver[E]) verify(ctx context.Context, r *http.Request, d *delivery) (E, error) {
	defer func() { d.observation.Took.Verify = d.lap() }()
	ev, err := rc.stages.verify(ctx, r, verify.Message{ContentType: d.contentType, Header: r.Header, Body: d.Body})
	if err != nil {
		return ev, err
	}
	if err := rc.rules.check(ev); err != nil {
		return ev, &payack.Error{Provider: rc.stages.provider, Stage: payack.StageVerify, Reason: payack.ReasonInvalid, Detail: err.Error()}
	}
	if !rc.stages.pinned && rc.schemeReported.CompareAndSwap(false, true) {
		rc.options.Logger.Info("payack: the first callback verified; pin its scheme in the configuration, so that no other reading of the provider's documents is tried",
			"provider", rc.stages.provider, "scheme", ev.Verified().Scheme)
	}
	return ev, nil
}

// guard claims the event and has it compared. The outcome is set to duplicate
// when there is nothing left to do.
func (rc *Receiver[E]) guard(ctx context.Context, ev E, d *delivery) error {
	state, err := rc.claim(ctx, d, d.observation.EventID, ev.Fingerprint())
	switch {
	case err != nil:
		return err
	case state == payack.ClaimDone:
		d.observation.Outcome = payack.OutcomeDuplicate
		return nil
	case state == payack.ClaimBusy:
		return rc.fail(payack.StageGuard, payack.ReasonBusy, nil, "the same event is being processed elsewhere")
	case state == payack.ClaimConflict:
		return rc.fail(payack.StageGuard, payack.ReasonConflict, nil, "the same event came before with other amounts or currencies")
	}
	if rc.stages.guard == nil {
		return nil
	}
	return rc.stages.guard(ctx, ev, d)
}

// claim asks the store for id and keeps what it gets until the callback has
// returned. A store that fails is the merchant's choice.
func (rc *Receiver[E]) claim(ctx context.Context, d *delivery, id, fingerprint string) (payack.ClaimState, error) {
	got, err := rc.options.Store.Claim(ctx, id, fingerprint, rc.options.Lease)
	switch {
	case err != nil:
		return payack.ClaimGranted, rc.storeFailed(d, err)
	case got.State == payack.ClaimGranted:
		d.claims = append(d.claims, claim{id: id, fingerprint: fingerprint, token: got.Token})
	}
	return got.State, nil
}

// bind marks id done with this fingerprint, whatever becomes of the event. Done
// is the answer to the first time and to those after it.
func (rc *Receiver[E]) bind(ctx context.Context, d *delivery, id, fingerprint string) (payack.ClaimState, error) {
	if s, ok := rc.options.Store.(payack.Binder); ok { // in one step
		state, err := s.Bind(ctx, id, fingerprint)
		if err != nil {
			return payack.ClaimDone, rc.storeFailed(d, err)
		}
		return state, nil
	}
	held := len(d.claims)
	state, err := rc.claim(ctx, d, id, fingerprint)
	if err != nil || len(d.claims) == held {
		return state, err
	}
	switch err := rc.commit(ctx, d.claims[held]); {
	case err == nil:
		d.claims = d.claims[:held]
	case !rc.options.ProcessWithoutStore:
		return 0, rc.storeFailed(d, err)
	}
	return payack.ClaimDone, nil // what could not be bound is settled with the event's claim
}

// storeFailed returns nil when the event is processed all the same.
func (rc *Receiver[E]) storeFailed(d *delivery, err error) error {
	if !rc.options.ProcessWithoutStore {
		return rc.fail(payack.StageGuard, payack.ReasonStore, err, "the store failed")
	}
	rc.options.Logger.Error("payack: the store failed; the event is processed without it, perhaps not for the first time",
		"provider", rc.stages.provider, "event_id", d.observation.EventID, "error", err)
	return nil
}

// storeTimeout is what the end of a claim has at least, for which the delivery's
// own deadline may be over.
const storeTimeout = 5 * time.Second

// settle commits the claims when the callback has returned nil, and gives them
// up otherwise.
func (rc *Receiver[E]) settle(ctx context.Context, d *delivery, done bool) {
	if len(d.claims) == 0 {
		return
	}
	if end, ok := ctx.Deadline(); !ok || time.Until(end) < storeTimeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
	}
	for _, c := range d.claims {
		if !done || c.lock {
			continue
		}
		if err := rc.commit(ctx, c); err != nil {
			// The work is done, so the provider is told so.
			d.observation.Err = rc.fail(payack.StageGuard, payack.ReasonStore, err, "the event was processed and could not be recorded as done")
		}
	}
	// The newest first: a lock outlives what it guards.
	for _, c := range slices.Backward(d.claims) {
		if done && !c.lock {
			continue
		}
		if err := rc.release(ctx, c); err != nil && !errors.Is(err, payack.ErrNotHeld) {
			rc.options.Logger.Warn("payack: a claim could not be given up; the event is busy until its lease ends",
				"provider", rc.stages.provider, "event_id", d.observation.EventID, "error", err)
		}
	}
}

// commit marks a claim done. A callback that outlived its lease takes the claim
// back first: its result counts, unless somebody else has claimed it since.
func (rc *Receiver[E]) commit(ctx context.Context, c claim) (err error) {
	defer storePanicked(&err)
	err = rc.options.Store.Commit(ctx, c.id, c.token)
	if !errors.Is(err, payack.ErrNotHeld) {
		return err
	}
	again, claimErr := rc.options.Store.Claim(ctx, c.id, c.fingerprint, rc.options.Lease)
	if claimErr != nil || again.State != payack.ClaimGranted {
		return err
	}
	return rc.options.Store.Commit(ctx, c.id, again.Token)
}

func (rc *Receiver[E]) release(ctx context.Context, c claim) (err error) {
	defer storePanicked(&err)
	return rc.options.Store.Release(ctx, c.id, c.token)
}

// storePanicked makes a panic of the store an error: what is answered is
// settled by then.
func storePanicked(err *error) {
	if p := recover(); p != nil {
		*err = errors.New("the store panicked")
	}
}

// callbackError tells a callback that ran out of time from one that failed.
func (rc *Receiver[E]) callbackError(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return rc.fail(payack.StageCall, payack.ReasonDeadline, err, "the callback did not finish in time")
	}
	return rc.fail(payack.StageCall, payack.ReasonCallback, err, "the callback failed")
}

// panicked turns a panic of the merchant's code into a failure.
func (rc *Receiver[E]) panicked(p any, o *payack.Observation) error {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return http.ErrAbortHandler
	}
	o.Stack = debug.Stack()
	stage := payack.StageCall
	if o.EventID == "" {
		stage = payack.StageVerify
	}
	return rc.fail(stage, payack.ReasonPanic, nil, "the merchant's code panicked; its stack is in the log")
}

// fail returns the error of a delivery that the provider should send again, or
// that contradicts what is known.
func (rc *Receiver[E]) fail(stage payack.Stage, reason payack.Reason, err error, detail string) error {
	return &payack.Error{Provider: rc.stages.provider, Stage: stage, Reason: reason, Detail: detail, Err: err}
}

// observe tells the log and the observer; one that panics must not take the
// request with it.
func (rc *Receiver[E]) observe(ctx context.Context, o *payack.Observation) {
	level := levelOf(o)
	logs, observes := rc.options.Logger.Enabled(ctx, level), rc.options.Observer != nil
	if !logs && !observes {
		return // and leave the clock alone
	}
	o.Took.Total = time.Since(o.Delivery.Received)
	if logs {
		logObservation(ctx, rc.options.Logger, level, o)
	}
	if !observes {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			rc.options.Logger.Error("payack: the observer panicked", "provider", rc.stages.provider, "stack", string(debug.Stack()))
		}
	}()
	rc.options.Observer.Observe(ctx, o)
}

// setReadDeadline is what http.ResponseController does, without an error to make
// where nobody supports it.
func setReadDeadline(w http.ResponseWriter, t time.Time) bool {
	for {
		switch x := w.(type) {
		case interface{ SetReadDeadline(time.Time) error }:
			return x.SetReadDeadline(t) == nil
		case interface{ Unwrap() http.ResponseWriter }:
			w = x.Unwrap()
		default:
			return false
		}
	}
}

// inFlight holds the events that this process works on. It makes a redelivery
// busy for as long as the callback runs, however short the lease was.
type inFlight struct {
	mu     sync.Mutex
	events map[string]struct{}
}

func (f *inFlight) enter(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.events == nil {
		f.events = make(map[string]struct{})
	}
	others := len(f.events)
	f.events[id] = struct{}{}
	return len(f.events) > others
}

func (f *inFlight) leave(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.events, id)
}
