// Package client calls the APIs of the providers: it creates payments and payouts,
// queries their state, and confirms callbacks. Each provider has a client ([Ptop],
// [PTS], [Payatom]) with a constructor:
//
//	ptop, err := client.NewPtop(client.PtopConfig{…})
//	h, err := handlers.NewPtop(middleware.PtopConfig{…, Confirm: ptop.Confirm}, settle)
//
// A client checks a request before it sends anything. It verifies the signature
// of a response before it returns the result. Fields that the signature does not
// cover are named Unsigned; if nothing is signed, the method's documentation says
// so. Amounts are sent as the texts that were given, never as floats.
//
// Requests carry keys, so a client follows no redirect and refuses plain http
// except on loopback. It repeats only calls that are safe to repeat (queries, and
// Ptop's payout, which carries an idempotency key), with exponential back-off and
// full jitter. Calls that create something are sent once.
//
// Every error of a method is an *[Error]; match its kind with errors.Is. Clients
// are safe for concurrent use and do not log.
//
// # Rules of requests
//
// A request is a struct such as [PtopPayment]. The struct tag validate of a field
// lists its rules, in the words of github.com/go-playground/validator/v10 and some
// words of this package. The method that takes the request checks them before it
// sends anything. A broken rule is [ErrRequest], which names the field and never
// its value.
//
//	required             the field is neither empty nor the zero time
//	omitempty            the rules that follow don't apply to an empty field
//	text                 UTF-8 without control characters
//	min, max, len        at least, at most, exactly this many characters
//	oneof                one of the words listed
//	alpha                ASCII letters only
//	uppercase            no lower-case letters
//	email                an e-mail address
//	http_url             an absolute http or https URL
//	secure_url           an absolute https URL without a user name; http is allowed on loopback only
//	positive             a number above zero
//	plain                a decimal of at most 18 digits, without sign, exponent or superfluous leading zeros
//	six                  plain, with at most 6 decimals
//	hashable             1 to 63 bytes: a longer order id may have the same hash as another order id
//	dive,keys,…,endkeys  for a map: the rules up to endkeys are for its keys, the rules after it for its values
//	-                    the tag has no rule; the method checks the field itself
package client

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/keytext"
)

// Defaults of [Options].
const (
	DefaultTimeout = 10 * time.Second
	// DefaultConfirmTimeout leaves the merchant's function 3 of the 8 seconds that
	// a receiver has by default.
	DefaultConfirmTimeout = 5 * time.Second
	DefaultMaxResponse    = 1 << 20 // bytes
	DefaultRetries        = 2
)

// The back-off before the n-th repetition is random, below the smaller of
// backoffMax and backoffBase·2ⁿ⁻¹.
const (
	backoffBase = 200 * time.Millisecond
	backoffMax  = 2 * time.Second
)

// Options are the options of every client. The zero value is usable.
type Options struct {
	// HTTPClient is the client whose Transport sends the requests; nil means
	// http.DefaultTransport. Its Timeout counts if it is shorter than
	// Options.Timeout. Its CheckRedirect and Jar are ignored: clients follow no
	// redirects, and the providers use no cookies. HTTPClient is not changed.
	//
	// A call that is sent only once, such as a create, uses a new connection. On an
	// idle connection that the provider is closing, the request may be lost. A
	// Transport that is not an *http.Transport gets the request of such a call with
	// Request.Close set, and must open the new connection itself.
	HTTPClient *http.Client
	// Timeout bounds each attempt until its response is read; 0 is [DefaultTimeout].
	// The context bounds all attempts together. If the context has a deadline, an
	// attempt that may be repeated gets at most half of the time left.
	Timeout time.Duration
	// ConfirmTimeout bounds a call of Confirm with its repetitions and pauses; 0 is
	// [DefaultConfirmTimeout]. It must be shorter than the deadline of the receiver
	// that calls Confirm (8 seconds by default): the merchant's function runs within
	// the same deadline. If the context has an earlier deadline, that deadline
	// applies.
	ConfirmTimeout time.Duration
	// MaxResponse is the largest response in bytes; 0 is [DefaultMaxResponse], or 16
	// MiB for Payatom's reconciliations. A larger response is [payack.ErrTooLarge].
	MaxResponse int64
	// Retries is how often a repeatable call is repeated after no response, a
	// truncated response, 429 or 5xx; 0 is [DefaultRetries], and a negative number
	// means no repetition.
	Retries int
	// Now is the clock for the timestamps in PTS's requests; nil is time.Now. It is
	// called concurrently.
	Now func() time.Time
}

// named puts the provider into an error of a constructor, to tell several clients
// apart. It removes the advice to set NoEnvelopes, because a client's
// configuration has no such member.
func named(p payack.Provider, err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "payack: "), string(p)+": ")
	return errors.New("payack: " + string(p) + ": " + strings.TrimSuffix(text, ", or set NoEnvelopes"))
}

// checkCredential returns an error for a text that the provider can't have issued
// as a credential.
func checkCredential(member, text, provider string) error {
	problem := keytext.Problem(text)
	switch {
	case text == "":
		problem += "; " + provider + "'s back office shows it"
	case problem == "" && !utf8.ValidString(text):
		problem = "it is not UTF-8; copy it again"
	}
	if problem != "" {
		return errors.New("payack: " + member + ": " + problem)
	}
	return nil
}
