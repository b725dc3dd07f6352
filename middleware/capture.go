package middleware

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/bodyroom"
)

var (
	errBodyTooLarge = errors.New("the body is over the limit")
	errBodyRead     = errors.New("the body ended before its announced length, or the connection broke")
	errBodyLonger   = errors.New("the body is longer than announced")
	errBodySlow     = errors.New("the body did not arrive in time; raise ReadTimeout (or the server's) if the provider is that slow")
	errBodyConsumed = errors.New("something in front of payack has read the body already; mount payack before it, or let it put the bytes back into r.Body")
)

var bodies = bodyroom.Pool{Largest: 2 * DefaultMaxBody}

// capture reads the body into the delivery.
func (rc *receiver) capture(d *delivery) error {
	body, err := readBody(d.r, rc.options.MaxBody)
	d.observation.Took.Capture = d.lap()
	switch {
	case err == errBodyTooLarge:
		return d.fail(payack.StageCapture, payack.ReasonTooLarge, nil, tooLarge(rc.options.MaxBody))
	case err == errBodyConsumed:
		return d.fail(payack.StageCapture, payack.ReasonBodyConsumed, nil, err.Error())
	case err != nil:
		return d.fail(payack.StageCapture, payack.ReasonBodyRead, nil, err.Error())
	case body == "":
		return d.fail(payack.StageCapture, payack.ReasonMalformed, nil, "the body is empty; if something in front of payack reads bodies, mount payack before it")
	}
	d.Body = body
	return nil
}

// setReadDeadline does what http.ResponseController does, without an error to
// make where nobody supports it. It reports whether the deadline was set.
func setReadDeadline(w http.ResponseWriter, t time.Time) bool {
	for {
		switch x := w.(type) {
		case interface{ SetReadDeadline(time.Time) error }:
			return x.SetReadDeadline(t) == nil
		case interface{ Unwrap() http.ResponseWriter }:
			w = x.Unwrap()
		default:
			return false
		}
	}
}

// readBody reads the body once, and within the limit.
func readBody(r *http.Request, limit int64) (body string, err error) {
	if r.ContentLength > limit {
		return "", errBodyTooLarge
	}
	if r.Body == nil || r.Body == http.NoBody {
		return "", emptyOrConsumed(r)
	}
	room := bodies.Take()
	if r.ContentLength < 0 {
		body, err = captureUnsized(r, limit, room)
	} else {
		body, err = captureSized(r, room)
	}
	// A read that was given up may still be writing to its room.
	if err == nil {
		bodies.GiveBack(room)
	}
	return body, err
}

func captureSized(r *http.Request, room *[]byte) (string, error) {
	body := slices.Grow((*room)[:0], int(r.ContentLength)+1)[:r.ContentLength+1] // one more, to see what is too long
	*room = body
	n, err := io.ReadFull(r.Body, body)
	switch {
	case err == nil:
		return "", errBodyLonger
	case n == 0 && err == io.EOF:
		return "", emptyOrConsumed(r)
	case err == io.ErrUnexpectedEOF && int64(n) == r.ContentLength:
		return string(body[:n]), nil
	}
	return "", readError(err)
}

// captureUnsized reads a body whose length was not announced (chunked). The
// room doubles as it fills, and not beyond the limit.
func captureUnsized(r *http.Request, limit int64, room *[]byte) (string, error) {
	body := (*room)[:0]
	for {
		if len(body) == cap(body) {
			larger := make([]byte, len(body), min(max(512, 2*int64(len(body))), limit+1)) // one more, to see what is too long
			copy(larger, body)
			body, *room = larger, larger
		}
		n, err := r.Body.Read(body[len(body):min(int64(cap(body)), limit+1)])
		body = body[:len(body)+n]
		*room = body
		switch {
		case int64(len(body)) > limit:
			return "", errBodyTooLarge
		case err == io.EOF && len(body) == 0:
			return "", emptyOrConsumed(r)
		case err == io.EOF:
			return string(body), nil
		case err != nil:
			return "", readError(err)
		}
	}
}

// emptyOrConsumed returns errBodyConsumed for a body that somebody has read
// before: its length was announced, or its form is there. An empty body in chunks
// shows no such sign. It counts as empty, which is the sender's fault.
func emptyOrConsumed(r *http.Request) error {
	if r.ContentLength > 0 || r.PostForm != nil || r.MultipartForm != nil {
		return errBodyConsumed
	}
	return nil
}

// readError recognises a limit that was set in front of us, and the deadline.
func readError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errBodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errBodySlow
	}
	return errBodyRead
}
