package envelope

import (
	"crypto/aes"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/keytext"
)

// PTSEncoding selects how a PTS safecode becomes an AES key. PTS's documents don't
// say which one applies. Third-party code that works with PTS uses [PTSRaw].
type PTSEncoding string

// The encodings.
const (
	// PTSRaw uses the safecode's bytes as the key: 32 characters are AES-256.
	PTSRaw PTSEncoding = "raw"
	// PTSHex decodes the safecode from hex: 32 digits are AES-128.
	PTSHex PTSEncoding = "hex"
)

// PTS seals and opens the envelope of PTS's API v2 document: AES-ECB with PKCS#7
// padding under the safecode, in standard base64. It is safe for concurrent use.
//
// ECB does not authenticate, and it shows which plaintext blocks are equal. Treat
// opened contents as hostile until the signature inside them has been verified.
type PTS struct{ block hidden }

// NewPTS returns the envelope for a safecode, whose key has 16, 24 or 32 bytes.
// The empty encoding is [PTSRaw]. NewPTS builds the key schedule once: keep the
// result. The error says what is wrong with the safecode without repeating it.
func NewPTS(safecode payack.Secret, encoding PTSEncoding) (*PTS, error) {
	if problem := keytext.Problem(safecode.Reveal()); problem != "" {
		return nil, errors.New("payack: Safecode: " + problem)
	}
	key := []byte(safecode.Reveal())
	switch encoding {
	case "", PTSRaw:
		encoding = PTSRaw
	case PTSHex:
		var err error
		if key, err = hex.DecodeString(safecode.Reveal()); err != nil {
			return nil, fmt.Errorf(`payack: Safecode: it has characters that are not hex digits; use the encoding "raw" or check the safecode`)
		}
	default:
		return nil, fmt.Errorf(`payack: SafecodeEncoding: unknown encoding %q; choose "raw" or "hex"`, string(encoding))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("payack: Safecode: %d bytes are no AES key under the encoding %q; give a safecode of 16, 24 or 32 bytes, or set NoEnvelopes", len(key), string(encoding))
	}
	return &PTS{block: hide(block)}, nil
}

// Seal encrypts plain and returns the envelope.
func (e *PTS) Seal(plain []byte) []byte {
	padded, block := pad(plain), (*e.block)()
	for b := padded; len(b) > 0; b = b[aes.BlockSize:] {
		block.Encrypt(b, b)
	}
	return encode(padded)
}

// Open decrypts an envelope and returns its contents, which are not authenticated.
// Every failure is [payack.ErrEnvelope], bad base64 as well as bad padding. About
// one in 256 envelopes that were sealed under another key opens, too.
func (e *PTS) Open(sealed []byte) ([]byte, error) {
	buf, ok := decode(sealed)
	if !ok || len(buf) == 0 || len(buf)%aes.BlockSize != 0 {
		return nil, payack.ErrEnvelope
	}
	block := (*e.block)()
	for b := buf; len(b) > 0; b = b[aes.BlockSize:] {
		block.Decrypt(b, b)
	}
	plain, ok := unpad(buf)
	if !ok {
		return nil, payack.ErrEnvelope
	}
	return plain, nil
}
