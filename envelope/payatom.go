package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/keytext"
)

// Payatom seals and opens the post_hash of Payatom's webhook document:
// base64(IV ‖ HMAC-SHA256(key, ciphertext ‖ IV) ‖ ciphertext) with AES-256-CBC
// and PKCS#7 under key = SHA-256(secret key). It is safe for concurrent use.
type Payatom struct {
	block hidden
	macs  sync.Pool // of *payatomMAC
}

// payatomMAC is a keyed HMAC with room for its sum.
type payatomMAC struct {
	hash.Hash
	sum [sha256.Size]byte
}

const (
	payatomIV     = aes.BlockSize
	payatomPrefix = payatomIV + sha256.Size
)

// NewPayatom returns the envelope for a secret key. It builds the key schedules
// once: keep the result. An empty key is an error, and so is a text that cannot
// be a key as Payatom issued it, such as one that ends with a line break.
func NewPayatom(secretKey payack.Secret) (*Payatom, error) {
	if secretKey.IsZero() {
		return nil, errors.New("payack: SecretKey: it is empty, and anybody can sign with an empty key; give the account's secret key")
	}
	if problem := keytext.Problem(secretKey.Reveal()); problem != "" {
		return nil, errors.New("payack: SecretKey: " + problem)
	}
	key := sha256.Sum256([]byte(secretKey.Reveal()))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("payack: SecretKey: %w", err)
	}
	e := &Payatom{block: hide(block)}
	e.macs.New = func() any { return &payatomMAC{Hash: hmac.New(sha256.New, key[:])} }
	return e, nil
}

// Seal encrypts plain under a fresh random IV and returns the envelope.
func (e *Payatom) Seal(plain []byte) string {
	var iv [payatomIV]byte
	_, _ = rand.Read(iv[:]) // crypto/rand ends the program rather than fail
	return e.SealIV(plain, iv)
}

// SealIV is Seal with an IV that the caller chooses, for reproducible tests. It is
// unsafe elsewhere: two envelopes under one key must not share an IV.
func (e *Payatom) SealIV(plain []byte, iv [aes.BlockSize]byte) string {
	ciphertext := pad(plain)
	cipher.NewCBCEncrypter((*e.block)(), iv[:]).CryptBlocks(ciphertext, ciphertext)
	blob := make([]byte, 0, payatomPrefix+len(ciphertext))
	blob = append(blob, iv[:]...)
	m := e.mac(ciphertext, iv[:])
	blob = append(blob, m.sum[:]...)
	e.macs.Put(m)
	return string(encode(append(blob, ciphertext...)))
}

// Open decrypts an envelope and returns its contents, which its MAC authenticates.
// It checks the MAC in constant time before it decrypts. Every failure is
// [payack.ErrEnvelope].
func (e *Payatom) Open(sealed string) ([]byte, error) {
	blob, ok := decode(sealed)
	// The IV and the MAC are whole blocks, so the whole blob is, too.
	if !ok || len(blob) < payatomPrefix+aes.BlockSize || len(blob)%aes.BlockSize != 0 {
		return nil, payack.ErrEnvelope
	}
	iv, mac, ciphertext := blob[:payatomIV], blob[payatomIV:payatomPrefix], blob[payatomPrefix:]
	m := e.mac(ciphertext, iv)
	genuine := hmac.Equal(m.sum[:], mac)
	e.macs.Put(m)
	if !genuine {
		return nil, payack.ErrEnvelope
	}
	// CBC by hand, from the end: cipher.NewCBCDecrypter would copy the key schedule.
	block := (*e.block)()
	for at := len(ciphertext) - aes.BlockSize; at >= 0; at -= aes.BlockSize {
		before := iv
		if at > 0 {
			before = ciphertext[at-aes.BlockSize : at]
		}
		b := ciphertext[at : at+aes.BlockSize]
		block.Decrypt(b, b)
		subtle.XORBytes(b, b, before)
	}
	plain, ok := unpad(ciphertext)
	if !ok {
		return nil, payack.ErrEnvelope
	}
	return plain, nil
}

// mac returns a payatomMAC whose sum is the HMAC over ciphertext ‖ IV. The caller puts
// the payatomMAC back into e.macs.
func (e *Payatom) mac(ciphertext, iv []byte) *payatomMAC {
	m := e.macs.Get().(*payatomMAC)
	m.Reset()
	m.Write(ciphertext)
	m.Write(iv)
	m.Hash.Sum(m.sum[:0])
	return m
}
