package verify_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// ptopFuzzScheme maps n to a format, a scheme that fits it, and a place of the
// signature.
func ptopFuzzScheme(n uint8) (format verify.Body, scheme payack.Scheme, place verify.PtopPlace) {
	place = verify.PtopPlace(n / 7 % 3)
	if n %= 7; int(n) < len(ptopJSONSchemes) {
		return verify.BodyJSON, ptopJSONSchemes[n], place
	}
	return verify.BodyForm, ptopFormSchemes[int(n)-len(ptopJSONSchemes)], place
}

// ptopFuzzText returns a text that JSON and forms can carry in the member "message"
// or in an extra member. ptopFuzzID returns one that they can carry in an id.
func ptopFuzzText(s string) string { return strings.ToValidUTF8(s, "?") }
func ptopFuzzID(s string) string   { return strings.ReplaceAll(ptopFuzzText(s), "\x00", "?") }

// A signed callback verifies under its scheme with the same members. It does not
// verify under another key. Under a scheme that signs the text as sent, it does not
// verify after one byte is changed.
func FuzzPtopSigned(f *testing.F) {
	for n := range uint8(21) {
		f.Add(n, "key", true, "a93kd82hda", "ORD-1001", "Payment done", "extra", uint16(n)*7, byte(n)+1)
		f.Add(n, "key\n", true, "7", "O", "", "", uint16(n)*3, byte(1))
		f.Add(n, "key", true, "7", "O", "a\x00b", "\x00", uint16(n)*3, byte(1))
		f.Add(n, "k", false, "7", "O/1 é&=+%", "x&success=1&order_id=O \"signature\":\"", "a.b c", uint16(n)*11, byte(1)<<(n%8))
	}
	f.Fuzz(func(t *testing.T, n uint8, key string, success bool, transaction, order, message, extra string, at uint16, flip byte) {
		format, scheme, place := ptopFuzzScheme(n)
		transaction, order, message, extra = ptopFuzzID(transaction), ptopFuzzID(order), ptopFuzzText(message), ptopFuzzText(extra)
		if transaction == "" || order == "" {
			return
		}
		if _, err := verify.NewPtopKeys("", payack.Secrets(key)...); err != nil {
			if _, err := verify.SignPtopCallback(payack.NewSecret(key), scheme, place, "a=1"); err == nil && format == verify.BodyForm {
				t.Fatalf("the key %q signs, and verifies nothing", key)
			}
			return
		}
		var body string
		if format == verify.BodyForm {
			word := "0"
			if success {
				word = "1"
			}
			body = "message=" + url.QueryEscape(message) + "&success=" + word + "&order_id=" + url.QueryEscape(order) +
				"&other=" + url.QueryEscape(extra) + "&transaction_id=" + url.QueryEscape(transaction)
		} else {
			b, err := json.Marshal(struct {
				Message       string `json:"message"`
				Success       bool   `json:"success"`
				OrderID       string `json:"order_id"`
				Other         []any  `json:"other"`
				TransactionID string `json:"transaction_id"`
			}{message, success, order, []any{extra, 1.5, map[string]any{}}, transaction})
			if err != nil {
				t.Fatal(err)
			}
			body = string(b)
		}
		m, err := verify.SignPtopCallback(payack.NewSecret(key), scheme, place, body)
		if err != nil {
			t.Fatalf("sign %s: %v", body, err)
		}
		all := newPtop(t, verify.PtopOptions{Body: format})
		pinned := newPtop(t, verify.PtopOptions{Body: format, Schemes: []payack.Scheme{scheme}})
		for _, v := range []*verify.Ptop{all, pinned} {
			ev, err := v.Verify(m, newPtopKeys(t, key+"x", key))
			if err != nil {
				t.Fatalf("verify %s: %v", m.Body, err)
			}
			if ev.Success != success || ev.TransactionID != transaction || ev.OrderID != order || ev.Message != payack.NewText(message) || ev.Key != 1 {
				t.Fatalf("%s became %+v", m.Body, ev)
			}
			if len(ev.Extra) != 1 || v == pinned && ev.Scheme != scheme {
				t.Fatalf("%s became %+v", m.Body, ev)
			}
			if ev, err := v.Verify(m, newPtopKeys(t, key+"x")); err == nil {
				t.Fatalf("another key verifies %s as %+v", m.Body, ev)
			}
		}
		// Under SchemeReencoded and SchemeFormRebuilt, several bodies have the same
		// signed text, so these schemes are left out. Under the other schemes the
		// changed body must not verify.
		if flip == 0 || scheme == payack.SchemeReencoded || scheme == payack.SchemeFormRebuilt {
			return
		}
		changed := []byte(m.Body)
		changed[int(at)%len(changed)] ^= flip
		m.Body = string(changed)
		if ev, err := pinned.Verify(m, newPtopKeys(t, key)); err == nil {
			t.Fatalf("changed to %s, and verifies as %+v", m.Body, ev)
		}
	})
}

// Any body gets a right signature in X-Signature. If it verifies, encoding/json or
// net/url read the same members, its event keeps the rules, and it does not verify
// under another key or in the other format.
func FuzzPtopVerify(f *testing.F) {
	file := loadPtop(f)
	for i := range file.Vectors {
		if v := &file.Vectors[i]; v.Kind == "webhook" {
			if m := ptopMessage(f, v); len(m.Body) < 4096 {
				f.Add(m.Body, v.IsForm())
			}
		}
	}
	f.Add(`{"success":true,"transaction_id":"","order_id":"O"}`, false)
	f.Add(`success=1&transaction_id=t&order_id=`, true)
	keys, others := newPtopKeys(f, ptopKeyText), newPtopKeys(f, "another key")
	jsons, forms := newPtop(f, verify.PtopOptions{}), newPtop(f, verify.PtopOptions{Body: verify.BodyForm})
	f.Fuzz(func(t *testing.T, body string, form bool) {
		v, w, m := jsons, forms, ptopByHeader(ptopJSONType, body, ptopSum(ptopKeyText, body))
		if form {
			v, w, m.ContentType = forms, jsons, ptopFormType
		}
		ev, err := v.Verify(m, keys)
		if err != nil {
			e := refusedPtop(t, ev, err)
			if (e.Reason == payack.ReasonInvalid) != (ev != nil && ev.Check() != nil) {
				t.Fatalf("%q: %v, and %+v", body, err, ev)
			}
			return
		}
		if _, err := v.Verify(m, others); err == nil {
			t.Fatal("verifies under another key")
		}
		for _, contentType := range []string{ptopJSONType, ptopFormType} {
			m.ContentType = contentType
			if _, err := w.Verify(m, keys); err == nil {
				t.Fatalf("both formats read %q", body)
			}
		}
		if ev.Check() != nil || ev.Scheme != payack.SchemeHeader {
			t.Fatalf("%q became %+v", body, ev)
		}
		if form {
			values, err := url.ParseQuery(body)
			if err != nil || values.Get("transaction_id") != ev.TransactionID || values.Get("order_id") != ev.OrderID || values.Get("message") != ev.Message.String() {
				t.Fatalf("net/url: %q became %+v: %v", body, ev, err)
			}
			for name, list := range values {
				if len(list) != 1 {
					t.Fatalf("%q: %s is given twice", body, name)
				}
			}
			return
		}
		var members map[string]json.RawMessage
		var known struct {
			Success bool `json:"success"`
		}
		if json.Unmarshal([]byte(body), &members) != nil || json.Unmarshal([]byte(body), &known) != nil || known.Success != ev.Success {
			t.Fatalf("encoding/json: %q became %+v", body, ev)
		}
		for name, got := range map[string]string{"transaction_id": ev.TransactionID, "order_id": ev.OrderID} {
			var s string
			if json.Unmarshal(members[name], &s) != nil {
				s = string(members[name])
			}
			if s != got {
				t.Fatalf("encoding/json: %q became %+v", body, ev)
			}
		}
	})
}
