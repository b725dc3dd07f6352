package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/ginpayack"
	"github.com/payack/payack/examples/internal/shoptest"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/payacktest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

// fakePtop answers a payment-check: 500 were paid.
func fakePtop(t *testing.T) (url string) {
	ptop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/api/v3/payment-check", r.URL.Path)
		var asked map[string]string
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&asked))
		assert.Equal(t, "W1", asked["website_id"])
		assert.Equal(t, "of the tests", asked["secret_key"])
		_, _ = io.WriteString(w, `{"status":1,"amount":500}`)
	}))
	t.Cleanup(ptop.Close)
	return ptop.URL
}

func testConfig(t *testing.T, file string) config {
	return config{
		file:           file,
		ptopURL:        fakePtop(t),
		ptopWebsiteID:  "W1",
		ptopSecretKey:  payack.NewSecret("of the tests"),
		ptopSigningKey: shoptest.PtopKeys.SigningKey,
		ptsUserID:      "1",
		ptsSafecode:    shoptest.PTSKeys.Safecode,
		ptsPublicKey:   shoptest.PTSKeys.PublicKey,
	}
}

func TestShop(t *testing.T) {
	shoptest.Test(t, shoptest.Shop{
		Run: func(ctx context.Context, callbacks, admin net.Listener, file string) error {
			return run(ctx, callbacks, admin, testConfig(t, file))
		},
		Pays: []shoptest.Payment{
			shoptest.PTS(t, "/callbacks/pts"),
			shoptest.Ptop(t, "/callbacks/ptop"),
		},
	})
}

func TestNothingIsServedWithoutKeys(t *testing.T) {
	callbacks, admin := shoptest.Listen(t), shoptest.Listen(t)
	c := testConfig(t, filepath.Join(t.TempDir(), "shop.db"))
	c.ptopSigningKey = payack.NewSecret("")
	assert.Error(t, run(t.Context(), callbacks, admin, c))
}

// audit is middleware as many servers have it: it reads the body.
func audit(c *gin.Context) { _, _ = c.GetRawData() }

// auditAndRestore reads the body, too, and puts the bytes back.
func auditAndRestore(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, middleware.DefaultMaxBody)
	body, err := c.GetRawData()
	if err != nil {
		c.AbortWithStatus(http.StatusRequestEntityTooLarge)
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
}

// TestBodyReadInFront: if middleware in front of payack reads the body, payack has
// nothing to verify. It then asks the provider to send again, and logs why. The fix is
// to put the bytes back, or to mount payack in front.
func TestBodyReadInFront(t *testing.T) {
	receiver, err := middleware.NewPTS(shoptest.PTSKeys.Config())
	require.NoError(t, err)
	shop, pts, r := shoptest.Orders(t), ginpayack.Wrap(receiver), gin.New()
	r.POST("/behind", audit, pts, settlePTS(shop))
	r.POST("/restored", auditAndRestore, pts, settlePTS(shop))
	r.POST("/in-front", pts, audit, settlePTS(shop))
	paid := payacktest.PTS(shoptest.PTSKeys).Order("ORD-1")
	post := func(path string, cb payacktest.Callback) *http.Response {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, cb.Request(path))
		return w.Result()
	}
	payacktest.Failed(t, payack.PTS, post("/behind", paid.Callback(t)))
	assert.False(t, shoptest.Paid(t, shop, "ORD-1"))
	payacktest.Accepted(t, payack.PTS, post("/restored", paid.Callback(t)))
	assert.True(t, shoptest.Paid(t, shop, "ORD-1"))
	payacktest.Accepted(t, payack.PTS, post("/in-front", paid.Order("ORD-2").Amount("500").Callback(t)))
	assert.True(t, shoptest.Paid(t, shop, "ORD-2"))
	payacktest.Failed(t, payack.PTS, post("/in-front", paid.Order("ORD-9").Callback(t))) // no such order
}
