package client

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/confirming"
)

// The kinds of failure, for errors.Is. Every error of a client's method has one of
// these kinds, or [payack.ErrUnconfirmed].
var (
	// ErrRequest: the request breaks a rule, and nothing was sent.
	ErrRequest = confirming.ErrNotAsked
	// ErrUnreachable: no complete response came. The provider may have done what
	// the request asks for. If a context ended, errors.Is matches
	// context.DeadlineExceeded or context.Canceled too.
	ErrUnreachable = errors.New("payack: the provider could not be reached")
	// ErrRedirect: the provider answered with a redirect. Clients follow none,
	// because requests carry keys.
	ErrRedirect = errors.New("payack: the provider answered with a redirect, which is never followed; check the base URL")
	// ErrStatus: the HTTP status is not 2xx.
	ErrStatus = errors.New("payack: the provider answered with an HTTP status of failure")
	// ErrResponse: the response is not as documented. It is empty, truncated, an
	// HTML page, lacks a member, or does not verify. errors.Is also matches
	// [payack.ErrSignature], [payack.ErrEnvelope], [payack.ErrMalformed],
	// [payack.ErrInvalid] or [payack.ErrTooLarge] where one of them is the cause.
	ErrResponse = errors.New("payack: the response is not as documented")
	// ErrMismatch: the response is about another order or transaction than the
	// request.
	ErrMismatch = errors.New("payack: the response is of another order or transaction")
	// ErrDeclined: the provider read the request and declined it. errors.Is also
	// matches one of the causes below if the response names a documented cause.
	ErrDeclined = errors.New("payack: the provider declined")
	// ErrPending: Confirm got an answer that is not final. Ask again later.
	ErrPending = errors.New("payack: the provider has not decided yet")
)

// The documented reasons why a provider declines a request. The number after each
// is PTS's code. Ptop's HTTP statuses 400, 401, 403 and 500 become ErrField,
// ErrUnauthorized, ErrRequestSignature and ErrService. Refusals are never signed:
// base nothing final on them.
var (
	ErrField            = errors.New("payack: a field is not valid")                     // 1001
	ErrNotFound         = errors.New("payack: not found")                                // 1002
	ErrDuplicateOrder   = errors.New("payack: duplicate order")                          // 1003
	ErrQuota            = errors.New("payack: over the quota")                           // 1004
	ErrAmountTooLarge   = errors.New("payack: amount too large")                         // 1005
	ErrAmountTooSmall   = errors.New("payack: amount too small")                         // 1006
	ErrBalance          = errors.New("payack: insufficient balance")                     // 1007
	ErrCurrency         = errors.New("payack: currency not supported")                   // 1008
	ErrUnauthorized     = errors.New("payack: unauthorized")                             // 1009
	ErrRequestSignature = errors.New("payack: the provider refuses our signature")       // 1010
	ErrService          = errors.New("payack: the service is not available")             // 1011
	ErrChannel          = errors.New("payack: channel mismatch")                         // 1015
	ErrDecryption       = errors.New("payack: the provider cannot open our envelope")    // 1017
	ErrAddress          = errors.New("payack: our IP address is not allowed")            // 1018
	ErrBadRequest       = errors.New("payack: the provider cannot process the request")  // 1020
	ErrGateway          = errors.New("payack: the provider's service or gateway failed") // 8xxx
	ErrUpstream         = errors.New("payack: the provider's upstream failed")           // 9xxx
	ErrUnrecognised     = errors.New("payack: the provider did not recognise the error") // 9999
)

// Error is the error of every method of a client. It is safe to log: it contains no
// secret, no URL and no part of the request. Code, Message and Excerpt come from
// the response; they are bounded and printable, and secrets in them are redacted.
type Error struct {
	Provider payack.Provider
	// Call names the request, such as payment_v2 or status_polling.
	Call string
	// Kind is one of the kinds of failure, or [payack.ErrUnconfirmed].
	Kind error
	// Cause says why the provider declined, why verification failed or how a context
	// ended. It may be nil.
	Cause error
	// Detail is a text of this package.
	Detail string
	// Status is the HTTP status, 0 without a response.
	Status int
	// Code and Message are the provider's, empty if it sent none. They are not
	// signed.
	Code    string
	Message string
	// Excerpt is the beginning of a response that could not be read.
	Excerpt string
}

// Error returns one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("payack: " + string(e.Provider) + ": " + e.Call)
	add := func(text string) {
		if text != "" {
			b.WriteString(": " + text)
		}
	}
	add(bare(e.Kind))
	add(bare(e.Cause))
	add(e.Detail)
	if e.Status != 0 {
		add("status " + strconv.Itoa(e.Status))
	}
	if e.Code != "" {
		add("code " + strconv.Quote(e.Code))
	}
	if e.Message != "" {
		add("message " + strconv.Quote(e.Message))
	}
	if e.Excerpt != "" {
		add("it begins with " + strconv.Quote(e.Excerpt))
	}
	return b.String()
}

func bare(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "payack: ")
}

// Unwrap returns Kind and Cause, for errors.Is.
func (e *Error) Unwrap() []error {
	out := make([]error, 0, 2)
	for _, err := range []error{e.Kind, e.Cause} {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// Uncertain reports whether the provider may have done what the request asks for.
// After an uncertain error, query the payment or payout. If you create it again
// under another order id, it may be paid twice.
func (e *Error) Uncertain() bool {
	switch e.Cause {
	case ErrService, ErrGateway, ErrUpstream, ErrUnrecognised, ErrDuplicateOrder:
		return true
	}
	return e.Kind != ErrRequest && e.Kind != ErrDeclined
}

// Bounds of what an error keeps of a response.
const (
	maxExcerpt  = 200      // characters
	excerptFrom = 16 << 10 // bytes that are searched for secrets
	maxCode     = 16
	maxID       = 64
)

// quoted returns an id as an error shows it.
func quoted(id string) string { return strconv.Quote(printable(id, nil, maxID)) }

// printable returns the beginning of a provider's text as one line. It replaces
// control characters and redacts secrets in every spelling that an error page may
// use.
func printable(text string, secrets []string, limit int) string {
	if len(text) > excerptFrom {
		text = text[:excerptFrom]
	}
	var b strings.Builder
	n, blank := 0, false
	for _, r := range redact(text, secrets) {
		if unicode.IsSpace(r) {
			blank = n > 0
			continue
		}
		if n >= limit {
			b.WriteString("…")
			break
		}
		if blank {
			b.WriteByte(' ')
			n, blank = n+1, false
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			r = '.'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// fragment is the least number of consecutive bytes of a secret that are
// redacted. It is small, because a provider may repeat a truncated secret.
const fragment = 6

// redact replaces every fragment of a secret in the text.
func redact(text string, secrets []string) string {
	windows := map[string]bool{}
	sizes := map[int]bool{}
	for _, s := range secrets {
		for _, spelling := range spellings(s) {
			size := min(fragment, len(spelling))
			sizes[size] = true
			for i := 0; i+size <= len(spelling); i++ {
				windows[spelling[i:i+size]] = true
			}
		}
	}
	hidden := make([]bool, len(text))
	for size := range sizes {
		for i := 0; size > 0 && i+size <= len(text); i++ {
			if windows[text[i:i+size]] {
				for j := i; j < i+size; j++ {
					hidden[j] = true
				}
			}
		}
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString("[redacted]")
		}
	}
	return b.String()
}

// spellings returns the spellings of a text in JSON (Go's and PHP's), forms, HTML,
// base64 and hex.
func spellings(s string) []string {
	if s == "" {
		return nil
	}
	quoted, _ := json.Marshal(s) // never fails for a string
	inJSON := string(quoted[1 : len(quoted)-1])
	ascii := strconv.QuoteToASCII(s)
	ascii = ascii[1 : len(ascii)-1]
	return []string{
		s, inJSON, ascii, strings.ReplaceAll(ascii, "/", `\/`), strings.ReplaceAll(inJSON, "/", `\/`),
		url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s),
		base64.StdEncoding.EncodeToString([]byte(s)), hex.EncodeToString([]byte(s)),
	}
}
