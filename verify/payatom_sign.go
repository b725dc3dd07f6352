package verify

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
)

// PayatomSigner makes the hashes of Payatom's messages. The gateway signs webhooks
// and polling responses; the merchant signs requests. It is safe for concurrent
// use.
//
// Payatom's documents don't say how payout webhooks and complaints are signed, so
// no method makes those.
type PayatomSigner struct {
	secret   payack.Secret
	envelope *envelope.Payatom
}

// NewPayatomSigner returns a signer. It refuses the same keys as
// [envelope.NewPayatom].
func NewPayatomSigner(secretKey payack.Secret) (*PayatomSigner, error) {
	e, err := envelope.NewPayatom(secretKey)
	if err != nil {
		return nil, err
	}
	return &PayatomSigner{secret: secretKey, envelope: e}, nil
}

// PostHash returns the post_hash of a webhook or of a polling response over these
// texts. For an order_id of 64 bytes or more it returns "", which every receiver
// refuses: such a hash could also be that of another order.
func (s *PayatomSigner) PostHash(orderID, receivedAmount, status string) string {
	if len(orderID) >= payatomBlock {
		return ""
	}
	return s.seal(orderID, receivedAmount, status)
}

// PostHashIV is PostHash with an IV that the caller chooses, for reproducible tests
// only: see [envelope.Payatom.SealIV].
func (s *PayatomSigner) PostHashIV(iv [aes.BlockSize]byte, orderID, receivedAmount, status string) string {
	if len(orderID) >= payatomBlock {
		return ""
	}
	sum := payatomMD5(s.secret, orderID, receivedAmount, status)
	return s.envelope.SealIV(sum[:], iv)
}

// PollingHash returns the post_hash of a request to status_polling.php.
func (s *PayatomSigner) PollingHash(refCode, pid string) string { return s.seal(refCode, pid) }

// PayoutStatusHash returns the post_hash of a request to order_status_polling.php.
// Like PostHash it returns "" for an order_id of 64 bytes or more.
func (s *PayatomSigner) PayoutStatusHash(orderID, pid string) string {
	if len(orderID) >= payatomBlock {
		return ""
	}
	return s.seal(orderID, pid)
}

// ReconcileSignature returns the signature of a reconciliation request: the
// lower-case hex SHA-256 of pid, secret key and date. The date is DD-MM-YYYY and
// is not checked.
func (s *PayatomSigner) ReconcileSignature(pid, date string) string {
	sum := sha256.Sum256([]byte(pid + s.secret.Reveal() + date))
	return hex.EncodeToString(sum[:])
}

// Opens reports whether hash is a post_hash over these parts, in this order, under
// this key. Fake gateways check PollingHash and PayoutStatusHash with it.
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
