package middleware

import (
	"io"
	"net/http"

	"github.com/payack/payack"
)

// answers is a provider's contract as data.
type answers struct {
	accepted, failed payack.Answer
	// unverified is for what was rejected before its signature matched: one and
	// the same, so that nobody learns which step failed. verified is for what was
	// rejected after it.
	unverified, verified payack.Answer
	// byReason holds what differs for one reason.
	byReason map[payack.Reason]payack.Answer
	// word is the body of a refusal at the gate, with its content type; the
	// status is that of HTTP.
	word payack.Answer
}

// gateStatus gives refusals at the gate the status that HTTP has for them.
var gateStatus = map[payack.Reason]int{
	payack.ReasonMethod:          http.StatusMethodNotAllowed,
	payack.ReasonContentType:     http.StatusUnsupportedMediaType,
	payack.ReasonContentEncoding: http.StatusUnsupportedMediaType,
	payack.ReasonTooLarge:        http.StatusRequestEntityTooLarge,
	payack.ReasonAddress:         http.StatusForbidden,
	payack.ReasonRate:            http.StatusTooManyRequests,
}

// of returns the answer to an outcome.
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

// answer sends the provider's answer, unless a wrapped handler gave one.
func (rc *receiver) answer(d *delivery) {
	o := &d.observation
	if status := d.answered(); status != 0 {
		o.Status = status
		return
	}
	a := rc.stages.answers.of(o.Outcome, o.Reason)
	o.Status = a.Status
	rc.limitHeaders(d)
	d.write(a)
}

// ofAnotherAnswer are the headers that say something of a body.
var ofAnotherAnswer = [...]string{"Content-Type", "Content-Encoding", "Content-Length", "Etag", "Last-Modified", "Cache-Control"}

// write sends a delivery's answer. It drops the entity headers that a wrapped
// handler that failed may have set. The answer with status 413 ends the
// connection: behind the wrapped writers of routers the server doesn't see that
// the body was left unread.
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
		// The provider hung up if this fails; the outcome stands all the same.
		_, _ = io.WriteString(w, a.Body)
	}
}
