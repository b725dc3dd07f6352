package middleware

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

var (
	errBodyTooLarge = errors.New("the body is over the limit")
	errBodyRead     = errors.New("the body ended early, came too slowly or was longer than announced")
	errBodyConsumed = errors.New("something in front of payack has read the body already; mount payack before it, or let it put the bytes back into r.Body")
)

// capture reads the body once, into a buffer of its announced size and within
// the limit.
func capture(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errBodyTooLarge
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, emptyOrConsumed(r)
	}
	if r.ContentLength < 0 {
		return captureUnsized(r, limit)
	}
	body := make([]byte, r.ContentLength+1) // one more, to see what is too long
	n, err := io.ReadFull(r.Body, body)
	switch {
	case err == nil:
		return nil, errBodyRead
	case n == 0 && errors.Is(err, io.EOF):
		return nil, emptyOrConsumed(r)
	case errors.Is(err, io.ErrUnexpectedEOF) && int64(n) == r.ContentLength:
		return body[:n], nil
	}
	return nil, readError(err)
}

// captureUnsized reads a body whose length was not announced (chunked).
func captureUnsized(r *http.Request, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	n, err := buf.ReadFrom(io.LimitReader(r.Body, limit+1))
	switch {
	case n > limit:
		return nil, errBodyTooLarge
	case err != nil:
		return nil, readError(err)
	case n == 0:
		return nil, emptyOrConsumed(r)
	}
	return buf.Bytes(), nil
}

// emptyOrConsumed tells a body that is empty from one that was read before us:
// it was announced, in chunks too (nobody sends an empty body in chunks), or its
// form is there.
func emptyOrConsumed(r *http.Request) error {
	if r.ContentLength != 0 || r.PostForm != nil || r.MultipartForm != nil {
		return errBodyConsumed
	}
	return nil
}

// readError recognises a limit that was set in front of us.
func readError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errBodyTooLarge
	}
	return errBodyRead
}
