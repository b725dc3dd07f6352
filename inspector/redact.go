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

// keyFuncFailed says why a message isn't shown.
const keyFuncFailed = "KeyFunc fails at this moment, so the keys aren't known. The message isn't shown: it could hold one. Open the page again later."

// redactorOf returns what takes a receiver's keys out of texts, nil where a KeyFunc
// has them.
func redactorOf(h *middleware.Handler) (func(string) string, error) {
	if _, static := h.Tenant(); !static {
		return nil, nil
	}
	return diagnose.Redactor(context.Background(), h, &payack.Delivery{Provider: h.Provider()})
}

// redact takes the keys of all receivers out of a text, whichever the text came to.
// Those that a KeyFunc has are known for one delivery only.
func (i *Inspector) redact(text string) string {
	i.mu.Lock()
	all := i.redactors
	i.mu.Unlock()
	for _, r := range all {
		text = r(text)
	}
	return text
}

// redactorFor returns what takes keys out of a delivery: those of all receivers, and
// those that the KeyFuncs of its own have for it. It is false where one of them fails,
// as its keys are then unknown. That a path has no tenant is no failure.
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

// redacted takes secrets out of all that a sender, a function or a person wrote.
func (e *Entry) redacted(redact func(string) string) *Entry {
	for _, text := range []*string{&e.Detail, &e.Order, &e.Transaction, &e.Reference, &e.EventID, &e.Amount, &e.Status, &e.Note} {
		*text = redact(*text)
	}
	return e
}

// redacted takes secrets out of an explanation.
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

// redactMessage takes secrets out of a message, those too that are spelled with the
// escapes of JSON or of a form.
func redactMessage(raw string, redact func(string) string) string {
	text := redact(raw)
	if strings.Contains(text, `\`) {
		text = jsonString.ReplaceAllStringFunc(text, func(literal string) string {
			var s string
			if json.Unmarshal([]byte(literal), &s) != nil || redact(s) == s {
				return literal
			}
			quoted, _ := json.Marshal(redact(s)) // a string always can be
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

// maxNamePart is how long a part of a shown header's name is at the most.
const maxNamePart = 16

// shownNames are the names of dropped headers, without those that could be a key: a
// server writes names in its own mixture of capitals, so a key is not recognized.
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

// isPlainName reports whether a name is made of short words.
func isPlainName(name string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' }) {
		if len(part) > maxNamePart || strings.ContainsFunc(part, func(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }) {
			return false
		}
	}
	return true
}

// hasKeys reports whether a KeyFunc answered: with keys, or that there are none.
func hasKeys(ctx context.Context, h *middleware.Handler, d *payack.Delivery) (ok bool) {
	defer func() { _ = recover() }() // then it is false
	_, _, err := h.Verifier(ctx, d)
	return err == nil || errors.Is(err, payack.ErrUnknownTenant)
}
