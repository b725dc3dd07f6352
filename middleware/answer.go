package middleware

import (
	"io"
	"net/http"

	"github.com/payack/payack"
)

// answers holds the answer that a provider's contract prescribes for each outcome.
type answers struct {
	accepted, failed payack.Answer
	// unverified is the answer to rejections before the signature matched. It does
	// not show an attacker which step failed. verified is the answer to rejections
	// after the signature matched.
	unverified, verified payack.Answer
	// byReason holds answers to single reasons. They replace the answers above.
	byReason map[payack.Reason]payack.Answer
	// word is the body and content type of a refusal at the gate. The status of a
	// refusal comes from gateStatus.
	word payack.Answer
	// acknowledges reports whether the body of an answer acknowledges the event. It is
	// nil for a provider that looks only at the status.
	acknowledges func(body string) bool
}

// gateStatus maps refusals at the gate to HTTP statuses.
var gateStatus = map[payack.Reason]int{
	payack.ReasonMethod:          http.StatusMethodNotAllowed,
	payack.ReasonContentType:     http.StatusUnsupportedMediaType,
	payack.ReasonContentEncoding: http.StatusUnsupportedMediaType,
	payack.ReasonTooLarge:        http.StatusRequestEntityTooLarge,
	payack.ReasonAddress:         http.StatusForbidden,
	payack.ReasonRate:            http.StatusTooManyRequests,
}

// of returns the answer to an outcome with its reason.
func (a *answers) of(outcome payack.Outcome, reason payack.Reason) payack.Answer {
	if special, found := a.byReason[reason]; found {
		return special
	}
	switch outcome {
	case payack.OutcomeAccepted, payack.OutcomeDuplicate:
		return a.accepted
	case payack.OutcomeRejected:
		if reason.AfterVerified() {
			return a.verified
		}
		return a.unverified
	case payack.OutcomeRefused:
		answer := a.word
		answer.Status = gateStatus[reason]
		return answer
	}
	return a.failed
}

// answer sends the answer that the provider's contract prescribes, unless a wrapped
// handler has written an answer.
func (rc *receiver) answer(d *delivery) {
	o := &d.observation
	if status := d.answered(); status != 0 {
		o.Status = status
		rc.warnOfWords(d)
		return
	}
	a := rc.stages.answers.of(o.Outcome, o.Reason)
	o.Status = a.Status
	rc.limitHeaders(d)
	d.write(a)
}

// ofAnotherAnswer lists the headers that describe a body.
var ofAnotherAnswer = [...]string{"Content-Type", "Content-Encoding", "Content-Length", "Etag", "Last-Modified", "Cache-Control"}

// write sends a delivery's answer. It first drops entity headers set by a wrapped
// handler that wrote no answer. With a 413 it asks the server to close the
// connection: where a router has wrapped the writer, the server doesn't notice by
// itself that the body was left unread.
func (d *delivery) write(a payack.Answer) {
	w := d.w
	h := w.Header()
	if d.wrapped != nil {
		for _, name := range ofAnotherAnswer {
			delete(h, name)
		}
	}
	if a.ContentType != "" {
		d.headers.Set(h, "Content-Type", a.ContentType)
	}
	switch a.Status {
	case http.StatusMethodNotAllowed:
		d.headers.Set(h, "Allow", http.MethodPost)
	case http.StatusRequestEntityTooLarge:
		d.headers.Set(h, "Connection", "close")
	}
	w.WriteHeader(a.Status)
	if a.Body != "" {
		// A failed write means that the provider hung up, which changes no outcome.
		_, _ = io.WriteString(w, a.Body)
	}
}
