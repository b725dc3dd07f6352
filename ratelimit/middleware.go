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

// MiddlewareOptions configure [Middleware]. The zero value uses the peer's address
// as the key, and answers refusals with a short text.
type MiddlewareOptions struct {
	// Key returns the key of a request; nil means PeerKey("").
	Key KeyOf
	// Policy, when set, adds the IETF RateLimit and RateLimit-Policy headers to
	// every response under this name, such as "default". It must be printable ASCII
	// without quotes and backslashes. Without it only Retry-After is sent.
	Policy string
	// Body is the body of a refusal; empty means "too many requests" and a line feed.
	// Set it if the provider expects a certain word in the body of a failure.
	Body string
	// ContentType is the content type of a refusal; empty means "text/plain;
	// charset=utf-8".
	ContentType string
	// OnError is called when the limiter has failed, before the request is let through.
	// It runs in the request's goroutine, so it should be quick, and must be safe for
	// concurrent use.
	OnError func(r *http.Request, err error)
}

// Middleware returns a middleware that charges every request to l. It answers a
// request over its budget with 429 Too Many Requests and Retry-After in whole
// seconds, without reading the body and without calling the handler behind. If the
// limiter fails, the request passes.
//
// The ResponseWriter is passed on unchanged. An error names the wrong option. If the
// returned middleware is called with a nil handler, it panics at once and not while
// serving.
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
			// A failed write means that the client is gone.
			_, _ = io.WriteString(w, opts.Body)
		})
	}, nil
}

// SetHeaders writes d into a response's headers. Call it before WriteHeader. A
// refusal always gets Retry-After. If policy is not empty, it also sets RateLimit
// and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10) under that name,
// which must be printable ASCII without quotes and backslashes.
//
// In RateLimit-Policy, the value w is the time in which the bucket fills, in whole
// seconds, rounded up. For a bucket that fills in less than a second it therefore
// shows a lower rate than the true one. In RateLimit, the value t is the time until
// one more call is available, rounded up; it is left out for a full bucket.
func SetHeaders(h http.Header, d Decision, policy string) {
	if !d.Allowed {
		h.Set("Retry-After", strconv.Itoa(d.RetryAfterSeconds()))
	}
	if policy == "" {
		return
	}
	// The window is rounded up to whole seconds, so the advertised rate is never higher
	// than the true one.
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

// untilNext returns the whole seconds until one more call is available, or 0 for a
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
