package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/payack/payack"
)

// Rehearsal is what would become of a request that brings its event for the first
// time.
type Rehearsal struct {
	// Observation has the outcome, its reason and error, and the delivery with its
	// event. Attempts and times are zero.
	payack.Observation
	// Answer is what the sender would be told.
	Answer payack.Answer
	// Confirm reports that the provider would be asked about the event. It was not,
	// and the rest is for the answer that confirms it.
	Confirm bool
	// Kept reports that an inbox would keep the event and the sender would be told
	// so; the outcome is then that of the first attempt.
	Kept bool
}

// Rehearse takes a request the way of ServeHTTP as far as nothing happens: gate,
// body, keys, signature, rules, and the merchant's Expect. It holds nothing,
// charges no limiter, calls no function, asks neither store, inbox nor provider,
// and writes no log. What depends on those is left out: addresses and rates,
// what was done before, what the provider confirms, what the function returns.
//
// Expect and KeyFunc are called within the deadline of the options, and a panic
// of theirs is a failure like any other. The body is read to its end.
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

// Verifier returns what a recorded delivery is verified with, for package
// diagnose: a *verify.Ptop and *verify.PtopKeys, or the two of another provider.
// A KeyFunc is asked as by Explain, and the error is its error. Whoever has the
// keys can sign: keep them where the configuration is kept.
func (h *Handler) Verifier(ctx context.Context, d *payack.Delivery) (verifier, keys any, err error) {
	r, err := requestOf(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	return h.engine.stages.with(r.Context(), r)
}

// MaxBody returns the largest body that is taken, in bytes.
func (h *Handler) MaxBody() int64 { return h.engine.options.MaxBody }

// requestOf returns a request that looks like a delivery to a KeyFunc.
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
