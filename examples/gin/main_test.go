package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/adapt/ginpayack"
	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/examples/internal/signed"
	"github.com/payack/payack/middleware"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

var (
	ptsSuccess   = signed.Answer{Status: 200, ContentType: "text/plain", Body: "SUCCESS"}
	ptsFailed    = signed.Answer{Status: 200, ContentType: "text/plain", Body: "FAILED"}
	ptopAccepted = signed.Answer{Status: 200}
	ptopFailed   = signed.Answer{Status: 500}
	ptopForged   = signed.Answer{Status: 403, ContentType: "text/plain", Body: "Invalid signature"}
	ptopRejected = signed.Answer{Status: 422}
)

// fakePtop answers a payment-check with what *says holds.
func fakePtop(t *testing.T, says *string) (url string) {
	ptop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/api/v3/payment-check", r.URL.Path)
		var asked map[string]string
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&asked))
		assert.Equal(t, map[string]string{"website_id": "W1", "secret_key": "of the tests", "transaction_id": "T-ORD-1"}, asked)
		if *says == "" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, *says)
	}))
	t.Cleanup(ptop.Close)
	return ptop.URL
}

func testServer(t *testing.T, ptopURL string) (http.Handler, *orders.Orders) {
	db := orders.New(map[string]string{"ORD-1": "100.50"})
	h, err := newServer(config{
		ptopURL:        ptopURL,
		ptopWebsiteID:  "W1",
		ptopSecretKey:  payack.NewSecret("of the tests"),
		ptopSigningKey: payack.NewSecret(signed.SigningKey),
		ptsUserID:      "1",
		ptsSafecode:    payack.NewSecret(signed.Safecode),
		ptsPublicKey:   signed.PublicKey(),
	}, db)
	require.NoError(t, err)
	return h, db
}

func TestPtop(t *testing.T) {
	says := ""
	h, db := testServer(t, fakePtop(t, &says))
	const path = "/callbacks/ptop"
	genuine := signed.Ptop(t, "ORD-1")

	assert.Equal(t, ptopForged, signed.Post(t, h, path, signed.Tampered(t, genuine, `"order_id":"ORD-1"`, `"order_id":"ORD-2"`)))
	for _, says = range []string{
		``,                             // out of reach
		`{"status":0,"amount":100.50}`, // pending: the query lags behind the webhook
		`{"status":1,"amount":1.00}`,   // paid, but not what was ordered
	} {
		assert.Equal(t, ptopFailed, signed.Post(t, h, path, genuine), says)
	}
	says = `{"status":2,"amount":100.50}` // cancelled
	assert.Equal(t, ptopRejected, signed.Post(t, h, path, genuine))
	assert.False(t, db.Settled("ORD-1"))

	says = `{"status":1,"amount":100.50}`
	assert.Equal(t, ptopAccepted, signed.Post(t, h, path, genuine))
	assert.True(t, db.Settled("ORD-1"))
	says = ""
	assert.Equal(t, ptopAccepted, signed.Post(t, h, path, genuine), "sent again: nobody is asked")
}

func TestPTS(t *testing.T) {
	h, db := testServer(t, "https://ptop.example") // which nobody asks
	const path = "/callbacks/pts"
	genuine := signed.PTS(t, "ORD-1", "100.50", payack.PTSSuccess)

	assert.Equal(t, ptsFailed, signed.Post(t, h, path, signed.Tampered(t, genuine, string(genuine.Body[:4]), "AAAA")))
	assert.Equal(t, ptsFailed, signed.Post(t, h, path, signed.PTS(t, "ORD-9", "100.50", payack.PTSSuccess)), "no such order")
	assert.Equal(t, ptsSuccess, signed.Post(t, h, path, signed.PTS(t, "ORD-1", "100.50", payack.PTSProcessing)))
	assert.False(t, db.Settled("ORD-1"))

	assert.Equal(t, ptsSuccess, signed.Post(t, h, path, genuine))
	assert.True(t, db.Settled("ORD-1"))
}

func TestNothingIsServedWithoutKeys(t *testing.T) {
	_, err := newServer(config{}, orders.New(nil))
	assert.Error(t, err)
}

// audit is middleware as many servers have it: it reads the body.
func audit(c *gin.Context) { _, _ = c.GetRawData() }

// auditAndRestore puts the bytes back.
func auditAndRestore(c *gin.Context) {
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, middleware.DefaultMaxBody)
	body, err := c.GetRawData()
	if err != nil {
		c.AbortWithStatus(http.StatusRequestEntityTooLarge)
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
}

// TestBodyReadInFront: middleware that reads the body before payack leaves
// nothing to verify. Payack answers "send again" and logs why; the fix is to
// put the bytes back, or to mount payack in front.
func TestBodyReadInFront(t *testing.T) {
	genuine := signed.PTS(t, "ORD-1", "100.50", payack.PTSSuccess)
	db := orders.New(map[string]string{"ORD-1": "100.50", "ORD-2": "500"})
	receiver, err := middleware.NewPTS(middleware.PTSConfig{
		Safecode: payack.NewSecret(signed.Safecode), PublicKeys: []string{signed.PublicKey()},
	})
	require.NoError(t, err)
	pts := ginpayack.Wrap(receiver)

	r := gin.New()
	r.POST("/behind", audit, pts, settlePTS(db))
	r.POST("/restored", auditAndRestore, pts, settlePTS(db))
	assert.Equal(t, ptsFailed, signed.Post(t, r, "/behind", genuine))
	assert.False(t, db.Settled("ORD-1"))
	assert.Equal(t, ptsSuccess, signed.Post(t, r, "/restored", genuine))
	assert.True(t, db.Settled("ORD-1"))

	r.POST("/in-front", pts, audit, settlePTS(db))
	assert.Equal(t, ptsSuccess, signed.Post(t, r, "/in-front", signed.PTS(t, "ORD-2", "500", payack.PTSSuccess)))
	assert.True(t, db.Settled("ORD-2"))
}
