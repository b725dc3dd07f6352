package middleware

import (
	"context"
	"errors"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PtopConfig is the configuration of a receiver of Ptop (API v3) webhooks.
// Either signing keys are given here, or KeyFunc finds them for each request.
type PtopConfig struct {
	// SigningKeys are the_signature of Ptop's back office, several for
	// rotation.
	SigningKeys []payack.Secret
	// Tenant is the scope of once-only for these keys, for receivers of several
	// accounts that share a store.
	Tenant string
	// KeyFunc finds prepared keys for a request instead; they must name their
	// tenant, by the name in your records and not as the request spells it.
	// Prepare keys once, not for each request.
	KeyFunc payack.KeyFunc[*verify.PtopKeys]

	// Body is the one format that the endpoint takes; empty is JSON.
	Body verify.Body
	// Schemes pins where the signature is and over which text; empty takes all
	// that fit the body. (The documents contradict each other; which one is
	// real is unconfirmed.)
	Schemes []payack.Scheme
	// SignatureHeaders may carry the signature; empty is X-Signature and
	// the_signature.
	SignatureHeaders []string
	// Custom is the merchant's own reading of the document, for the case that none
	// of those here is what Ptop does; it is tried in place of them, and the event
	// says so by the scheme custom. What it must guarantee is said at
	// [verify.PtopReading]: a reading that breaks it lets forgeries in.
	Custom verify.PtopReading
	// Sniff takes JSON under any content type.
	Sniff bool

	// Confirm asks Ptop whether a successful transaction is paid, and how
	// much it is, see [ConfirmFunc]. The webhook carries no amount, so either
	// this is set or ConfirmInCallback.
	Confirm ConfirmFunc[*payack.PtopEvent]
	// ConfirmInCallback says that the callback asks Ptop itself before it credits
	// anything. It is safe then, and so isn't called insecure; a callback that
	// doesn't ask credits what a webhook can't prove.
	ConfirmInCallback bool

	Options
}

// ptopAnswers: Ptop decrypts nothing, so its two codes for a bad delivery tell
// an attacker nothing.
var ptopAnswers = answers{
	accepted:   payack.Answer{Status: http.StatusOK},
	failed:     payack.Answer{Status: http.StatusInternalServerError},
	unverified: payack.Answer{Status: http.StatusForbidden, ContentType: "text/plain", Body: "Invalid signature"},
	verified:   payack.Answer{Status: http.StatusUnprocessableEntity},
	byReason: map[payack.Reason]payack.Answer{
		payack.ReasonMalformed: {Status: http.StatusBadRequest},
		payack.ReasonInvalid:   {Status: http.StatusBadRequest},
		payack.ReasonBusy:      {Status: http.StatusServiceUnavailable},
	},
}

// NewPtop returns a receiver of Ptop webhooks. Errors name the member of the
// configuration and the fix.
func NewPtop(c PtopConfig) (*Receiver[*payack.PtopEvent], error) {
	rc, err := newPtop(c)
	return rc, named(payack.Ptop, err)
}

func newPtop(c PtopConfig) (*Receiver[*payack.PtopEvent], error) {
	v, err := verify.NewPtop(verify.PtopOptions{Body: c.Body, Schemes: c.Schemes, Headers: c.SignatureHeaders, Custom: c.Custom, Sniff: c.Sniff})
	if err != nil {
		return nil, err
	}
	switch {
	case c.Confirm == nil && !c.ConfirmInCallback:
		return nil, errors.New("payack: ptop: Confirm: the webhook carries no amount, so it must be confirmed before anything is credited; set Confirm, or ConfirmInCallback if the callback asks Ptop itself")
	case c.Confirm != nil && c.ConfirmInCallback:
		return nil, errors.New("payack: ptop: both Confirm and ConfirmInCallback are set; leave one of them out")
	}
	var static *verify.PtopKeys
	switch {
	case c.KeyFunc == nil:
		if static, err = verify.NewPtopKeys(c.Tenant, c.SigningKeys...); err != nil {
			return nil, err
		}
	case len(c.SigningKeys) > 0 || c.Tenant != "":
		return nil, errors.New("payack: ptop: both KeyFunc and SigningKeys are given; give one of them")
	}
	keys := &keyed[*payack.PtopEvent, *verify.PtopKeys]{provider: payack.Ptop, verifier: v, static: static, find: c.KeyFunc}
	confirmer, err := newConfirmer(c.Confirm, &c.Options)
	if err != nil {
		return nil, err
	}
	needsConfirm := func(ev *payack.PtopEvent) bool { return c.Confirm != nil && ev.Success }
	return newReceiver(c.Options, stages[*payack.PtopEvent]{
		provider: payack.Ptop,
		answers:  &ptopAnswers,
		accepts:  v.Accepts,
		pinned:   len(c.Schemes) == 1 || c.Custom != nil,
		verify: func(ctx context.Context, r *http.Request, m verify.Message) (*payack.PtopEvent, error) {
			ev, err := keys.verify(ctx, r, m)
			if errors.Is(err, payack.ErrUnknownTenant) {
				// A malformed callback has an answer of its own, which must not
				// tell which tenants there are.
				if _, bad := v.Verify(m, nil); errors.Is(bad, payack.ErrMalformed) {
					return nil, bad
				}
			}
			return ev, err
		},
		explain:  keys.explain,
		with:     keys.with,
		tenant:   c.Tenant,
		tenants:  c.KeyFunc != nil,
		asks:     needsConfirm,
		confirms: needsConfirm,
		ask: func(ctx context.Context, ev *payack.PtopEvent) error {
			answer, err := confirmer.ask(ctx, ev)
			if err == nil { // otherwise Confirm may still be reading the event
				ev.Confirmed = answer
			}
			return err
		},
	})
}
