package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/payack/payack"
)

// Rehearsal predicts the outcome of a request whose event has not been seen before.
type Rehearsal struct {
	// Observation has the outcome with its reason and error, and the delivery with
	// its event. Attempts and durations are zero.
	payack.Observation
	// Answer is what the sender would get.
	Answer payack.Answer
	// Confirm reports that the provider would be asked about the event. Rehearse
	// did not ask; the other members assume that the provider confirms.
	Confirm bool
	// Kept reports that an inbox would keep the event, and that Answer says so. The
	// outcome is then that of the first attempt to process it.
	Kept bool
}

// Rehearse runs the steps of ServeHTTP that have no effect: gate, body, keys,
// signature, rules, and the merchant's Expect. It claims nothing, charges no
// limiter, does not call the handler's function, logs nothing, and asks neither
// store, inbox nor provider. So it ignores addresses, rates, earlier deliveries, the
// provider's confirmation, and what the function returns.
//
// Expect and KeyFunc are called with [Options].Deadline; if they panic, the outcome
// is a failure. The body is read to its end.
func (h *Handler) Rehearse(r *http.Request) Rehearsal {
	rc, now := h.engine, time.Now()
	d := &delivery{r: r, Delivery: payack.Delivery{
		Received: now, Method: r.Method, Path: r.URL.Path, Header: r.Header,
	}}
	rc.begin(d)
	var out Rehearsal
	d.end(rc.rehearse(d, &out))
	out.Observation = d.observation
	out.Took = payack.Durations{}
	answered := out.Reason
	if out.Kept {
		answered = ""
	}
	out.Answer = rc.stages.answers.of(answered.Outcome(), answered)
	out.Status = out.Answer.Status
	return out
}

func (rc *receiver) rehearse(d *delivery, out *Rehearsal) (err error) {
	defer d.notAborted(&err)
	defer rc.recovered(d, &err)
	if err := rc.admit(d.r); err != nil {
		return err
	}
	if err := rc.capture(d); err != nil {
		return err
	}
	ctx := d.within(d.r.Context(), d.Received.Add(rc.options.Deadline))
	defer d.deadline.Stop()
	ev, err := rc.check(ctx, d)
	out.Kept = ev != nil && rc.options.Inbox != nil
	if err != nil {
		return err
	}
	if rc.stages.expect != nil {
		if err := rc.stages.expect(ctx, ev); err != nil {
			return err
		}
	}
	out.Confirm = rc.stages.confirms != nil && rc.stages.confirms(ev)
	return nil
}

// Verifier returns the verifier and the keys for a recorded delivery, for package
// diagnose: a *verify.Ptop with *verify.PtopKeys, or the types of another provider.
// It calls a KeyFunc in the same way as [Handler.Explain]; the error is the
// KeyFunc's. Keep the keys as safe as the configuration: with some of them one can
// sign callbacks.
func (h *Handler) Verifier(ctx context.Context, d *payack.Delivery) (verifier, keys any, err error) {
	r, err := requestOf(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	return h.engine.stages.with(r.Context(), r)
}

// MaxBody returns the largest accepted body in bytes.
func (h *Handler) MaxBody() int64 { return h.engine.options.MaxBody }

// requestOf returns the request that a KeyFunc gets for a recorded delivery.
func requestOf(ctx context.Context, d *payack.Delivery) (*http.Request, error) {
	if d == nil {
		d = &payack.Delivery{}
	}
	r, err := http.NewRequestWithContext(payack.WithDelivery(ctx, d), http.MethodPost, "/", nil)
	if err != nil {
		return nil, err
	}
	r.Method, r.URL.Path = d.Method, d.Path
	if d.Header != nil {
		r.Header = d.Header
	}
	return r, nil
}
