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

// diagnosis is what package diagnose says of a delivery.
type diagnosis struct {
	// Cause says what is wrong; it is empty where nothing is.
	Cause string `json:"cause,omitempty"`
	// Fix says what to do, and Changes are the settings that would take it.
	Fix     string            `json:"fix,omitempty"`
	Changes []diagnose.Change `json:"changes,omitempty"`
	Also    []string          `json:"also,omitempty"`
	// Failed is the step at which it ended.
	Failed *diagnose.Step  `json:"failed,omitempty"`
	Steps  []diagnose.Step `json:"steps"`
	// None says why there is no explanation.
	None string `json:"none,omitempty"`
}

const (
	// explainTimeout bounds the wait for the keys, and that for an explanation.
	explainTimeout = 5 * time.Second
	// maxReceivers bounds how many receivers of one provider a delivery is taken to.
	maxReceivers = 8
	// maxExplained bounds how many explanations are worked on at a time: the merchant's
	// functions may not end when they are told to.
	maxExplained = 16
)

// explain finds out why a delivery ended as it did, and what takes secrets out of it.
// Where several receivers could have been meant, it is the one that verifies it, or
// the first.
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

// explanation is what package diagnose says.
type explanation struct {
	report *diagnose.Report
	advice *diagnose.Advice // nil where something verified
}

// explained calls Expect once at the most: that is done after a delivery verified, and
// the first receiver that verifies it is the one.
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
		x.advice, _ = diagnose.Suggest(ctx, best, d, o) // no error: it was explained
	}
	return x
}

// bounded calls fn, and waits for it no longer than explainTimeout and for no longer
// than somebody is there. It is false where fn has not ended by then, or where too
// many have not.
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

// optionsOf is what is known of a delivery beside the message.
func optionsOf(d *detail) diagnose.Options {
	o := diagnose.Options{Reason: d.Reason, Redacted: d.Omitted}
	if d.delivery.Body == "" { // it was not read
		if n, err := strconv.ParseInt(http.Header(d.delivery.Header).Get("Content-Length"), 10, 64); err == nil {
			o.Length = n
		}
		o.Incomplete = d.Reason == payack.ReasonBodyRead || d.Reason == payack.ReasonTooLarge
	}
	return o
}

// take takes over an explanation. The cause is what was observed where that says more.
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
	case r.EventID != "": // the cause lies elsewhere, and is worded in general
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

// stepOf is the step that fails for a reason, named as the steps are.
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

// Starts reports whether a step has another name than the one before.
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

// repeats reports whether a step says what stands in the message.
func repeats(s diagnose.Step) bool {
	return s.Name == "field" || s.Name == "signed text" || s.Name == "event"
}
