package inspector

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/middleware"
)

// diagnosis is what package diagnose reports on a delivery.
type diagnosis struct {
	// Cause is what is wrong; empty if nothing is.
	Cause string `json:"cause,omitempty"`
	// Fix is what to do, and Changes are the settings that would accept the
	// delivery.
	Fix     string            `json:"fix,omitempty"`
	Changes []diagnose.Change `json:"changes,omitempty"`
	Also    []string          `json:"also,omitempty"`
	// Failed is the step that failed.
	Failed *diagnose.Step  `json:"failed,omitempty"`
	Steps  []diagnose.Step `json:"steps"`
	// None is why there is no explanation.
	None string `json:"none,omitempty"`
}

const (
	// explainTimeout bounds the wait for the keys. It also bounds the wait for
	// an explanation, which begins afterwards.
	explainTimeout = 5 * time.Second
	// maxReceivers bounds how many receivers of one provider are tried for a
	// delivery.
	maxReceivers = 8
	// maxExplained bounds concurrent explanations. An explanation can outlast
	// its page, because the merchant's functions may ignore the end of their
	// context.
	maxExplained = 16
)

// explain finds out why a delivery ended as it did. It also sets d.redact,
// which removes secrets from the delivery. If several receivers are possible,
// it uses the first one that verifies the delivery. If none does, it uses the
// first one.
func (i *Inspector) explain(ctx context.Context, d *detail) diagnosis {
	out := diagnosis{Steps: []diagnose.Step{}}
	d.redact = i.redact
	receivers := i.of(d.Provider, d.receiver)
	receivers = receivers[:min(len(receivers), maxReceivers)]
	switch {
	case d.delivery == nil:
		out.None = "There is no message to explain."
		return out
	case len(receivers) == 0:
		out.None = "The inspector doesn't know the receiver, so it can't explain what it did: give it to Inspector.Add."
		return out
	}
	message := d.delivery
	known, ended := bounded(ctx, i.explaining, func(ctx context.Context) (k keysOf) {
		k.redact, k.ok = i.redactorFor(ctx, receivers, message)
		return k
	})
	if !ended || !known.ok {
		d.hidden = true
		out.None, out.Cause = keyFuncFailed, d.Detail
		return out
	}
	d.redact = known.redact
	if d.delivery.Source != payack.SourceCallback {
		out.None = "It was found by asking the provider, so there is no callback to explain."
		out.Cause = d.Detail
		return out
	}
	o := optionsOf(d)
	found, ended := bounded(ctx, i.explaining, func(ctx context.Context) explanation {
		return explained(ctx, receivers, message, o)
	})
	switch {
	case !ended:
		out.None = "It can't be explained now: Expect takes longer than " + duration(explainTimeout) + "."
		out.Cause = d.Detail
	case found.report == nil:
		out.None = "It can't be explained."
	default:
		out.take(d, &found)
	}
	out.redacted(d.redact)
	return out
}

type keysOf struct {
	redact func(string) string
	ok     bool
}

// explanation is the result of package diagnose.
type explanation struct {
	report *diagnose.Report
	advice *diagnose.Advice // nil if a receiver verified the delivery, or if the time ran out
}

// explained explains a delivery. It calls Expect at most once: Expect is only
// called for a verified delivery, and explained stops at the first receiver
// that verifies it.
func explained(ctx context.Context, receivers []*middleware.Handler, d *payack.Delivery, o diagnose.Options) (x explanation) {
	var best *middleware.Handler
	for _, h := range receivers {
		r, err := diagnose.Explain(ctx, h, d, o)
		if err != nil {
			continue
		}
		if best == nil || r.EventID != "" {
			best, x.report = h, r
		}
		if r.EventID != "" {
			return x
		}
	}
	if best != nil && ctx.Err() == nil {
		x.advice, _ = diagnose.Suggest(ctx, best, d, o) // can't fail, because Explain did not fail before
	}
	return x
}

// bounded calls fn, and waits until fn returns, ctx ends or explainTimeout has
// passed. ended is false if fn has not returned by then, or if too many calls
// are running.
func bounded[T any](ctx context.Context, places chan struct{}, fn func(context.Context) T) (out T, ended bool) {
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		cancel()
		return out, false
	}
	result := make(chan T, 1)
	go func() {
		defer func() { <-places }()
		result <- fn(ctx)
	}()
	defer cancel()
	select {
	case out = <-result:
		return out, true
	case <-ctx.Done():
		return out, false
	}
}

// optionsOf returns what is known about a delivery besides the message.
func optionsOf(d *detail) diagnose.Options {
	o := diagnose.Options{Reason: d.Reason, Redacted: d.Omitted}
	if d.delivery.Body == "" { // no body was recorded: it was empty, or did not arrive whole
		if n, err := strconv.ParseInt(http.Header(d.delivery.Header).Get("Content-Length"), 10, 64); err == nil {
			o.Length = n
		}
		o.Incomplete = d.Reason == payack.ReasonBodyRead || d.Reason == payack.ReasonTooLarge
	}
	return o
}

// take fills in the diagnosis from an explanation. It prefers the observed cause,
// d.Detail, to the report's cause if d.Detail contains the report's cause, or if
// the report has no cause or another reason.
func (x *diagnosis) take(d *detail, found *explanation) {
	r := found.report
	x.Steps = append(x.Steps, r.Steps...)
	if d.Reason == "" {
		return
	}
	x.Cause = r.Cause
	switch {
	case d.Detail == "":
	case strings.Contains(d.Detail, r.Cause):
		x.Cause = d.Detail
	case r.Cause == "" || r.Reason != d.Reason:
		x.Cause = d.Detail
	case r.EventID != "": // the delivery verified, so the report's cause is only a general text
		x.Cause += ": " + d.Detail
	}
	if a := found.advice; a != nil {
		x.Fix, x.Changes, x.Also = a.Fix, a.Changes, a.Also
	} else {
		x.Fix = r.Fix()
	}
	if r.Reason == "" {
		x.Fix = "it would be accepted now: what was wrong is gone, or depends on more than the message"
	}
	x.Failed = &diagnose.Step{Name: stepOf(d.Reason), Text: x.Cause}
}

// stepOf returns the name of the step that fails with a reason.
func stepOf(r payack.Reason) string {
	switch {
	case r.Outcome() == payack.OutcomeRefused:
		return "gate"
	case r == payack.ReasonEnvelope:
		return "envelope"
	case r == payack.ReasonMalformed, r == payack.ReasonBodyRead, r == payack.ReasonBodyConsumed:
		return "shape"
	case r == payack.ReasonSignature:
		return "signature"
	case r == payack.ReasonKeys, r == payack.ReasonUnknownTenant:
		return "key"
	case r == payack.ReasonInvalid:
		return "rule"
	case r == payack.ReasonUnexpected, r == payack.ReasonExpectation:
		return "expectation"
	case r == payack.ReasonUnconfirmed, r == payack.ReasonUnreachable:
		return "confirm"
	case r == payack.ReasonSpliced, r == payack.ReasonConflict, r == payack.ReasonBusy, r == payack.ReasonStore, r == payack.ReasonInbox:
		return "once only"
	}
	return "function"
}

// Starts reports whether step n has another name than step n-1.
func (x diagnosis) Starts(n int) bool { return n == 0 || x.Steps[n].Name != x.Steps[n-1].Name }

// hideBody leaves out the steps that repeat the message.
func (x *diagnosis) hideBody() {
	before := len(x.Steps)
	at := slices.IndexFunc(x.Steps, repeats)
	x.Steps = slices.DeleteFunc(x.Steps, repeats)
	if n := before - len(x.Steps); n > 0 {
		x.Steps = slices.Insert(x.Steps, at, diagnose.Step{Name: "message", Text: plural(n, "line is", "lines are") + " shown with the body"})
	}
}

// repeats reports whether a step quotes the message.
func repeats(s diagnose.Step) bool {
	return s.Name == "field" || s.Name == "signed text" || s.Name == "event"
}
