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

// minRedacted is the length from which a secret is taken out of texts. A shorter
// one would take out anything; it is no secret.
const minRedacted = 8

// redactor takes secrets out of texts, should a sender have put one into a
// message: as they are, and as JSON and Go quote them.
func redactor(secrets []payack.Secret) *strings.Replacer {
	var texts []string
	for _, s := range secrets {
		text := s.Reveal()
		if len(text) < minRedacted {
			continue
		}
		asJSON, _ := json.Marshal(text) // a string always can be
		texts = append(texts, text)
		for _, quoted := range []string{strconv.Quote(text), string(asJSON), string(strict.AppendQuote(nil, text))} {
			texts = append(texts, quoted[1:len(quoted)-1])
		}
	}
	// Longer ones first: one may begin with another.
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, text := range slices.Compact(texts) {
		pairs = append(pairs, text, payack.Secret{}.String())
	}
	return strings.NewReplacer(pairs...)
}

// Redactor returns a function that takes the secrets of a receiver out of texts, as
// they are taken out of what [Explain] returns. A KeyFunc is asked as by Explain. It
// returns texts as they are where there are no keys.
func Redactor(ctx context.Context, h *middleware.Handler, d *payack.Delivery) (func(text string) string, error) {
	c, err := examined(ctx, h, d, Options{})
	if err != nil {
		return nil, err
	}
	return c.redacted.Replace, nil
}

func (c *examination) redact(text string) string { return c.redacted.Replace(text) }
