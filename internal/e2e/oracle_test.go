package e2e

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// hostileRefusal is a delivery that must be rejected for a given reason.
type hostileRefusal struct {
	name   string
	m      Message
	reason payack.Reason
}

// hostilePad fills the last block of a text. If bytes are given in end, the padding
// ends in them. If none are given, the padding is that of PKCS#7.
func hostilePad(plain string, end ...byte) []byte {
	b := []byte(plain)
	if end == nil {
		n := aes.BlockSize - len(b)%aes.BlockSize
		return append(b, bytes.Repeat([]byte{byte(n)}, n)...)
	}
	for len(b)%aes.BlockSize != aes.BlockSize-len(end) {
		b = append(b, 'x')
	}
	return append(b, end...)
}

// hostileECB seals whole blocks for PTS, padded or not.
func hostileECB(t testing.TB, safecode string, blocks []byte) string {
	t.Helper()
	block, err := aes.NewCipher([]byte(safecode))
	require.NoError(t, err)
	out := slices.Clone(blocks)
	for b := out; len(b) > 0; b = b[aes.BlockSize:] {
		block.Encrypt(b, b)
	}
	return base64.StdEncoding.EncodeToString(out)
}

// hostileCBC seals whole blocks for Payatom with a correct MAC.
func hostileCBC(t testing.TB, secret string, blocks []byte) string {
	t.Helper()
	key := sha256.Sum256([]byte(secret))
	block, err := aes.NewCipher(key[:])
	require.NoError(t, err)
	iv := make([]byte, aes.BlockSize)
	out := slices.Clone(blocks)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	mac := hmac.New(sha256.New, key[:])
	mac.Write(out)
	mac.Write(iv)
	return base64.StdEncoding.EncodeToString(append(mac.Sum(iv), out...))
}

func hostileMAC(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// hostileTenant returns the tenant in the path. The tenant "one" has the right keys,
// "other" has other keys, and "nil" has nil keys. No other path has a known tenant.
func hostileTenant(r *http.Request) (string, error) {
	switch r.URL.Path {
	case "/one", "/other", "/nil":
		return r.URL.Path[1:], nil
	}
	return "", payack.ErrUnknownTenant
}

// hostilePTSRefusals returns a receiver with its Watch, a genuine request, and requests
// that the receiver must reject, each for one reason. With withHeader, the receiver has
// a transaction secret. Then an envelope has the correct X-Transaction-Signature, unless
// a wrong one is the reason.
func hostilePTSRefusals(t testing.TB, withHeader bool) (http.Handler, *Watch, Message, []hostileRefusal) {
	t.Helper()
	key := PTSKey(t)
	keysOf := func(tenant, safecode string) *verify.PTSKeys {
		c := verify.PTSKeyConfig{Tenant: tenant, Safecode: payack.NewSecret(safecode), PublicKeys: []string{key.PublicPEM}}
		if withHeader {
			c.TransactionSecret = payack.NewSecret(key.TransactionSecret)
		}
		keys, err := verify.NewPTSKeys(c)
		require.NoError(t, err)
		return keys
	}
	own, other := keysOf("one", key.Safecode), keysOf("other", strings.Repeat("0", 32))
	w := &Watch{}
	h, err := handlers.NewPTS(middleware.PTSConfig{
		KeyFunc: func(_ context.Context, r *http.Request) (*verify.PTSKeys, error) {
			tenant, err := hostileTenant(r)
			switch tenant {
			case "other":
				return other, err
			case "nil":
				return nil, err
			}
			return own, err
		},
		Options: w.Options(),
	}, func(context.Context, *payack.PTSEvent) error { return nil })
	require.NoError(t, err)

	text := func(body string) Message {
		m := Message{http.MethodPost, "/one", http.Header{"Content-Type": {"text/plain"}}, body}
		if withHeader {
			m = m.With(verify.PTSTransactionHeader, hostileMAC(key.TransactionSecret, body))
		}
		return m
	}
	seal := func(plain string) Message { return text(hostileECB(t, key.Safecode, hostilePad(plain))) }
	flat := PTSMessage(t, nil, nil)
	good := seal(flat.Body)
	forged := strings.Replace(flat.Body, `"2000"`, `"3000"`, 1)
	at := strings.Index(flat.Body, `"sign":"`) + len(`"sign":"`)
	list := []hostileRefusal{
		{"no base64", text("!"), payack.ReasonEnvelope},
		{"base64 with a line break", text(good.Body[:8] + "\n" + good.Body[8:]), payack.ReasonEnvelope},
		{"no whole block", text("AAAA"), payack.ReasonEnvelope},
		{"empty", text(""), payack.ReasonMalformed},
		{"padding 0", text(hostileECB(t, key.Safecode, hostilePad(flat.Body, 0))), payack.ReasonEnvelope},
		{"padding 17", text(hostileECB(t, key.Safecode, hostilePad(flat.Body, 17))), payack.ReasonEnvelope},
		{"padding that differs", text(hostileECB(t, key.Safecode, hostilePad(flat.Body, 1, 2))), payack.ReasonEnvelope},
		{"sealed under another safecode", text(hostileECB(t, strings.Repeat("0", 32), hostilePad(flat.Body))), payack.ReasonEnvelope},
		{"sealed, no object", seal("[]"), payack.ReasonEnvelope},
		{"sealed, no JSON", seal(`{"user_id":`), payack.ReasonMalformed},
		{"sealed, no members", seal(`{}`), payack.ReasonMalformed},
		{"sealed, a member is missing", seal(strings.Replace(flat.Body, `"status":"2000",`, "", 1)), payack.ReasonMalformed},
		{"sealed, a member is twice there", seal(strings.Replace(flat.Body, "{", `{"status":"2000",`, 1)), payack.ReasonMalformed},
		{"sealed, another signed member", seal(forged), payack.ReasonSignature},
		{"sealed, sign is no base64", seal(flat.Body[:at] + "!" + flat.Body[at+1:]), payack.ReasonSignature},
		{"sealed, sign is another", seal(flat.Body[:at] + "AAAA" + flat.Body[at+4:]), payack.ReasonSignature},
		{"signed and invalid", seal(invalid(t, payack.PTS).Body), payack.ReasonInvalid},
		{"other keys", good.To("/other"), payack.ReasonEnvelope},
		{"unknown tenant", good.To("/none"), payack.ReasonUnknownTenant},
		{"a tenant without keys", good.To("/nil"), payack.ReasonUnknownTenant},
		{"unknown tenant, no base64", text("!").To("/none"), payack.ReasonUnknownTenant},
	}
	if withHeader {
		list = append(list,
			hostileRefusal{"header missing", good.With(verify.PTSTransactionHeader), payack.ReasonSignature},
			hostileRefusal{"header of another body", good.With(verify.PTSTransactionHeader, hostileMAC(key.TransactionSecret, "x")), payack.ReasonSignature},
			hostileRefusal{"header is no base64", good.With(verify.PTSTransactionHeader, "!"), payack.ReasonSignature},
			hostileRefusal{"header twice", good.With(verify.PTSTransactionHeader, slices.Repeat(good.Header[verify.PTSTransactionHeader], 2)...), payack.ReasonSignature},
			hostileRefusal{"no envelope", flat.To("/one"), payack.ReasonEnvelope})
		return h, w, good, list
	}
	plain := func(body string) Message {
		return Message{http.MethodPost, "/one", http.Header{"Content-Type": {"application/json"}}, body}
	}
	manyMembers := ""
	for i := range 600 {
		manyMembers += fmt.Sprintf(`,"x%d":0`, i)
	}
	list = append(list,
		hostileRefusal{"flat, no JSON", plain(`{"sign":`), payack.ReasonMalformed},
		hostileRefusal{"flat, no members", plain(`{}`), payack.ReasonMalformed},
		hostileRefusal{"flat, forged", plain(forged), payack.ReasonSignature},
		hostileRefusal{"flat, a member is missing", plain(strings.Replace(flat.Body, `"status":"2000",`, "", 1)), payack.ReasonMalformed},
		hostileRefusal{"data, no base64", plain(`{"data":"!"}`), payack.ReasonEnvelope},
		hostileRefusal{"data, no padding", plain(`{"data":"` + hostileECB(t, key.Safecode, hostilePad(flat.Body, 0)) + `"}`), payack.ReasonEnvelope},
		hostileRefusal{"data, forged", plain(`{"data":` + forged + `}`), payack.ReasonSignature},
		hostileRefusal{"data, too many members", plain(`{"data":` + forged[:len(forged)-1] + manyMembers + `}}`), payack.ReasonMalformed},
		hostileRefusal{"data is a number", plain(`{"data":1}`), payack.ReasonMalformed})
	return h, w, good, list
}

func hostilePayatomRefusals(t testing.TB) (http.Handler, *Watch, Message, []hostileRefusal) {
	t.Helper()
	keysOf := func(tenant, secret string) *verify.PayatomKeys {
		keys, err := verify.NewPayatomKeys(tenant, payack.NewSecret(secret))
		require.NoError(t, err)
		return keys
	}
	own, other := keysOf("one", PayatomKey), keysOf("other", "another")
	w := &Watch{}
	h, err := handlers.NewPayatom(middleware.PayatomConfig{
		ExpectInCallback: true, Options: w.Options(),
		KeyFunc: func(_ context.Context, r *http.Request) (*verify.PayatomKeys, error) {
			tenant, err := hostileTenant(r)
			switch tenant {
			case "other":
				return other, err
			case "nil":
				return nil, err
			}
			return own, err
		},
	}, func(context.Context, *payack.PayatomEvent) error { return nil })
	require.NoError(t, err)

	withHash := func(hash string) Message {
		return Message{http.MethodPost, "/one", http.Header{"Content-Type": {"application/json"}},
			`{"order_id":"ORD1","received_amount":"500","status":"Approved","post_hash":"` + hash + `"}`}
	}
	digest := func(text string) string {
		sum := md5.Sum([]byte(text + PayatomKey))
		return hex.EncodeToString(sum[:])
	}
	right := hostileCBC(t, PayatomKey, hostilePad(digest("ORD1500Approved")))
	good := withHash(right)
	tampered := func(at int) string {
		b, err := base64.StdEncoding.DecodeString(right)
		require.NoError(t, err)
		b[at] ^= 1
		return base64.StdEncoding.EncodeToString(b)
	}
	return h, w, good, []hostileRefusal{
		{"no base64", withHash("!" + right[1:]), payack.ReasonEnvelope},
		{"base64 with a line break", withHash(`\n` + right[1:]), payack.ReasonEnvelope},
		{"too short", withHash("AAAA"), payack.ReasonEnvelope},
		{"wrong IV", withHash(tampered(0)), payack.ReasonEnvelope},
		{"wrong MAC", withHash(tampered(16)), payack.ReasonEnvelope},
		{"wrong ciphertext", withHash(tampered(48)), payack.ReasonEnvelope},
		{"right MAC, padding 0", withHash(hostileCBC(t, PayatomKey, hostilePad(digest("ORD1500Approved"), make([]byte, 16)...))), payack.ReasonEnvelope},
		{"right MAC, padding that differs", withHash(hostileCBC(t, PayatomKey, hostilePad(digest("ORD1500Approved")+"yyyy", 3, 2))), payack.ReasonEnvelope},
		{"hash of another text", withHash(hostileCBC(t, PayatomKey, hostilePad(digest("ORD1501Approved")))), payack.ReasonSignature},
		{"hash in upper case", withHash(hostileCBC(t, PayatomKey, hostilePad(strings.ToUpper(digest("ORD1500Approved"))))), payack.ReasonSignature},
		{"another order", good.Replace("ORD1", "ORD2"), payack.ReasonSignature},
		{"another amount", good.Replace(`"500"`, `"501"`), payack.ReasonSignature},
		{"another status", good.Replace("Approved", "Declined"), payack.ReasonSignature},
		{"no JSON", good.Replace("}", ""), payack.ReasonMalformed},
		{"no members", good.Replace(good.Body, "{}"), payack.ReasonMalformed},
		{"empty", good.Replace(good.Body, ""), payack.ReasonMalformed},
		{"a member is twice there", good.Replace("{", `{"status":"Approved",`), payack.ReasonMalformed},
		{"no order", good.Replace(`"order_id":"ORD1",`, ""), payack.ReasonMalformed},
		{"no hash", good.Replace(`,"post_hash"`, `,"hash"`), payack.ReasonMalformed},
		{"no amount", good.Replace(`"received_amount":"500",`, ""), payack.ReasonSignature},
		{"signed and invalid", invalid(t, payack.Payatom).To("/one"), payack.ReasonInvalid},
		{"other keys", good.To("/other"), payack.ReasonEnvelope},
		{"unknown tenant", good.To("/none"), payack.ReasonUnknownTenant},
		{"a tenant without keys", good.To("/nil"), payack.ReasonUnknownTenant},
		{"unknown tenant, no JSON", good.Replace("}", "").To("/none"), payack.ReasonUnknownTenant},
	}
}

// hostileDial delivers over a connection of its own and returns every byte
// that comes back, but for the Date.
func hostileDial(addr string, m Message) (string, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	r := m.Request()
	r.Close = true
	if m.Body == "" {
		r.Body = http.NoBody // an announced length of 0, not a body in chunks
	}
	if err := r.Write(conn); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		return "", err
	}
	head, body, found := strings.Cut(string(b), "\r\n\r\n")
	if !found {
		return "", errors.New("the answer is none of HTTP")
	}
	lines := slices.DeleteFunc(strings.Split(head, "\r\n"), func(line string) bool { return strings.HasPrefix(line, "Date: ") })
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body, nil
}

// If a provider's messages are decrypted, no byte of the answer may reveal which step
// of verification failed. The merchant's log reveals it.
func TestRefusalsAreByteForByteTheSame(t *testing.T) {
	for _, tc := range []struct {
		name string
		p    payack.Provider
		make func(testing.TB) (http.Handler, *Watch, Message, []hostileRefusal)
	}{
		{"pts", payack.PTS, func(t testing.TB) (http.Handler, *Watch, Message, []hostileRefusal) {
			return hostilePTSRefusals(t, false)
		}},
		{"pts with a transaction secret", payack.PTS, func(t testing.TB) (http.Handler, *Watch, Message, []hostileRefusal) {
			return hostilePTSRefusals(t, true)
		}},
		{"payatom", payack.Payatom, hostilePayatomRefusals},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, w, good, refusals := tc.make(t)
			server := httptest.NewServer(h)
			addr := server.Listener.Addr().String()
			want := map[payack.Provider]string{
				payack.PTS: "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nFAILED",
				payack.Payatom: "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: 49\r\nConnection: close\r\n\r\n" +
					`{"hash_status":"HashMismatch","acknowledge":"no"}`,
			}[tc.p]
			for _, r := range refusals {
				got, err := hostileDial(addr, r.m)
				require.NoError(t, err)
				if r.reason.AfterVerified() && tc.p == payack.Payatom {
					// The sender knows the key, so the answer may say that the hash matched.
					matched := strings.NewReplacer("HashMismatch", "HashMatched", "Content-Length: 49", "Content-Length: 48").Replace(want)
					assert.Equal(t, matched, got, r.name)
					continue
				}
				assert.Equal(t, want, got, r.name)
			}
			got, err := hostileDial(addr, good)
			require.NoError(t, err)
			assert.NotEqual(t, want, got, "the genuine one is no refusal")
			server.Close() // waits until the last request is observed

			require.Equal(t, len(refusals)+1, w.Count())
			for i, r := range refusals {
				assert.Equal(t, r.reason, w.seen[i].Reason, r.name)
				assert.Equal(t, payack.OutcomeRejected, w.seen[i].Outcome, r.name)
			}
			assert.Equal(t, payack.OutcomeAccepted, w.Last(t).Outcome)
		})
	}
}

// BenchmarkRefusals measures how long each refusal takes. Nothing is asserted: a
// person must judge what a sender can measure over a network. Later steps take
// longer. A sender without the key gets past the first step, opening the envelope,
// only if it guesses the padding, which is one chance in 256.
func BenchmarkRefusals(b *testing.B) {
	for name, list := range map[string]func(testing.TB) (http.Handler, *Watch, Message, []hostileRefusal){
		"pts": func(t testing.TB) (http.Handler, *Watch, Message, []hostileRefusal) {
			return hostilePTSRefusals(t, false)
		},
		"pts with a transaction secret": func(t testing.TB) (http.Handler, *Watch, Message, []hostileRefusal) {
			return hostilePTSRefusals(t, true)
		},
		"payatom": hostilePayatomRefusals,
	} {
		h, w, _, refusals := list(b)
		for _, r := range refusals {
			b.Run(name+"/"+r.name, func(b *testing.B) {
				for b.Loop() {
					Send(h, r.m)
				}
				b.StopTimer()
				w.mu.Lock() // clear the records, which would otherwise grow with each run
				w.seen = nil
				w.log.Reset()
				w.mu.Unlock()
			})
		}
	}
}
