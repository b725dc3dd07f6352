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
)

// The kinds of failure, for errors.Is. Every error of this package is one of
// them, or [payack.ErrUnconfirmed].
var (
	// ErrRequest: the request breaks a rule, and nothing was sent.
	ErrRequest = errors.New("payack: the request is not valid")
	// ErrUnreachable: no complete response came. What was asked for may have
	// been done all the same. A context that ended is matched too
	// (context.DeadlineExceeded, context.Canceled).
	ErrUnreachable = errors.New("payack: the provider could not be reached")
	// ErrRedirect: the provider answered with a redirect. None is followed:
	// requests carry keys.
	ErrRedirect = errors.New("payack: the provider answered with a redirect, which is never followed; check the base URL")
	// ErrStatus: the HTTP status is not one of success.
	ErrStatus = errors.New("payack: the provider answered with an HTTP status of failure")
	// ErrResponse: the response is not what the documents say: an HTML page,
	// nothing, half of it, a member missing, a signature that doesn't verify
	// ([payack.ErrSignature], [payack.ErrEnvelope], [payack.ErrMalformed],
	// [payack.ErrInvalid] are matched too), or too much
	// ([payack.ErrTooLarge]).
	ErrResponse = errors.New("payack: the response is not as documented")
	// ErrMismatch: the response is of another order or transaction than the
	// one that was asked for.
	ErrMismatch = errors.New("payack: the response is of another order or transaction")
	// ErrDeclined: the provider understood and said no; which of the errors
	// below is matched too where the documents tell.
	ErrDeclined = errors.New("payack: the provider declined")
	// ErrPending: Confirm's question has no final answer yet.
	ErrPending = errors.New("payack: the provider has not decided yet")
)

// Why a provider declined. The numbers are PTS's codes; Ptop's HTTP statuses
// 400, 401, 403 and 500 are ErrField, ErrUnauthorized, ErrRequestSignature and
// ErrService. None of it is signed.
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

// Error is every error of this package's methods. It holds no secret, no URL
// and no part of a request; what a response says is in Message and Excerpt
// only, bounded, printable, and with whatever we had to keep secret redacted.
type Error struct {
	Provider payack.Provider
	// Call names the request: payment_v2, status_polling …
	Call string
	// Kind is one of the kinds above, or [payack.ErrUnconfirmed].
	Kind error
	// Cause says more, nil where there is no more to say: why the provider
	// declined, how verification failed, which way a context ended.
	Cause error
	// Detail is a text of our own.
	Detail string
	// Status is the HTTP status, 0 when there was no response.
	Status int
	// Code and Message are what the provider said, empty when it said nothing.
	// They are not signed.
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

// Unwrap returns Kind and Cause.
func (e *Error) Unwrap() []error {
	out := make([]error, 0, 2)
	for _, err := range []error{e.Kind, e.Cause} {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// Uncertain reports whether the provider may have done what it was asked for. A
// payment or payout without a final answer must be queried, not created again
// under another order.
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
	excerptFrom = 16 << 10 // bytes that are looked at
	maxCode     = 16
)

// printable returns the beginning of a text that came from outside: one line,
// control characters replaced, and secrets redacted in the spellings in which
// a provider's error page would repeat them.
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

// fragment is how many bytes of a secret in a row give it away. (A truncated
// or shortened repetition must not show the rest.)
const fragment = 6

// redact replaces every fragment of a secret.
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

// spellings are the ways in which a text is written in JSON (Go's and PHP's),
// forms, HTML and base64.
func spellings(s string) []string {
	if s == "" {
		return nil
	}
	quoted, _ := json.Marshal(s) // a string always can be
	inJSON := string(quoted[1 : len(quoted)-1])
	ascii := strconv.QuoteToASCII(s)
	ascii = ascii[1 : len(ascii)-1]
	return []string{
		s, inJSON, ascii, strings.ReplaceAll(ascii, "/", `\/`), strings.ReplaceAll(inJSON, "/", `\/`),
		url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s),
		base64.StdEncoding.EncodeToString([]byte(s)), hex.EncodeToString([]byte(s)),
	}
}
