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

// Options are what is known about a recording beyond the delivery. The zero value is
// for a delivery that was recorded completely.
type Options struct {
	// Length is the announced Content-Length in bytes, negative if there was none
	// (chunked). 0 stands for the length of the body.
	Length int64
	// Incomplete says that the recording lacks the end of the body.
	Incomplete bool
	// Redacted names the headers that were sent but not recorded.
	Redacted []string
	// Reason is why the delivery was refused, if that is known. Some reasons depend
	// on more than the delivery (spliced, conflict, unconfirmed, busy, a failed
	// callback): they are explained only if they are given here.
	Reason payack.Reason
	// Opened shows the contents of an envelope even if nothing in it verifies. The
	// sender may have copied the envelope from another payment, so set it only for
	// people who have the keys anyway.
	Opened bool
}

// Step is one step of a [Report].
type Step struct {
	// Name is gate, shape, header, envelope, field, signature, signed text, key,
	// hint, cause, verified, event or confirm.
	Name string `json:"name"`
	// Text is one line of English for a person.
	Text string `json:"text"`
}

// Report is what a receiver would do with a delivery, step by step.
type Report struct {
	Provider payack.Provider `json:"provider"`
	// Steps are in the order in which a receiver handles a request.
	Steps []Step `json:"steps"`
	// Outcome and Reason are the receiver's. If the delivery itself is in order, they
	// follow Options.Reason.
	Outcome payack.Outcome `json:"outcome"`
	Reason  payack.Reason  `json:"reason,omitempty"`
	// Cause says what is wrong, in one line. It is empty for an accepted delivery.
	Cause string `json:"cause,omitempty"`
	// EventID, Scheme and Key describe the verification. Key counts from 1, and is 0
	// if nothing verified.
	EventID string        `json:"event_id,omitempty"`
	Scheme  payack.Scheme `json:"scheme,omitempty"`
	Key     int           `json:"key,omitempty"`
	// Event is the verified event, or nil. Unlike the rest of the report it is not
	// redacted: it may contain a secret that the sender wrote into it.
	Event payack.Event `json:"-"`
	// Confirm reports that the receiver would ask the provider to confirm the event.
	// Outcome and Answer then assume that the provider confirms it.
	Confirm bool `json:"confirm,omitempty"`
	// Answer is the receiver's answer to the sender.
	Answer payack.Answer `json:"answer"`
}

// Explain passes a recorded delivery through a receiver and reports each step. It
// calls Expect at most once and KeyFunc at most twice, with the values of the
// context. To verify and to compare, it may call Custom and Match. It calls no other
// function of the merchant: see [middleware.Handler.Rehearse].
//
// A nil receiver or delivery is an error. An error of KeyFunc is in the report.
func Explain(ctx context.Context, h *middleware.Handler, d *payack.Delivery, o Options) (*Report, error) {
	c, err := open(ctx, h, d, o)
	if err != nil {
		return nil, err
	}
	return c.report(), nil
}

// examination is one delivery that is diagnosed against a receiver.
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
	if o.Incomplete && c.seen.Outcome == payack.OutcomeFailed { // the rest of the body is missing
		c.seen.Reason, c.seen.Err = payack.ReasonBodyRead, nil
	}
	if c.subject != nil && c.reads() {
		c.told = c.subject.explain(c.message)
	}
	return c, nil
}

// examined prepares an examination of a delivery, and looks up the keys for it.
// It does not verify the delivery.
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

// keys returns the verifier and keys for the delivery, or nil if there are none.
// It gives no reason: Explain then lets the receiver rehearse the delivery, which
// reports an error or a panic of KeyFunc.
func (c *examination) keys() (s subject) {
	defer func() { _ = recover() }()
	verifier, keys, err := c.handler.Verifier(c.ctx, c.delivery)
	if err != nil {
		return nil
	}
	s, _ = c.own.subject(verifier, keys)
	return s
}

// reads reports whether the receiver reads the body.
func (c *examination) reads() bool {
	return c.seen.Outcome != payack.OutcomeRefused && c.seen.Reason != payack.ReasonBodyRead
}

func (c *examination) length() int64 {
	return cmp.Or(c.options.Length, int64(len(c.delivery.Body)))
}

// request returns the delivery as an HTTP request without a client address.
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
		r.Steps = append(r.Steps, Step{"confirm", "the receiver would ask the provider to confirm it; this is left out, and what follows assumes that the provider does"})
	}
	for i := range r.Steps {
		r.Steps[i].Text = c.redact(r.Steps[i].Text)
	}
	return r
}

// visible returns the verifier's steps that may be shown.
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
		out = append(out, Step{"field", fmt.Sprintf("%d lines are left out: they were in an envelope, and nothing in it verifies", hidden)})
	}
	return out
}

// eventJSON returns an event as JSON in one line.
func eventJSON(ev payack.Event) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(ev); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}
