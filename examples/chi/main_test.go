package main

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
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
		payatomSecret: payack.NewSecret(signed.SecretKey),
		ptsUserID:     "1",
		ptsSafecode:   payack.NewSecret(signed.Safecode),
		ptsPublicKey:  signed.PublicKey(),
	}, db)
	require.NoError(t, err)
	return h, db
}

func TestPayatom(t *testing.T) {
	h, db := testServer(t)
	const path = "/callbacks/payatom"
	genuine := signed.Payatom(t, "ORD-2", "500", payack.PayatomApproved)

	assert.Equal(t, payatomMismatch, signed.Post(t, h, path, signed.Tampered(t, genuine, `"received_amount":"500"`, `"received_amount":"900"`)))
	assert.Equal(t, payatomFailed, signed.Post(t, h, path, signed.Payatom(t, "ORD-9", "500", payack.PayatomApproved)), "no such order")
	assert.Equal(t, payatomMatched, signed.Post(t, h, path, signed.Payatom(t, "ORD-2", "0", payack.PayatomPending)))
	assert.False(t, db.Settled("ORD-2"))

	assert.Equal(t, payatomMatched, signed.Post(t, h, path, genuine))
	assert.True(t, db.Settled("ORD-2"))
}

func TestPTS(t *testing.T) {
	h, db := testServer(t)
	const path = "/callbacks/pts"
	genuine := signed.PTS(t, "ORD-1", "100.50", payack.PTSSuccess)

	assert.Equal(t, ptsFailed, signed.Post(t, h, path, signed.Tampered(t, genuine, string(genuine.Body[:4]), "AAAA")))
	assert.Equal(t, ptsFailed, signed.Post(t, h, path, signed.PTS(t, "ORD-1", "1.00", payack.PTSSuccess)), "another amount than ordered")
	assert.False(t, db.Settled("ORD-1"))

	assert.Equal(t, ptsSuccess, signed.Post(t, h, path, signed.PTS(t, "ORD-2", "500", payack.PTSSuccess)))
	assert.True(t, db.Settled("ORD-2"))
	assert.Equal(t, ptsSuccess, signed.Post(t, h, path, signed.PTS(t, "ORD-2", "500", payack.PTSSuccess)), "sent again")
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
	genuine := signed.PTS(t, "ORD-1", "100.50", payack.PTSSuccess)
	db := orders.New(map[string]string{"ORD-1": "100.50"})
	pts, err := middleware.NewPTS(middleware.PTSConfig{
		Safecode: payack.NewSecret(signed.Safecode), PublicKeys: []string{signed.PublicKey()},
	})
	require.NoError(t, err)

	r := chi.NewRouter()
	r.With(audit, pts.Wrap).Post("/behind", settlePTS(db))
	r.With(auditAndRestore, pts.Wrap).Post("/restored", settlePTS(db))
	assert.Equal(t, ptsFailed, signed.Post(t, r, "/behind", genuine))
	assert.False(t, db.Settled("ORD-1"))
	assert.Equal(t, ptsSuccess, signed.Post(t, r, "/restored", genuine))
	assert.True(t, db.Settled("ORD-1"))

	db = orders.New(map[string]string{"ORD-2": "500"})
	r.With(pts.Wrap, audit).Post("/in-front", settlePTS(db))
	assert.Equal(t, ptsSuccess, signed.Post(t, r, "/in-front", signed.PTS(t, "ORD-2", "500", payack.PTSSuccess)))
	assert.True(t, db.Settled("ORD-2"))

	// A handler of payack's tells Payatom the same in its own words.
	h, _ := testServer(t)
	assert.Equal(t, payatomFailed, signed.Post(t, audit(h), "/callbacks/payatom", signed.Payatom(t, "ORD-2", "500", payack.PayatomApproved)))
}
