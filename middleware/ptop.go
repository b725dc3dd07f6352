package middleware

import (
	"context"
	"errors"
	"net/http"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// PtopConfig configures a receiver of Ptop (API v3) webhooks. Give either
// SigningKeys or a KeyFunc, which finds the keys for each request.
type PtopConfig struct {
	// SigningKeys are the values that Ptop's back office calls the_signature. Give
	// several during a rotation.
	SigningKeys []payack.Secret
	// Tenant is the tenant of SigningKeys. Receivers for several accounts that
	// share a store need different tenants.
	Tenant string
	// KeyFunc finds prepared keys for each request, in place of the keys above. The
	// keys must have a tenant: take the tenant's name from your records, not from the
	// request. Prepare keys once, not for each request.
	KeyFunc payack.KeyFunc[*verify.PtopKeys]

	// Body is the one format that the endpoint accepts; empty means JSON.
	Body verify.Body
	// Schemes pins where the signature is and which text it covers; empty accepts
	// all schemes that fit Body. Ptop's documents contradict each other, and which
	// scheme Ptop uses is unconfirmed.
	Schemes []payack.Scheme
	// SignatureHeaders names the headers that may carry the signature; empty means
	// X-Signature and the_signature.
	SignatureHeaders []string
	// Custom is your own reading of Ptop's document, in case none of Schemes is
	// what Ptop does. It replaces Schemes, and the events have the scheme "custom".
	// It is unsafe unless it guarantees what [verify.PtopReading] demands:
	// otherwise it lets forgeries in.
	Custom verify.PtopReading
	// Sniff accepts JSON under any content type.
	Sniff bool

	// Confirm asks Ptop whether a successful transaction is paid, and what its amount
	// is; see [ConfirmFunc]. The webhook carries no amount, so set either Confirm or
	// ConfirmInCallback.
	Confirm ConfirmFunc[*payack.PtopEvent]
	// ConfirmInCallback declares that the callback asks Ptop itself before it
	// credits anything. It is unsafe if the callback does not: it then credits what
	// the webhook does not prove.
	ConfirmInCallback bool

	Options
}

// ptopAnswers has two answers before the signature matched: one for a malformed
// webhook, one for all others. The difference reveals nothing to an attacker,
// because Ptop's webhooks are not encrypted.
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

// NewPtop returns a receiver of Ptop webhooks. An error names the member of the
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
		pin:      unlessPinned("Schemes", len(c.Schemes) == 1 || c.Custom != nil),
		verify: func(ctx context.Context, r *http.Request, m verify.Message) (*payack.PtopEvent, error) {
			ev, err := keys.verify(ctx, r, m)
			if errors.Is(err, payack.ErrUnknownTenant) {
				// A malformed callback is answered as malformed for any tenant.
				// Otherwise the answers would reveal which tenants exist.
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
			if err == nil { // after an error Confirm may still be reading the event
				ev.Confirmed = answer
			}
			return err
		},
	})
}
