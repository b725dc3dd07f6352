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
	//
	// What is sent only once (creates, payouts, reconciliations) goes over a
	// connection of its own, made for it and closed after it. A Transport that is
	// no *http.Transport gets such a request with Close set, and has to see to the
	// fresh connection itself.
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
	// MaxResponse is the largest response in bytes; 0 is 1 MiB, and 16 MiB of
	// Payatom's reconciliations.
	MaxResponse int64
	// Retries is how often a call that can be repeated without harm is
	// repeated after no response, half a response, 429 or 5xx; 0 is twice, a
	// negative number never.
	Retries int
	// Now is the clock of the timestamps that PTS wants; nil is time.Now.
	Now func() time.Time
}

// named puts the provider into an error of a constructor, so that of several
// clients one knows which. No client does without envelopes, as receivers may.
func named(p payack.Provider, err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "payack: "), string(p)+": ")
	return errors.New("payack: " + string(p) + ": " + strings.TrimSuffix(text, ", or set NoEnvelopes"))
}

// checkCredential refuses what can't be what the provider has given out.
func checkCredential(member, text, provider string) error {
	problem := keytext.Problem(text)
	switch {
	case text == "":
		problem += "; " + provider + "'s back office shows it"
	case problem == "" && !utf8.ValidString(text):
		problem = "it is no text; copy it again"
	}
	if problem != "" {
		return errors.New("payack: " + member + ": " + problem)
	}
	return nil
}
