// Package e2e is what the tests over several packages share: throwaway keys,
// genuine messages of each provider, receivers of all of them behind one
// configuration, the answers that are promised, and a watch over log and
// observer. Only tests import it. Its own tests send over the whole way of a
// request, and so does package field below it with cases that are data.
package e2e

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// Merchant is a receiver's configuration as far as the tests change it, the
// same for all providers.
type Merchant struct {
	Options  middleware.Options
	Callback func(ctx context.Context, ev payack.Event) error
	// Tenant, when set, finds the tenant of a request; the keys are the same
	// for each, unless OtherKey names the key of a tenant.
	Tenant   func(ctx context.Context, r *http.Request) (string, error)
	OtherKey map[string]string
	Confirm  func(ctx context.Context, ev payack.Event) (*payack.Confirmation, error)
	// Expect is Payatom's; without it, and without Confirm, the callback is
	// said to compare itself.
	Expect        func(ctx context.Context, ev *payack.PayatomEvent) (payack.Expectation, error)
	OlderSpelling bool
	Body          verify.Body
}

// Handler returns a receiver of the provider.
func (m Merchant) Handler(t testing.TB, p payack.Provider) http.Handler {
	t.Helper()
	h, err := m.Build(t, p)
	require.NoError(t, err)
	return h
}

// Build returns a receiver of the provider, or why it can't be made.
func (m Merchant) Build(t testing.TB, p payack.Provider) (http.Handler, error) {
	t.Helper()
	if m.Callback == nil {
		m.Callback = func(context.Context, payack.Event) error { return nil }
	}
	if m.Options.Logger == nil {
		m.Options.Logger = slog.New(slog.DiscardHandler)
	}
	return providerOf(t, p).receiver(t, m)
}

// keyFunc finds the keys of a request's tenant: the usual ones, or those of
// OtherKey. It is nil for a merchant without tenants.
func keyFunc[K any](m Merchant, usual string, keys func(tenant string, key payack.Secret) (K, error)) func(context.Context, *http.Request) (K, error) {
	if m.Tenant == nil {
		return nil
	}
	return func(ctx context.Context, r *http.Request) (none K, err error) {
		name, err := m.Tenant(ctx, r)
		if err != nil {
			return none, err
		}
		key, found := m.OtherKey[name]
		if !found {
			key = usual
		}
		return keys(name, payack.NewSecret(key))
	}
}

// confirm is the merchant's Confirm for the events of one provider, nil without.
func confirm[E payack.Event](m Merchant) func(context.Context, E) (*payack.Confirmation, error) {
	if m.Confirm == nil {
		return nil
	}
	return func(ctx context.Context, ev E) (*payack.Confirmation, error) { return m.Confirm(ctx, ev) }
}

// callback is the merchant's function for the events of one provider.
func callback[E payack.Event](m Merchant) func(context.Context, E) error {
	return func(ctx context.Context, ev E) error { return m.Callback(ctx, ev) }
}

// Calls is a callback that counts its events.
type Calls struct{ Events []payack.Event }

// Take keeps the event and accepts it.
func (c *Calls) Take(_ context.Context, ev payack.Event) error {
	c.Events = append(c.Events, ev)
	return nil
}

// Confirming is a Confirm hook that always answers this.
func Confirming(c *payack.Confirmation, err error) func(context.Context, payack.Event) (*payack.Confirmation, error) {
	return func(context.Context, payack.Event) (*payack.Confirmation, error) { return c, err }
}
