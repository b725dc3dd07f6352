package envelope

import (
	"crypto/aes"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/keytext"
)

// PTSEncoding says how a PTS safecode becomes an AES key. The documents don't
// tell; working code uses the bytes as they are.
type PTSEncoding string

// The encodings.
const (
	// PTSRaw: the safecode's own bytes, 32 characters are an AES-256 key.
	PTSRaw PTSEncoding = "raw"
	// PTSHex: the bytes that its hex digits stand for, 32 digits are AES-128.
	PTSHex PTSEncoding = "hex"
)

// PTS seals and opens the envelopes of PTS: AES-ECB with PKCS#7 padding under
// the safecode, in standard base64. It is safe for concurrent use.
//
// ECB has no authentication and shows equal blocks; a signature inside is what
// makes the contents trustworthy. Treat what comes out as hostile until that
// signature has been verified.
type PTS struct{ block hidden }

// NewPTS returns the envelope for a safecode; the empty encoding is [PTSRaw].
// The key schedule is built once, here. The error names what is wrong with the
// safecode and not its text.
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
			return nil, fmt.Errorf(`payack: Safecode: it has characters that are no hex digits; use the encoding "raw" or check the safecode`)
		}
	default:
		return nil, fmt.Errorf(`payack: SafecodeEncoding: unknown encoding %q; choose "raw" or "hex"`, string(encoding))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("payack: Safecode: %d bytes are no AES key under the encoding %q; 16, 24 or 32 are, or set NoEnvelopes", len(key), string(encoding))
	}
	return &PTS{block: hide(block)}, nil
}

// Seal returns the envelope of plain.
func (e *PTS) Seal(plain []byte) []byte {
	padded, block := pad(plain), (*e.block)()
	for b := padded; len(b) > 0; b = b[aes.BlockSize:] {
		block.Encrypt(b, b)
	}
	return encode(padded)
}

// Open returns what is sealed in an envelope. Every failure is the same error,
// [payack.ErrEnvelope]: bad base64 cannot be told from bad padding.
//
// The text is not authenticated.
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
