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
	// explainTimeout bounds the search for a setting.
	explainTimeout = 5 * time.Second
	// maxReceivers bounds how many receivers of one provider a delivery is taken to.
	maxReceivers = 8
)

// explain finds out why a delivery ended as it did. Where several receivers could
// have been meant, it is the one that verifies it, or the first.
func (i *Inspector) explain(ctx context.Context, d *detail) diagnosis {
	out := diagnosis{Steps: []diagnose.Step{}}
	receivers := i.of(d.Provider, d.receiver)
	switch {
	case d.delivery == nil:
		out.None = "There is no message to explain."
		return out
	case len(receivers) == 0:
		out.None = "The inspector doesn't know the receiver, so it can't explain what it did: give it to Inspector.Add."
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	d.redact, _ = diagnose.Redactor(ctx, receivers[0], d.delivery)
	if d.delivery.Source != payack.SourceCallback {
		out.None = "It was found by asking the provider, so there is no callback to explain."
		out.Cause = d.Detail
		return out
	}
	o := optionsOf(d)
	var best *middleware.Handler
	var report *diagnose.Report
	for _, h := range receivers[:min(len(receivers), maxReceivers)] {
		r, err := diagnose.Explain(ctx, h, d.delivery, o)
		if err == nil && (report == nil || report.EventID == "" && r.EventID != "") {
			best, report = h, r
		}
	}
	if report == nil {
		out.None = "It can't be explained."
		return out
	}
	d.redact, _ = diagnose.Redactor(ctx, best, d.delivery)
	out.take(d, report)
	if d.Reason == "" {
		return out
	}
	if a, err := diagnose.Suggest(ctx, best, d.delivery, o); err == nil {
		out.Fix, out.Changes, out.Also = a.Fix, a.Changes, a.Also
	}
	return out
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

// take takes over a report. The cause is what was observed where that says more.
func (x *diagnosis) take(d *detail, r *diagnose.Report) {
	x.Steps = append(x.Steps, r.Steps...)
	if d.Reason == "" {
		return
	}
	x.Cause = r.Cause
	switch {
	case d.Detail == "":
	case strings.Contains(d.Detail, r.Cause):
		x.Cause = d.redact(d.Detail)
	case r.Cause == "" || r.Reason != d.Reason:
		x.Cause = d.redact(d.Detail)
	case r.EventID != "": // the cause lies elsewhere, and is worded in general
		x.Cause += ": " + d.redact(d.Detail)
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
