package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/go-chi/chi/v5"
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
	c.ptsSafecode = payack.NewSecret("")
	assert.Error(t, run(t.Context(), callbacks, admin, c))
}

// TestPTS: the handler that the shop already had writes its own answers.
func TestPTS(t *testing.T) {
	shop := shoptest.Orders(t)
	h := ptsReceiver(t).Wrap(settlePTS(shop))
	paid := payacktest.PTS(shoptest.PTSKeys).Order("ORD-1")
	payacktest.Failed(t, payack.PTS, paid.Amount("1.00").Callback(t).Deliver(h)) // another amount than ordered
	payacktest.Failed(t, payack.PTS, paid.Order("ORD-9").Callback(t).Deliver(h)) // no such order
	assert.False(t, shoptest.Paid(t, shop, "ORD-1"))
	payacktest.Accepted(t, payack.PTS, paid.Amount("100.50").Callback(t).Deliver(h))
	assert.True(t, shoptest.Paid(t, shop, "ORD-1"))
}

func ptsReceiver(t *testing.T) *middleware.Receiver[*payack.PTSEvent] {
	receiver, err := middleware.NewPTS(shoptest.PTSKeys.Config())
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
	shop, r := shoptest.Orders(t), chi.NewRouter()
	r.With(audit, ptsReceiver(t).Wrap).Post("/behind", settlePTS(shop))
	r.With(auditAndRestore, ptsReceiver(t).Wrap).Post("/restored", settlePTS(shop))
	r.With(ptsReceiver(t).Wrap, audit).Post("/in-front", settlePTS(shop))
	post := func(path string) *http.Response {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, payacktest.PTS(shoptest.PTSKeys).Order("ORD-1").Callback(t).Request(path))
		return w.Result()
	}
	payacktest.Failed(t, payack.PTS, post("/behind"))
	assert.False(t, shoptest.Paid(t, shop, "ORD-1"))
	payacktest.Accepted(t, payack.PTS, post("/restored"))
	payacktest.Accepted(t, payack.PTS, post("/in-front"))
	assert.True(t, shoptest.Paid(t, shop, "ORD-1"))
}
