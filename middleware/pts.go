package middleware

import (
	"context"
	"errors"
	"fmt"
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
	accepted: payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "SUCCESS"},
	failed:   payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"},
	rejected: payack.Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "FAILED"},
	word:     payack.Answer{ContentType: "text/plain", Body: "FAILED"},
}

// NewPTS returns a receiver of PTS callbacks. Errors name the member of the
// configuration and the mend.
func NewPTS(c PTSConfig) (*Receiver[*payack.PTSEvent], error) {
	v, err := verify.NewPTS(verify.PTSOptions{Numbers: c.Numbers, TransactionSignature: c.TransactionSignature, Sniff: c.Sniff})
	if err != nil {
		return nil, err
	}
	var static *verify.PTSKeys
	switch {
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
	return newReceiver(c.Options, stages[*payack.PTSEvent]{
		provider: payack.PTS,
		answers:  &ptsAnswers,
		accepts:  v.Accepts,
		pinned:   len(c.Numbers) == 1,
		verify: func(ctx context.Context, r *http.Request, m verify.Message) (*payack.PTSEvent, error) {
			keys, err := keysFor(ctx, r, payack.PTS, static, c.KeyFunc)
			if err != nil {
				return nil, err
			}
			return v.Verify(m, keys)
		},
		guard: func(ctx context.Context, ev *payack.PTSEvent, _ *delivery) error {
			return c.Confirm.run(ctx, ev, ev.Paid())
		},
	})
}

// tenantKeys are prepared keys of any provider.
type tenantKeys interface {
	comparable
	Tenant() string
}

// keysFor returns the static keys, or those that a merchant's function finds.
func keysFor[K tenantKeys](ctx context.Context, r *http.Request, p payack.Provider, static K, find payack.KeyFunc[K]) (K, error) {
	var none K
	if find == nil {
		return static, nil
	}
	fail := func(reason payack.Reason, err error, detail string) (K, error) {
		return none, &payack.Error{Provider: p, Stage: payack.StageKeys, Reason: reason, Err: err, Detail: detail}
	}
	keys, err := find(ctx, r)
	switch {
	case errors.Is(err, payack.ErrUnknownTenant):
		return fail(payack.ReasonUnknownTenant, nil, "KeyFunc knows no such tenant")
	case err != nil:
		return fail(payack.ReasonKeys, err, "KeyFunc failed")
	case keys == none:
		return fail(payack.ReasonUnknownTenant, nil, "KeyFunc returned no keys")
	case keys.Tenant() == "":
		return fail(payack.ReasonKeys, nil, "KeyFunc returned keys without a tenant; name it where they are made, so that tenants don't share events")
	}
	return keys, nil
}

// ConfirmFunc asks the provider whether what an event says is true. It runs
// only for events that say that money came in, and is safe for concurrent use.
//
// Return what the provider said when it says the same: it is handed to the
// callback in Confirmed. Return [payack.ErrUnconfirmed] when the provider's
// answer is final and differs in status, amount or order: the event is then
// rejected. Return any other error while it is still pending or can't be
// reached: the provider of the callback is then asked to send again.
type ConfirmFunc[E payack.Event] func(ctx context.Context, ev E) (*payack.Confirmation, error)

func (confirm ConfirmFunc[E]) run(ctx context.Context, ev E, claimsMoney bool) error {
	if confirm == nil || !claimsMoney {
		return nil
	}
	fail := func(reason payack.Reason, err error, detail string) error {
		return &payack.Error{Provider: ev.Provider(), Stage: payack.StageGuard, Reason: reason, Err: err, Detail: detail}
	}
	c, err := confirm(ctx, ev)
	switch {
	case errors.Is(err, payack.ErrUnconfirmed):
		return fail(payack.ReasonUnconfirmed, err, "the provider says something else")
	case err != nil:
		return fail(payack.ReasonUnreachable, err, "the event could not be confirmed yet")
	case c == nil || !c.Paid:
		return fail(payack.ReasonUnreachable, nil, fmt.Sprintf("Confirm returned neither a paid confirmation nor an error for a %s event", ev.Provider()))
	}
	ev.Verified().Confirmed = c
	return nil
}
