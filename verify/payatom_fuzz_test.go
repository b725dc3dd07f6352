package verify_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/verify"
)

// For any body there is no panic, and the result is an event or an error with a
// documented reason. An event's hash contains the digest of the event's own texts. No
// body verifies in both formats, or under another account's keys.
func FuzzPayatomVerify(f *testing.F) {
	file := loadPayatom(f)
	for i := range file.Vectors {
		v := &file.Vectors[i]
		if v.KeyID == "hex32" && len(v.Request.BodyRecipe) == 0 {
			m := messageOfVector(f, v)
			f.Add(m.ContentType, m.Body)
		}
	}
	secret := file.Keys["hex32"].SecretKey
	hash := newPayatomSigner(f, secret).PostHash("ORD10010001", "500", "Approved")
	f.Add("application/x-www-form-urlencoded", "order_id=ORD10010001&amount=500&status=Approved&post_hash="+url.QueryEscape(hash))
	f.Add("application/json", `{"order_id":"ORD10010001","amount":"500","status":"Approved","post_hash":"`+hash+`"}`)

	e, err := envelope.NewPayatom(payack.NewSecret(secret))
	require.NoError(f, err)
	keys, foreign := newPayatomKeys(f, "", secret), newPayatomKeys(f, "", "another")
	asJSON, asForm := newPayatom(f, verify.PayatomOptions{}), newPayatom(f, verify.PayatomOptions{Body: verify.BodyForm})

	check := func(t *testing.T, ev *payack.PayatomEvent, err error, hash string) {
		t.Helper()
		if err != nil {
			refusedPayatom(t, ev, err)
			assertTellsNoSecret(t, err, []string{secret})
			return
		}
		require.Equal(t, hash, ev.Signature)
		plain, err := e.Open(hash)
		require.NoError(t, err)
		digest := md5.Sum([]byte(ev.OrderID + ev.ReceivedAmount.SignedText() + string(ev.Status) + secret))
		require.Equal(t, hex.EncodeToString(digest[:]), string(plain))
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		var members map[string]any
		_ = json.Unmarshal([]byte(body), &members)
		jsonHash, _ := members["post_hash"].(string)
		pairs, _ := url.ParseQuery(body)

		accepted := 0
		for _, v := range []*verify.Payatom{asJSON, asForm} {
			for _, as := range []string{contentType, "application/json", "application/x-www-form-urlencoded"} {
				m := verify.Message{ContentType: as, Body: body}
				ev, err := v.Verify(m, foreign)
				refusedPayatom(t, ev, err)
				ev, err = v.Verify(m, keys)
				if v == asForm {
					check(t, ev, err, pairs.Get("post_hash"))
				} else {
					check(t, ev, err, jsonHash)
				}
				if err == nil {
					require.True(t, v.Accepts(as))
					require.NoError(t, ev.Check())
					accepted |= map[*verify.Payatom]int{asJSON: 1, asForm: 2}[v]
				}
			}
		}
		require.NotEqual(t, 3, accepted, "a body verifies in both formats")

		ev, err := asForm.VerifyPolling([]byte(body), foreign)
		refusedPayatom(t, ev, err)
		ev, err = asForm.VerifyPolling([]byte(body), keys)
		check(t, ev, err, jsonHash)
	})
}

// A webhook with a right hash is never refused because of the hash. Either it
// verifies; or a signed member has U+0000, the order_id has 64 bytes or more, or the
// event breaks a rule.
func FuzzPayatomSigned(f *testing.F) {
	f.Add("ORD10010001", "500", "Approved", "x", false)
	f.Add("ORD15", "00", "Approved", "", true)
	f.Add("ORD1", "500", "Approved", "a\x00b", false)
	f.Add("ORD1", "500", "Approved", "a\x00b", true)
	f.Add(strings.Repeat("x", 63), "500", "Approved", "", true)
	f.Add(strings.Repeat("x", 64), "500", "Approved", "", false)
	f.Add("", "500Late ", "Approved", "&a=b", true)
	f.Add("a&b=c\"{}[]", "-1e3", "é", "\u2028", true)
	for _, v := range loadPayatom(f).Vectors {
		if v.Expect["received_amount"] != nil {
			f.Add(*v.Expect["order_id"], *v.Expect["received_amount"], *v.Expect["status"], v.Name, len(v.Name)%2 == 0)
		}
	}
	secret := payatomSecret
	keys, signer := newPayatomKeys(f, "", secret), newPayatomSigner(f, secret)
	asJSON, asForm := newPayatom(f, verify.PayatomOptions{}), newPayatom(f, verify.PayatomOptions{Body: verify.BodyForm})
	f.Fuzz(func(t *testing.T, order, amount, status, unsigned string, form bool) {
		order, amount, status = strings.ToValidUTF8(order, "?"), strings.ToValidUTF8(amount, "?"), strings.ToValidUTF8(status, "?")
		unsigned = strings.ToValidUTF8(unsigned, "?")
		hash := signer.PostHash(order, amount, status)
		if len(order) >= 64 {
			require.Empty(t, hash)
			hash = payatomHash(t, secret, order+amount+status)
		}
		members := map[string]string{
			"order_id": order, "received_amount": amount, "status": status, "bank_ref": unsigned,
			"post_hash": hash,
		}
		v, m := asJSON, verify.Message{ContentType: "application/json"}
		if form {
			pairs := url.Values{}
			for name, value := range members {
				pairs.Set(name, value)
			}
			v, m = asForm, verify.Message{ContentType: "application/x-www-form-urlencoded", Body: pairs.Encode()}
		} else {
			body, err := json.Marshal(members)
			require.NoError(t, err)
			m.Body = string(body)
		}
		ev, err := v.Verify(m, keys)
		if err != nil {
			e := refusedPayatom(t, ev, err)
			if strings.Contains(order+amount+status, "\x00") {
				require.Equal(t, payack.ReasonMalformed, e.Reason)
				return
			}
			require.Equal(t, payack.ReasonInvalid, e.Reason)
			if len(order) >= 64 {
				return
			}
			would := &payack.PayatomEvent{OrderID: order, ReceivedAmount: payack.NewAmount(amount), Status: payack.PayatomStatus(status)}
			require.Error(t, would.Check())
			return
		}
		require.Less(t, len(order), 64)
		require.Equal(t, order, ev.OrderID)
		require.Equal(t, amount, ev.ReceivedAmount.String())
		require.Equal(t, payack.PayatomStatus(status), ev.Status)
		require.Equal(t, unsigned, ev.Unsigned.BankRef.String())
		require.Equal(t, payack.SchemeLiteral, ev.Scheme)
	})
}
