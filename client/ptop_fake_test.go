package client_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/client"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/payacktest/gateway"
	"github.com/payack/payack/verify"
)

// If Ptop signs in none of the known ways, a receiver accepts its webhooks only
// with the merchant's own reading (Custom).
func TestPtopCustomReadingAgainstAGateway(t *testing.T) {
	gw, err := gateway.NewPtop(gateway.PtopConfig{
		Custom: func(key payack.Secret, body string) (verify.Message, error) {
			mac := hmac.New(sha256.New, []byte(key.Reveal()))
			mac.Write([]byte("v9:" + body))
			return verify.Message{
				ContentType: "application/json", Body: body,
				Header: map[string][]string{"X-Ptop": {hex.EncodeToString(mac.Sum(nil))}},
			}, nil
		},
		Options: gateway.Options{Retries: -1},
	})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	ptop, err := client.NewPtop(client.PtopConfig{BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey()})
	require.NoError(t, err)
	reading := func(m verify.Message) (string, string, error) {
		if len(m.Header["X-Ptop"]) != 1 {
			return "", "", errors.New("there is not one X-Ptop")
		}
		return "v9:" + m.Body, m.Header["X-Ptop"][0], nil
	}
	for name, c := range map[string]struct {
		custom verify.PtopReading
		fits   bool
	}{"with it": {reading, true}, "without": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			var got []*payack.PtopEvent
			h, err := handlers.NewPtop(handlers.PtopConfig{
				SigningKeys: []payack.Secret{gw.SigningKey()}, Custom: c.custom, Confirm: ptop.Confirm,
			}, func(_ context.Context, ev *payack.PtopEvent) error { got = append(got, ev); return nil })
			require.NoError(t, err)
			shop := httptest.NewServer(h)
			t.Cleanup(shop.Close)
			_, err = ptop.CreatePayment(t.Context(), client.PtopPayment{
				OrderID: name, Amount: payack.NewAmount("10"), Product: "Tea", WebhookURL: shop.URL, SuccessURL: shop.URL, FailURL: shop.URL,
			})
			require.NoError(t, err)
			require.NoError(t, gw.Pay(name))
			require.NoError(t, gw.Wait(t.Context()))
			forged, err := gw.Deliver(t.Context(), name, func(p *gateway.PtopCallback) { p.BadSignature = true })
			require.NoError(t, err)
			assert.Equal(t, 403, forged.Attempts[0].Status)
			if !c.fits {
				assert.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			assert.True(t, got[0].Paid())
			assert.Equal(t, payack.SchemeCustom, got[0].Scheme)
		})
	}
}

func TestPtopOtherCurrencies(t *testing.T) {
	gw, err := gateway.NewPtop(gateway.PtopConfig{Currencies: []string{"USD", "EUR"}})
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	p := ptopPayment()
	p.Currency = "EUR"
	c := client.PtopConfig{BaseURL: gw.URL, WebsiteID: gw.WebsiteID(), SecretKey: gw.SecretKey()}
	ptop, err := client.NewPtop(c)
	require.NoError(t, err)
	_, err = ptop.CreatePayment(t.Context(), p)
	require.ErrorIs(t, err, client.ErrRequest)
	require.ErrorContains(t, err, "AnyCurrency")
	assert.Empty(t, gw.Requests())

	c.AnyCurrency = true
	ptop, err = client.NewPtop(c)
	require.NoError(t, err)
	_, err = ptop.CreatePayment(t.Context(), p)
	require.NoError(t, err)
	made, _ := gw.Payment(p.OrderID)
	assert.Equal(t, "EUR", made.Currency)
	p.OrderID, p.Currency = "O2", "JPY" // Ptop declines the currency
	_, err = ptop.CreatePayment(t.Context(), p)
	require.ErrorIs(t, err, client.ErrField)
}
