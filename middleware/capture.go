package middleware

import (
	"errors"
	"io"
	"net/http"
	"os"
)

var (
	errBodyTooLarge = errors.New("the body is over the limit")
	errBodyRead     = errors.New("the body ended before its announced length, or the connection broke")
	errBodyLonger   = errors.New("the body is longer than announced")
	errBodySlow     = errors.New("the body did not arrive in time; raise ReadTimeout (or the server's) if the provider is that slow")
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
		return nil, errBodyLonger
	case n == 0 && errors.Is(err, io.EOF):
		return nil, emptyOrConsumed(r)
	case errors.Is(err, io.ErrUnexpectedEOF) && int64(n) == r.ContentLength:
		return body[:n], nil
	}
	return nil, readError(err)
}

// captureUnsized reads a body whose length was not announced (chunked). The
// buffer doubles as it fills, and not beyond the limit.
func captureUnsized(r *http.Request, limit int64) ([]byte, error) {
	body := make([]byte, 0, min(512, limit+1)) // one more, to see what is too long
	for {
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, errBodyTooLarge
		case err == io.EOF && len(body) == 0:
			return nil, emptyOrConsumed(r)
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, readError(err)
		case len(body) == cap(body):
			larger := make([]byte, len(body), min(2*int64(len(body)), limit+1))
			copy(larger, body)
			body = larger
		}
	}
}

// emptyOrConsumed tells a body that is empty from one that was read before us:
// its length was announced, or its form is there. Of an empty body in chunks
// nothing tells; it is malformed, so that nobody else can blame the merchant.
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
