package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
)

// lines writes to standard output, as JSON or for a person. It writes a line
// for each request. With a database, it also writes a line for each attempt to
// process an event.
type lines struct {
	terminal *terminal // nil for JSON
	// kept means that events are kept in a database. The line of an attempt then
	// has the event, and the line of a request leaves it out.
	//
	// forwarded means that the merchant's function forwards events, and writes no
	// lines. So Observe writes the lines of accepted events.
	kept, forwarded bool
	*output
}

func newLines(w io.Writer, logger *slog.Logger) *lines {
	l := new(lines)
	l.output = newOutput(w, "standard output", logger, l.lost)
	return l
}

// line is a delivery's line. Its format is read by other programs.
type line struct {
	Time     time.Time       `json:"time"`
	Provider payack.Provider `json:"provider"`
	Outcome  payack.Outcome  `json:"outcome"`
	Reason   payack.Reason   `json:"reason"`
	Detail   string          `json:"detail"`
	Scheme   payack.Scheme   `json:"scheme"`
	EventID  string          `json:"event_id"`
	Status   int             `json:"status"`
	Attempt  int             `json:"attempt,omitempty"`
	Dead     bool            `json:"dead,omitempty"`
	Event    payack.Event    `json:"event,omitempty"`

	of payack.Event // the event, even if Event is left out
}

// said returns the line for a person.
func (l *line) said() said {
	s := said{
		Provider: l.Provider, Outcome: l.Outcome, Reason: l.Reason, Detail: l.Detail, EventID: l.EventID,
		Status: l.Status, Attempt: l.Attempt, Dead: l.Dead,
	}
	if l.of != nil {
		s.order, s.paid = l.of.Order(), l.of.Paid()
	}
	return s
}

// lineOf returns the line of an accepted event. An attempt has no status, since
// it answers no request.
func lineOf(d *payack.Delivery, ev payack.Event) (line, error) {
	out := line{
		Time: d.Received.UTC(), Provider: d.Provider, Outcome: payack.OutcomeAccepted,
		Scheme: ev.VerifiedBy().Scheme, EventID: ev.ID(), Attempt: d.Attempt, Event: ev, of: ev,
	}
	if d.Attempt > 0 {
		return out, nil
	}
	answer, err := middleware.AnswerOf(d.Provider, "")
	out.Status = answer.Status
	return out, err
}

// accept is the merchant's function when events are not forwarded: it writes an
// event's line to standard output. If it fails, the provider delivers again, or
// the inbox retries. The line must be written before the context's deadline.
func (l *lines) accept(ctx context.Context, ev payack.Event) error {
	d, _ := payack.DeliveryFrom(ctx)
	out, err := lineOf(d, ev)
	if err != nil {
		return err
	}
	return l.say(ctx, out)
}

// Observe implements payack.Observer. It skips events whose lines the method accept
// has written. It doesn't wait until a line is written, since no acknowledgement
// depends on the line.
func (l *lines) Observe(_ context.Context, o *payack.Observation) {
	request := o.Attempt == 0
	if o.Outcome == payack.OutcomeAccepted && !l.forwarded && request != l.kept {
		return
	}
	out := line{
		Time: o.Delivery.Received.UTC(), Provider: o.Delivery.Provider,
		Outcome: o.Outcome, Reason: o.Reason, Detail: detailOf(o.Err), Scheme: o.Scheme, EventID: o.EventID,
		Status: o.Status, Attempt: o.Attempt, Dead: o.Dead, of: o.Delivery.Event,
	}
	if !l.kept || !request {
		out.Event = o.Delivery.Event
	}
	if text, err := l.form(out); err == nil {
		l.offer(text)
	}
}

// detailOf returns the detail that the log gives besides the reason.
func detailOf(err error) string {
	var refusal *payack.Error
	if !errors.As(err, &refusal) {
		return ""
	}
	var failed *forwardError
	if errors.As(err, &failed) {
		return failed.Error()
	}
	return reworded(refusal.Provider, refusal.Detail)
}

// encoded returns a value as one line of JSON, with its line break. It escapes
// all characters that are not printable, because a terminal might obey them, or
// a program might take them for the end of a line.
func encoded(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	out := make([]byte, 0, b.Len())
	for _, r := range b.String() { // encoding/json only writes valid UTF-8
		if strconv.IsPrint(r) || r == '\n' {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out, nil
}

// form returns a line as JSON or for a person.
func (l *lines) form(v any) ([]byte, error) {
	if l.terminal != nil {
		switch v := v.(type) {
		case line:
			return []byte(l.terminal.text(v.said())), nil
		case started:
			return []byte(l.terminal.started(v)), nil
		}
	}
	return encoded(v)
}

// say writes a line, and waits until it is written or the context ends.
func (l *lines) say(ctx context.Context, v any) error {
	text, err := l.form(v)
	if err != nil {
		return err
	}
	return l.write(ctx, text)
}

// lost says what happens to events whose lines can't be written.
func (l *lines) lost(nobody bool) string {
	switch {
	case l.forwarded:
		return "lines are lost; events are kept and forwarded all the same"
	case l.kept && nobody:
		return "events are kept in the database, and their lines wait for the next start; the lines of requests are lost"
	case l.kept:
		return "events are kept in the database, and their lines are tried again; the lines of requests are lost"
	}
	return "the providers are told to send accepted callbacks again, the lines of others are lost"
}
