package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
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
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

func runInspect(_ context.Context, std stdio, args []string) error {
	fs := newFlags(std, "inspect", "inspect PROVIDER -config FILE [FILE|-]\n\nFILE is a recording, the dump of a request or a bare body; - or none is standard input.",
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
	// Nothing of this is limited by who sends, or how often.
	o := middleware.Options{MaxBody: c.MaxBodyBytes, Logger: slog.New(slog.DiscardHandler)}
	i := &inspection{config: c, provider: p}
	o.Observer = payack.ObserverFunc(func(_ context.Context, seen *payack.Observation) { i.seen = *seen })
	c.sections[p].pretend(&i.asks)
	if i.handler, err = c.handler(p, o, nothing); err != nil {
		return usageError{err}
	}
	if i.reader, err = c.reader(p); err != nil {
		return usageError{err}
	}
	if i.rec, err = loadOne(std.in, append(operands, "-")[1]); err != nil {
		return usageError{err}
	}
	failure := i.run()
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

// inspection is one recorded delivery on its way through a configuration.
type inspection struct {
	config   *config
	provider payack.Provider
	handler  http.Handler
	reader   reader
	rec      payacktest.Recorded
	seen     payack.Observation // what the handler made of it
	asks     string             // what the provider would be asked
	unsigned bool               // no signature was found in it
	out      bytes.Buffer
}

// line writes one line: a step and what is to be said of it.
func (i *inspection) line(step, format string, args ...any) {
	fmt.Fprintf(&i.out, "%-11s  %s\n", step, plain(fmt.Sprintf(format, args...)))
}

// run writes all steps. The error is for a delivery that would not be accepted.
func (i *inspection) run() error {
	i.recorded()
	i.gate()
	given, err := answerOf(i.rec.Deliver(i.handler))
	if err != nil {
		return err
	}
	o := &i.seen
	if i.rec.Incomplete && o.Outcome == payack.OutcomeFailed { // ours, for want of the rest
		o.Reason, o.Err = payack.ReasonBodyRead, nil
	}
	if o.Outcome != payack.OutcomeRefused && o.Reason != payack.ReasonBodyRead {
		told := i.reader.explain(i.rec.Message())
		i.unsigned = !slices.ContainsFunc(told.Steps, func(step verify.Step) bool { return step.Name == "signature" })
		for _, step := range told.Steps {
			i.line(step.Name, "%s", step.Text)
		}
		if told.Event != nil {
			i.line("verified", "under scheme %s with key %d", told.Event.VerifiedBy().Scheme, told.Event.VerifiedBy().Key+1)
			i.line("event", "%s", eventJSON(told.Event))
		}
		if i.asks != "" {
			i.line("confirm", "would be confirmed by asking %s; that is left out, and what follows is for the answer that it is paid", i.asks)
		}
	}
	var failure error
	if o.Outcome == payack.OutcomeAccepted {
		i.line("accepted", "%s", o.EventID)
	} else {
		why := string(o.Reason)
		// What the gate refuses is said above, by the configuration's names.
		if e, ok := errors.AsType[*payack.Error](o.Err); ok && e.Detail != "" && o.Outcome != payack.OutcomeRefused {
			why += ": " + e.Detail
		}
		fix := i.fix()
		i.line(string(o.Outcome), "%s", why)
		i.line("fix", "%s", fix)
		failure = fmt.Errorf("it would be %s: %s; %s", o.Outcome, why, fix)
	}
	i.line("answer", "%s", answerText(given))
	i.line("left out", "once only, rate limits, addresses and the path: they are not the delivery's own")
	return failure
}

// recorded tells what there is.
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

// gate says what the gate looks at, in its order. What it decides is decided by
// the handler.
func (i *inspection) gate() {
	say := func(ok bool, what, otherwise string) {
		if ok {
			i.line("gate", "%s: taken", what)
		} else {
			i.line("gate", "%s: refused; %s", what, otherwise)
		}
	}
	rec := &i.rec
	method := cmp.Or(rec.Method, http.MethodPost)
	say(method == http.MethodPost, method, "only POST is taken")

	limit := i.maxBody()
	size := max(rec.ContentLength(), int64(len(rec.Body)))
	say(size <= limit, fmt.Sprintf("%d bytes", size), fmt.Sprintf("max_body_bytes is %d", limit))

	types := rec.Header["Content-Type"]
	ok := len(types) == 0 && i.reader.accepts("") || len(types) == 1 && i.reader.accepts(types[0])
	say(ok, contentTypes(rec), "taken is "+i.types())

	compressed := slices.DeleteFunc(slices.Clone(rec.Header["Content-Encoding"]), func(e string) bool {
		return e == "" || strings.EqualFold(e, "identity")
	})
	say(len(compressed) == 0, cmp.Or(strings.Join(compressed, " and "), "no compression"), "only bodies without compression are taken")
}

func (i *inspection) maxBody() int64 { return cmp.Or(i.config.MaxBodyBytes, middleware.DefaultMaxBody) }

// types names the content types that would be taken.
func (i *inspection) types() string {
	if i.reader.accepts("") {
		return "one of any type"
	}
	var taken []string
	for _, t := range []string{jsonType, textType, formType} {
		if i.reader.accepts(t) {
			taken = append(taken, t)
		}
	}
	return strings.Join(taken, " or ")
}

const (
	jsonType = "application/json"
	textType = "text/plain"
	formType = "application/x-www-form-urlencoded"
)

// eventJSON is an event as listen's lines have it.
func eventJSON(ev payack.Event) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(ev); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func answerText(a payack.Answer) string {
	return fmt.Sprintf("%d, %s, %s", a.Status, cmp.Or(a.ContentType, "no content type"), cmp.Or(a.Body, "empty"))
}

// plain keeps what somebody sent from writing lines of its own, or to the
// terminal. What it escapes is escaped as JSON has it.
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

// redact takes the configured secrets out of a text, should a sender have put
// one into a message. A short one would take out anything.
func (c *config) redact(text []byte) []byte {
	var secrets []string
	for _, section := range c.sections {
		secrets = append(secrets, section.secrets()...)
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may begin with another
	for _, s := range secrets {
		if len(s) >= minRedacted {
			text = bytes.ReplaceAll(text, []byte(s), []byte(payack.Secret{}.String()))
		}
	}
	return text
}

const minRedacted = 8

// reader is a configuration as far as it reads and verifies.
type reader struct {
	accepts func(contentType string) bool
	explain func(verify.Message) verify.Explanation
}

func (c *config) reader(p payack.Provider) (reader, error) {
	r, err := c.sections[p].reader()
	if err != nil {
		return r, providerError(p, err)
	}
	return r, nil
}
