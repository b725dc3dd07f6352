package main

import (
	"context"
	"net"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/echopayack"
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
	c.ptsPublicKey = ""
	assert.Error(t, run(t.Context(), callbacks, admin, c))
}

// TestErrors: an error that the handler returns makes Payatom send again.
func TestErrors(t *testing.T) {
	config := shoptest.PayatomKeys.Config()
	receiver, err := middleware.NewPayatom(config)
	require.NoError(t, err)
	shop, e := shoptest.Orders(t), echo.New()
	e.POST("/", settlePayatom(shop), echopayack.Wrap(receiver))
	post := func(order string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, payacktest.Payatom(shoptest.PayatomKeys).Order(order).Amount("500").Callback(t).Request("/"))
		return w
	}
	payacktest.Failed(t, payack.Payatom, post("ORD-9").Result()) // no such order
	payacktest.Failed(t, payack.Payatom, post("ORD-1").Result()) // another amount than ordered
	assert.False(t, shoptest.Paid(t, shop, "ORD-1"))
	payacktest.Accepted(t, payack.Payatom, post("ORD-2").Result())
	assert.True(t, shoptest.Paid(t, shop, "ORD-2"))
}
