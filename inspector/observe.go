package inspector

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/payack/payack"
)

// keptHeaders is the closed list of headers that are remembered. It holds
// neither cookies nor credentials.
func keptHeaders() []string {
	return []string{
		"Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "User-Agent", "Date", "Host", "Traceparent", "Tracestate",
		"X-Signature", "The_signature", "The-Signature", "X-Transaction-Signature",
	}
}

// Bounds of each remembered header.
const (
	maxHeaderValues = 4
	maxHeaderValue  = 4096
)

// Bounds of other texts, in bytes. Real methods are shorter than maxMethod.
const (
	maxMethod = 32
	maxPath   = 1024
	maxText   = 1000
)

// Observe implements [payack.Observer]. It counts every delivery and attempt. It
// remembers a delivery unless the inbox keeps the delivery in a row. A further
// copy of a waiting event has no row, so it is remembered.
func (i *Inspector) Observe(_ context.Context, o *payack.Observation) {
	if o.Delivery == nil {
		return
	}
	i.counts.add(o)
	if o.Attempt == 0 && (!o.Waits || o.Outcome == payack.OutcomeDuplicate) {
		i.memory.add(i.seen(o))
	}
	i.live.stir()
}

// seen returns what is remembered of an observation.
func (i *Inspector) seen(o *payack.Observation) *seen {
	d := *o.Delivery
	s := &seen{
		outcome: o.Outcome, reason: o.Reason, eventID: o.EventID, status: o.Status, took: o.Took, verified: d.Event != nil,
		redact: i.redact,
	}
	var refusal *payack.Error
	if errors.As(o.Err, &refusal) {
		s.detail = owned(i.redact(refusal.Detail), maxText)
		if refusal.Err != nil {
			s.err = oneLine(i.redact(refusal.Err.Error()))
		}
	} else if o.Err != nil {
		s.err = oneLine(i.redact(o.Err.Error()))
	}
	d.Header, s.omitted = i.kept(d.Header)
	d.Method, d.Path, d.Invalid = owned(d.Method, maxMethod), owned(d.Path, maxPath), owned(d.Invalid, maxText)
	s.delivery = d
	s.measure()
	return s
}

// owned returns the beginning of a text as a copy. A substring of a larger text,
// such as the path in a request line, would keep all of that text in memory.
func owned(text string, n int) string { return strings.Clone(shorten(text, n)) }

// measure adds up the memory that a delivery takes.
func (s *seen) measure() {
	d := &s.delivery
	s.size = len(d.Method) + len(d.Path) + len(d.Invalid) + len(d.Body) + len(s.eventID) + len(s.detail) + len(s.err)
	if d.Event != nil {
		s.size += len(d.Body) // the event's texts are no longer than the message
	}
	for _, name := range s.omitted {
		s.size += perText + len(name)
	}
	for name, values := range d.Header {
		s.size += perText + len(name)
		for _, v := range values {
			s.size += perText + len(v)
		}
	}
}

// kept returns a copy of the headers to remember, and the names of the others.
func (i *Inspector) kept(h http.Header) (http.Header, []string) {
	out, omitted := http.Header{}, []string(nil)
	for name, values := range h {
		if !i.headers[name] {
			if len(omitted) < 50 {
				omitted = append(omitted, owned(name, 64))
			}
			continue
		}
		for _, v := range values {
			if len(out[name]) < maxHeaderValues && len(v) <= maxHeaderValue {
				out[name] = append(out[name], strings.Clone(v))
			}
		}
	}
	slices.Sort(omitted)
	return out, omitted
}

func oneLine(s string) string {
	return shorten(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; "), maxText)
}

// shorten cuts a text after at most n bytes, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
