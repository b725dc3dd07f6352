package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		Run: func(ctx context.Context, l net.Listener, file string) error { return run(ctx, l, testConfig(file)) },
		Pays: []shoptest.Payment{
			shoptest.PTS(t, "/callbacks/pts"),
			shoptest.Payatom(t, "/callbacks/payatom"),
		},
	})
}

func TestNothingIsServedWithoutKeys(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := testConfig(filepath.Join(t.TempDir(), "shop.db"))
	c.payatomSecret = payack.NewSecret("")
	assert.Error(t, run(t.Context(), listener, c))
}
