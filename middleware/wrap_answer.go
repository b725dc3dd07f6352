package middleware

import (
	"bufio"
	"net"
	"net/http"

	"github.com/payack/payack"
)

// trackingWriter records the status that a wrapped handler writes, and the
// beginning of the body. http.ResponseController reaches the other methods of the
// writer through Unwrap.
type trackingWriter struct {
	http.ResponseWriter
	behind *wrapped
}

func (t *trackingWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *trackingWriter) WriteHeader(status int) {
	t.ResponseWriter.WriteHeader(status) // panics when status is invalid
	if status >= 200 {                   // a 1xx is not an answer
		t.behind.wrote(status)
	}
}

func (t *trackingWriter) Write(b []byte) (int, error) {
	t.behind.wrote(http.StatusOK)
	n, err := t.ResponseWriter.Write(b)
	if err == nil { // Write fails where a 204 or the Content-Length allows no body
		t.behind.wroteBody(b)
	}
	return n, err
}

// FlushError is the method that http.ResponseController calls. A flush sends the
// header, so it counts as an answer.
func (t *trackingWriter) FlushError() error {
	err := http.NewResponseController(t.ResponseWriter).Flush()
	if err == nil {
		t.behind.wrote(http.StatusOK)
	}
	return err
}

// Hijack hands over the connection, so payack can't answer any more. It counts as
// status 101, which is not a success.
func (t *trackingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err == nil {
		t.behind.wrote(http.StatusSwitchingProtocols)
	}
	return conn, rw, err
}

// wrote records the status of an answer; the first one counts.
func (b *wrapped) wrote(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written == 0 {
		b.written = status
	}
}

// maxWords is how much of a wrapped handler's body is kept, in bytes. An
// acknowledgement is shorter.
const maxWords = 512

// wroteBody records the beginning of an answer's body.
func (b *wrapped) wroteBody(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.body = append(b.body, p[:min(len(p), maxWords-len(b.body))]...)
}

// words returns the beginning of the body that the handler wrote.
func (b *wrapped) words() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.body)
}

// answered returns the status that a wrapped handler wrote, or 0.
func (d *delivery) answered() int {
	if d.wrapped == nil {
		return 0
	}
	d.wrapped.mu.Lock()
	defer d.wrapped.mu.Unlock()
	return d.wrapped.written
}

// saidTooMuch reports whether a wrapped handler wrote a 2xx and then panicked. Its
// event is not settled; ending the connection without an answer makes the provider
// send again.
func (d *delivery) saidTooMuch() bool {
	status := d.answered()
	return d.observation.Reason == payack.ReasonPanic && status >= 200 && status <= 299
}

// warnOfWords warns once of a wrapped handler that accepted an event but wrote an
// answer that does not acknowledge it.
func (rc *receiver) warnOfWords(d *delivery) {
	a := rc.stages.answers
	if a.acknowledges == nil || d.observation.Outcome != payack.OutcomeAccepted || rc.wordsWarned.Load() {
		return
	}
	if d.observation.Status == a.accepted.Status && a.acknowledges(d.wrapped.words()) || !rc.wordsWarned.CompareAndSwap(false, true) {
		return
	}
	rc.options.Logger.Warn("payack: the wrapped handler accepted the event, but its answer does not acknowledge it, so the provider may send it again; write nothing, and payack answers, or write exactly the acknowledgement",
		"provider", rc.stages.provider, "acknowledgement", a.accepted.Body, "event_id", d.observation.EventID)
}
