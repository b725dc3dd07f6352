package verify

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
)

// PayatomSigner makes the hashes of Payatom's messages, as the gateway does
// for webhooks and the merchant for requests. It is safe for concurrent use.
//
// How payout webhooks and complaints are signed is not known, so there is no
// method for them.
type PayatomSigner struct {
	secret   payack.Secret
	envelope *envelope.Payatom
}

// NewPayatomSigner returns a signer. The error is for an empty key, and one that
// can never be right.
func NewPayatomSigner(secretKey payack.Secret) (*PayatomSigner, error) {
	e, err := envelope.NewPayatom(secretKey)
	if err != nil {
		return nil, err
	}
	return &PayatomSigner{secret: secretKey, envelope: e}, nil
}

// PostHash returns the post_hash of a webhook, or of a polling response, over
// these texts. It is empty, which no receiver takes, for an order_id of 64 bytes
// or more: such a hash could be that of another order.
func (s *PayatomSigner) PostHash(orderID, receivedAmount, status string) string {
	if len(orderID) >= payatomBlock {
		return ""
	}
	return s.seal(orderID, receivedAmount, status)
}

// PostHashIV is PostHash with the IV chosen by the caller, for reproducible
// tests only.
func (s *PayatomSigner) PostHashIV(iv [aes.BlockSize]byte, orderID, receivedAmount, status string) string {
	if len(orderID) >= payatomBlock {
		return ""
	}
	sum := payatomMD5(s.secret, orderID, receivedAmount, status)
	return s.envelope.SealIV(sum[:], iv)
}

// PollingHash returns the post_hash of a request to status_polling.php.
func (s *PayatomSigner) PollingHash(refCode, pid string) string { return s.seal(refCode, pid) }

// PayoutStatusHash returns the post_hash of a request to
// order_status_polling.php; like PostHash it is empty for an order_id of 64 bytes
// or more.
func (s *PayatomSigner) PayoutStatusHash(orderID, pid string) string {
	if len(orderID) >= payatomBlock {
		return ""
	}
	return s.seal(orderID, pid)
}

// ReconcileSignature returns the signature of a reconciliation request, hex
// SHA-256 of pid, secret key and the date as DD-MM-YYYY.
func (s *PayatomSigner) ReconcileSignature(pid, date string) string {
	sum := sha256.Sum256([]byte(pid + s.secret.Reveal() + date))
	return hex.EncodeToString(sum[:])
}

// Opens reports whether hash is a post_hash over these parts under this key: the
// gateway's side of PollingHash and PayoutStatusHash, for fake gateways.
func (s *PayatomSigner) Opens(hash string, parts ...string) bool {
	sum, err := s.envelope.Open(hash)
	if err != nil {
		return false
	}
	want := payatomMD5(s.secret, parts...)
	return hmac.Equal(sum, want[:])
}

func (s *PayatomSigner) seal(parts ...string) string {
	sum := payatomMD5(s.secret, parts...)
	return s.envelope.Seal(sum[:])
}
