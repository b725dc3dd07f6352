package verify_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

// ptsSignOf finds the sign member of an accepted body with the standard
// library only.
func ptsSignOf(t testing.TB, open func([]byte) ([]byte, error), body []byte) string {
	t.Helper()
	var outer struct {
		Sign string
		Data json.RawMessage
	}
	inner := body
	if json.Unmarshal(body, &outer) == nil {
		if outer.Sign != "" {
			return outer.Sign
		}
		inner = outer.Data
	}
	if len(inner) > 0 && inner[0] == '{' {
		require.NoError(t, json.Unmarshal(inner, &outer))
		return outer.Sign
	}
	var text string
	if json.Unmarshal(inner, &text) != nil {
		text = string(inner)
	}
	plain, err := open([]byte(text))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(plain, &outer))
	return outer.Sign
}

// For any message there is no panic, and the result is an event or an error with a
// documented reason. For an event, the standard library verifies the signature over
// the event's own texts. Nothing verifies under another account's keys.
func FuzzPTSVerify(f *testing.F) {
	file := loadPTS(f)
	own, other := file.Keys["rsa2048"], file.Keys["rsa1024"]
	for i := range file.Vectors {
		v := &file.Vectors[i]
		if v.KeyID == "rsa2048" && len(v.Request.BodyRecipe) == 0 {
			m := messageOfVector(f, v)
			f.Add(m.ContentType, m.Body)
		}
	}
	p := newPTSParty(f)
	f.Add("application/json", p.callback)
	f.Add("application/json", `{"data":`+p.callback+`}`)
	f.Add("application/json", `{"data":{"user_id":1}}`)

	block, _ := pem.Decode([]byte(own.PublicPEM))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(f, err)
	public := parsed.(*rsa.PublicKey)
	foreign, err := verify.NewPTSKeys(verify.PTSKeyConfig{Safecode: payack.NewSecret(own.Safecode), PublicKeys: []string{other.PublicPEM}})
	require.NoError(f, err)
	sniffing, err := verify.NewPTS(verify.PTSOptions{Sniff: true})
	require.NoError(f, err)

	f.Fuzz(func(t *testing.T, contentType, body string) {
		m := verify.Message{ContentType: contentType, Body: body}
		ev, err := p.verifier.Verify(m, foreign)
		refusedPTS(t, ev, err)

		ev, err = p.verifier.Verify(m, p.keys)
		if err != nil {
			refusedPTS(t, ev, err)
			assertTellsNoSecret(t, err, p.secrets)
		} else {
			require.True(t, p.verifier.Accepts(contentType))
			require.NoError(t, ev.Check())
			text, err := p.signer.SignedText(verify.PTSCallback, ptsSignedTextsOf(ev))
			require.NoError(t, err)
			sign := ptsSignOf(t, p.signer.Open, []byte(body))
			require.Equal(t, sign, ev.Signature)
			signature, err := base64.StdEncoding.DecodeString(sign)
			require.NoError(t, err)
			digest := sha256.Sum256([]byte(text))
			require.NoError(t, rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature))
		}

		// Sniff changes which content types are accepted, but not the event of a body.
		sniffed, sniffErr := sniffing.Verify(m, p.keys)
		if err == nil {
			require.NoError(t, sniffErr)
			require.Equal(t, ev, sniffed)
		} else if sniffErr != nil {
			refusedPTS(t, sniffed, sniffErr)
		}
	})
}

func assertTellsNoSecret(t testing.TB, err error, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Fatal("the error holds a secret")
		}
	}
}

// A callback that the signer signs, flat or sealed, is never refused because of the
// signature or the envelope. Either it verifies with the same members; or a member is
// ambiguous, has U+0000 or invalid UTF-8, is an empty id, or is no amount.
func FuzzPTSSigned(f *testing.F) {
	p := newPTSParty(f)
	f.Add("7", "1001", "QRPH", "100.50", "2000", "", true)
	f.Add("", "a&status=2000", "&", "1e3", "0000", "\x00", false)
	f.Add("7", "1001", "QRPH", "1", "2000", "a\x00b", false)
	f.Add("7", "é\u2028\"\\", "x&user_id=1", "abc", "2000", "null", false)
	for _, v := range loadPTS(f).Vectors {
		if v.Verdict == vectors.MustAccept {
			f.Add(*v.Expect["user_id"], *v.Expect["order_id"], "QRPH", "1", *v.Expect["status"], "x", true)
		}
	}
	f.Fuzz(func(t *testing.T, userID, orderID, channel, amount, status, unsigned string, sealed bool) {
		values := maps.Clone(p.values)
		values["user_id"], values["order_id"], values["channel"] = userID, orderID, channel
		values["submit_amount"], values["status"] = amount, status
		sign, signErr := p.signer.Sign(verify.PTSCallback, values)
		members := maps.Clone(values)
		members["sign"], members["error_message"] = sign, unsigned
		body, err := json.Marshal(members)
		require.NoError(t, err)
		var sent map[string]string // the members after Marshal has repaired the UTF-8
		require.NoError(t, json.Unmarshal(body, &sent))

		m := verify.Message{ContentType: "application/json", Body: string(body)}
		if sealed {
			m.ContentType = "text/plain"
			sealed, err := p.signer.Seal(body)
			require.NoError(t, err)
			m.Body = string(sealed)
		}
		ev, err := p.verifier.Verify(m, p.keys)
		if err != nil {
			e := refusedPTS(t, ev, err)
			nul := strings.Contains(userID+orderID+channel+amount+status, "\x00")
			empty := userID == "" || orderID == "" || status == ""
			number := amount == "" || payack.NewAmount(amount).Valid()
			switch e.Reason {
			case payack.ReasonMalformed:
				require.True(t, signErr != nil || nul, "%s", e)
			case payack.ReasonInvalid:
				require.True(t, empty || !number, "%s", e)
			case payack.ReasonSignature:
				require.NotEqual(t, values, textsWithout(sent, "sign", "error_message"), "only what was repaired can differ")
			default:
				require.Fail(t, "the envelope was good", "%s", e)
			}
			return
		}
		require.NoError(t, signErr)
		require.Equal(t, values, ptsSignedTextsOf(ev))
		require.Equal(t, payack.SchemeLiteral, ev.Scheme)
		require.Equal(t, sent["error_message"], ev.Unsigned.ErrorMessage.String())
	})
}

func textsWithout(texts map[string]string, names ...string) map[string]string {
	texts = maps.Clone(texts)
	for _, name := range names {
		delete(texts, name)
	}
	return texts
}

// readingsOf returns the ways to split a signed text into members, some 500 at most.
// The names come in the order of ptsSignedNames. A border may be at each place where
// the text has &, the next name and =.
func readingsOf(text string) []map[string]string {
	var readings []map[string]string
	var read func(i int, rest string, values map[string]string)
	read = func(i int, rest string, values map[string]string) {
		if len(readings) > 500 {
			return
		}
		rest, found := strings.CutPrefix(rest, ptsSignedNames[i]+"=")
		if !found {
			return
		}
		if i == len(ptsSignedNames)-1 {
			readings = append(readings, withValue(values, ptsSignedNames[i], rest))
			return
		}
		border := "&" + ptsSignedNames[i+1] + "="
		for from := 0; ; {
			at := strings.Index(rest[from:], border)
			if at < 0 {
				return
			}
			from += at
			read(i+1, rest[from+1:], withValue(values, ptsSignedNames[i], rest[:from]))
			from++
		}
	}
	read(0, text, map[string]string{})
	return readings
}

// Two callbacks that differ in a signed member have different signed texts, if the
// signer accepts both.
func FuzzPTSSignedTextIsInjective(f *testing.F) {
	p := newPTSParty(f)
	f.Add("100.50\x00PHP\x00QRPH\x001\x001001\x002000\x00100.50\x00PHP\x001731000000\x00500700\x007")
	f.Add("1&accept_currency=\x00x\x00&exchange_rate=&\x00\x00A1&status=2000\x003000&submit_amount=")
	f.Add("&accept_currency\x00=\x00&channel=&channel=\x00\x00\x00\x00\x00\x00&transaction_id\x00id=&user_id=\x00&user_id=1")
	for _, v := range loadPTS(f).Vectors {
		if v.Class == "separator_injection" {
			f.Add("5\x00PHP\x00QRPH\x001&exchange_rate=2\x00A1&status=2000\x003000\x005\x00PHP\x001731000000\x00T\x00277")
		}
	}
	safecode := "&" + p.safecode.Reveal()
	f.Fuzz(func(t *testing.T, joined string) {
		pieces := strings.SplitN(joined, "\x00", len(ptsSignedNames))
		values := make(map[string]string)
		var text strings.Builder
		for i, name := range ptsSignedNames {
			values[name] = ""
			if i < len(pieces) {
				values[name] = pieces[i]
			}
			text.WriteString(map[bool]string{true: "&"}[i > 0] + name + "=" + values[name])
		}
		got, err := p.signer.SignedText(verify.PTSCallback, values)
		if err == nil {
			require.Equal(t, text.String()+safecode, got)
		}

		readings := readingsOf(text.String())
		taken := 0
		for _, reading := range readings {
			again, err := p.signer.SignedText(verify.PTSCallback, reading)
			if err == nil {
				require.Equal(t, text.String()+safecode, again)
				taken++
			}
		}
		require.LessOrEqual(t, taken, 1, "two readings of one signed text are taken")
		if len(readings) <= 500 {
			require.Contains(t, readings, values)
			require.Equal(t, err == nil, taken == 1)
		}
	})
}

// Of all envelopes with the same contents and safecode, only one opens.
func FuzzPTSEnvelopeIsCanonical(f *testing.F) {
	file := loadPTS(f)
	e, err := envelope.NewPTS(payack.NewSecret(file.Keys["rsa2048"].Safecode), envelope.PTSRaw)
	require.NoError(f, err)
	for i := range file.Vectors {
		v := &file.Vectors[i]
		if strings.HasPrefix(v.Dim("envelope"), "text_") && len(v.Request.BodyRecipe) == 0 {
			f.Add([]byte(messageOfVector(f, v).Body))
		}
	}
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := e.Open(sealed)
		if err != nil {
			require.True(t, err == payack.ErrEnvelope, "one error for every failure")
			require.Nil(t, plain)
			return
		}
		assert.Equal(t, string(sealed), string(e.Seal(plain)))
	})
}
