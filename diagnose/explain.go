package diagnose

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// Options say what is known of a recording beside the delivery. The zero value is
// for a delivery that is whole, and shows nothing of an envelope that didn't
// verify.
type Options struct {
	// Length is the length that was announced, negative where none was (chunked).
	// It is that of the body when it is 0.
	Length int64
	// Incomplete says that the body was cut, or was not read to its end.
	Incomplete bool
	// Redacted names the headers that were sent and are missing.
	Redacted []string
	// Reason is why it was refused, where that is known. What depends on more than
	// the delivery (spliced, conflict, unconfirmed, busy, a failed callback) can't
	// be found from it, and is explained where it is named here.
	Reason payack.Reason
	// Opened shows what an envelope held even if nothing of it verified. Whoever
	// sealed it may have copied it from another payment: ask for it where the reader
	// holds the keys anyway.
	Opened bool
}

// Step is one step of a [Report].
type Step struct {
	// Name is gate, shape, header, envelope, field, signature, signed text, key,
	// hint, cause, verified, event or confirm.
	Name string `json:"name"`
	Text string `json:"text"`
}

// Report is what becomes of a delivery, step by step.
type Report struct {
	Provider payack.Provider `json:"provider"`
	// Steps are in the order of the way of a request.
	Steps []Step `json:"steps"`
	// Outcome and Reason are what a receiver makes of it. They are those of
	// Options.Reason where the delivery itself is in order.
	Outcome payack.Outcome `json:"outcome"`
	Reason  payack.Reason  `json:"reason,omitempty"`
	// Cause says what is wrong in one line. It is empty for what is accepted.
	Cause string `json:"cause,omitempty"`
	// EventID, Scheme and Key say what verified, and how. The key is counted from
	// 1; it is 0 where nothing verified.
	EventID string        `json:"event_id,omitempty"`
	Scheme  payack.Scheme `json:"scheme,omitempty"`
	Key     int           `json:"key,omitempty"`
	// Event is what verified, nil where nothing did. Unlike the rest it is as it was
	// sent: a sender who knew a secret may have written it there.
	Event payack.Event `json:"-"`
	// Confirm reports that the provider would be asked about the event. The rest is
	// for the answer that confirms it.
	Confirm bool `json:"confirm,omitempty"`
	// Answer is what the sender would be told.
	Answer payack.Answer `json:"answer"`
}

// Explain takes a recorded delivery through a receiver, and tells each step. See
// [middleware.Handler.Rehearse] for what is called (Expect once, and KeyFunc
// twice) and what is not. The context gives values, and ends the search of
// [Suggest].
//
// The error is for a nil receiver or delivery. A KeyFunc's error is in the report.
func Explain(ctx context.Context, h *middleware.Handler, d *payack.Delivery, o Options) (*Report, error) {
	c, err := open(ctx, h, d, o)
	if err != nil {
		return nil, err
	}
	return c.report(), nil
}

// examination is one delivery before a receiver.
type examination struct {
	ctx      context.Context
	handler  *middleware.Handler
	delivery *payack.Delivery
	options  Options
	message  verify.Message
	own      descriptor
	subject  subject // nil without keys
	seen     middleware.Rehearsal
	told     verify.Explanation
	redacted *strings.Replacer
}

func open(ctx context.Context, h *middleware.Handler, d *payack.Delivery, o Options) (*examination, error) {
	c, err := examined(ctx, h, d, o)
	if err != nil {
		return nil, err
	}
	c.seen = h.Rehearse(c.request())
	if o.Incomplete && c.seen.Outcome == payack.OutcomeFailed { // for want of the rest
		c.seen.Reason, c.seen.Err = payack.ReasonBodyRead, nil
	}
	if c.subject != nil && c.reads() {
		c.told = c.subject.explain(c.message)
	}
	return c, nil
}

// examined finds the keys of a delivery, and looks at nothing else.
func examined(ctx context.Context, h *middleware.Handler, d *payack.Delivery, o Options) (*examination, error) {
	switch {
	case h == nil:
		return nil, errors.New("payack: diagnose: the receiver is nil; look at the error that its constructor returned")
	case d == nil:
		return nil, errors.New("payack: diagnose: the delivery is nil; give the one that was recorded")
	}
	own, err := registry.Of(h.Provider())
	if err != nil {
		return nil, fmt.Errorf("payack: diagnose: %w", err)
	}
	copied := *d
	copied.Method, copied.Path = cmp.Or(d.Method, http.MethodPost), cmp.Or(d.Path, "/")
	copied.Header = d.Header.Clone()
	if copied.Header == nil {
		copied.Header = http.Header{}
	}
	c := &examination{
		ctx: ctx, handler: h, delivery: &copied, options: o, own: own,
		message: verify.Message{ContentType: copied.Header.Get("Content-Type"), Header: copied.Header, Body: d.Body},
	}
	var secrets []payack.Secret
	if c.subject = c.keys(); c.subject != nil {
		secrets = c.subject.secrets()
	}
	c.redacted = redactor(secrets)
	return c, nil
}

// keys returns what the delivery is verified with, nil without keys. The
// rehearsal says why there are none; that a KeyFunc panicked, too.
func (c *examination) keys() (s subject) {
	defer func() { _ = recover() }()
	verifier, keys, err := c.handler.Verifier(c.ctx, c.delivery)
	if err != nil {
		return nil
	}
	s, _ = c.own.subject(verifier, keys)
	return s
}

// reads reports whether the body is looked into.
func (c *examination) reads() bool {
	return c.seen.Outcome != payack.OutcomeRefused && c.seen.Reason != payack.ReasonBodyRead
}

func (c *examination) length() int64 {
	return cmp.Or(c.options.Length, int64(len(c.delivery.Body)))
}

// request is the delivery as it came in, without an address and a server.
func (c *examination) request() *http.Request {
	d := c.delivery
	r := (&http.Request{Method: http.MethodPost, URL: cleanURL(d.Path), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(c.ctx)
	r.Method, r.Header = d.Method, d.Header
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(d.Body)), c.length()
	if r.ContentLength < 0 && d.Body == "" {
		r.Body = http.NoBody
	}
	return r
}

func (c *examination) report() *Report {
	seen := &c.seen
	r := &Report{
		Provider: c.handler.Provider(), Outcome: seen.Outcome, Reason: seen.Reason, EventID: c.redact(seen.EventID),
		Confirm: seen.Confirm, Answer: seen.Answer, Event: c.told.Event,
	}
	r.Cause = c.cause(r)
	r.Steps = c.gate()
	r.Steps = append(r.Steps, c.visible()...)
	if at := c.place(); at != "" {
		r.Steps = append(r.Steps, Step{"cause", at})
	}
	if ev := c.told.Event; ev != nil {
		by := ev.VerifiedBy()
		r.Scheme, r.Key = by.Scheme, by.Key+1
		r.Steps = append(r.Steps, Step{"verified", fmt.Sprintf("under scheme %s with key %d", r.Scheme, r.Key)}, Step{"event", eventJSON(ev)})
	}
	if r.Confirm {
		r.Steps = append(r.Steps, Step{"confirm", "would be confirmed by asking the provider; that is left out, and what follows is for the answer that it is paid"})
	}
	for i := range r.Steps {
		r.Steps[i].Text = c.redact(r.Steps[i].Text)
	}
	return r
}

// visible are the verifier's steps that may be shown.
func (c *examination) visible() (out []Step) {
	hide := c.own.sealed && !c.options.Opened && c.told.Event == nil
	opened, hidden := false, 0
	for _, s := range c.told.Steps {
		opened = opened || s.Name == "envelope"
		if hide && opened && (s.Name == "field" || s.Name == "signed text") {
			hidden++
			continue
		}
		out = append(out, Step(s))
	}
	if hidden > 0 {
		out = append(out, Step{"field", fmt.Sprintf("%d lines are left out: they were in an envelope, and nothing of it verified", hidden)})
	}
	return out
}

// eventJSON is an event's JSON form.
func eventJSON(ev payack.Event) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(ev); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}
