package handlers_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/e2e"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
)

// internal/e2e tests whole requests through these handlers.

// The types are those of package middleware. So a program needs to import only
// package handlers.
var (
	_ middleware.Options       = handlers.Options{}
	_ middleware.PtopConfig    = handlers.PtopConfig{}
	_ middleware.PTSConfig     = handlers.PTSConfig{}
	_ middleware.PayatomConfig = handlers.PayatomConfig{}
	_ *middleware.Handler      = (*handlers.Handler)(nil)
	_ http.Handler             = (*handlers.Handler)(nil)
)

func ptopConfig() handlers.PtopConfig {
	return handlers.PtopConfig{SigningKeys: payack.Secrets(e2e.PtopKey), ConfirmInCallback: true}
}

func ptsConfig(t *testing.T) handlers.PTSConfig {
	key := e2e.PTSKey(t)
	return handlers.PTSConfig{Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}}
}

func payatomConfig() handlers.PayatomConfig {
	return handlers.PayatomConfig{SecretKeys: payack.Secrets(e2e.PayatomKey), ExpectInCallback: true}
}

func TestConstructorsRefuseUnusableConfigurations(t *testing.T) {
	for _, tc := range []struct {
		name  string
		build func() (*handlers.Handler, error)
		says  string
	}{
		{"ptop: nil callback", func() (*handlers.Handler, error) {
			return handlers.NewPtop(ptopConfig(), (func(context.Context, *payack.PtopEvent) error)(nil))
		}, "payack: ptop: the callback is nil"},
		{"pts: nil callback", func() (*handlers.Handler, error) {
			return handlers.NewPTS(ptsConfig(t), (func(context.Context, *payack.PTSEvent) error)(nil))
		}, "payack: pts: the callback is nil"},
		{"payatom: nil callback", func() (*handlers.Handler, error) {
			return handlers.NewPayatom(payatomConfig(), (func(context.Context, *payack.PayatomEvent) error)(nil))
		}, "payack: payatom: the callback is nil"},
		{"pts: nil callback of a named type", func() (*handlers.Handler, error) {
			return handlers.NewPTS(ptsConfig(t), picky(nil))
		}, "payack: pts: the callback is nil"},
		{"ptop: nothing set", func() (*handlers.Handler, error) {
			return handlers.NewPtop(handlers.PtopConfig{}, func(context.Context, *payack.PtopEvent) error { return nil })
		}, "payack: ptop: "},
		{"pts: nothing set", func() (*handlers.Handler, error) {
			return handlers.NewPTS(handlers.PTSConfig{}, func(context.Context, *payack.PTSEvent) error { return nil })
		}, "payack: pts: "},
		{"payatom: nothing set", func() (*handlers.Handler, error) {
			return handlers.NewPayatom(handlers.PayatomConfig{}, func(context.Context, *payack.PayatomEvent) error { return nil })
		}, "payack: payatom: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, err := tc.build()
			require.Error(t, err)
			assert.Nil(t, h)
			assert.Contains(t, err.Error(), tc.says)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// Each constructor returns a handler that names its provider and accepts the
// provider's callbacks.
func TestConstructors(t *testing.T) {
	built := map[payack.Provider]*handlers.Handler{}
	var errs [3]error
	var calls e2e.Calls
	built[payack.Ptop], errs[0] = handlers.NewPtop(ptopConfig(), func(ctx context.Context, ev *payack.PtopEvent) error { return calls.Take(ctx, ev) })
	built[payack.PTS], errs[1] = handlers.NewPTS(ptsConfig(t), func(ctx context.Context, ev *payack.PTSEvent) error { return calls.Take(ctx, ev) })
	built[payack.Payatom], errs[2] = handlers.NewPayatom(payatomConfig(), func(ctx context.Context, ev *payack.PayatomEvent) error { return calls.Take(ctx, ev) })
	require.NoError(t, errors.Join(errs[:]...))
	for i, p := range providers.All {
		assert.Equal(t, p, built[p].Provider())
		e2e.AssertContract(t, p, payack.OutcomeAccepted, "", e2e.Send(built[p], e2e.Genuine(t, p)))
		require.Len(t, calls.Events, i+1)
		assert.Equal(t, p, calls.Events[i].Provider())
	}
}

// picky is a callback that refuses a memstore.Store.
type picky func(context.Context, *payack.PTSEvent) error

func (picky) CheckStore(s payack.Store) error {
	if _, ok := s.(*memstore.Store); ok {
		return errors.New("it needs a store in a database; set Options.Store")
	}
	return nil
}

// A callback that refuses the store makes the constructor fail.
func TestCallbackThatNeedsAStore(t *testing.T) {
	accept := picky(func(context.Context, *payack.PTSEvent) error { return nil })
	h, err := handlers.NewPTS(ptsConfig(t), accept)
	require.EqualError(t, err, "payack: pts: it needs a store in a database; set Options.Store")
	assert.Nil(t, h)

	c := ptsConfig(t)
	c.Store = struct{ payack.Store }{memstore.New(8)}
	h, err = handlers.NewPTS(c, accept)
	require.NoError(t, err)
	assert.Equal(t, c.Store, h.Store())
}
