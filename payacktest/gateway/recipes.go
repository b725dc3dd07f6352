package gateway

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
)

// This file implements the providers' signatures and envelopes a second time. If
// package client and the gateway shared one implementation, a mistake in it would
// show in no test. Nothing here is used outside of this package.

var errEnvelope = errors.New("it does not open")

// hmac256 returns the HMAC-SHA256 of the joined parts under the text of a key.
func hmac256(key payack.Secret, parts ...string) []byte {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	for _, p := range parts {
		mac.Write([]byte(p))
	}
	return mac.Sum(nil)
}

// strictBase64 decodes the standard alphabet with padding, and nothing else.
func strictBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // the decoder would skip these
		return nil, errEnvelope
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

func pad(plain []byte) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	return append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
}

func unpad(padded []byte) ([]byte, error) {
	n := int(padded[len(padded)-1])
	if n < 1 || n > aes.BlockSize || !bytes.HasSuffix(padded, bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, errEnvelope
	}
	return padded[:len(padded)-n], nil
}

// ptsCrypt signs PTS's messages, and seals and opens their envelopes.
type ptsCrypt struct {
	safecode, secret payack.Secret
	key              *rsa.PrivateKey
	block            cipher.Block
}

func newPTSCrypt(c PTSConfig, key *rsa.PrivateKey) (*ptsCrypt, error) {
	aesKey := []byte(c.Safecode.Reveal())
	switch c.SafecodeEncoding {
	case "", envelope.PTSRaw:
	case envelope.PTSHex:
		var err error
		if aesKey, err = hex.DecodeString(c.Safecode.Reveal()); err != nil {
			return nil, errors.New("gateway: Safecode: it has characters that are no hex digits; use the encoding raw")
		}
	default:
		return nil, errors.New(`gateway: SafecodeEncoding: choose "raw" or "hex"`)
	}
	block, err := aes.NewCipher(aesKey)
	if err != nil {
		return nil, errors.New("gateway: Safecode: it is no AES key; give 16, 24 or 32 bytes")
	}
	return &ptsCrypt{safecode: c.Safecode, secret: c.TransactionSecret, key: key, block: block}, nil
}

// text joins the signed members, in the order of names, with the safecode. It
// returns an error if a value contains "&name=" with the name of a signed member,
// because the text would be ambiguous.
func (p *ptsCrypt) text(names []string, values map[string]string) (string, error) {
	var b strings.Builder
	for _, name := range names {
		for _, other := range names {
			if strings.Contains(values[name], "&"+other+"=") {
				return "", errors.New("gateway: " + name + ": it holds the border of a signed member")
			}
		}
		b.WriteString(name + "=" + values[name] + "&")
	}
	return b.String() + p.safecode.Reveal(), nil
}

func (p *ptsCrypt) sign(names []string, values map[string]string) (string, error) {
	text, err := p.text(names, values)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, p.key, crypto.SHA256, digest[:])
	return base64.StdEncoding.EncodeToString(signature), err
}

// seal encrypts with ECB: each block by itself.
func (p *ptsCrypt) seal(plain []byte) []byte {
	b := pad(plain)
	for i := 0; i < len(b); i += aes.BlockSize {
		p.block.Encrypt(b[i:i+aes.BlockSize], b[i:i+aes.BlockSize])
	}
	return []byte(base64.StdEncoding.EncodeToString(b))
}

func (p *ptsCrypt) open(sealed []byte) ([]byte, error) {
	b, err := strictBase64(string(sealed))
	if err != nil || len(b) == 0 || len(b)%aes.BlockSize != 0 {
		return nil, errEnvelope
	}
	for i := 0; i < len(b); i += aes.BlockSize {
		p.block.Decrypt(b[i:i+aes.BlockSize], b[i:i+aes.BlockSize])
	}
	return unpad(b)
}

// transaction returns the value of X-Transaction-Signature over a text.
func (p *ptsCrypt) transaction(text []byte) string {
	return base64.StdEncoding.EncodeToString(hmac256(p.secret, string(text)))
}

// payatomSeal returns a post_hash over the joined parts.
func payatomSeal(secret payack.Secret, parts ...string) string {
	key := sha256.Sum256([]byte(secret.Reveal()))
	block, _ := aes.NewCipher(key[:]) // 32 bytes always are a key
	var iv [aes.BlockSize]byte
	_, _ = rand.Read(iv[:]) // never fails: it ends the program instead
	sealed := pad([]byte(payatomSum(secret, parts)))
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(sealed, sealed)
	blob := append(iv[:], payatomMAC(key[:], sealed, iv[:])...)
	return base64.StdEncoding.EncodeToString(append(blob, sealed...))
}

// payatomOpens reports whether hash is a post_hash over the joined parts.
func payatomOpens(secret payack.Secret, hash string, parts ...string) bool {
	const front = aes.BlockSize + sha256.Size
	blob, err := strictBase64(hash)
	if err != nil || len(blob) <= front || len(blob)%aes.BlockSize != 0 {
		return false
	}
	key := sha256.Sum256([]byte(secret.Reveal()))
	iv, mac, sealed := blob[:aes.BlockSize], blob[aes.BlockSize:front], blob[front:]
	if !hmac.Equal(mac, payatomMAC(key[:], sealed, iv)) {
		return false
	}
	block, _ := aes.NewCipher(key[:])
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(sealed, sealed)
	plain, err := unpad(sealed)
	return err == nil && sameSecret(string(plain), payatomSum(secret, parts))
}

func payatomMAC(key, sealed, iv []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(sealed)
	mac.Write(iv)
	return mac.Sum(nil)
}

func payatomSum(secret payack.Secret, parts []string) string {
	sum := md5.Sum([]byte(strings.Join(parts, "") + secret.Reveal()))
	return hex.EncodeToString(sum[:])
}

// payatomDay returns the signature of a request for a reconciliation.
func payatomDay(secret payack.Secret, pid, date string) string {
	sum := sha256.Sum256([]byte(pid + secret.Reveal() + date))
	return hex.EncodeToString(sum[:])
}
