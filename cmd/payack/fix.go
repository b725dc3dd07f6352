package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// reasons are what to do where no setting is to blame, and where the provider
// has no fix of its own.
var reasons = map[payack.Reason]string{
	payack.ReasonMethod:          "have it sent with POST",
	payack.ReasonContentEncoding: "have it sent without compression",
	payack.ReasonTooLarge:        "raise max_body_bytes if it is genuine",
	payack.ReasonMalformed:       "compare it with the provider's documents; no other setting reads it",
	payack.ReasonInvalid:         "what was signed breaks a rule; ask the provider",
	payack.ReasonEnvelope:        "check the key, and whether it was changed on its way; no other setting opens it",
	payack.ReasonSignature:       "check the keys, and whether it was changed on its way; no other setting verifies it",
	payack.ReasonUnexpected:      "compare it with the order that was made",
	payack.ReasonBodyConsumed:    "have it sent with a body",
	payack.ReasonBodyRead:        "record it again, whole",
}

// fix says what to do about a delivery that is not accepted: what goes with
// the reason, or other settings under which it verifies.
func (i *inspection) fix() string {
	o := &i.seen
	reason := cmp.Or(registry[i.provider].fixes[o.Reason], reasons[o.Reason])
	if o.Reason == payack.ReasonContentType {
		reason = "have it announced as " + i.types()
		if i.fitsOtherBody() {
			reason += fmt.Sprintf(", or set %s.body to that format", i.provider)
		} else if i.reader.accepts(jsonType) {
			reason += fmt.Sprintf(", or set %s.sniff to true if it is JSON", i.provider)
		}
	}
	if i.rec.Incomplete || o.EventID != "" {
		return reason
	}
	verifies, changes := i.config.sections[i.provider].search(i.rec.Message())
	if len(changes) > 0 {
		verifies += ": " + strings.Join(changes, ", and ")
	}
	switch {
	case verifies == "" && i.signatureRedacted():
		return "record it again with the header kept that carries the signature; it was redacted"
	case verifies == "" && i.unsigned && len(i.perhapsSignature()) > 0:
		return "if the signature is in a header that was redacted (" + strings.Join(i.perhapsSignature(), ", ") + "), record it again with that one kept; otherwise it is not signed"
	case verifies == "" && o.Outcome == payack.OutcomeRefused:
		return reason + "; but it does not verify with these keys, whatever the settings"
	case verifies == "":
		return reason
	case o.Outcome == payack.OutcomeRefused && (o.Reason != payack.ReasonContentType || len(changes) == 0):
		return reason + "; apart from that " + verifies
	}
	return verifies
}

// fitsOtherBody reports whether the content type is that of the format that is
// not configured. That is all there is to go by where no body was read.
func (i *inspection) fitsOtherBody() bool {
	r, ok, err := i.config.sections[i.provider].readerOfOtherBody()
	return ok && err == nil && r.accepts(i.rec.Header.Get("Content-Type"))
}

// signatureRedacted reports whether the recording left out a header that the
// signature may be in.
func (i *inspection) signatureRedacted() bool {
	names, _ := i.config.sections[i.provider].signatureHeaders()
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(i.rec.Redacted, func(redacted string) bool { return strings.EqualFold(name, redacted) })
	})
}

// perhapsSignature names the headers that the recording left out and in which a
// signature may be.
func (i *inspection) perhapsSignature() []string {
	if _, ok := i.config.sections[i.provider].signatureHeaders(); !ok {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(i.rec.Redacted), func(name string) bool {
		return slices.Contains([]string{"authorization", "proxy-authorization", "cookie"}, strings.ToLower(name))
	})
}

// change is another setting of a configuration, or another announcement.
type change[C any] struct {
	// what to do, with %s for the scheme that then matches.
	what  string
	apply func(c *C, m *verify.Message)
}

// search tries every choice of at most one change of each kind, beginning with
// none. Settings that contradict each other are no configuration and are passed
// over.
func search[C any](c C, m verify.Message, read func(*C) (reader, error), kinds [][]change[C]) (verifies string, changes []string) {
	choices := [][]change[C]{nil}
	for _, kind := range kinds {
		for _, choice := range choices {
			for _, ch := range kind {
				choices = append(choices, append(slices.Clone(choice), ch))
			}
		}
	}
	slices.SortStableFunc(choices, func(a, b []change[C]) int { return cmp.Compare(len(a), len(b)) })
	for _, choice := range choices {
		other, message := c, m
		for _, ch := range choice {
			ch.apply(&other, &message)
		}
		r, err := read(&other)
		if err != nil {
			continue
		}
		told := r.explain(message)
		if told.Err != nil {
			continue
		}
		v := told.Event.VerifiedBy()
		for _, ch := range choice {
			changes = append(changes, strings.ReplaceAll(ch.what, "%s", string(v.Scheme)))
		}
		return fmt.Sprintf("it verifies under scheme %s with key %d", v.Scheme, v.Key+1), changes
	}
	return "", nil
}

func otherBody(b verify.Body) verify.Body {
	if b == verify.BodyForm {
		return verify.BodyJSON
	}
	return verify.BodyForm
}

// announce is another content type. For JSON, sniffing does the same.
func announce[C any](p payack.Provider, contentType string) change[C] {
	what := "have it announced as " + contentType
	if contentType == jsonType {
		what += fmt.Sprintf(", or set %s.sniff to true", p)
	}
	return change[C]{what, func(_ *C, m *verify.Message) { m.ContentType = contentType }}
}
