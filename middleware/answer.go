package middleware

import (
	"io"
	"net/http"

	"github.com/payack/payack"
)

// answers is a provider's contract as data.
type answers struct {
	accepted, failed, rejected payack.Answer
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
		return a.rejected
	case payack.OutcomeRefused:
		answer := a.word
		answer.Status = gateStatus[reason]
		return answer
	}
	return a.failed
}

var ofAnotherAnswer = [...]string{"Content-Type", "Content-Encoding", "Content-Length", "Etag", "Last-Modified", "Cache-Control"}

// write sends a delivery's answer, without what a wrapped handler that failed may have
// said of another one. The one with status 413 ends the connection: behind the
// wrapped writers of routers the server doesn't see that the body was left
// unread.
func (d *delivery) write(w http.ResponseWriter, a payack.Answer) {
	h := w.Header()
	if d.wraps {
		for _, name := range ofAnotherAnswer {
			delete(h, name)
		}
	}
	if a.ContentType != "" {
		d.header(h, "Content-Type", a.ContentType)
	}
	switch a.Status {
	case http.StatusMethodNotAllowed:
		d.header(h, "Allow", http.MethodPost)
	case http.StatusRequestEntityTooLarge:
		d.header(h, "Connection", "close")
	}
	w.WriteHeader(a.Status)
	if a.Body != "" {
		// The provider hung up if this fails; the outcome stands all the same.
		_, _ = io.WriteString(w, a.Body)
	}
}

// header sets one of at most two headers, without an allocation.
func (d *delivery) header(h http.Header, name, value string) {
	d.values[d.set] = value
	d.set++
	h[name] = d.values[d.set-1 : d.set : d.set]
}
