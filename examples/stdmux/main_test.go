package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/examples/internal/shoptest"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

func testConfig(file string) config {
	return config{
		file:          file,
		ptsUserID:     "1",
		ptsSafecode:   shoptest.PTSKeys.Safecode,
		ptsPublicKey:  shoptest.PTSKeys.PublicKey,
		payatomSecret: shoptest.PayatomKeys.SecretKey,
	}
}

func TestShop(t *testing.T) {
	shoptest.Test(t, shoptest.Shop{
		Run: func(ctx context.Context, callbacks, admin net.Listener, file string) error {
			return run(ctx, callbacks, admin, testConfig(file))
		},
		Pays: []shoptest.Payment{
			shoptest.PTS(t, "/callbacks/pts"),
			shoptest.Payatom(t, "/callbacks/payatom"),
		},
	})
}

func TestNothingIsServedWithoutKeys(t *testing.T) {
	callbacks, admin := shoptest.Listen(t), shoptest.Listen(t)
	c := testConfig(filepath.Join(t.TempDir(), "shop.db"))
	c.payatomSecret = payack.NewSecret("")
	assert.Error(t, run(t.Context(), callbacks, admin, c))
}

// TestMovedBorder: the hash covers the joined members, so it is the same for order
// ORD-2 with amount 500 and for order ORD- with amount 2500.
func TestMovedBorder(t *testing.T) {
	shop := shoptest.Orders(t)
	payatom := payatomReceiver(t, shop.Expect).Wrap(settlePayatom(shop))
	genuine := shoptest.Payatom(t, "/").Callback
	moved := genuine.Tampered(t, payacktest.MoveBorder("order_id", "received_amount", 1))
	payacktest.RejectedVerified(t, payack.Payatom, moved.Deliver(payatom))
	payacktest.Accepted(t, payack.Payatom, genuine.Deliver(payatom))
	assert.True(t, shoptest.Paid(t, shop, "ORD-2"))
}

func payatomReceiver(t *testing.T, expect func(context.Context, *payack.PayatomEvent) (payack.Expectation, error)) *middleware.Receiver[*payack.PayatomEvent] {
	receiver, err := middleware.NewPayatom(middleware.PayatomConfig{
		SecretKeys: []payack.Secret{shoptest.PayatomKeys.SecretKey}, Expect: expect,
	})
	require.NoError(t, err)
	return receiver
}

// audit is middleware as many servers have it: it reads the body.
func audit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		next.ServeHTTP(w, r)
	})
}

// auditAndRestore reads the body, too, and puts the bytes back.
func auditAndRestore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, middleware.DefaultMaxBody))
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// TestBodyReadInFront: if middleware in front of payack reads the body, payack has
// nothing to verify. It then asks the provider to send again, and logs why. The fix is
// to put the bytes back, or to mount payack in front.
func TestBodyReadInFront(t *testing.T) {
	for name, test := range map[string]struct {
		mount func(rc *middleware.Receiver[*payack.PayatomEvent], h http.Handler) http.Handler
		paid  bool
	}{
		"behind": {func(rc *middleware.Receiver[*payack.PayatomEvent], h http.Handler) http.Handler {
			return audit(rc.Wrap(h))
		}, false},
		"restored": {func(rc *middleware.Receiver[*payack.PayatomEvent], h http.Handler) http.Handler {
			return auditAndRestore(rc.Wrap(h))
		}, true},
		"in front": {func(rc *middleware.Receiver[*payack.PayatomEvent], h http.Handler) http.Handler {
			return rc.Wrap(audit(h))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			shop := shoptest.Orders(t)
			h := test.mount(payatomReceiver(t, shop.Expect), settlePayatom(shop))
			answer := shoptest.Payatom(t, "/").Callback.Deliver(h)
			assert.Equal(t, test.paid, shoptest.Paid(t, shop, "ORD-2"))
			if test.paid {
				payacktest.Accepted(t, payack.Payatom, answer)
			} else {
				payacktest.Failed(t, payack.Payatom, answer)
			}
		})
	}
}
