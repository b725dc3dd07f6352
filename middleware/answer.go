package middleware

import (
	"net/http"
	"strconv"

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
	case payack.Accepted, payack.Duplicate:
		return a.accepted
	case payack.Rejected:
		return a.rejected
	case payack.Refused:
		answer := a.word
		answer.Status = gateStatus[reason]
		return answer
	}
	return a.failed
}

var ofAnotherAnswer = [...]string{"Content-Type", "Content-Encoding", "Etag", "Last-Modified", "Cache-Control"}

// write sends an answer, without what a wrapped handler that failed may have
// said of another one. The one with status 413 ends the connection: behind
// the wrapped writers of routers the server doesn't see that the body was left
// unread.
func write(w http.ResponseWriter, a payack.Answer) {
	h := w.Header()
	for _, name := range ofAnotherAnswer {
		delete(h, name)
	}
	if a.ContentType != "" {
		h["Content-Type"] = []string{a.ContentType}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
	switch a.Status {
	case http.StatusMethodNotAllowed:
		h["Allow"] = []string{http.MethodPost}
	case http.StatusRequestEntityTooLarge:
		h["Connection"] = []string{"close"}
	}
	w.WriteHeader(a.Status)
	if a.Body != "" {
		// The provider hung up if this fails; the outcome stands all the same.
		_, _ = w.Write([]byte(a.Body))
	}
}
