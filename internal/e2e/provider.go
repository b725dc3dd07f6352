package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
)

// provider describes one provider to this package.
type provider struct {
	// receiver returns a receiver for a merchant, or the error of its constructor.
	receiver func(t testing.TB, m Merchant) (http.Handler, error)
	// genuine returns a paid callback.
	genuine func(t testing.TB) Message
	// contract returns the promised answer; see [Contract].
	contract func(outcome payack.Outcome, reason payack.Reason) (status int, contentType, body string)
	// amounts returns the signed amounts of an event; see [SignedAmounts]. It is nil
	// if the provider signs no amount.
	amounts func(ev payack.Event) map[string]payack.Amount
}

var registry = providers.Registry[*provider]{
	payack.Ptop:    &ptop,
	payack.PTS:     &pts,
	payack.Payatom: &payatom,
}

func providerOf(t testing.TB, p payack.Provider) *provider {
	t.Helper()
	d, err := registry.Of(p)
	require.NoError(t, err)
	return d
}

// SignedAmounts returns the signed amounts of an event by their names on the wire.
func SignedAmounts(ev payack.Event) map[string]payack.Amount {
	amounts := registry[ev.Provider()].amounts
	if amounts == nil {
		return nil
	}
	return amounts(ev)
}
