package middleware

import (
	"context"
	"errors"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/verify"
)

// PTSConfig configures a receiver of PTS (Pagarstar) callbacks. Give either the
// keys of one account or a KeyFunc, which finds the keys for each request.
type PTSConfig struct {
	// Tenant is the tenant of the keys. Receivers for several accounts that share a
	// store need different tenants. So do a receiver of payment callbacks and one of
	// withdraw callbacks, because both kinds have the same signed members.
	Tenant string
	// UserID, when set, must equal the user_id of every callback.
	UserID string
	// Safecode is the safecode from PTS's back office. It opens envelopes.
	Safecode payack.Secret
	// SafecodeEncoding says how the safecode becomes an AES key; empty means raw.
	// Third-party code that works with PTS uses raw; PTS does not document this.
	SafecodeEncoding envelope.PTSEncoding
	// PublicKeys are PTS's public keys in PEM. Give several during a rotation.
	PublicKeys []string
	// TransactionSecret, when set, makes the header X-Transaction-Signature
	// mandatory and refuses bodies without an envelope. Whether PTS sends the
	// header with callbacks is unconfirmed.
	TransactionSecret payack.Secret
	// NoEnvelopes switches envelopes off, for an account whose safecode is not an
	// AES key.
	NoEnvelopes bool

	// KeyFunc finds prepared keys for each request, in place of the keys above. The
	// keys must have a tenant: take the tenant's name from your records, not from the
	// request. Prepare keys once, not for each request.
	KeyFunc payack.KeyFunc[*verify.PTSKeys]

	// TransactionSignature is the encoding of X-Transaction-Signature; empty means
	// base64.
	TransactionSignature verify.PTSSignatureEncoding
	// TransactionWholeBody makes X-Transaction-Signature cover the whole JSON body
	// {"data":"…"}, instead of the base64 text in it. PTS does not document which
	// one it signs.
	TransactionWholeBody bool
	// Numbers pins how numbers are written in the signed text: literal or php.
	// Empty accepts both.
	Numbers []payack.Scheme
	// Sniff accepts JSON under any content type.
	Sniff bool

	// Confirm asks PTS before a paid event is accepted; see [ConfirmFunc]. It is
	// optional, because the signature covers the amounts. But the signature does
	// not distinguish a payment from a withdrawal (see [payack.PTSEvent]); only
	// Confirm does.
	Confirm ConfirmFunc[*payack.PTSEvent]

	Options
}

// ptsAnswers has status 200 and one body for every failure after the gate, so that
// no attacker learns which step failed.
var ptsAnswers = answers{
	accepted:   payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "SUCCESS"},
	failed:     payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"},
	unverified: payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"},
	verified:   payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"},
	word:       payack.Answer{ContentType: "text/plain", Body: "FAILED"},

	acknowledges: func(body string) bool { return body == "SUCCESS" },
}

// NewPTS returns a receiver of PTS callbacks. An error names the member of the
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
		return nil, errors.New("payack: pts: SafecodeEncoding has no effect with NoEnvelopes; leave one of them out")
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
		pin:      unlessPinned("Numbers", len(c.Numbers) == 1),
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
			if err == nil { // after an error Confirm may still be reading the event
				ev.Confirmed = answer
			}
			return err
		},
	})
}
