package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/payack/payack"
	"github.com/payack/payack/examples/internal/shoptest"
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
