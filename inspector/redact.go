package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/middleware"
)

// keyFuncFailed is shown in place of a message.
const keyFuncFailed = "KeyFunc fails at this moment, so the keys aren't known. The message isn't shown: it could hold one. Open the page again later."

// redactorOf returns a function that removes a receiver's keys from a text. It
// returns nil if the keys come from a KeyFunc.
func redactorOf(h *middleware.Handler) (func(string) string, error) {
	if _, static := h.Tenant(); !static {
		return nil, nil
	}
	return diagnose.Redactor(context.Background(), h, &payack.Delivery{Provider: h.Provider()})
}

// redact removes the keys of all receivers from a text, whichever receiver the
// text came to. It does not know the keys of a KeyFunc, which depend on the
// delivery.
func (i *Inspector) redact(text string) string {
	i.mu.Lock()
	all := i.redactors
	i.mu.Unlock()
	for _, r := range all {
		text = r(text)
	}
	return text
}

// redactorFor returns a function that removes keys from a delivery: the keys of
// all receivers, and the keys that the KeyFuncs of the given receivers return
// for the delivery. ok is false if a KeyFunc fails, because its keys are then
// unknown. A KeyFunc that finds no tenant for the delivery has not failed.
func (i *Inspector) redactorFor(ctx context.Context, receivers []*middleware.Handler, d *payack.Delivery) (redact func(string) string, ok bool) {
	redact = i.redact
	for _, h := range receivers {
		if _, static := h.Tenant(); static {
			continue
		}
		if !hasKeys(ctx, h, d) {
			return redact, false
		}
		own, err := diagnose.Redactor(ctx, h, d)
		if err != nil {
			return redact, false
		}
		before := redact
		redact = func(text string) string { return own(before(text)) }
	}
	return redact, true
}

// redacted removes secrets from everything that a sender, a function or a person
// wrote.
func (e *Entry) redacted(redact func(string) string) *Entry {
	for _, text := range []*string{&e.Detail, &e.Order, &e.Transaction, &e.Reference, &e.EventID, &e.Amount, &e.Status, &e.Note} {
		*text = redact(*text)
	}
	return e
}

// redacted removes secrets from an explanation.
func (x *diagnosis) redacted(redact func(string) string) {
	x.Cause, x.Fix = redact(x.Cause), redact(x.Fix)
	for n := range x.Changes {
		x.Changes[n].What = redact(x.Changes[n].What)
	}
	for n := range x.Also {
		x.Also[n] = redact(x.Also[n])
	}
	for n := range x.Steps {
		x.Steps[n].Text = redact(x.Steps[n].Text)
	}
	if x.Failed != nil {
		x.Failed.Text = redact(x.Failed.Text)
	}
}

var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// redactMessage removes secrets from a message, even if they are written with
// escapes of JSON or of a form.
func redactMessage(raw string, redact func(string) string) string {
	text := redact(raw)
	if strings.Contains(text, `\`) {
		text = jsonString.ReplaceAllStringFunc(text, func(literal string) string {
			var s string
			if json.Unmarshal([]byte(literal), &s) != nil || redact(s) == s {
				return literal
			}
			quoted, _ := json.Marshal(redact(s)) // a string always encodes
			return string(quoted)
		})
	}
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		n := strings.IndexAny(text, "&=")
		if n < 0 {
			n = len(text)
		}
		part := text[:n]
		if s := unescaped(part); redact(s) != s {
			part = url.QueryEscape(redact(s))
		}
		out.WriteString(part)
		out.WriteString(text[n:min(n+1, len(text))])
		text = text[min(n+1, len(text)):]
	}
	return out.String()
}

// maxNamePart bounds each part of a header's name that is shown.
const maxNamePart = 16

// shownNames returns the names of dropped headers, and the number of names that
// are not shown because they could be a key. net/http changes the case of names,
// so redact alone might not recognise a key.
func shownNames(names []string, redact func(string) string) (shown []string, others int) {
	shown = []string{}
	for _, name := range names {
		if isPlainName(name) && redact(name) == name && redact(strings.ToLower(name)) == strings.ToLower(name) && redact(strings.ToUpper(name)) == strings.ToUpper(name) {
			shown = append(shown, name)
			continue
		}
		others++
	}
	return shown, others
}

// isPlainName reports whether a name consists of short words.
func isPlainName(name string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' }) {
		if len(part) > maxNamePart || strings.ContainsFunc(part, func(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }) {
			return false
		}
	}
	return true
}

// hasKeys reports whether a KeyFunc gives an answer for a delivery: the keys, or
// that there is no such tenant.
func hasKeys(ctx context.Context, h *middleware.Handler, d *payack.Delivery) (ok bool) {
	defer func() { _ = recover() }() // after a panic, hasKeys returns false
	_, _, err := h.Verifier(ctx, d)
	return err == nil || errors.Is(err, payack.ErrUnknownTenant)
}
