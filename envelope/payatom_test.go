package envelope_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
)

const secretKey = "68e6d7a89981a0c7335f2a7f07ff3e20"

var someIV = [aes.BlockSize]byte([]byte("\xfb\xfb\xfb\xfb456789abcdef"))

func newPayatom(t testing.TB, secret string) *envelope.Payatom {
	t.Helper()
	e, err := envelope.NewPayatom(payack.NewSecret(secret))
	require.NoError(t, err)
	return e
}

// blobOf makes a post_hash with the standard library, as the provider's document
// says: IV ‖ HMAC(ciphertext ‖ IV) ‖ ciphertext. blobOf adds no padding. If the
// argument padded does not consist of whole blocks, blobOf puts it, unencrypted, in
// place of the ciphertext.
func blobOf(t testing.TB, secret string, iv [aes.BlockSize]byte, padded []byte) []byte {
	t.Helper()
	key := sha256.Sum256([]byte(secret))
	ciphertext := bytes.Clone(padded)
	if len(padded)%aes.BlockSize == 0 {
		block, err := aes.NewCipher(key[:])
		require.NoError(t, err)
		cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(ciphertext, padded)
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write(ciphertext)
	mac.Write(iv[:])
	return append(mac.Sum(bytes.Clone(iv[:])), ciphertext...)
}

func TestPayatomFormat(t *testing.T) {
	e := newPayatom(t, secretKey)
	digest := []byte("709d48b4207bc7708c232656b00f4a20")
	want := blobOf(t, secretKey, someIV, append(bytes.Clone(digest), bytes.Repeat([]byte{16}, 16)...))
	sealed := e.SealIV(digest, someIV)
	assert.Equal(t, base64.StdEncoding.EncodeToString(want), sealed)
	assert.Len(t, sealed, 128)
	plain, err := e.Open(sealed)
	require.NoError(t, err)
	assert.Equal(t, digest, plain)
}

func TestPayatomRoundTrip(t *testing.T) {
	e := newPayatom(t, secretKey)
	for size := range 50 {
		want := bytes.Repeat([]byte{byte(size)}, size)
		before := bytes.Clone(want)
		sealed := e.Seal(want)
		assert.Equal(t, before, want, "Seal leaves its input alone")
		plain, err := e.Open(sealed)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(plain))
		assert.NotEqual(t, sealed, e.Seal(want), "each has an IV of its own")
	}
}

func TestPayatomKeys(t *testing.T) {
	for _, secret := range []string{secretKey, "x", "sécret-ключ-鍵", strings.Repeat("long", 100)} {
		sealed := newPayatom(t, secret).Seal([]byte("plain"))
		_, err := newPayatom(t, secret).Open(sealed)
		require.NoError(t, err)
		plain, err := newPayatom(t, secret+"x").Open(sealed)
		requireRefused(t, plain, err)
	}
	e, err := envelope.NewPayatom(payack.NewSecret(""))
	require.ErrorContains(t, err, "payack: SecretKey: it is empty")
	assert.Nil(t, e)
	for _, secret := range []string{secretKey + "\n", " " + secretKey, "${SECRET_KEY}", "\ufeff" + secretKey, secretKey + "\u200b"} {
		e, err := envelope.NewPayatom(payack.NewSecret(secret))
		require.ErrorContains(t, err, "payack: SecretKey: it ")
		assert.NotContains(t, err.Error(), secretKey)
		assert.Nil(t, e)
	}
}

// The MAC covers every byte, so an envelope with one flipped bit does not open.
func TestPayatomEveryBitIsCovered(t *testing.T) {
	e := newPayatom(t, secretKey)
	blob, err := base64.StdEncoding.DecodeString(e.Seal([]byte("709d48b4207bc7708c232656b00f4a20")))
	require.NoError(t, err)
	for i := range blob {
		for bit := range 8 {
			blob[i] ^= 1 << bit
			plain, err := e.Open(base64.StdEncoding.EncodeToString(blob))
			requireRefused(t, plain, err, i, bit)
			blob[i] ^= 1 << bit
		}
	}
	_, err = e.Open(base64.StdEncoding.EncodeToString(blob))
	require.NoError(t, err)
}

// A wrong padding under a right MAC gives the same error as a wrong MAC.
func TestPayatomPaddingDamage(t *testing.T) {
	e := newPayatom(t, secretKey)
	open := func(padded []byte) ([]byte, error) {
		return e.Open(base64.StdEncoding.EncodeToString(blobOf(t, secretKey, someIV, padded)))
	}
	for last := range 256 {
		plain, err := open(append([]byte("0123456789abcdef"), bytes.Repeat([]byte{byte(last)}, aes.BlockSize)...))
		if 1 <= last && last <= aes.BlockSize {
			require.NoError(t, err)
			assert.Len(t, plain, 2*aes.BlockSize-last)
		} else {
			requireRefused(t, plain, err, last)
		}
	}
	for n := 2; n <= aes.BlockSize; n++ {
		for at := range n - 1 {
			block := append(bytes.Repeat([]byte("x"), aes.BlockSize-n), bytes.Repeat([]byte{byte(n)}, n)...)
			block[aes.BlockSize-n+at] ^= 0x40
			plain, err := open(block)
			requireRefused(t, plain, err, n, at)
		}
	}
	// The code in Payatom's document removes no padding. Open refuses a text without
	// padding all the same.
	plain, err := open([]byte("709d48b4207bc7708c232656b00f4a20"))
	requireRefused(t, plain, err)
}

func TestPayatomLengths(t *testing.T) {
	e := newPayatom(t, secretKey)
	for size := range 100 {
		plain, err := e.Open(base64.StdEncoding.EncodeToString(make([]byte, size)))
		requireRefused(t, plain, err, "zeros", size)
	}
	// The MAC is right, but the ciphertext is empty or does not consist of whole
	// blocks.
	for _, size := range []int{0, 1, 15, 17, 31, 33, 47} {
		plain, err := e.Open(base64.StdEncoding.EncodeToString(blobOf(t, secretKey, someIV, make([]byte, size))))
		requireRefused(t, plain, err, "ciphertext of", size)
	}
	plain, err := e.Open("")
	requireRefused(t, plain, err)

	plain, err = e.Open(e.Seal(nil))
	require.NoError(t, err)
	assert.Empty(t, plain)
}

func TestPayatomBase64HasOneSpelling(t *testing.T) {
	e := newPayatom(t, secretKey)
	for _, size := range []int{0, 20, 32} { // two, one and no padding characters
		sealed := e.SealIV(make([]byte, size), someIV)
		require.Contains(t, sealed, "+/")
		for name, text := range otherSpellings(sealed) {
			plain, err := e.Open(text)
			requireRefused(t, plain, err, name)
		}
	}
}

func TestPayatomConcurrentUse(t *testing.T) {
	e := newPayatom(t, secretKey)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := bytes.Repeat([]byte{byte('a' + i)}, 32)
			for range 200 {
				plain, err := e.Open(e.Seal(want))
				if !assert.NoError(t, err) || !assert.Equal(t, want, plain) {
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestPayatomPrintsNoKey(t *testing.T) {
	e := newPayatom(t, secretKey)
	_ = e.Seal([]byte("so that there is a hash to be printed"))
	key := sha256.Sum256([]byte(secretKey))
	assertPrintsNoKey(t, e, secretKey, string(key[:]))
	assertPrintsNoKey(t, struct{ E *envelope.Payatom }{e}, secretKey, string(key[:]))
}

func FuzzPayatomOpen(f *testing.F) {
	e, err := envelope.NewPayatom(payack.NewSecret(secretKey))
	require.NoError(f, err)
	f.Add(e.SealIV([]byte("709d48b4207bc7708c232656b00f4a20"), someIV), []byte("some IV"), 3)
	f.Add("", []byte{}, 0)
	f.Add(strings.Repeat("A", 128), bytes.Repeat([]byte{0xfb}, 16), 60)
	f.Fuzz(func(t *testing.T, text string, seed []byte, at int) {
		var iv [aes.BlockSize]byte
		copy(iv[:], seed)
		// A text that opens was sealed with this key, and has only one spelling.
		if plain, err := e.Open(text); err != nil {
			requireRefused(t, plain, err)
		} else {
			blob, err := base64.StdEncoding.DecodeString(text)
			require.NoError(t, err)
			require.Equal(t, text, e.SealIV(plain, [aes.BlockSize]byte(blob)))
		}
		// A sealed text opens, and has the documented format.
		sealed := e.SealIV([]byte(text), iv)
		plain, err := e.Open(sealed)
		require.NoError(t, err)
		require.Equal(t, text, string(plain))
		n := aes.BlockSize - len(text)%aes.BlockSize
		want := blobOf(t, secretKey, iv, append([]byte(text), bytes.Repeat([]byte{byte(n)}, n)...))
		require.Equal(t, base64.StdEncoding.EncodeToString(want), sealed)
		// A sealed text with another byte in it does not open.
		if 0 <= at && at < len(sealed) {
			other := []byte(sealed)
			if other[at] ^= 1; true {
				plain, err := e.Open(string(other))
				requireRefused(t, plain, err)
			}
		}
	})
}
