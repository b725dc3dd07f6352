package client_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest/gateway"
)

// Client and receiver must agree with PTS on what X-Transaction-Signature covers.
// Otherwise requests and callbacks are refused, in both shapes of envelopes.
func TestPTSTransactionSignatureInBothDirections(t *testing.T) {
	for _, form := range []client.PTSBody{client.PTSText, client.PTSJSON} {
		for _, theirs := range []bool{false, true} {
			for _, ours := range []bool{false, true} {
				shape := map[client.PTSBody]gateway.PTSShape{client.PTSText: gateway.PTSSealed, client.PTSJSON: gateway.PTSData}[form]
				gw, err := gateway.NewPTS(gateway.PTSConfig{
					Shape: shape, SignEnvelopes: true, TransactionWholeBody: theirs,
					Options: gateway.Options{Retries: -1},
				})
				require.NoError(t, err)
				t.Cleanup(gw.Close)
				settled := 0
				h, err := handlers.NewPTS(handlers.PTSConfig{
					Safecode: gw.Safecode(), PublicKeys: []string{gw.PublicKey()},
					TransactionSecret: gw.TransactionSecret(), TransactionWholeBody: ours,
				}, func(_ context.Context, ev *payack.PTSEvent) error {
					if ev.Paid() {
						settled++
					}
					return nil
				})
				require.NoError(t, err)
				shop := httptest.NewServer(h)
				t.Cleanup(shop.Close)
				pts, err := client.NewPTS(client.PTSConfig{
					BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
					PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
					Body: form, TransactionWholeBody: ours,
				})
				require.NoError(t, err)
				p := client.PTSPayment{
					OrderID: "O1", Amount: payack.NewAmount("100.50"), Currency: "PHP", Channel: "BANK", CallbackURL: shop.URL,
					Members: map[string]string{"bank_code": "BDO"},
				}
				_, err = pts.Payment(t.Context(), p)
				fits := form == client.PTSText || ours == theirs
				if !fits {
					require.ErrorIs(t, err, client.ErrRequestSignature)
					continue
				}
				require.NoError(t, err)
				require.NoError(t, gw.Pay("O1"))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				require.NoError(t, gw.Wait(ctx))
				cancel()
				assert.Equal(t, 1, settled, "%s %v %v", form, theirs, ours)
			}
		}
	}
	// A receiver refuses the callback if it expects X-Transaction-Signature over
	// another text than PTS has signed.
	for _, theirs := range []bool{false, true} {
		gw, err := gateway.NewPTS(gateway.PTSConfig{
			Shape: gateway.PTSData, SignEnvelopes: true, TransactionWholeBody: theirs, Options: gateway.Options{Retries: -1},
		})
		require.NoError(t, err)
		t.Cleanup(gw.Close)
		h, err := handlers.NewPTS(handlers.PTSConfig{
			Safecode: gw.Safecode(), PublicKeys: []string{gw.PublicKey()},
			TransactionSecret: gw.TransactionSecret(), TransactionWholeBody: !theirs,
		}, func(context.Context, *payack.PTSEvent) error { t.Error("it was let in"); return nil })
		require.NoError(t, err)
		shop := httptest.NewServer(h)
		t.Cleanup(shop.Close)
		pts, err := client.NewPTS(client.PTSConfig{
			BaseURL: gw.URL, GUID: gw.GUID(), UserID: gw.UserID(), Safecode: gw.Safecode(), PrivateKey: gw.MerchantKey(),
			PublicKeys: []string{gw.PublicKey()}, TransactionSecret: gw.TransactionSecret(),
		})
		require.NoError(t, err)
		_, err = pts.Payment(t.Context(), client.PTSPayment{
			OrderID: "O1", Amount: payack.NewAmount("1"), Currency: "PHP", Channel: "GCASH", CallbackURL: shop.URL,
		})
		require.NoError(t, err)
		d, err := gw.Deliver(t.Context(), "O1", func(c *gateway.PTSCallback) { c.Status = payack.PTSSuccess })
		require.NoError(t, err)
		assert.False(t, d.Acknowledged)
	}
}
