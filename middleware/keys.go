package middleware

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/payack/payack"
)

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

// named puts the provider into an error of a constructor, so that of several
// receivers one knows which. Members are named as in JSON configurations.
func named(p payack.Provider, err error) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "payack: ")
	return errors.New("payack: " + string(p) + ": " + strings.TrimPrefix(text, string(p)+": "))
}
