package ratelimit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/payack/payack/internal/limitpolicy"
	"github.com/payack/payack/internal/nilness"
)

// MiddlewareOptions shape what [Middleware] does. The zero value keys by the
// peer's address and answers a refusal with a short text.
type MiddlewareOptions struct {
	// Key finds the key of a request, PeerKey("") if nil.
	Key KeyOf
	// Policy turns on the IETF RateLimit and RateLimit-Policy headers, on every
	// response, under this name ("default" is as good as any). Printable ASCII
	// without quotes and backslashes. Without it only Retry-After is sent.
	Policy string
	// Body is the refusal's body, for a provider that reads its failure word
	// there. "too many requests" and a line feed if empty.
	Body string
	// ContentType is the refusal's content type, "text/plain; charset=utf-8" if
	// empty.
	ContentType string
	// OnError is told when the limiter could not decide and the request was let
	// through. It is called in the request's goroutine, so it should be quick.
	OnError func(r *http.Request, err error)
}

// Middleware returns a middleware that charges every request to l, and answers
// those over their budget with 429 Too Many Requests and Retry-After in whole
// seconds. A refused request's body is not read, and the handler behind is not
// called. A limiter that fails lets the request through.
//
// The ResponseWriter is passed on as it is. The error names the option that is
// wrong. What is returned panics, when it is mounted and not while serving, if
// the handler behind is nil.
func Middleware(l Limiter, opts MiddlewareOptions) (func(http.Handler) http.Handler, error) {
	if l == nil {
		return nil, errors.New("ratelimit: Middleware was given no Limiter: make one with New")
	}
	if err := limitpolicy.Check(opts.Policy); err != nil {
		return nil, fmt.Errorf("ratelimit: MiddlewareOptions.Policy: %w", err)
	}
	if opts.Key == nil {
		opts.Key = PeerKey("")
	}
	if opts.Body == "" {
		opts.Body = "too many requests\n"
	}
	if opts.ContentType == "" {
		opts.ContentType = "text/plain; charset=utf-8"
	}
	length := strconv.Itoa(len(opts.Body))
	return func(next http.Handler) http.Handler {
		if nilness.Of(next) {
			panic("ratelimit: Middleware: the handler behind is nil; give the one to be limited")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d, err := l.Allow(r.Context(), opts.Key(r))
			if err != nil {
				if opts.OnError != nil {
					opts.OnError(r, err)
				}
				next.ServeHTTP(w, r)
				return
			}
			SetHeaders(w.Header(), d, opts.Policy)
			if d.Allowed {
				next.ServeHTTP(w, r)
				return
			}
			h := w.Header()
			h.Set("Content-Type", opts.ContentType)
			h.Set("Content-Length", length)
			h.Set("X-Content-Type-Options", "nosniff")
			w.WriteHeader(http.StatusTooManyRequests)
			// The client may be gone; there is nobody to tell.
			_, _ = io.WriteString(w, opts.Body)
		})
	}, nil
}

// SetHeaders writes d into a response's header: Retry-After if d is a refusal,
// always; RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10)
// if policy, their policy's name, is not empty. The name must be printable ASCII
// without quotes and backslashes. Call it before the header is written.
//
// RateLimit-Policy names the bucket and the whole seconds it takes to fill; for
// a bucket that fills in less than a second that is less than the true rate.
// The t of RateLimit is the time until there is one more call, rounded up, and
// is left out when the bucket is full.
func SetHeaders(h http.Header, d Decision, policy string) {
	if !d.Allowed {
		h.Set("Retry-After", strconv.Itoa(d.RetryAfterSeconds()))
	}
	if policy == "" {
		return
	}
	// Rounding to whole seconds could only make the window longer, never the
	// advertised rate higher than the true one.
	buf := make([]byte, 0, 64)
	buf = append(append(append(buf, '"'), policy...), '"')
	name := len(buf)
	buf = strconv.AppendInt(append(buf, ";q="...), int64(d.Limit), 10)
	buf = strconv.AppendInt(append(buf, ";w="...), int64(max(1, wholeSeconds(d.Window))), 10)
	h.Set("RateLimit-Policy", string(buf))
	buf = strconv.AppendInt(append(buf[:name], ";r="...), int64(d.Remaining), 10)
	if t := untilNext(d); t > 0 {
		buf = strconv.AppendInt(append(buf, ";t="...), int64(t), 10)
	}
	h.Set("RateLimit", string(buf))
}

// untilNext returns the whole seconds until there is one more call; 0 for a
// full bucket.
func untilNext(d Decision) int {
	if !d.Allowed {
		return d.RetryAfterSeconds()
	}
	if d.ResetAfter <= 0 || d.Limit < 1 {
		return 0
	}
	each := max(1, d.Window/time.Duration(d.Limit))
	next := d.ResetAfter % each
	if next == 0 {
		next = each
	}
	return wholeSeconds(next)
}
