package middleware

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// tenantKeys are the prepared keys of any provider.
type tenantKeys interface {
	comparable
	Tenant() string
}

// keyed is a verifier together with its keys: static ones, or those that a KeyFunc
// finds.
type keyed[E payack.Event, K tenantKeys] struct {
	provider payack.Provider
	verifier interface {
		Verify(m verify.Message, keys K) (E, error)
		Explain(m verify.Message, keys K) verify.Explanation
	}
	static K
	find   payack.KeyFunc[K]
}

func (k *keyed[E, K]) verify(ctx context.Context, r *http.Request, m verify.Message) (E, error) {
	keys, err := k.keys(ctx, r)
	if err != nil {
		var none E
		return none, err
	}
	return k.verifier.Verify(m, keys)
}

func (k *keyed[E, K]) explain(ctx context.Context, r *http.Request, m verify.Message) (verify.Explanation, error) {
	keys, err := k.keys(ctx, r)
	if err != nil {
		return verify.Explanation{}, err
	}
	return k.verifier.Explain(m, keys), nil
}

func (k *keyed[E, K]) with(ctx context.Context, r *http.Request) (verifier, keys any, err error) {
	found, err := k.keys(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	return k.verifier, found, nil
}

func (k *keyed[E, K]) keys(ctx context.Context, r *http.Request) (K, error) {
	var none K
	if k.find == nil {
		return k.static, nil
	}
	fail := func(reason payack.Reason, err error, detail string) (K, error) {
		return none, &payack.Error{Provider: k.provider, Stage: payack.StageKeys, Reason: reason, Err: err, Detail: detail}
	}
	keys, err := k.find(ctx, r)
	switch {
	case errors.Is(err, payack.ErrUnknownTenant):
		return fail(payack.ReasonUnknownTenant, nil, "KeyFunc knows no such tenant")
	case err != nil:
		return fail(payack.ReasonKeys, err, "KeyFunc failed")
	case keys == none:
		return fail(payack.ReasonUnknownTenant, nil, "KeyFunc returned no keys")
	case keys.Tenant() == "":
		return fail(payack.ReasonKeys, nil, "KeyFunc returned keys without a tenant; give the tenant to their constructor, so that tenants don't share events")
	}
	return keys, nil
}

// named adds the provider to a constructor's error, so that it is clear which
// receiver failed. One member is called Headers in package verify and
// SignatureHeaders in this package. named replaces its name in the error.
func named(p payack.Provider, err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "payack: "), string(p)+": ")
	if rest, found := strings.CutPrefix(text, "Headers: "); found {
		text = "SignatureHeaders: " + rest
	}
	return errors.New("payack: " + string(p) + ": " + text)
}
