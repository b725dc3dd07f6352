package middleware

import (
	"context"
	"errors"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/verify"
)

// PTSConfig is the configuration of a receiver of PTS (Pagarstar) callbacks.
// Either the keys of one account are given here, or KeyFunc finds them for
// each request.
type PTSConfig struct {
	// Tenant is the scope of once-only for these keys, for receivers that share a
	// store. Give the receiver of withdraw callbacks one of its own: the signed
	// members of both kinds are the same.
	Tenant string
	// UserID, when set, must be the user_id of every callback.
	UserID string
	// Safecode is the one of PTS's back office.
	Safecode payack.Secret
	// SafecodeEncoding is how it becomes an AES key; empty is raw. (That raw is
	// right is seen in working code, and not documented.)
	SafecodeEncoding envelope.PTSEncoding
	// PublicKeys are PTS's public keys as PEM, several for rotation.
	PublicKeys []string
	// TransactionSecret, when set, makes X-Transaction-Signature required and
	// refuses bodies without an envelope. (Whether PTS sends the header with
	// callbacks is unconfirmed.)
	TransactionSecret payack.Secret
	// NoEnvelopes switches envelopes off, for a safecode that is no AES key.
	NoEnvelopes bool

	// KeyFunc finds prepared keys for a request instead; they must name their
	// tenant, by the name in your records and not as the request spells it.
	// Prepare keys once, not for each request.
	KeyFunc payack.KeyFunc[*verify.PTSKeys]

	// TransactionSignature is the header's encoding; empty is base64.
	TransactionSignature verify.PTSSignatureEncoding
	// TransactionWholeBody has the header cover the whole body of the {"data"} form
	// in place of the base64 text in it. (Which one PTS means is not documented.)
	TransactionWholeBody bool
	// Numbers pins the text of numbers that is signed, literal or php; empty
	// takes both.
	Numbers []payack.Scheme
	// Sniff takes JSON under any content type.
	Sniff bool

	// Confirm asks PTS before a paid event is accepted, see [ConfirmFunc]. It
	// is optional: the signature covers the amounts. What it does not tell is a
	// payment from a withdrawal (see [payack.PTSEvent]); only Confirm does.
	Confirm ConfirmFunc[*payack.PTSEvent]

	Options
}

// ptsAnswers: in-band answers have status 200, one and the same for every
// failure, so that nobody learns which step failed.
var ptsAnswers = answers{
	accepted:   payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "SUCCESS"},
	failed:     payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"},
	unverified: payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"},
	verified:   payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"},
	word:       payack.Answer{ContentType: "text/plain", Body: "FAILED"},
}

// NewPTS returns a receiver of PTS callbacks. Errors name the member of the
// configuration and the fix.
func NewPTS(c PTSConfig) (*Receiver[*payack.PTSEvent], error) {
	rc, err := newPTS(c)
	return rc, named(payack.PTS, err)
}

func newPTS(c PTSConfig) (*Receiver[*payack.PTSEvent], error) {
	v, err := verify.NewPTS(verify.PTSOptions{
		Numbers: c.Numbers, TransactionSignature: c.TransactionSignature, TransactionWholeBody: c.TransactionWholeBody, Sniff: c.Sniff,
	})
	if err != nil {
		return nil, err
	}
	var static *verify.PTSKeys
	switch {
	case c.NoEnvelopes && c.SafecodeEncoding != "":
		return nil, errors.New("payack: pts: SafecodeEncoding is set besides NoEnvelopes, which switches off what it is for; leave one of them out")
	case c.KeyFunc == nil:
		static, err = verify.NewPTSKeys(verify.PTSKeyConfig{
			Tenant: c.Tenant, UserID: c.UserID, Safecode: c.Safecode, SafecodeEncoding: c.SafecodeEncoding, PublicKeys: c.PublicKeys,
			TransactionSecret: c.TransactionSecret, NoEnvelopes: c.NoEnvelopes,
		})
		if err != nil {
			return nil, err
		}
	case c.Tenant != "" || !c.Safecode.IsZero() || c.SafecodeEncoding != "" || c.NoEnvelopes || len(c.PublicKeys) > 0 || c.UserID != "" || !c.TransactionSecret.IsZero():
		return nil, errors.New("payack: pts: both KeyFunc and keys are given; give one of them")
	}
	keys := &keyed[*payack.PTSEvent, *verify.PTSKeys]{provider: payack.PTS, verifier: v, static: static, find: c.KeyFunc}
	confirmer, err := newConfirmer(c.Confirm, &c.Options)
	if err != nil {
		return nil, err
	}
	needsConfirm := func(ev *payack.PTSEvent) bool { return c.Confirm != nil && ev.Paid() }
	return newReceiver(c.Options, stages[*payack.PTSEvent]{
		provider: payack.PTS,
		answers:  &ptsAnswers,
		accepts:  v.Accepts,
		pinned:   len(c.Numbers) == 1,
		verify:   keys.verify,
		explain:  keys.explain,
		with:     keys.with,
		tenant:   c.Tenant,
		tenants:  c.KeyFunc != nil,
		unknown:  func(ev *payack.PTSEvent) bool { return !ev.Status.Known() },
		asks:     needsConfirm,
		confirms: needsConfirm,
		ask: func(ctx context.Context, ev *payack.PTSEvent) error {
			answer, err := confirmer.ask(ctx, ev)
			if err == nil { // otherwise Confirm may still be reading the event
				ev.Confirmed = answer
			}
			return err
		},
	})
}
