// Package e2e tests several packages together. The tests here, and the data-driven
// ones in package field, send HTTP requests through the whole receiver. The package
// also has what these tests share: throwaway keys, genuine messages of each provider,
// receivers of all providers with one configuration, the promised answers, and a
// recorder of logs and observations. Only tests import it.
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

// Merchant is the part of a receiver's configuration that tests change. It is the
// same for all providers.
type Merchant struct {
	Options  middleware.Options
	Callback func(ctx context.Context, ev payack.Event) error
	// Tenant, if set, finds the tenant of a request. A tenant has the usual key
	// unless OtherKey has one for it.
	Tenant   func(ctx context.Context, r *http.Request) (string, error)
	OtherKey map[string]string
	Confirm  func(ctx context.Context, ev payack.Event) (*payack.Confirmation, error)
	// Expect is for Payatom. Without Expect and Confirm, the receiver is configured
	// with ExpectInCallback.
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

// Build returns a receiver of the provider, or the error of its constructor.
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

// keyFunc returns a KeyFunc, or nil for a merchant without tenants.
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

// confirm returns the merchant's Confirm for the events of one provider, or nil.
func confirm[E payack.Event](m Merchant) func(context.Context, E) (*payack.Confirmation, error) {
	if m.Confirm == nil {
		return nil
	}
	return func(ctx context.Context, ev E) (*payack.Confirmation, error) { return m.Confirm(ctx, ev) }
}

// callback returns the merchant's function for the events of one provider.
func callback[E payack.Event](m Merchant) func(context.Context, E) error {
	return func(ctx context.Context, ev E) error { return m.Callback(ctx, ev) }
}

// Calls is a callback that keeps its events.
type Calls struct{ Events []payack.Event }

// Take keeps the event and accepts it.
func (c *Calls) Take(_ context.Context, ev payack.Event) error {
	c.Events = append(c.Events, ev)
	return nil
}

// Confirming returns a Confirm hook that always returns c and err.
func Confirming(c *payack.Confirmation, err error) func(context.Context, payack.Event) (*payack.Confirmation, error) {
	return func(context.Context, payack.Event) (*payack.Confirmation, error) { return c, err }
}
