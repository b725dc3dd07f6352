package envelope_test

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
)

const safecode = "8b998abba49ae33a194cb9677b13ecbe"

func newPTS(t testing.TB, safecode string, encoding envelope.PTSEncoding) *envelope.PTS {
	t.Helper()
	e, err := envelope.NewPTS(payack.NewSecret(safecode), encoding)
	require.NoError(t, err)
	return e
}

// blocksOf encrypts whole blocks without padding them.
func blocksOf(t testing.TB, key, padded []byte) string {
	t.Helper()
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	out := bytes.Clone(padded)
	for b := out; len(b) > 0; b = b[aes.BlockSize:] {
		block.Encrypt(b, b)
	}
	return base64.StdEncoding.EncodeToString(out)
}

// requireRefused checks that nothing was returned, and that the error is the same
// value for every failure.
func requireRefused(t testing.TB, plain []byte, err error, what ...any) {
	t.Helper()
	require.Nil(t, plain, what...)
	require.True(t, err == payack.ErrEnvelope, what...)
}

func TestPTSKnownAnswer(t *testing.T) {
	e := newPTS(t, safecode, "")
	assert.Equal(t, "hkRXSsHPJ+wSzEj48TYVwA==", string(e.Seal([]byte(`{"user_id":"1"}`))))
	plain, err := e.Open([]byte("hkRXSsHPJ+wSzEj48TYVwA=="))
	require.NoError(t, err)
	assert.Equal(t, `{"user_id":"1"}`, string(plain))
}

func TestPTSRoundTrip(t *testing.T) {
	for name, e := range map[string]*envelope.PTS{
		"raw, 16": newPTS(t, safecode[:16], envelope.PTSRaw),
		"raw, 24": newPTS(t, safecode[:24], envelope.PTSRaw),
		"raw, 32": newPTS(t, safecode, envelope.PTSRaw),
		"hex, 16": newPTS(t, safecode, envelope.PTSHex),
		"hex, 32": newPTS(t, safecode+strings.ToUpper(safecode), envelope.PTSHex),
	} {
		for size := range 50 {
			want := bytes.Repeat([]byte{byte(size)}, size)
			before := bytes.Clone(want)
			sealed := e.Seal(want)
			assert.Equal(t, before, want, "Seal leaves its input alone")
			text := bytes.Clone(sealed)
			plain, err := e.Open(sealed)
			require.NoError(t, err, "%s, %d bytes", name, size)
			assert.Equal(t, string(want), string(plain))
			assert.Equal(t, text, sealed, "Open leaves its input alone")
			assert.Equal(t, len(plain)/16+1, base64.StdEncoding.DecodedLen(len(sealed))/16)
		}
	}
}

func TestPTSReadingsOfTheSafecodeDiffer(t *testing.T) {
	sealed := newPTS(t, safecode, envelope.PTSHex).Seal([]byte("plain"))
	plain, err := newPTS(t, safecode, envelope.PTSRaw).Open(sealed)
	requireRefused(t, plain, err)
	key, err := hex.DecodeString(safecode)
	require.NoError(t, err)
	assert.Equal(t, blocksOf(t, key, append([]byte("plain"), bytes.Repeat([]byte{11}, 11)...)), string(sealed))
}

func TestPTSConfigurationErrors(t *testing.T) {
	for _, c := range []struct {
		name, safecode string
		encoding       envelope.PTSEncoding
		member, fix    string
	}{
		{"empty", "", envelope.PTSRaw, "Safecode", "it is empty"},
		{"31 and a line break", "8b998abba49ae33a194cb9677b13ecb\n", envelope.PTSRaw, "Safecode", "ends with a line break"},
		{"a variable of 16", "${PTS_SAFECODE0}", envelope.PTSRaw, "Safecode", "begins with ${"},
		{"31 bytes", safecode[1:], envelope.PTSRaw, "Safecode", "16, 24 or 32 bytes, or set NoEnvelopes"},
		{"33 bytes", safecode + "0", "", "Safecode", "16, 24 or 32 bytes"},
		{"15 bytes of hex", safecode[2:], envelope.PTSHex, "Safecode", "15 bytes are no AES key"},
		{"odd hex", safecode[1:], envelope.PTSHex, "Safecode", `use the encoding "raw" or check the safecode`},
		{"no hex", "x" + safecode[1:], envelope.PTSHex, "Safecode", `use the encoding "raw" or check the safecode`},
		{"unknown encoding", safecode, "RAW", "SafecodeEncoding", `choose "raw" or "hex"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := envelope.NewPTS(payack.NewSecret(c.safecode), c.encoding)
			require.Error(t, err)
			assert.Nil(t, e)
			assert.True(t, strings.HasPrefix(err.Error(), "payack: "+c.member+":"), err.Error())
			assert.Contains(t, err.Error(), c.fix)
			assert.NotContains(t, err.Error(), safecode[2:10])
		})
	}
}

// otherSpellings returns texts that a lenient decoder decodes to the same bytes, and
// texts that are not base64.
func otherSpellings(text string) map[string]string {
	spellings := map[string]string{
		"LF at the end":       text + "\n",
		"CR LF at the end":    text + "\r\n",
		"LF in the middle":    text[:8] + "\n" + text[8:],
		"LF in a quantum":     text[:7] + "\n" + text[7:],
		"CR in front":         "\r" + text,
		"blank at the end":    text + " ",
		"blank in the middle": text[:4] + " " + text[4:],
		"tab in front":        "\t" + text,
		"no padding":          strings.TrimRight(text, "="),
		"more padding":        text + "====",
		"URL alphabet":        strings.NewReplacer("+", "-", "/", "_").Replace(text),
		"plus as blank":       strings.ReplaceAll(text, "+", " "),
		"byte-order mark":     "\xef\xbb\xbf" + text,
		"NUL at the end":      text + "\x00",
		"percent escape":      strings.ReplaceAll(text, "+", "%2B"),
		"something after":     text + "!!!",
		"twice":               text + text,
		"quoted":              `"` + text + `"`,
	}
	if i := strings.IndexByte(text, '='); i > 0 {
		// The last letter before the padding has bits that mean nothing: set one of
		// them.
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		at := strings.IndexByte(alphabet, text[i-1])
		spellings["stray bits"] = text[:i-1] + alphabet[at|1:at|1+1] + text[i:]
		spellings["one padding less"] = text[:len(text)-1]
		spellings["padding in front"] = "=" + text[:len(text)-1]
	}
	for name, s := range spellings {
		if s == text {
			delete(spellings, name)
		}
	}
	return spellings
}

func TestPTSBase64HasOneSpelling(t *testing.T) {
	e := newPTS(t, safecode, "")
	// Two, one and no padding characters; each text has + or / in it.
	for size, want := range map[int]bool{15: true, 31: true, 47: true} {
		sealed := string(e.Seal(bytes.Repeat([]byte("~"), size)))
		_, err := e.Open([]byte(sealed))
		require.Equal(t, want, err == nil)
		for name, text := range otherSpellings(sealed) {
			if name == "twice" && !strings.HasSuffix(sealed, "=") {
				continue // see TestPTSBlocksCanBePutTogether
			}
			plain, err := e.Open([]byte(text))
			requireRefused(t, plain, err, name)
		}
	}
}

func TestPTSPaddingDamage(t *testing.T) {
	e := newPTS(t, safecode, "")
	first := []byte("0123456789abcdef")
	for last := range 256 {
		block := bytes.Repeat([]byte{byte(last)}, aes.BlockSize)
		plain, err := e.Open([]byte(blocksOf(t, []byte(safecode), append(bytes.Clone(first), block...))))
		if 1 <= last && last <= aes.BlockSize {
			require.NoError(t, err, "%d", last)
			assert.Equal(t, string(first)+strings.Repeat(string(rune(last)), aes.BlockSize-last), string(plain))
		} else {
			requireRefused(t, plain, err, "last byte %d", last)
		}
	}
	for n := 1; n <= aes.BlockSize; n++ {
		for at := range n {
			for _, bit := range []byte{1, 0x10, 0x80} {
				block := append(bytes.Repeat([]byte("x"), aes.BlockSize-n), bytes.Repeat([]byte{byte(n)}, n)...)
				i := aes.BlockSize - n + at
				if block[i] ^= bit; i == aes.BlockSize-1 {
					if now := int(block[i]); now == 1 {
						continue // it became a valid padding of one byte
					}
				}
				plain, err := e.Open([]byte(blocksOf(t, []byte(safecode), append(bytes.Clone(first), block...))))
				requireRefused(t, plain, err, fmt.Sprintf("padding of %d damaged at %d", n, at))
			}
		}
	}
	// Paddings of other standards, and no padding.
	for name, block := range map[string]string{
		"zeros":      "abc" + strings.Repeat("\x00", 13),
		"ANSI X9.23": "abc" + strings.Repeat("\x00", 12) + "\x0d",
		"ISO 7816-4": "abc\x80" + strings.Repeat("\x00", 12),
		"none":       "0123456789abcdef",
	} {
		plain, err := e.Open([]byte(blocksOf(t, []byte(safecode), []byte(block))))
		requireRefused(t, plain, err, name)
	}
}

func TestPTSLengths(t *testing.T) {
	e := newPTS(t, safecode, "")
	for size := range 66 {
		plain, err := e.Open([]byte(base64.StdEncoding.EncodeToString(make([]byte, size))))
		requireRefused(t, plain, err, size)
	}
	plain, err := e.Open(nil)
	requireRefused(t, plain, err)

	// A whole block of padding opens to an empty text. An empty envelope does not
	// open.
	plain, err = e.Open(e.Seal(nil))
	require.NoError(t, err)
	assert.Empty(t, plain)
}

// ECB does not authenticate: blocks under one key can be combined. Opened contents
// are hostile until the signature in them has been verified.
func TestPTSBlocksCanBePutTogether(t *testing.T) {
	e := newPTS(t, safecode, "")
	a, err := base64.StdEncoding.DecodeString(string(e.Seal([]byte("0123456789abcdef"))))
	require.NoError(t, err)
	b, err := base64.StdEncoding.DecodeString(string(e.Seal([]byte("other"))))
	require.NoError(t, err)
	plain, err := e.Open([]byte(base64.StdEncoding.EncodeToString(append(a[:aes.BlockSize], b...))))
	require.NoError(t, err)
	assert.Equal(t, "0123456789abcdefother", string(plain))
}

func TestPTSConcurrentUse(t *testing.T) {
	e := newPTS(t, safecode, "")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := bytes.Repeat([]byte{byte('a' + i)}, 20+i)
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

// assertPrintsNoKey prints a value with each verb and fails when a key's text,
// bytes or hex digits are there.
func assertPrintsNoKey(t testing.TB, value any, keys ...string) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text := strings.ToLower(fmt.Sprintf(verb, value))
		for _, key := range keys {
			for _, form := range []string{key, hex.EncodeToString([]byte(key)), strings.Trim(fmt.Sprint([]byte(key)), "[]")} {
				if strings.Contains(text, strings.ToLower(form)) {
					t.Errorf("%T shows its key under %s", value, verb)
				}
			}
		}
	}
}

func TestPTSPrintsNoKey(t *testing.T) {
	raw, err := hex.DecodeString(safecode)
	require.NoError(t, err)
	for _, e := range []*envelope.PTS{newPTS(t, safecode, envelope.PTSRaw), newPTS(t, safecode, envelope.PTSHex)} {
		assertPrintsNoKey(t, e, safecode, string(raw))
		assertPrintsNoKey(t, *e, safecode, string(raw))
		assertPrintsNoKey(t, struct{ E *envelope.PTS }{e}, safecode, string(raw))
	}
}

func FuzzPTSOpen(f *testing.F) {
	e, err := envelope.NewPTS(payack.NewSecret(safecode), "")
	require.NoError(f, err)
	f.Add([]byte("hkRXSsHPJ+wSzEj48TYVwA=="))
	f.Add([]byte("hkRXSsHPJ+wSzEj48TYVwB=="))
	f.Add([]byte("hkRXSsHPJ-wSzEj48TYVwA==\n"))
	f.Add([]byte{})
	f.Add(e.Seal([]byte("0123456789abcdef")))
	f.Fuzz(func(t *testing.T, input []byte) {
		// A text that opens has only one spelling.
		if plain, err := e.Open(input); err != nil {
			requireRefused(t, plain, err)
		} else {
			require.Equal(t, string(input), string(e.Seal(plain)))
		}
		// A sealed text opens.
		plain, err := e.Open(e.Seal(input))
		require.NoError(t, err)
		require.Equal(t, string(input), string(plain))
		// Whole blocks open if they end with valid padding, and only then.
		if whole := input[:len(input)/aes.BlockSize*aes.BlockSize]; len(whole) > 0 {
			plain, err := e.Open([]byte(blocksOf(t, []byte(safecode), whole)))
			if err != nil {
				requireRefused(t, plain, err)
				n := int(whole[len(whole)-1])
				require.False(t, 1 <= n && n <= aes.BlockSize && bytes.HasSuffix(whole, bytes.Repeat([]byte{byte(n)}, n)))
			} else {
				n := len(whole) - len(plain)
				require.True(t, 1 <= n && n <= aes.BlockSize)
				require.Equal(t, string(whole), string(plain)+strings.Repeat(string([]byte{byte(n)}), n))
			}
		}
	})
}
