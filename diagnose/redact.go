package diagnose

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/strict"
	"github.com/payack/payack/middleware"
)

// minRedacted is the length in bytes of the shortest secret that is redacted. A
// shorter one would match ordinary text.
const minRedacted = 8

// redactor returns a replacer that redacts secrets, because a sender may have
// written them into a message. It finds them unquoted, and as JSON and Go quote
// them.
func redactor(secrets []payack.Secret) *strings.Replacer {
	var texts []string
	for _, s := range secrets {
		text := s.Reveal()
		if len(text) < minRedacted {
			continue
		}
		asJSON, _ := json.Marshal(text) // never fails for a string
		texts = append(texts, text)
		for _, quoted := range []string{strconv.Quote(text), string(asJSON), string(strict.AppendQuote(nil, text))} {
			texts = append(texts, quoted[1:len(quoted)-1])
		}
	}
	// Longer texts first, because one text may begin with another.
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, text := range slices.Compact(texts) {
		pairs = append(pairs, text, payack.Secret{}.String())
	}
	return strings.NewReplacer(pairs...)
}

// Redactor returns a function that redacts a receiver's secrets in a text, as
// [Explain] does in its report. It calls KeyFunc once to find the keys. Without
// keys the function changes nothing. A nil receiver or delivery is an error. The
// function is safe for concurrent use.
func Redactor(ctx context.Context, h *middleware.Handler, d *payack.Delivery) (func(text string) string, error) {
	c, err := examined(ctx, h, d, Options{})
	if err != nil {
		return nil, err
	}
	return c.redacted.Replace, nil
}

func (c *examination) redact(text string) string { return c.redacted.Replace(text) }
