// Package client asks the providers: it creates payments, pays out, queries
// what became of them, and confirms callbacks by asking. There is a file for
// each provider, and one constructor in it:
//
//	ptop, err := client.NewPtop(client.PtopConfig{…})
//	h, err := handlers.NewPtop(middleware.PtopConfig{…, Confirm: ptop.Confirm}, settle)
//
// Requests are checked before anything is sent, and responses are verified as
// far as the provider signs them before anything is returned; what is not
// signed says so in its name. Amounts are the texts that were given, never
// floats.
//
// No redirect is followed and plain http is refused except on loopback,
// because requests carry keys. Only calls that can be repeated without harm
// are repeated (queries, and Ptop's payout with its sendingTrx), with
// exponential back-off and full jitter; nothing is ever created twice.
//
// Every error of a method is an *[Error], and its kind is found with errors.Is.
// All clients are safe for concurrent use, and none of them logs.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"
	"github.com/shopspring/decimal"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/payatom"
	"github.com/payack/payack/internal/strict"
)

// Defaults of [Options].
const (
	DefaultTimeout = 10 * time.Second
	// DefaultConfirmTimeout leaves the merchant's function 3 of the 8 seconds that
	// a receiver has by default.
	DefaultConfirmTimeout = 5 * time.Second
	DefaultMaxResponse    = 1 << 20
	DefaultRetries        = 2
)

// The back-off before the n-th repetition is anything up to the smaller of
// backoffMax and backoffBase·2ⁿ⁻¹.
const (
	backoffBase = 200 * time.Millisecond
	backoffMax  = 2 * time.Second
)

// Options are what all clients have in common. The zero value is a working
// choice.
type Options struct {
	// HTTPClient is the one whose Transport, and Timeout when it is the shorter
	// one, are used; nil is http.DefaultTransport. It is not changed. Its
	// CheckRedirect and Jar are not used: redirects are never followed, and
	// the providers know no cookies.
	HTTPClient *http.Client
	// Timeout bounds each attempt, reading included; 0 is 10 seconds. The context
	// bounds all attempts together. Where it has a deadline, an attempt that may be
	// repeated takes at most half of the time that is left.
	Timeout time.Duration
	// ConfirmTimeout bounds a whole Confirm, its repetitions and the pauses before
	// them included; 0 is 5 seconds. It must be shorter than the deadline of the
	// receiver that asks (8 seconds by default), which is for the merchant's
	// function, too. The context's own deadline counts where it is earlier.
	ConfirmTimeout time.Duration
	// MaxResponse is the largest response in bytes; 0 is 1 MiB.
	MaxResponse int64
	// Retries is how often a call that can be repeated without harm is
	// repeated after no response, half a response, 429 or 5xx; 0 is twice, a
	// negative number never.
	Retries int
	// Now is the clock of the timestamps that PTS wants; nil is time.Now.
	Now func() time.Time
}

// transport is the way to one provider.
type transport struct {
	provider payack.Provider
	base     string
	http     http.RoundTripper
	timeout  time.Duration
	confirm  time.Duration
	max      int64
	retries  int
	now      func() time.Time
	secrets  []payack.Secret // never to be repeated in an error
}

func newTransport(p payack.Provider, baseURL string, o Options, secrets ...payack.Secret) (*transport, error) {
	base, err := checkBase(baseURL)
	if err != nil {
		return nil, fmt.Errorf("payack: %s: BaseURL: %w", p, err)
	}
	if o.Timeout < 0 || o.ConfirmTimeout < 0 || o.MaxResponse < 0 {
		return nil, fmt.Errorf("payack: %s: Timeout, ConfirmTimeout and MaxResponse can't be negative; leave them 0 for the defaults", p)
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
		t.max = DefaultMaxResponse
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
	return t, nil
}

// checkBase returns the URL without the slash at its end. Its text may hold a
// password, so no error quotes it.
func checkBase(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return "", errors.New("it is empty; give the provider's, such as https://host")
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "", errors.New("it is no absolute URL; give one such as https://host")
	case u.User != nil:
		return "", errors.New("it holds a user name; leave that out")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("it has a query or a fragment; give scheme, host and path only")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "", errors.New("plain http would show keys to everybody on the way; use https (http is for loopback only)")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("its scheme is not https; use https")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// call is one request to the provider, with all its attempts.
type call struct {
	name   string
	method string // empty is POST
	path   string
	// repeatable says that a second time does no harm.
	repeatable bool
	// build makes the message, for each attempt anew: PTS signs the time.
	build func() (*message, error)
}

type message struct {
	contentType string
	body        []byte
	header      map[string]string
	// hide are texts besides the secrets that no error may repeat: signatures.
	hide []string
}

// answer is a complete response, whatever its status.
type answer struct {
	call   string
	status int
	body   []byte
	hide   []string
}

// do sends the request, and again where that is allowed. The error is nil for
// every complete response that is no redirect; its status is not looked at.
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

// pause waits before the next attempt. It is false when the context ends
// before that.
func pause(ctx context.Context, attempt int) bool {
	wait := rand.N(longestPause(attempt))
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// longestPause is what the pause after an attempt stays below.
func longestPause(attempt int) time.Duration {
	return min(backoffMax, backoffBase<<min(attempt, 10))
}

// share is how long an attempt may take. One that may be repeated leaves half of
// what its context has left to the others: the first has the most, since a
// provider that is slow is so every time.
func (t *transport) share(ctx context.Context, c call, attempt int) time.Duration {
	if end, ok := ctx.Deadline(); ok && c.repeatable && attempt < t.retries {
		return min(t.timeout, time.Until(end)/2)
	}
	return t.timeout
}

// longestConfirm is how long a Confirm may take at most.
func (t *transport) longestConfirm() time.Duration {
	all := t.timeout
	for attempt := 0; attempt < t.retries && all < t.confirm; attempt++ {
		all += longestPause(attempt) + t.timeout
	}
	return min(all, t.confirm)
}

// attempt sends the request once; again reports whether another time may help.
// The error is an *[Error] or nil.
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
	// The transport itself, and no http.Client, so that nothing can follow a
	// redirect or add a cookie.
	response, err := t.http.RoundTrip(request)
	if err != nil {
		e := t.fail(a, ErrUnreachable, ended(ctx, err), "no response came")
		if e.Cause == nil {
			var wrapped *url.Error
			if errors.As(err, &wrapped) { // its text begins with the URL
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
	a.body, err = io.ReadAll(io.LimitReader(response.Body, t.max+1))
	switch {
	case int64(len(a.body)) > t.max:
		return nil, false, t.unreadable(a, payack.ErrTooLarge, fmt.Sprintf("the response has more than %d bytes", t.max))
	case err != nil && ctx.Err() != nil:
		e := t.unreadable(a, ended(ctx, err), "the response did not end in time")
		e.Kind = ErrUnreachable
		return nil, true, e
	case err != nil:
		return nil, true, t.unreadable(a, nil, "the response ends too early")
	}
	// Servers written in PHP send a byte-order mark when a file of theirs begins
	// with one. It is no part of the JSON, and nothing of it is signed.
	a.body = bytes.TrimPrefix(a.body, []byte(byteOrderMark))
	return a, a.status == http.StatusTooManyRequests || a.status >= 500, nil
}

// ended returns the way a context ended, or nil when something else went wrong.
// The error itself is not passed on: a transport's text may repeat the request.
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

// hidden are all texts that an error must not repeat.
func (t *transport) hidden(a *answer) []string {
	out := append([]string(nil), a.hide...)
	for _, s := range t.secrets {
		out = append(out, s.Reveal())
	}
	return out
}

func (t *transport) fail(a *answer, kind, cause error, detail string) *Error {
	return &Error{Provider: t.provider, Call: a.call, Kind: kind, Cause: cause, Detail: detail, Status: a.status}
}

// unreadable is the error of a response that is not as documented.
func (t *transport) unreadable(a *answer, cause error, detail string) *Error {
	e := t.fail(a, ErrResponse, cause, detail)
	e.Excerpt = printable(string(a.body), t.hidden(a), maxExcerpt)
	return e
}

// said puts what the provider said into an error.
func (t *transport) said(e *Error, a *answer, code, message string) *Error {
	e.Code = printable(code, t.hidden(a), maxCode)
	e.Message = printable(message, t.hidden(a), maxExcerpt)
	return e
}

// mismatch is the error of an answer to another question.
func (t *transport) mismatch(name, member string) *Error {
	return &Error{Provider: t.provider, Call: name, Kind: ErrMismatch, Detail: member + " is not the one that was asked for"}
}

// invalid is the error of a request that is not sent.
func (t *transport) invalid(name, detail string) *Error {
	return &Error{Provider: t.provider, Call: name, Kind: ErrRequest, Detail: strings.TrimPrefix(detail, "payack: ")}
}

// ok returns an error unless the status is one of success. What the body says,
// if it is JSON, is kept.
func (t *transport) ok(a *answer) *Error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	e := t.fail(a, ErrStatus, nil, "")
	fields, err := strict.JSON(nil, string(a.body))
	if err != nil {
		e.Excerpt = printable(string(a.body), t.hidden(a), maxExcerpt)
		return e
	}
	text := func(name string) string {
		if f := strict.Find(fields, name); f != nil && f.Kind != strict.Null {
			return f.Text
		}
		return ""
	}
	return t.said(e, a, text("code"), text("message"))
}

// object reads a response that must be one JSON object.
func (t *transport) object(a *answer, known ...string) (*members, *Error) {
	if e := t.opens(a, '{'); e != nil {
		return nil, e
	}
	fields, err := strict.JSON(nil, string(a.body))
	if err == nil {
		err = strict.Know(fields, known)
	}
	if err != nil {
		return nil, t.unreadable(a, payack.ErrMalformed, err.Error())
	}
	return &members{fields: fields}, nil
}

const byteOrderMark = "\ufeff"

// opens tells the usual pages from JSON that begins with one of these bytes.
func (t *transport) opens(a *answer, with ...byte) *Error {
	trimmed := bytes.TrimLeft(a.body, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return t.unreadable(a, nil, "the response is empty")
	case bytes.HasPrefix(trimmed, []byte(byteOrderMark)):
		return t.unreadable(a, payack.ErrMalformed, "a byte-order mark stands where the JSON should begin")
	case trimmed[0] == '<':
		return t.unreadable(a, nil, "the response is a page of HTML and no JSON")
	case !bytes.ContainsRune(with, rune(trimmed[0])):
		return t.unreadable(a, nil, "the response is not the JSON that was expected")
	}
	return nil
}

// members are a response's, not yet typed. The first that has the wrong type
// is kept in err.
type members struct {
	fields []strict.Field
	err    error
}

func (m *members) fail(f *strict.Field, name, what string) payack.Text {
	if m.err == nil {
		m.err = errors.New(name + " " + what)
		if f != nil {
			m.err = &strict.Error{What: name + " " + what, Offset: f.ValueStart}
		}
	}
	return payack.Text{}
}

// id returns an id or a status: a string, or a plain integer within int64.
func (m *members) id(name string) payack.Text {
	f := strict.Find(m.fields, name)
	switch {
	case f == nil:
		return payack.Text{}
	case f.Kind == strict.Null:
		return payack.NullText()
	case f.Kind == strict.String:
		return payack.NewText(f.Text)
	case f.Kind == strict.Number:
		if _, err := strconv.ParseInt(f.Text, 10, 64); err == nil && f.Text != "-0" {
			return payack.NewText(f.Text)
		}
	}
	return m.fail(f, name, "is neither a string nor a plain integer")
}

// required returns an id that must not be empty.
func (m *members) required(name string) string {
	text := m.id(name).String()
	if text == "" {
		m.fail(strict.Find(m.fields, name), name, "is missing or empty")
	}
	return text
}

// word returns a string, a number or null.
func (m *members) word(name string) payack.Text {
	f := strict.Find(m.fields, name)
	switch {
	case f == nil:
		return payack.Text{}
	case f.Kind == strict.Null:
		return payack.NullText()
	case f.Kind == strict.String || f.Kind == strict.Number:
		return payack.NewText(f.Text)
	}
	return m.fail(f, name, "is neither a string nor a number")
}

// flag returns a boolean, and whether there is one.
func (m *members) flag(name string) (value, found bool) {
	f := strict.Find(m.fields, name)
	switch {
	case f == nil || f.Kind == strict.Null:
		return false, false
	case f.Kind == strict.True || f.Kind == strict.False:
		return f.Kind == strict.True, true
	}
	m.fail(f, name, "is not a boolean")
	return false, false
}

// extra returns all members but the known ones, nil when there are none.
func (m *members) extra() map[string]payack.Text {
	var out map[string]payack.Text
	for _, f := range m.fields {
		if f.Known {
			continue
		}
		if out == nil {
			out = make(map[string]payack.Text)
		}
		if out[f.Name] = payack.NewText(f.Text); f.Kind == strict.Null {
			out[f.Name] = payack.NullText()
		}
	}
	return out
}

// encode returns the JSON of a request. encoding/json would replace bytes that
// are no UTF-8, which have been refused before.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil, errors.New("it cannot be written as JSON")
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

const typeJSON = "application/json"

// rules checks requests by the tags of their fields.
var rules = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterCustomTypeFunc(func(field reflect.Value) any {
		return field.Interface().(payack.Amount).String()
	}, payack.Amount{})
	for tag, holds := range map[string]func(string) bool{
		"text":     cleanText,
		"hashable": payatom.OrderID,
		"positive": func(s string) bool { return sign(s) > 0 },
		"plain":    plain,
		"six":      func(s string) bool { _, decimals, _ := strings.Cut(s, "."); return plain(s) && len(decimals) <= 6 },
	} {
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return holds(fl.Field().String()) }); err != nil {
			panic(err) // a name that is no tag, which every test would see
		}
	}
	return v
})

var fixes = map[string]string{
	"required": "is empty; give it",
	"text":     "is not UTF-8, or holds a control character; leave that out",
	"hashable": tooLong,
	"positive": "is not a number above zero; give one such as 100.50",
	"plain":    "is not a plain decimal of at most 18 digits; give one such as 100.50",
	"six":      "is not a plain decimal with at most 6 decimals; give one such as 100.50",
	"http_url": "is no absolute http or https URL; give one",
	"email":    "is no e-mail address; give one",
	"min":      "is too short",
	"max":      "is too long",
}

// tooLong is what is wrong with an order_id of Payatom's that the hash does not
// fix.
var tooLong = fmt.Sprintf("has %d bytes or more, so that another one may have the same hash; give a shorter one", payatom.MaxOrderID)

// check returns the error of a request that breaks a rule of its type. It names
// the field and the fix, never the value.
func (t *transport) check(name string, request any) *Error {
	err := rules().Struct(request)
	var broken validator.ValidationErrors
	switch {
	case err == nil:
		return nil
	case errors.As(err, &broken) && len(broken) > 0:
		fix, known := fixes[broken[0].Tag()]
		if !known {
			fix = "breaks the rule " + broken[0].Tag()
		}
		if broken[0].Param() != "" {
			fix += " (" + broken[0].Tag() + " " + broken[0].Param() + ")"
		}
		return t.invalid(name, broken[0].Field()+" "+fix)
	}
	return t.invalid(name, "it cannot be checked")
}

func cleanText(s string) bool {
	for _, r := range s {
		if r < 0x20 || r == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

func plain(s string) bool { return payatom.Amount(s) }

// sign is that of an amount's value, -2 when it has none.
func sign(s string) int {
	d, err := payack.NewAmount(s).Decimal()
	if err != nil {
		return -2
	}
	return d.Sign()
}

// atLeast reports whether an amount has a value of at least this.
func atLeast(a payack.Amount, least int64) bool {
	d, err := a.Decimal()
	return err == nil && d.GreaterThanOrEqual(decimal.NewFromInt(least))
}

// checkPayURL refuses what no customer may be sent to.
func checkPayURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return errors.New("is no absolute https URL")
	}
	return nil
}

// question returns the error of Confirm for an event that it is not for.
func (t *transport) question(detail string) error { return t.invalid("confirm", detail) }

// contradiction is Confirm's final no; what names the members that differ.
func (t *transport) contradiction(call string, what ...string) error {
	return &Error{Provider: t.provider, Call: call, Kind: payack.ErrUnconfirmed, Detail: "the answer differs in " + strings.Join(what, ", ")}
}

// pending is Confirm's "ask again".
func (t *transport) pending(call, detail string) error {
	return &Error{Provider: t.provider, Call: call, Kind: ErrPending, Detail: detail}
}

// hiddenFormat keeps printers out of a client.
func hiddenFormat(f fmt.State, name string) { _, _ = io.WriteString(f, "client."+name+"{…}") }
