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
	errBodyConsumed = errors.New("the body was read before payack got the request; mount payack before the code that reads it, or have that code put the bytes back into r.Body")
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
		return d.fail(payack.StageCapture, payack.ReasonMalformed, nil, "the body is empty; if other code reads the body first, mount payack before it")
	}
	d.Body = body
	return nil
}

// setReadDeadline does what the method SetReadDeadline of http.ResponseController
// does, but allocates no error where deadlines are unsupported. It reports whether
// the deadline was set.
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

// readBody reads the body into a string, within the limit.
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
	// After an error the server may still write to this buffer, so it must not go
	// back to the pool.
	if err == nil {
		bodies.GiveBack(room)
	}
	return body, err
}

func captureSized(r *http.Request, room *[]byte) (string, error) {
	body := slices.Grow((*room)[:0], int(r.ContentLength)+1)[:r.ContentLength+1] // one byte more, to notice a longer body
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

// captureUnsized reads a chunked body, which announces no length. The buffer
// doubles each time it is full, up to the limit.
func captureUnsized(r *http.Request, limit int64, room *[]byte) (string, error) {
	body := (*room)[:0]
	for {
		if len(body) == cap(body) {
			larger := make([]byte, len(body), min(max(512, 2*int64(len(body))), limit+1)) // one byte more, to notice a longer body
			copy(larger, body)
			body, *room = larger, larger
		}
		n, err := r.Body.Read(body[len(body):min(int64(cap(body)), limit+1)])
		*room = body[:cap(body)] // GiveBack clears all of it, since a reader may write beyond the n bytes
		body = body[:len(body)+n]
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

// emptyOrConsumed returns errBodyConsumed if there is a sign that other code has
// read the body: a length was announced, or a form was parsed. A chunked body that
// was read without parsing a form shows neither sign, so it counts as an empty one.
func emptyOrConsumed(r *http.Request) error {
	if r.ContentLength > 0 || r.PostForm != nil || r.MultipartForm != nil {
		return errBodyConsumed
	}
	return nil
}

// readError recognises a limit that code in front of payack has set, and the read
// deadline.
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
