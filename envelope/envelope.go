// Package envelope encrypts and decrypts the envelopes that providers put around
// a message: PTS's AES-ECB envelope and Payatom's post_hash. It handles bytes
// only; package verify interprets the contents.
//
// An envelope that does not open is [payack.ErrEnvelope] without a cause: a caller
// who passes the error on must not become a padding oracle. Opening authenticates
// the contents for [Payatom] only.
package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"

	"github.com/payack/payack/internal/strictbase64"
)

// hidden keeps a cipher from printers that follow pointers, such as the diffs of
// test libraries: a key schedule begins with the key. Printers show the address of
// a function instead, as with [payack.Secret].
type hidden *func() cipher.Block

func hide(block cipher.Block) hidden {
	reveal := func() cipher.Block { return block }
	return &reveal
}

func encode(b []byte) []byte {
	return base64.StdEncoding.AppendEncode(make([]byte, 0, base64.StdEncoding.EncodedLen(len(b))), b)
}

// decode decodes strict base64.
func decode[T ~string | ~[]byte](text T) ([]byte, bool) {
	return strictbase64.Decode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
}

// pad appends PKCS#7 padding to a copy of plain.
func pad(plain []byte) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	out := make([]byte, len(plain), len(plain)+n)
	copy(out, plain)
	for range n {
		out = append(out, byte(n))
	}
	return out
}

// unpad removes PKCS#7 padding. It always reads the whole last block, so that its
// time does not depend on which byte is wrong.
func unpad(padded []byte) ([]byte, bool) {
	if len(padded) < aes.BlockSize {
		return nil, false
	}
	last := padded[len(padded)-aes.BlockSize:]
	n := int(last[aes.BlockSize-1])
	bad := 0
	for i, b := range last {
		// inPad is 1 for the last n bytes of the block.
		inPad := ((aes.BlockSize - n - 1 - i) >> 31) & 1
		bad |= inPad & ((int(b^byte(n)) + 255) >> 8)
	}
	if bad != 0 || n == 0 || n > aes.BlockSize {
		return nil, false
	}
	return padded[:len(padded)-n], true
}
