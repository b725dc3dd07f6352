package confirming_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/confirming"
)

func ptopClient(t *testing.T, timeout time.Duration) *client.Ptop {
	t.Helper()
	c, err := client.NewPtop(client.PtopConfig{
		BaseURL: "https://ptop.example", WebsiteID: "1", SecretKey: payack.NewSecret("throwaway"),
		Options: client.Options{ConfirmTimeout: timeout},
	})
	require.NoError(t, err)
	return c
}

// A receiver's constructor refuses a client whose Confirm may take longer than
// the deadline. It calls no other function than a method of a client to find that
// out.
func TestConfirmThatDoesNotFitTheDeadline(t *testing.T) {
	accept := func(context.Context, *payack.PtopEvent) error { return nil }
	build := func(confirm confirming.Func[*payack.PtopEvent], deadline time.Duration) error {
		_, err := handlers.NewPtop(handlers.PtopConfig{
			SigningKeys: payack.Secrets("throwaway"), Confirm: confirm, Options: handlers.Options{Deadline: deadline},
		}, accept)
		return err
	}
	require.NoError(t, build(ptopClient(t, 0).Confirm, 0), "the defaults fit each other")
	require.NoError(t, build(ptopClient(t, 20*time.Second).Confirm, 30*time.Second))
	for _, deadline := range []time.Duration{0, 5 * time.Second} {
		err := build(ptopClient(t, 20*time.Second).Confirm, deadline)
		require.ErrorContains(t, err, "ConfirmTimeout")
		require.ErrorContains(t, err, "raise Deadline")
		assert.NotContains(t, err.Error(), "\n")
	}
	require.NoError(t, build(func(context.Context, *payack.PtopEvent) (*payack.Confirmation, error) {
		t.Error("called")
		return nil, nil
	}, 0))
}

// A receiver's constructor refuses a method of a nil client.
func TestConfirmOfANilClient(t *testing.T) {
	var none *client.Ptop
	_, err := handlers.NewPtop(handlers.PtopConfig{SigningKeys: payack.Secrets("throwaway"), Confirm: none.Confirm},
		func(context.Context, *payack.PtopEvent) error { return nil })
	require.ErrorContains(t, err, "the client is nil")
}
