package inspector

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/payack/payack"
)

// keptHeaders is the closed list of the headers that are remembered. Credentials of
// proxies and cookies are among what is dropped.
func keptHeaders() []string {
	return []string{
		"Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "User-Agent", "Date", "Host", "Traceparent", "Tracestate",
		"X-Signature", "The_signature", "The-Signature", "X-Transaction-Signature",
	}
}

// Bounds of what is remembered of a header.
const (
	maxHeaderValues = 4
	maxHeaderValue  = 4096
)

// Observe implements [payack.Observer]. What an inbox keeps is counted and not
// remembered, since its row has it; copies that come while it waits are.
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

// seen is what is remembered of an observation.
func (i *Inspector) seen(o *payack.Observation) *seen {
	d := *o.Delivery
	s := &seen{
		outcome: o.Outcome, reason: o.Reason, scheme: o.Scheme, eventID: o.EventID, status: o.Status,
		took: o.Took, age: o.Age, dead: o.Dead, verified: d.Event != nil,
	}
	var refusal *payack.Error
	if errors.As(o.Err, &refusal) {
		s.stage, s.detail = refusal.Stage, refusal.Detail
		if refusal.Err != nil {
			s.err = oneLine(refusal.Err.Error())
		}
	} else if o.Err != nil {
		s.err = oneLine(o.Err.Error())
	}
	d.Header, s.omitted = i.kept(d.Header)
	s.delivery = d
	s.size = len(d.Body) + len(d.Path) + len(s.detail) + len(s.err)
	for name, values := range d.Header {
		s.size += len(name)
		for _, v := range values {
			s.size += len(v)
		}
	}
	return s
}

// kept returns a copy of the headers of the list, and the names of the others.
func (i *Inspector) kept(h http.Header) (http.Header, []string) {
	out, omitted := http.Header{}, []string(nil)
	for name, values := range h {
		if !i.headers[name] {
			if len(omitted) < 50 {
				omitted = append(omitted, shorten(name, 64))
			}
			continue
		}
		for _, v := range values {
			if len(out[name]) < maxHeaderValues && len(v) <= maxHeaderValue {
				out[name] = append(out[name], v)
			}
		}
	}
	slices.Sort(omitted)
	return out, omitted
}

func oneLine(s string) string {
	return shorten(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; "), 1000)
}

// shorten cuts a text after n bytes, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
