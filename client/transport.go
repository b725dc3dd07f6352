package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/payack/payack"
)

// transport sends requests to one provider.
type transport struct {
	provider payack.Provider
	base     string
	http     http.RoundTripper
	fresh    http.RoundTripper // for calls that are sent only once
	timeout  time.Duration
	confirm  time.Duration
	max      int64
	maxUnset bool
	retries  int
	now      func() time.Time
	secrets  []payack.Secret // redacted in errors
}

func newTransport(p payack.Provider, baseURL string, o Options, secrets ...payack.Secret) (*transport, error) {
	base, err := checkBase(baseURL)
	if err != nil {
		return nil, fmt.Errorf("payack: BaseURL: %w", err)
	}
	if o.Timeout < 0 || o.ConfirmTimeout < 0 || o.MaxResponse < 0 {
		return nil, errors.New("payack: Timeout, ConfirmTimeout and MaxResponse can't be negative; leave them 0 for the defaults")
	}
	t := &transport{
		provider: p, base: base, http: http.DefaultTransport,
		timeout: o.Timeout, confirm: o.ConfirmTimeout, max: o.MaxResponse, retries: max(o.Retries, 0), now: o.Now, secrets: secrets,
	}
	if t.timeout == 0 {
		t.timeout = DefaultTimeout
	}
	if t.confirm == 0 {
		t.confirm = DefaultConfirmTimeout
	}
	if t.max == 0 {
		t.max, t.maxUnset = DefaultMaxResponse, true
	}
	if o.Retries == 0 {
		t.retries = DefaultRetries
	}
	if t.now == nil {
		t.now = time.Now
	}
	if c := o.HTTPClient; c != nil {
		if c.Transport != nil {
			t.http = c.Transport
		}
		if c.Timeout > 0 {
			t.timeout = min(t.timeout, c.Timeout)
		}
	}
	t.fresh = fresh(t.http)
	return t, nil
}

// fresh returns a transport that opens a connection for each request. A call that is
// sent only once must not use a kept-alive connection: if the provider closes it
// while the request is sent, nobody knows whether the request was read.
func fresh(t http.RoundTripper) http.RoundTripper {
	known, ok := t.(*http.Transport)
	if !ok {
		return t
	}
	own := known.Clone()
	own.DisableKeepAlives = true
	return own
}

// call is one request to the provider, with all its attempts.
type call struct {
	name   string
	method string // empty is POST
	path   string
	// repeatable says that the provider may get the request twice. A call that is not
	// repeatable uses a new connection.
	repeatable bool
	// max is the default of MaxResponse for this call; 0 is [DefaultMaxResponse].
	max int64
	// build makes the message of an attempt. PTS signs the time, so each attempt
	// needs a new message.
	build func() (*message, error)
}

type message struct {
	contentType string
	body        []byte
	header      map[string]string
	// hide are signatures. Errors redact them like the secrets.
	hide []string
}

// answer is a complete response, whatever its status.
type answer struct {
	call   string
	status int
	body   []byte
	hide   []string
}

// do sends the request and repeats it if that is allowed and may help. It returns
// every complete response except redirects, whatever its status.
func (t *transport) do(ctx context.Context, c call) (*answer, error) {
	for attempt := 0; ; attempt++ {
		a, again, err := t.attempt(ctx, c, t.share(ctx, c, attempt))
		if !again || !c.repeatable || attempt >= t.retries || !pause(ctx, attempt) {
			if err != nil {
				return nil, err
			}
			return a, nil
		}
	}
}

// attempt sends the request once. again reports whether a repetition may help. The
// error is an *[Error] or nil.
func (t *transport) attempt(ctx context.Context, c call, timeout time.Duration) (a *answer, again bool, err error) {
	m, err := c.build()
	if err != nil {
		return nil, false, t.invalid(c.name, err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	method := http.MethodPost
	if c.method != "" {
		method = c.method
	}
	request, err := http.NewRequestWithContext(ctx, method, t.base+c.path, bytes.NewReader(m.body))
	if err != nil {
		return nil, false, t.invalid(c.name, "its URL cannot be built")
	}
	if len(m.body) == 0 {
		request.Body = http.NoBody
	}
	if m.contentType != "" {
		request.Header.Set("Content-Type", m.contentType)
	}
	request.Header.Set("Accept", "application/json")
	for name, value := range m.header {
		request.Header.Set(name, value)
	}

	a = &answer{call: c.name, hide: m.hide}
	way := t.http
	if !c.repeatable {
		way, request.Close = t.fresh, true
	}
	// Unlike an http.Client, a RoundTripper follows no redirect and adds no cookie.
	response, err := way.RoundTrip(request)
	if err != nil {
		e := t.fail(a, ErrUnreachable, ended(ctx, err), "no response came")
		if e.Cause == nil {
			var wrapped *url.Error
			if errors.As(err, &wrapped) { // its text has the URL
				err = wrapped.Err
			}
			e.Detail = printable(err.Error(), t.hidden(a), maxExcerpt)
		}
		return nil, true, e
	}
	defer response.Body.Close()
	a.status = response.StatusCode
	if a.status >= 300 && a.status < 400 {
		return nil, false, t.fail(a, ErrRedirect, nil, "")
	}
	limit := t.max
	if t.maxUnset && c.max > 0 {
		limit = c.max
	}
	a.body, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case int64(len(a.body)) > limit:
		return nil, false, t.unreadable(a, payack.ErrTooLarge, fmt.Sprintf("the response has more than %d bytes", limit))
	case err != nil && ctx.Err() != nil:
		e := t.unreadable(a, ended(ctx, err), "the response did not end in time")
		e.Kind = ErrUnreachable
		return nil, true, e
	case err != nil:
		return nil, true, t.unreadable(a, nil, "the response ends too early")
	}
	// A server in PHP sends a byte-order mark if one of its source files begins with
	// one. It is not part of the JSON and never signed.
	a.body = bytes.TrimPrefix(a.body, []byte(byteOrderMark))
	return a, a.status == http.StatusTooManyRequests || a.status >= 500, nil
}

// ended returns context.Canceled or context.DeadlineExceeded if the request was
// cancelled or took too long, and nil otherwise. It does not return err itself,
// because the text of a transport's error may repeat the request.
func ended(ctx context.Context, err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout():
		return context.DeadlineExceeded
	}
	return nil
}
