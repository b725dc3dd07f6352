package main

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/examples/internal/orders"
	"github.com/payack/payack/examples/internal/signed"
	"github.com/payack/payack/middleware"
)

var (
	ptsSuccess      = signed.Answer{Status: 200, ContentType: "text/plain", Body: "SUCCESS"}
	ptsFailed       = signed.Answer{Status: 200, ContentType: "text/plain", Body: "FAILED"}
	payatomMatched  = signed.Answer{Status: 200, ContentType: "application/json;charset=utf-8", Body: `{"hash_status":"HashMatched","acknowledge":"yes"}`}
	payatomFailed   = signed.Answer{Status: 200, ContentType: "application/json;charset=utf-8", Body: `{"hash_status":"HashMatched","acknowledge":"no"}`}
	payatomMismatch = signed.Answer{Status: 200, ContentType: "application/json;charset=utf-8", Body: `{"hash_status":"HashMismatch","acknowledge":"no"}`}
)

func testServer(t *testing.T) (http.Handler, *orders.Orders) {
	db := orders.New(map[string]string{"ORD-1": "100.50", "ORD-2": "500"})
	h, err := newServer(config{
		ptsUserID:     "1",
		ptsSafecode:   payack.NewSecret(signed.Safecode),
		ptsPublicKey:  signed.PublicKey(),
		payatomSecret: payack.NewSecret(signed.SecretKey),
	}, db)
	require.NoError(t, err)
	return h, db
}

func TestPTS(t *testing.T) {
	h, db := testServer(t)
	const path = "/callbacks/pts"
	genuine := signed.PTS(t, "ORD-1", "100.50", payack.PTSSuccess)

	assert.Equal(t, ptsFailed, signed.Post(t, h, path, signed.Tampered(t, genuine, string(genuine.Body[:4]), "AAAA")))
	assert.Equal(t, ptsFailed, signed.Post(t, h, path, signed.PTS(t, "ORD-1", "1.00", payack.PTSSuccess)), "another amount than ordered")
	assert.Equal(t, ptsSuccess, signed.Post(t, h, path, signed.PTS(t, "ORD-1", "100.50", payack.PTSProcessing)))
	assert.False(t, db.Settled("ORD-1"))

	assert.Equal(t, ptsSuccess, signed.Post(t, h, path, signed.PTS(t, "ORD-2", "500", payack.PTSSuccess)))
	assert.True(t, db.Settled("ORD-2"))
	assert.Equal(t, ptsSuccess, signed.Post(t, h, path, signed.PTS(t, "ORD-2", "500", payack.PTSSuccess)), "sent again")
}

func TestPayatom(t *testing.T) {
	h, db := testServer(t)
	const path = "/callbacks/payatom"
	genuine := signed.Payatom(t, "ORD-2", "500", payack.PayatomApproved)

	assert.Equal(t, payatomMismatch, signed.Post(t, h, path, signed.Tampered(t, genuine, `"received_amount":"500"`, `"received_amount":"900"`)))
	moved := signed.Tampered(t, genuine, `"ORD-2"`, `"ORD-25"`) // the hash still fits: ORD-2 and 500, ORD-25 and 00
	moved = signed.Tampered(t, moved, `"received_amount":"500"`, `"received_amount":"00"`)
	assert.Equal(t, payatomFailed, signed.Post(t, h, path, moved))
	assert.False(t, db.Settled("ORD-2"))

	assert.Equal(t, payatomMatched, signed.Post(t, h, path, genuine))
	assert.True(t, db.Settled("ORD-2"))
}

func TestNothingIsServedWithoutKeys(t *testing.T) {
	_, err := newServer(config{}, orders.New(nil))
	assert.Error(t, err)
}

// audit is middleware as many servers have it: it reads the body.
func audit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		next.ServeHTTP(w, r)
	})
}

// auditAndRestore puts the bytes back.
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

// TestBodyReadInFront: middleware that reads the body before payack leaves
// nothing to verify. Payack answers "send again" and logs why; the fix is to
// put the bytes back, or to mount payack in front.
func TestBodyReadInFront(t *testing.T) {
	genuine := signed.Payatom(t, "ORD-2", "500", payack.PayatomApproved)

	h, db := testServer(t)
	assert.Equal(t, payatomFailed, signed.Post(t, audit(h), "/callbacks/payatom", genuine))
	assert.Equal(t, ptsFailed, signed.Post(t, audit(h), "/callbacks/pts", signed.PTS(t, "ORD-1", "100.50", payack.PTSSuccess)))
	assert.False(t, db.Settled("ORD-2"))

	assert.Equal(t, payatomMatched, signed.Post(t, auditAndRestore(h), "/callbacks/payatom", genuine))
	assert.True(t, db.Settled("ORD-2"))

	db = orders.New(map[string]string{"ORD-2": "500"})
	payatom, err := middleware.NewPayatom(middleware.PayatomConfig{
		SecretKeys: payack.Secrets(signed.SecretKey), Expect: db.Expect,
	})
	require.NoError(t, err)
	assert.Equal(t, payatomMatched, signed.Post(t, payatom.Wrap(audit(settlePayatom(db))), "/", genuine))
	assert.True(t, db.Settled("ORD-2"))
}
