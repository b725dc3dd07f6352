package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/diagnose"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

func runInspect(ctx context.Context, std stdio, args []string) error {
	fs := newFlags(std, "inspect", "inspect PROVIDER -config FILE [FILE|-]\n\nFILE is a recording, the dump of a request or a bare body; - or none is\nstandard input.",
		"payack inspect pts -config payack.json recording.json")
	file := fs.String("config", "", "the receiver's configuration `file`")
	operands, err := parseOperands(fs, args, 2)
	if err != nil {
		return err
	}
	if len(operands) == 0 {
		return missingProvider("inspect")
	}
	c, err := loadConfig(*file)
	if err != nil {
		return err
	}
	p, err := c.provider(operands[0])
	if err != nil {
		return usageError{err}
	}
	i := &inspection{config: c, provider: p}
	o := middleware.Options{MaxBody: c.MaxBodyBytes, Logger: slog.New(slog.DiscardHandler)}
	if i.handler, err = c.handler(p, o, nothing); err != nil {
		return usageError{err}
	}
	if i.rec, err = loadOne(std.in, append(operands, "-")[1]); err != nil {
		return usageError{err}
	}
	failure, err := i.run(ctx)
	if err != nil {
		return err
	}
	if _, err := std.out.Write(c.redact(i.out.Bytes())); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return failure
}

// loadOne loads a delivery from a file, or from standard input.
func loadOne(stdin io.Reader, file string) (payacktest.Recorded, error) {
	rec, err := payacktest.Recorded{}, error(nil)
	if file == "-" {
		file = "standard input"
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(stdin, payacktest.MaxFile+1)); err == nil {
			rec, err = payacktest.Parse(data)
		}
	} else {
		rec, err = payacktest.Load(file)
	}
	if err != nil {
		return rec, loadError(file, err)
	}
	return rec, nil
}

// inspection checks one recorded delivery with a configuration.
type inspection struct {
	config   *config
	provider payack.Provider
	handler  *middleware.Handler
	rec      payacktest.Recorded
	out      bytes.Buffer
}

// line writes one line: a step and its text.
func (i *inspection) line(step, format string, args ...any) {
	fmt.Fprintf(&i.out, "%-11s  %s\n", step, plain(fmt.Sprintf(format, args...)))
}

// run writes all steps. failure is set for a delivery that would not be accepted.
func (i *inspection) run(ctx context.Context) (failure, err error) {
	i.recorded()
	rec := &i.rec
	// Opened shows the contents of envelopes that don't verify. That is safe,
	// because the person at the terminal has the keys.
	o := diagnose.Options{Length: rec.ContentLength(), Incomplete: rec.Incomplete, Redacted: rec.Redacted, Opened: true}
	d := &payack.Delivery{Method: rec.Method, Path: rec.Path, Header: rec.Header, Body: string(rec.Body)}
	report, err := diagnose.Explain(ctx, i.handler, d, o)
	if err != nil {
		return nil, err
	}
	for _, step := range report.Steps {
		text := step.Text
		if asked := i.config.sections[i.provider].asked(report.Event); step.Name == "confirm" && asked != "" {
			text = strings.Replace(text, "the provider", asked, 1)
		}
		i.line(step.Name, "%s", text)
	}
	if report.Outcome == payack.OutcomeAccepted {
		i.line("accepted", "%s", report.EventID)
	} else {
		advice, err := diagnose.Suggest(ctx, i.handler, d, o)
		if err != nil {
			return nil, err
		}
		why, fix := string(report.Reason), advice.Fix
		// Leave out the cause of a refusal at the gate (before the body is read), because
		// an earlier line of the output gives it with the names of the configuration.
		if report.Cause != "" && report.Outcome != payack.OutcomeRefused && report.Cause != why {
			why += ": " + reworded(i.provider, report.Cause)
		}
		if own := registry[i.provider].fixes[report.Reason]; own != "" && !advice.Verifies {
			fix = own
		}
		i.line(string(report.Outcome), "%s", why)
		i.line("fix", "%s", fix)
		failure = fmt.Errorf("it would be %s: %s; %s", report.Outcome, why, fix)
	}
	i.line("answer", "%s", answerText(report.Answer))
	i.line("left out", "once only, rate limits, addresses and the path: they are not the delivery's own")
	return failure, nil
}

// recorded shows what was recorded.
func (i *inspection) recorded() {
	rec := &i.rec
	length := "no length announced (chunked)"
	if n := rec.ContentLength(); n >= 0 {
		length = fmt.Sprintf("%d bytes announced", n)
	}
	i.line("recorded", "%s %s, %s, %s", cmp.Or(rec.Method, http.MethodPost), rec.Path, contentTypes(rec), length)
	if rec.Incomplete {
		i.line("recorded", "%d bytes of the body only: it was cut, or not read to its end", len(rec.Body))
	}
	if len(rec.Redacted) > 0 {
		i.line("recorded", "without what was redacted: %s", strings.Join(rec.Redacted, ", "))
	}
	if rec.Provider != "" && rec.Provider != i.provider {
		i.line("recorded", "by a receiver of %s", rec.Provider)
	}
	if rec.Outcome != "" {
		i.line("recorded", "it was %s", word(rec.Outcome, rec.Reason))
	}
	if rec.Answer.Status != 0 {
		i.line("recorded", "it was answered %s", answerText(rec.Answer))
	}
}

func contentTypes(rec *payacktest.Recorded) string {
	return cmp.Or(strings.Join(rec.Header["Content-Type"], " and "), "no content type")
}

func answerText(a payack.Answer) string {
	return fmt.Sprintf("%d, %s, %s", a.Status, cmp.Or(a.ContentType, "no content type"), cmp.Or(a.Body, "empty"))
}

// plain escapes text from outside, so that it can neither start a new line nor
// control the terminal. It uses the escapes of JSON, and \xNN for a byte that is
// not UTF-8.
func plain(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case strconv.IsPrint(r) && !(r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError))):
			b.WriteRune(r)
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
		}
	}
	return b.String()
}

// redact removes the configured secrets from a text, in case a sender put one
// into a message. It skips short secrets, which could match anything.
func (c *config) redact(text []byte) []byte {
	var secrets []string
	for _, section := range c.sections {
		secrets = append(secrets, section.secrets()...)
	}
	secrets = append(secrets, c.databaseSecrets()...)
	secrets = append(secrets, c.AdminToken)
	if c.Forward != nil {
		secrets = append(secrets, c.Forward.Secret)
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // longest first, since one secret may begin with another
	for _, s := range secrets {
		if len(s) >= minRedacted {
			text = bytes.ReplaceAll(text, []byte(s), []byte(payack.Secret{}.String()))
		}
	}
	return text
}

const minRedacted = 8
