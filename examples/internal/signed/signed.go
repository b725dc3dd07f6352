// Package signed makes callbacks as the providers sign them, for the examples'
// tests, and posts them.
package signed

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// The keys of the tests; no account has them.
const (
	Safecode   = "0123456789abcdef0123456789abcdef"
	SecretKey  = "a Payatom secret key of the tests"
	SigningKey = "a Ptop signing key of the tests"
)

var pair = sync.OnceValues(func() (private, public string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	private = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
})

// PublicKey returns the PEM that belongs to the callbacks that PTS makes.
func PublicKey() string {
	_, public := pair()
	return public
}

// PTS returns a callback in an envelope.
func PTS(t testing.TB, orderID, amount string, status payack.PTSStatus) verify.Message {
	t.Helper()
	private, _ := pair()
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: payack.NewSecret(Safecode), PrivateKey: payack.NewSecret(private),
	})
	require.NoError(t, err)
	members := map[string]string{
		"user_id": "1", "order_id": orderID, "transaction_id": "T-" + orderID, "channel": "2",
		"submit_currency": "PHP", "submit_amount": amount, "accept_currency": "PHP", "accept_amount": amount,
		"exchange_rate": "1", "status": string(status), "timestamp": "1700000000",
	}
	members["sign"], err = signer.Sign(verify.PTSCallback, members)
	require.NoError(t, err)
	plain, err := json.Marshal(members)
	require.NoError(t, err)
	sealed, err := signer.Seal(plain)
	require.NoError(t, err)
	return verify.Message{ContentType: "text/plain", Body: string(sealed)}
}

// Payatom returns a webhook.
func Payatom(t testing.TB, orderID, amount string, status payack.PayatomStatus) verify.Message {
	t.Helper()
	signer, err := verify.NewPayatomSigner(payack.NewSecret(SecretKey))
	require.NoError(t, err)
	body, err := json.Marshal(map[string]any{
		"order_id": orderID, "requested_amount": amount, "received_amount": amount, "status": status,
		"post_hash": signer.PostHash(orderID, amount, string(status)), "refund_info": []int{},
	})
	require.NoError(t, err)
	return verify.Message{ContentType: "application/json", Body: string(body)}
}

// Ptop returns a webhook of a successful transaction.
func Ptop(t testing.TB, orderID string) verify.Message {
	t.Helper()
	body := `{"success":true,"transaction_id":"T-` + orderID + `","order_id":"` + orderID + `","message":"paid"}`
	m, err := verify.SignPtopCallback(payack.NewSecret(SigningKey), payack.SchemeSpliced, verify.PtopLast, body)
	require.NoError(t, err)
	return m
}

// Tampered returns the message with a text in its body replaced.
func Tampered(t testing.TB, m verify.Message, old, with string) verify.Message {
	t.Helper()
	require.Contains(t, m.Body, old)
	m.Body = strings.Replace(m.Body, old, with, 1)
	return m
}

// Answer is what the provider gets.
type Answer struct {
	Status            int
	ContentType, Body string
}

// Post sends a message to a handler over a connection of its own.
func Post(t testing.TB, h http.Handler, path string, m verify.Message) Answer {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	response, err := server.Client().Post(server.URL+path, m.ContentType, strings.NewReader(m.Body))
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return Answer{response.StatusCode, response.Header.Get("Content-Type"), string(body)}
}
