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

// lines writes to standard output, JSON or for a person: a line for each request
// and, with a database, one for each attempt to process an event.
type lines struct {
	terminal *terminal // nil for JSON
	// kept says that events are kept in a database, so that an event's line is that
	// of an attempt, and forwarded that the attempt is something else than its line.
	kept, forwarded bool
	*output
}

func newLines(w io.Writer, logger *slog.Logger) *lines {
	l := new(lines)
	l.output = newOutput(w, "standard output", logger, l.lost)
	return l
}

// line is a delivery's line. Other programs read it.
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

	of payack.Event // the event, where Event is left out too
}

// said is the line for a person.
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

// lineOf is the line of an event that is accepted. An attempt answers nobody, so
// it has no status.
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

// accept is the merchant's function of this program: an event's line on standard
// output is all that becomes of it, so that what could not be written is sent
// again by the provider, or tried again from the database. The context's deadline
// is the line's too.
func (l *lines) accept(ctx context.Context, ev payack.Event) error {
	d, _ := payack.DeliveryFrom(ctx)
	out, err := lineOf(d, ev)
	if err != nil {
		return err
	}
	return l.say(ctx, out)
}

// Observe implements payack.Observer. It leaves out what accept has written, and
// waits for nothing: who is answered before a line is written loses nothing by it.
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

// detailOf is what the log says beside the reason.
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

// encoded is a value as one line of JSON, with its end. Whatever is not printable is
// escaped: a terminal may obey it, and other programs may take it for a line's end.
func encoded(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	out := make([]byte, 0, b.Len())
	for _, r := range b.String() { // encoding/json leaves nothing that is no UTF-8
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

// form is a line as it is written.
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

// say writes a line, and waits for it until the context ends.
func (l *lines) say(ctx context.Context, v any) error {
	text, err := l.form(v)
	if err != nil {
		return err
	}
	return l.write(ctx, text)
}

// lost says what becomes of lines that can't be written.
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
