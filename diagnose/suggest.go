package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// Advice is what to do about a delivery that is not accepted.
type Advice struct {
	// Fix is one line for a person. It is empty for what is accepted.
	Fix string `json:"fix,omitempty"`
	// Verifies reports that the delivery verifies once the changes are made; without
	// changes it does as it is, and only the gate is in its way. Scheme and Key, from
	// 1, say how.
	Verifies bool          `json:"verifies"`
	Scheme   payack.Scheme `json:"scheme,omitempty"`
	Key      int           `json:"key,omitempty"`
	// Invalid says which rule it breaks even then, with its signature right.
	Invalid string   `json:"invalid,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	// Also are causes that can't be tried from a recording.
	Also []string `json:"also,omitempty"`
	// Trials and Checks are how often it was verified and how many signatures and
	// envelopes that took. They are at most [MaxTrials], and [MaxChecks] and those of
	// one trial.
	Trials int `json:"trials"`
	Checks int `json:"checks"`
	// Cut reports that the search came to its bounds, or the context to its end,
	// before everything was tried.
	Cut bool `json:"cut,omitempty"`
}

// Change is a setting to change, or something to be done by the sender or by what
// stands in front.
type Change struct {
	// Setting names the setting; it is empty for what is not the receiver's.
	Setting string `json:"setting,omitempty"`
	// What says what to do.
	What string `json:"what"`
}

// Suggest says what to do about a delivery that a receiver does not accept. Where
// the delivery itself is at fault, it tries other settings and repairs and
// returns the nearest combination under which it verifies. It holds nothing,
// changes nothing and asks nobody but Expect and KeyFunc, as [Explain] does; a
// context that ends, ends the search.
//
// What a repair has changed must not be fed to a receiver: a delivery is genuine
// as it was signed, and a repair only shows what was done to it on its way.
//
// The error is for a nil receiver or delivery.
func Suggest(ctx context.Context, h *middleware.Handler, d *payack.Delivery, o Options) (*Advice, error) {
	c, err := open(ctx, h, d, o)
	if err != nil {
		return nil, err
	}
	a := c.advice(c.report())
	a.Fix = c.redact(a.Fix)
	return a, nil
}

// reasons are what to do where no setting is to blame.
var reasons = map[payack.Reason]string{
	payack.ReasonMethod:          "have it sent with POST",
	payack.ReasonContentEncoding: "have it sent without compression",
	payack.ReasonTooLarge:        "raise max_body_bytes if it is genuine",
	payack.ReasonAddress:         "add the address to allowed_addresses if it is the provider's; behind a proxy, name the proxy in trusted_proxies",
	payack.ReasonRate:            "raise rate_limit if the burst was genuine",
	payack.ReasonMalformed:       "compare it with the provider's documents; no other setting reads it",
	payack.ReasonInvalid:         "what was signed breaks a rule; ask the provider",
	payack.ReasonEnvelope:        "check the key, and whether it was changed on its way; no other setting opens it",
	payack.ReasonSignature:       "check the keys, and whether it was changed on its way; no other setting verifies it",
	payack.ReasonUnknownTenant:   "look how KeyFunc finds the tenant of this path",
	payack.ReasonSpliced:         "look for the payment that its signature belongs to; somebody may have made this from a copy of it",
	payack.ReasonUnexpected:      "compare it with the order that was made",
	payack.ReasonUnconfirmed:     "look the payment up in the provider's back office; without its word nothing was paid",
	payack.ReasonConflict:        "compare both deliveries with the provider's back office, and settle the difference by hand",
	payack.ReasonCallback:        "look for the error in the log; the provider sends it again",
	payack.ReasonPanic:           "look for the stack in the log; the provider sends it again",
	payack.ReasonDeadline:        "look what took so long, or raise Deadline; the provider sends it again",
	payack.ReasonBusy:            "wait for the other one; the provider sends it again",
	payack.ReasonUnreachable:     "wait until the provider confirms it; it sends it again",
	payack.ReasonExpectation:     "look for the error of Expect in the log; the provider sends it again",
	payack.ReasonKeys:            "look for the error of KeyFunc in the log; the provider sends it again",
	payack.ReasonStore:           "look for the error of the store in the log; the provider sends it again",
	payack.ReasonInbox:           "look for the error of the inbox in the log; the provider sends it again",
	payack.ReasonBodyConsumed:    "have it sent with a body",
	payack.ReasonBodyRead:        "record it again, whole",
}

// Fix is what to do where no setting is to blame, in one line. That is so where
// something verified (EventID is not empty); for the rest use [Suggest], which tries
// settings. It is empty for what is accepted.
func (r *Report) Fix() string { return reasons[r.Reason] }

func (c *examination) advice(r *Report) *Advice {
	a := &Advice{}
	if r.Reason == "" {
		return a
	}
	a.Fix = reasons[r.Reason]
	if c.subject == nil {
		return a
	}
	if r.Reason == payack.ReasonContentType {
		a.Fix = "have it announced as " + c.types()
		if c.subject.acceptsOther(c.message.ContentType) {
			a.Fix += fmt.Sprintf(", or set %s.body to that format", r.Provider)
		} else if c.own.sniff != "" && c.subject.accepts(jsonType) {
			a.Fix += fmt.Sprintf(", or set %s to true if it is JSON", c.own.sniff)
		}
	}
	if c.options.Incomplete || r.EventID != "" || c.message.Body == "" {
		return a
	}
	b := &budget{ctx: c.ctx, keys: len(c.subject.secrets())}
	hit := c.subject.search(c.message, b)
	a.Trials, a.Checks, a.Cut = b.trials, b.checks, b.cut && !hit.ok
	a.take(c, r, hit)
	if a.Cut {
		a.Fix += "; not everything was tried, the search has bounds"
	}
	return a
}

// take words what a search has found.
func (a *Advice) take(c *examination, r *Report, hit found) {
	refused := r.Outcome == payack.OutcomeRefused
	if !hit.ok {
		a.Also = c.unsigned()
		switch missing := c.perhapsSignature(); {
		case c.signatureRedacted():
			a.Fix = "record it again with the header kept that carries the signature; it was redacted"
		case !c.signed() && len(missing) > 0:
			a.Fix = "if the signature is in a header that was redacted (" + strings.Join(missing, ", ") + "), record it again with that one kept; otherwise it is not signed"
		case refused:
			a.Fix += "; but it does not verify with these keys, whatever the settings"
		}
		return
	}
	by := hit.told.Event.VerifiedBy()
	a.Verifies, a.Scheme, a.Key, a.Changes = true, by.Scheme, by.Key+1, hit.changes
	verifies := fmt.Sprintf("it verifies under scheme %s with key %d", a.Scheme, a.Key)
	whats := make([]string, len(a.Changes))
	for i := range a.Changes {
		a.Changes[i].Setting = prefixed(r.Provider, a.Changes[i].Setting)
		a.Changes[i].What = c.redact(a.Changes[i].What)
		whats[i] = a.Changes[i].What
	}
	if len(whats) > 0 {
		verifies += ": " + strings.Join(whats, ", and ")
	}
	if e, ok := hit.told.Err.(*payack.Error); ok {
		a.Invalid = e.Detail
		verifies += "; but it is invalid then: " + a.Invalid
	}
	if refused && (r.Reason != payack.ReasonContentType || len(a.Changes) == 0) {
		verifies = a.Fix + "; apart from that " + verifies
	}
	a.Fix = verifies
}

func prefixed(p payack.Provider, setting string) string {
	if setting == "" {
		return ""
	}
	return string(p) + "." + setting
}

// unsigned says where a signature may have got lost that nothing was found of.
func (c *examination) unsigned() (causes []string) {
	names, ok := c.subject.signatureHeaders()
	if c.signed() || !ok {
		return nil
	}
	provider := c.handler.Provider()
	causes = append(causes, fmt.Sprintf("if another header carries the signature, set %s.signature_headers to its name; taken are %s", provider, strings.Join(names, " and ")))
	for _, name := range names {
		if strings.Contains(name, "_") {
			causes = append(causes, "if it is sent as "+name+", something in front may drop names with underscores: set underscores_in_headers on in nginx")
		}
	}
	return causes
}

// signed reports whether a signature was found in it.
func (c *examination) signed() bool {
	for _, step := range c.told.Steps {
		if step.Name == "signature" {
			return true
		}
	}
	return !c.reads() // nobody has looked
}

// signatureRedacted reports whether the recording left out a header that the
// signature may be in.
func (c *examination) signatureRedacted() bool {
	names, _ := c.subject.signatureHeaders()
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(c.options.Redacted, func(redacted string) bool { return strings.EqualFold(name, redacted) })
	})
}

// perhapsSignature names the headers that the recording left out and in which a
// signature may be.
func (c *examination) perhapsSignature() []string {
	if _, ok := c.subject.signatureHeaders(); !ok {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.options.Redacted), func(name string) bool {
		return slices.Contains([]string{"authorization", "proxy-authorization", "cookie"}, strings.ToLower(name))
	})
}
