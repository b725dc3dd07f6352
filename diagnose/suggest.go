package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// Advice says what to do about a delivery that is not accepted.
type Advice struct {
	// Fix is the advice in one line. It is empty for an accepted delivery.
	Fix string `json:"fix,omitempty"`
	// Verifies reports that the delivery verifies after Changes are made. If Changes
	// is empty, it verifies as it is, and only the gate refuses it. Scheme and Key
	// describe that verification; Key counts from 1.
	Verifies bool          `json:"verifies"`
	Scheme   payack.Scheme `json:"scheme,omitempty"`
	Key      int           `json:"key,omitempty"`
	// Invalid names the rule that the delivery breaks although it verifies.
	Invalid string `json:"invalid,omitempty"`
	// Changes are all to be made together.
	Changes []Change `json:"changes,omitempty"`
	// Also holds further possible causes, which can't be tested with a recording.
	Also []string `json:"also,omitempty"`
	// Trials counts verifications, at most [MaxTrials]. Checks counts signatures and
	// envelopes that were checked; the last trial may exceed [MaxChecks].
	Trials int `json:"trials"`
	Checks int `json:"checks"`
	// Cut reports that a bound or the end of the context stopped the search before
	// it found something.
	Cut bool `json:"cut,omitempty"`
}

// Change is a change of a setting, or a change that the sender or a proxy has to
// make.
type Change struct {
	// Setting names the setting. It is empty for a change outside of the receiver.
	Setting string `json:"setting,omitempty"`
	// What holds the advice in words.
	What string `json:"what"`
}

// Suggest says what to do about a delivery that a receiver does not accept. If the
// delivery itself is at fault, Suggest tries other settings and repairs, and returns
// the smallest combination under which it verifies. The search stops when the
// context ends. Suggest calls the same functions of the merchant as [Explain].
//
// Never pass a repaired delivery to a receiver. Only the delivery as it was signed
// is genuine; a repair shows what was done to it in transit.
//
// A nil receiver or delivery is an error.
func Suggest(ctx context.Context, h *middleware.Handler, d *payack.Delivery, o Options) (*Advice, error) {
	c, err := open(ctx, h, d, o)
	if err != nil {
		return nil, err
	}
	a := c.advice(c.report())
	a.Fix = c.redact(a.Fix)
	return a, nil
}

// reasons has the advice for each reason, where no setting is at fault.
var reasons = map[payack.Reason]string{
	payack.ReasonMethod:          "have it sent with POST",
	payack.ReasonContentEncoding: "have it sent without compression",
	payack.ReasonTooLarge:        "raise max_body_bytes if it is genuine",
	payack.ReasonAddress:         "add the address to allowed_addresses if it is the provider's; behind a proxy, name the proxy in trusted_proxies",
	payack.ReasonRate:            "raise rate_limit if the burst was genuine",
	payack.ReasonMalformed:       "compare it with the provider's documents; no other setting reads it",
	payack.ReasonInvalid:         "what was signed breaks a rule; ask the provider",
	payack.ReasonEnvelope:        "check the key, and whether it was changed in transit; no other setting opens it",
	payack.ReasonSignature:       "check the keys, and whether it was changed in transit; no other setting verifies it",
	payack.ReasonUnknownTenant:   "check how KeyFunc finds the tenant of this path",
	payack.ReasonSpliced:         "look for the payment that its signature belongs to; somebody may have made this from a copy of it",
	payack.ReasonUnexpected:      "compare it with the merchant's order",
	payack.ReasonUnconfirmed:     "look the payment up in the provider's back office; credit nothing that the provider does not confirm",
	payack.ReasonConflict:        "compare both deliveries with the provider's back office, and settle the difference by hand",
	payack.ReasonCallback:        "look for the error in the log; the provider sends it again",
	payack.ReasonPanic:           "look for the stack in the log; the provider sends it again",
	payack.ReasonDeadline:        "find what took so long, or raise Deadline; the provider sends it again",
	payack.ReasonBusy:            "wait for the other attempt; the provider sends it again",
	payack.ReasonUnreachable:     "wait until the provider can confirm it; the provider sends it again",
	payack.ReasonExpectation:     "look for the error of Expect in the log; the provider sends it again",
	payack.ReasonKeys:            "look for the error of KeyFunc in the log; the provider sends it again",
	payack.ReasonStore:           "look for the error of the store in the log; the provider sends it again",
	payack.ReasonInbox:           "look for the error of the inbox in the log; the provider sends it again",
	payack.ReasonBodyConsumed:    "have it sent with a body",
	payack.ReasonBodyRead:        "record it again, completely",
}

// Fix returns the advice for the report's reason, in one line. The advice is
// complete if the delivery verified (EventID is not empty). Otherwise a setting
// may be at fault: use [Suggest]. Fix returns "" for an accepted delivery.
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
		a.Fix += "; the search stopped at its bounds before everything was tried"
	}
	return a
}

// take puts the result of a search into words.
func (a *Advice) take(c *examination, r *Report, hit found) {
	refused := r.Outcome == payack.OutcomeRefused
	if !hit.ok {
		a.Also = c.unsigned()
		switch missing := c.perhapsSignature(); {
		case c.signatureRedacted():
			a.Fix = "record it again and keep the header that carries the signature; it was redacted"
		case !c.signed() && len(missing) > 0:
			a.Fix = "if the signature is in a header that was redacted (" + strings.Join(missing, ", ") + "), record it again and keep that header; otherwise it is not signed"
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
		verifies = a.Fix + "; after that, " + verifies
	}
	a.Fix = verifies
}

func prefixed(p payack.Provider, setting string) string {
	if setting == "" {
		return ""
	}
	return string(p) + "." + setting
}

// unsigned says where a missing signature may have been lost.
func (c *examination) unsigned() (causes []string) {
	names, ok := c.subject.signatureHeaders()
	if c.signed() || !ok {
		return nil
	}
	provider := c.handler.Provider()
	causes = append(causes, fmt.Sprintf("if another header carries the signature, set %s.signature_headers to its name; it is now %s", provider, strings.Join(names, " and ")))
	for _, name := range names {
		if strings.Contains(name, "_") {
			causes = append(causes, "if it is sent as "+name+", something in front may drop names with underscores: set underscores_in_headers on in nginx")
		}
	}
	return causes
}

// signed reports whether the delivery has a signature. It assumes one if the
// receiver did not read the delivery.
func (c *examination) signed() bool {
	for _, step := range c.told.Steps {
		if step.Name == "signature" {
			return true
		}
	}
	return !c.reads()
}

// signatureRedacted reports whether the recording lacks a header that is configured
// to carry the signature.
func (c *examination) signatureRedacted() bool {
	names, _ := c.subject.signatureHeaders()
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(c.options.Redacted, func(redacted string) bool { return strings.EqualFold(name, redacted) })
	})
}

// perhapsSignature returns the headers that the recording lacks and that may have
// carried the signature.
func (c *examination) perhapsSignature() []string {
	if _, ok := c.subject.signatureHeaders(); !ok {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.options.Redacted), func(name string) bool {
		return slices.Contains([]string{"authorization", "proxy-authorization", "cookie"}, strings.ToLower(name))
	})
}
