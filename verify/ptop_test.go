package verify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/php"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

const (
	ptopKeyText = "46bc3a213874d10ccef585932385ce2b"
	ptopJSON    = `{"success":true,"transaction_id":"a93kd82hda","order_id":"ORD-1001","message":"Payment done"}`
	ptopForm    = `success=true&transaction_id=a93kd82hda&order_id=ORD-1001&message=Payment+done`

	ptopJSONType = "application/json"
	ptopFormType = "application/x-www-form-urlencoded"
)

var (
	ptopSecret      = payack.NewSecret(ptopKeyText)
	ptopJSONSchemes = []payack.Scheme{payack.SchemeHeader, payack.SchemeSpliced, payack.SchemeReencoded, payack.SchemeBlanked}
	ptopFormSchemes = []payack.Scheme{payack.SchemeHeader, payack.SchemeForm, payack.SchemeFormRebuilt}
)

// ptopSum computes a signature independently of the package, so that the tests don't
// share its mistakes.
func ptopSum(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func newPtop(t testing.TB, o verify.PtopOptions) *verify.Ptop {
	t.Helper()
	v, err := verify.NewPtop(o)
	require.NoError(t, err)
	return v
}

func newPtopKeys(t testing.TB, texts ...string) *verify.PtopKeys {
	t.Helper()
	k, err := verify.NewPtopKeys("", payack.Secrets(texts...)...)
	require.NoError(t, err)
	return k
}

func signPtop(t testing.TB, scheme payack.Scheme, place verify.PtopPlace, body string) verify.Message {
	t.Helper()
	m, err := verify.SignPtopCallback(ptopSecret, scheme, place, body)
	require.NoError(t, err)
	return m
}

// SchemeSpliced cuts out the member signature together with the comma before it. The
// blanks before that comma stay.
func TestPtopSplicedWithBlanks(t *testing.T) {
	v, keys := newPtop(t, verify.PtopOptions{}), newPtopKeys(t, ptopKeyText)
	const head = `{"success":true,"transaction_id":"T1","order_id":"O1"  `
	sum := ptopSum(ptopKeyText, head+"\n}")
	ev, err := v.Verify(verify.Message{ContentType: ptopJSONType, Body: head + `, "signature":"` + sum + `"` + "\n}"}, keys)
	require.NoError(t, err)
	assert.Equal(t, payack.SchemeSpliced, ev.Scheme)
}

// If the signature is the first member, the comma after it is cut out, too. A
// signature over a text with that comma is refused.
func TestPtopSplicedInFront(t *testing.T) {
	v, keys := newPtop(t, verify.PtopOptions{}), newPtopKeys(t, ptopKeyText)
	const rest = `"success":true,"transaction_id":"T1","order_id":"O1"}`
	signed := func(text string) verify.Message {
		return verify.Message{ContentType: ptopJSONType, Body: `{"signature":"` + ptopSum(ptopKeyText, text) + `",` + rest}
	}
	told := v.Explain(signed("{"+rest), keys)
	require.NoError(t, told.Err)
	assert.Contains(t, told.Steps, verify.Step{Name: "signature", Text: "in the body"})
	ptopRefused(t, payack.ReasonSignature, v, signed("{,"+rest), keys)
}

// ptopByHeader returns a callback with these signatures in X-Signature.
func ptopByHeader(contentType, body string, signatures ...string) verify.Message {
	return verify.Message{ContentType: contentType, Header: map[string][]string{"X-Signature": signatures}, Body: body}
}

func ptopReason(t testing.TB, err error) payack.Reason {
	t.Helper()
	var e *payack.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, payack.Ptop, e.Provider)
	assert.Equal(t, payack.StageVerify, e.Stage)
	assert.Empty(t, e.EventID)
	return e.Reason
}

func ptopRefused(t testing.TB, want payack.Reason, v *verify.Ptop, m verify.Message, k *verify.PtopKeys) {
	t.Helper()
	ev, err := v.Verify(m, k)
	assert.Equal(t, want, refusedPtop(t, ev, err).Reason, "%v", err)
}

func refusedPtop(t testing.TB, ev *payack.PtopEvent, err error) *payack.Error {
	t.Helper()
	if ev == nil {
		return refusal(t, payack.Ptop, nil, err)
	}
	return refusal(t, payack.Ptop, ev, err)
}

// --- vectors

// ptopScheme returns the scheme of a vector's flavour.
func ptopScheme(flavour string) payack.Scheme {
	switch {
	case flavour == "header":
		return payack.SchemeHeader
	case strings.HasPrefix(flavour, "php_unset"):
		return payack.SchemeReencoded
	case strings.HasPrefix(flavour, "splice_"):
		return payack.SchemeSpliced
	case strings.HasPrefix(flavour, "emptied_"):
		return payack.SchemeBlanked
	case strings.HasPrefix(flavour, "form_raw_"):
		return payack.SchemeForm
	case flavour == "form_build_query":
		return payack.SchemeFormRebuilt
	}
	return ""
}

// ptopSetUp returns a verifier for a vector, with these schemes pinned.
func ptopSetUp(t testing.TB, v *vectors.Vector, schemes ...payack.Scheme) *verify.Ptop {
	t.Helper()
	o := verify.PtopOptions{Schemes: schemes}
	if v.IsForm() {
		o.Body = verify.BodyForm
	}
	if name, found := strings.CutPrefix(v.Dim("signature_at"), "header:"); found {
		o.Headers = []string{name}
	}
	return newPtop(t, o)
}

func ptopMessage(t testing.TB, v *vectors.Vector) verify.Message {
	t.Helper()
	body, err := v.Request.Body()
	require.NoError(t, err)
	h := v.Request.Header()
	return verify.Message{ContentType: h.Get("Content-Type"), Header: h, Body: string(body)}
}

func loadPtop(t testing.TB) *vectors.File {
	t.Helper()
	f, err := vectors.Load("ptop")
	require.NoError(t, err)
	require.Len(t, f.Vectors, vectors.Counts["ptop"])
	return f
}

// ptopAgainstRules are vectors whose verdict is vectors.MustAccept, but which a
// stricter rule of this project refuses, with the reason.
var ptopAgainstRules = map[string]payack.Reason{
	"ptop-pub-php-030-unset-big-int":    payack.ReasonSignature, // integers beyond int64 under reencoded
	"ptop-pub-php-078-form-query-array": payack.ReasonMalformed, // brackets in a form's names
}

// ptopLeftToTheGate are vectors that the gate of package middleware refuses, because
// of their method or size. Package verify has no gate, so here they verify if their
// bytes are right.
var ptopLeftToTheGate = map[string]struct {
	class  string
	reason payack.Reason
}{
	"ptop-pub-php-288-method-GET":       {"get_method", ""},
	"ptop-pub-php-289-method-PUT":       {"get_method", ""},
	"ptop-pub-php-290-method-GET-query": {"get_method", payack.ReasonMalformed}, // no content type
	"ptop-pub-php-270-big-message":      {"body_2mib", ""},
	"ptop-pub-php-271-big-whitespace":   {"body_2mib", ""},
	"ptop-pub-php-272-big-form":         {"body_2mib", payack.ReasonMalformed}, // a name given twice
}

// ptopClassReasons are the allowed reasons for each class of refused vectors.
var ptopClassReasons = map[string][]payack.Reason{
	"wrong_secret":               {payack.ReasonSignature},
	"empty_signature":            {payack.ReasonSignature},
	"sig_bitflip":                {payack.ReasonSignature},
	"tampered_body":              {payack.ReasonSignature},
	"signature_of_another_order": {payack.ReasonSignature},
	"truncated_signature":        {payack.ReasonSignature},
	"wrong_algorithm":            {payack.ReasonSignature},
	"signature_encoding":         {payack.ReasonSignature},
	"missing_signature":          {payack.ReasonSignature},
	"flavour_confusion":          {payack.ReasonSignature},
	"reformatted_body":           {payack.ReasonSignature},
	"duplicate_signature":        {payack.ReasonMalformed, payack.ReasonSignature}, // two signatures joined in one header are no hex digits
	"empty_body":                 {payack.ReasonMalformed, payack.ReasonSignature}, // an empty form has no signature
	"type_confusion":             {payack.ReasonMalformed},
	"wrong_content_type":         {payack.ReasonMalformed},
	"invalid_utf8":               {payack.ReasonMalformed},
	"not_an_object":              {payack.ReasonMalformed},
	"deep_nesting":               {payack.ReasonMalformed},
	"nul_bytes":                  {payack.ReasonMalformed},
	"malformed_json":             {payack.ReasonMalformed},
	"duplicate_keys":             {payack.ReasonMalformed},
	"trailing_data":              {payack.ReasonMalformed},
	"missing_field":              {payack.ReasonMalformed},
	"case_variant_keys":          {payack.ReasonMalformed},
	"bom_prefix":                 {payack.ReasonMalformed},
}

func TestPtopVectors(t *testing.T) {
	f := loadPtop(t)
	count := map[string]int{}
	for i := range f.Vectors {
		v := &f.Vectors[i]
		count[v.Kind+" "+v.Verdict]++
		if v.Kind != "webhook" {
			continue
		}
		key := f.Keys[v.KeyID].TheSignature
		require.NotEmpty(t, key, v.Name)
		require.NotEmpty(t, ptopScheme(v.Flavour), v.Name)
		switch gate, atGate := ptopLeftToTheGate[v.Name]; {
		case v.Verdict == vectors.MustAccept && ptopAgainstRules[v.Name] != "":
			count["against rules"]++
			t.Run(v.Name, func(t *testing.T) {
				ptopRefused(t, ptopAgainstRules[v.Name], ptopSetUp(t, v), ptopMessage(t, v), newPtopKeys(t, key))
			})
		case v.Verdict == vectors.MustAccept:
			count["accepted"]++
			t.Run(v.Name, func(t *testing.T) { testPtopAccepted(t, v, key) })
		case atGate:
			count["left to the gate"]++
			t.Run(v.Name, func(t *testing.T) {
				require.Equal(t, gate.class, v.Class)
				if gate.reason != "" {
					ptopRefused(t, gate.reason, ptopSetUp(t, v), ptopMessage(t, v), newPtopKeys(t, key))
					return
				}
				_, err := ptopSetUp(t, v).Verify(ptopMessage(t, v), newPtopKeys(t, key))
				require.NoError(t, err)
			})
		default:
			count["refused"]++
			t.Run(v.Name, func(t *testing.T) { testPtopRefused(t, v, key) })
		}
	}
	assert.Equal(t, map[string]int{
		"webhook must_accept": 113, "webhook must_reject": 137, "webhook policy_reject": 74, // together 324
		"payout_request must_accept": 18, "payout_request must_reject": 3, "payout_request policy_reject": 1, "payout_request record_reject": 2, // together 24
		"accepted": 111, "against rules": 2, "left to the gate": 6, "refused": 205, // together 324
	}, count)
}

func testPtopAccepted(t *testing.T, v *vectors.Vector, key string) {
	m, keys, own := ptopMessage(t, v), newPtopKeys(t, key), ptopScheme(v.Flavour)
	// The vector's signed text is the one that the pinned scheme must rebuild.
	require.Equal(t, v.Signature, ptopSum(key, v.SignedText))

	pinned, err := ptopSetUp(t, v, own).Verify(m, keys)
	require.NoError(t, err)
	assert.Equal(t, own, pinned.Scheme)
	ev, err := ptopSetUp(t, v).Verify(m, keys)
	require.NoError(t, err)
	if own == payack.SchemeHeader {
		assert.Equal(t, payack.SchemeHeader, ev.Scheme)
	} else {
		assert.NotEqual(t, payack.SchemeHeader, ev.Scheme)
	}

	assert.NotContains(t, pinned.Extra, "signature")
	assert.Equal(t, v.Signature, pinned.Signature)
	seen := 0
	for name, want := range v.Expect {
		switch name {
		case "success":
			require.NotNil(t, want)
			assert.Equal(t, *want == "true" || *want == "1", pinned.Success)
		case "transaction_id":
			assert.Equal(t, *want, pinned.TransactionID)
		case "order_id":
			assert.Equal(t, *want, pinned.OrderID)
		case "message":
			if want == nil {
				assert.True(t, pinned.Message.IsNull())
			} else {
				assert.Equal(t, payack.NewText(*want), pinned.Message)
			}
		case "signature":
			assert.Equal(t, v.Signature, *want)
		default:
			seen++
			require.NotNil(t, want)
			assert.Equal(t, payack.NewText(*want), pinned.Extra[name], name)
		}
	}
	assert.GreaterOrEqual(t, len(pinned.Extra), seen) // nested members are not in expect
	assert.Equal(t, pinned.ID(), ev.ID())
}

func testPtopRefused(t *testing.T, v *vectors.Vector, key string) {
	var schemes []payack.Scheme
	if v.Class == "flavour_confusion" || v.Class == "reformatted_body" {
		// The same JSON value in other bytes may verify under another scheme,
		// which is no forgery.
		schemes = append(schemes, ptopScheme(v.Flavour))
	}
	verifier, m := ptopSetUp(t, v, schemes...), ptopMessage(t, v)
	ev, err := verifier.Verify(m, newPtopKeys(t, key))
	require.Error(t, err)
	require.Nil(t, ev)
	require.NotEmpty(t, ptopClassReasons[v.Class], v.Class)
	assert.Contains(t, ptopClassReasons[v.Class], ptopReason(t, err), "%v: %s", err, v.Reason)
	if v.Class == "wrong_content_type" {
		// The verifier is set up for the format of the vector, so it refuses the
		// announced content type.
		assert.False(t, verifier.Accepts(m.ContentType))
	}
	for _, sent := range []string{key, ptopSum(key, m.Body), "ORD-", "ORE-", "3df6df5303", "HMAC_SIGNATURE"} {
		assert.NotContains(t, err.Error(), sent)
	}
}

func TestPtopPayoutVectors(t *testing.T) {
	f := loadPtop(t)
	done := map[string]int{}
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if v.Kind != "payout_request" {
			continue
		}
		done[v.Verdict]++
		t.Run(v.Name, func(t *testing.T) {
			body, err := v.Request.Body()
			require.NoError(t, err)
			var raw map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(body, &raw))
			sent := map[string]string{}
			for name, value := range raw {
				var s string
				if json.Unmarshal(value, &s) != nil {
					s = string(value)
				}
				sent[name] = s
			}
			amount := sent["amount"]
			if v.Flavour == "payout_php_float" {
				text, ok := php.NumberText(amount)
				require.True(t, ok)
				amount = text
			}
			key := payack.NewSecret(f.Keys[v.KeyID].TheSignature)
			got, err := verify.PtopPayoutSignature(key, sent["website_id"], sent["secret_key"], sent["reviverEmail"], amount)
			switch v.Verdict {
			case vectors.MustAccept:
				require.NoError(t, err)
				assert.Equal(t, v.Signature, got)
				assert.Equal(t, sent["signature"], got)
				assert.Equal(t, ptopSum(key.Reveal(), v.SignedText), got)
				for name, want := range v.Expect {
					assert.Equal(t, *want, sent[name])
				}
			case vectors.MustReject:
				require.NoError(t, err)
				assert.NotEqual(t, sent["signature"], got)
			case vectors.PolicyReject: // PHP's text of the amount was signed
				require.NoError(t, err)
				assert.NotEqual(t, sent["signature"], got)
				got, err = verify.PtopPayoutSignature(key, sent["website_id"], sent["secret_key"], sent["reviverEmail"], "50")
				require.NoError(t, err)
				assert.Equal(t, sent["signature"], got)
			case vectors.RecordReject: // a value contains |, so the text would also fit other values
				require.Error(t, err)
				assert.Empty(t, got)
				assert.Equal(t, sent["signature"], ptopSum(key.Reveal(),
					sent["website_id"]+"|"+sent["secret_key"]+"|"+sent["reviverEmail"]+"|"+amount), "a naive signer signs it")
			}
		})
	}
	assert.Equal(t, map[string]int{"must_accept": 18, "must_reject": 3, "policy_reject": 1, "record_reject": 2}, done)
}

func TestPtopPayoutSignatureRefuses(t *testing.T) {
	parts := []string{"w1", "s1", "a@b.example", "50.00"}
	sign := func(key payack.Secret, p []string) (string, error) {
		return verify.PtopPayoutSignature(key, p[0], p[1], p[2], p[3])
	}
	got, err := sign(ptopSecret, parts)
	require.NoError(t, err)
	assert.Equal(t, ptopSum(ptopKeyText, "w1|s1|a@b.example|50.00"), got)

	_, err = sign(payack.Secret{}, parts)
	assert.ErrorContains(t, err, "SigningKey")
	for i, member := range []string{"WebsiteID", "SecretKey", "reviverEmail", "amount"} {
		p := append([]string(nil), parts...)
		p[i] = "se|cret"
		_, err := sign(ptopSecret, p)
		require.ErrorContains(t, err, member)
		assert.NotContains(t, err.Error(), "se|cret")
	}
}

// --- one meaning for one body

// A genuine body of one format must not verify in the other, because the content type
// is not signed.
func TestPtopFormatsAreApart(t *testing.T) {
	f := loadPtop(t)
	jsons, forms := 0, 0
	check := func(t *testing.T, v *verify.Ptop, m verify.Message, k *verify.PtopKeys) {
		t.Helper()
		ev, err := v.Verify(m, k)
		require.Error(t, err)
		require.Nil(t, ev)
	}
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if v.Kind != "webhook" || v.Verdict != vectors.MustAccept || ptopAgainstRules[v.Name] != "" {
			continue
		}
		m, keys := ptopMessage(t, v), newPtopKeys(t, f.Keys[v.KeyID].TheSignature)
		o := verify.PtopOptions{}
		if name, found := strings.CutPrefix(v.Dim("signature_at"), "header:"); found {
			o.Headers = []string{name}
		}
		if v.IsForm() {
			forms++
			m.ContentType = ptopJSONType
			check(t, newPtop(t, o), m, keys)
			check(t, newPtop(t, verify.PtopOptions{Sniff: true}), ptopByHeader(ptopFormType, v.SignedText, v.Signature), keys)
			continue
		}
		jsons++
		m.ContentType = ptopFormType
		check(t, newPtop(t, o), m, keys)
		o.Body = verify.BodyForm
		receiver := newPtop(t, o)
		check(t, receiver, m, keys)
		// The signed JSON text, with the signature as a pair of a form.
		for _, body := range []string{
			v.SignedText + "&signature=" + v.Signature,
			"signature=" + v.Signature + "&" + v.SignedText,
			"&" + v.SignedText + "&signature=" + v.Signature,
		} {
			check(t, receiver, verify.Message{ContentType: ptopFormType, Body: body}, keys)
		}
	}
	assert.Equal(t, 94, jsons)
	assert.Equal(t, 17, forms)

	// The attack: a member whose text contains pairs of a form.
	m := signPtop(t, payack.SchemeHeader, verify.PtopLast,
		`{"success":false,"transaction_id":"t","order_id":"O","message":"x&success=1&order_id=OTHER&transaction_id=u&z="}`)
	m.ContentType = ptopFormType
	ptopRefused(t, payack.ReasonMalformed, newPtop(t, verify.PtopOptions{Body: verify.BodyForm}), m, newPtopKeys(t, ptopKeyText))
}

func TestPtopFormNamesOfPHP(t *testing.T) {
	v := newPtop(t, verify.PtopOptions{Body: verify.BodyForm})
	keys := newPtopKeys(t, ptopKeyText)
	for _, body := range []string{
		ptopForm + "&transaction.id=other", // PHP keeps the later one
		"success=1&transaction.id=t&order_id=O",
		"success=1&transaction+id=t&order_id=O",
		ptopForm + "&my.field=1&my_field=2",
		ptopForm + "&+success=0",
		ptopForm + "&signature%00x=1",
		ptopForm + "&+Order.id=1", // differs by case and by PHP's mangling
		ptopForm + "&+=1",
	} {
		ptopRefused(t, payack.ReasonMalformed, v, ptopByHeader(ptopFormType, body, ptopSum(ptopKeyText, body)), keys)
	}

	m := signPtop(t, payack.SchemeForm, verify.PtopLast, ptopForm+"&my.field=1")
	ev, err := v.Verify(m, keys)
	require.NoError(t, err)
	assert.Equal(t, map[string]payack.Text{"my.field": payack.NewText("1")}, ev.Extra, "the raw name was signed")
	m = signPtop(t, payack.SchemeFormRebuilt, verify.PtopLast, ptopForm+"&my.field=1")
	ev, err = v.Verify(m, keys)
	require.NoError(t, err)
	assert.Equal(t, payack.SchemeFormRebuilt, ev.Scheme)
	assert.Equal(t, map[string]payack.Text{"my_field": payack.NewText("1")}, ev.Extra, "PHP's name was signed")
}

// --- the signature

func TestPtopOneSignature(t *testing.T) {
	v, keys := newPtop(t, verify.PtopOptions{}), newPtopKeys(t, ptopKeyText)
	good := ptopSum(ptopKeyText, ptopJSON)
	spliced := signPtop(t, payack.SchemeSpliced, verify.PtopLast, ptopJSON)

	_, err := v.Verify(ptopByHeader(ptopJSONType, ptopJSON, good), keys)
	require.NoError(t, err)
	ev, err := v.Verify(verify.Message{ContentType: ptopJSONType, Header: map[string][]string{"The_signature": {good}}, Body: ptopJSON}, keys)
	require.NoError(t, err)
	assert.Equal(t, payack.SchemeHeader, ev.Scheme)

	malformed := map[string]verify.Message{
		"two lines":                 ptopByHeader(ptopJSONType, ptopJSON, good, good),
		"good and empty":            ptopByHeader(ptopJSONType, ptopJSON, good, ""),
		"two names":                 {ContentType: ptopJSONType, Header: map[string][]string{"X-Signature": {good}, "The_signature": {good}}, Body: ptopJSON},
		"header and member":         {ContentType: ptopJSONType, Header: map[string][]string{"X-Signature": {good}}, Body: spliced.Body},
		"header over member":        ptopByHeader(ptopJSONType, spliced.Body, ptopSum(ptopKeyText, spliced.Body)),
		"empty header and member":   ptopByHeader(ptopJSONType, spliced.Body, ""),
		"header over blank member":  ptopByHeader(ptopJSONType, `{"signature":"",`+ptopJSON[1:], ptopSum(ptopKeyText, `{"signature":"",`+ptopJSON[1:])),
		"two members":               {ContentType: ptopJSONType, Body: `{"signature":"` + good + `",` + spliced.Body[1:]},
		"escaped name":              {ContentType: ptopJSONType, Body: strings.Replace(spliced.Body, `"signature"`, `"\u0073ignature"`, 1)},
		"name in another case":      {ContentType: ptopJSONType, Body: strings.Replace(spliced.Body, `"signature"`, `"Signature"`, 1)},
		"member that is no string":  {ContentType: ptopJSONType, Body: `{"signature":null,` + ptopJSON[1:]},
		"member that is an array":   {ContentType: ptopJSONType, Body: `{"signature":["` + good + `"],` + ptopJSON[1:]},
		"header over a null member": ptopByHeader(ptopJSONType, `{"signature":null,`+ptopJSON[1:], ptopSum(ptopKeyText, `{"signature":null,`+ptopJSON[1:])),
	}
	for name, m := range malformed {
		t.Run(name, func(t *testing.T) { ptopRefused(t, payack.ReasonMalformed, v, m, keys) })
	}

	for name, text := range map[string]string{
		"upper case": strings.ToUpper(good), "blank before": " " + good, "blank after": good + " ", "line feed": good + "\n", "quoted": `"` + good + `"`,
		"prefixed": "sha256=" + good, "63 digits": good[:63], "65 digits": good + "0", "empty": "", "no hex": strings.Repeat("g", 64), "two joined": good + ", " + good,
	} {
		t.Run(name, func(t *testing.T) {
			ptopRefused(t, payack.ReasonSignature, v, ptopByHeader(ptopJSONType, ptopJSON, text), keys)
			member, err := json.Marshal(text)
			require.NoError(t, err)
			body := `{"signature":` + string(member) + `,` + ptopJSON[1:]
			ptopRefused(t, payack.ReasonSignature, v, verify.Message{ContentType: ptopJSONType, Body: body}, keys)
		})
	}
	ptopRefused(t, payack.ReasonSignature, v, verify.Message{ContentType: ptopJSONType, Body: ptopJSON}, keys)
	ptopRefused(t, payack.ReasonSignature, v, verify.Message{ContentType: ptopJSONType, Header: map[string][]string{"X-Other": {good}}, Body: ptopJSON}, keys)

	// Escaped digits decode to the right signature, but only its plain spelling is
	// accepted.
	escaped := strings.Replace(spliced.Body, good, fmt.Sprintf(`\u%04x`, good[0])+good[1:], 1)
	ptopRefused(t, payack.ReasonSignature, v, verify.Message{ContentType: ptopJSONType, Body: escaped}, keys)

	form := newPtop(t, verify.PtopOptions{Body: verify.BodyForm})
	pair := signPtop(t, payack.SchemeForm, verify.PtopMiddle, ptopForm).Body
	_, err = form.Verify(verify.Message{ContentType: ptopFormType, Body: pair}, keys)
	require.NoError(t, err)
	ptopRefused(t, payack.ReasonMalformed, form, verify.Message{ContentType: ptopFormType, Body: strings.Replace(pair, "signature", "%73ignature", 1)}, keys)
	formGood := ptopSum(ptopKeyText, ptopForm)
	escaped = strings.Replace(pair, formGood, fmt.Sprintf("%%%02x", formGood[0])+formGood[1:], 1)
	require.NotEqual(t, pair, escaped)
	ptopRefused(t, payack.ReasonSignature, form, verify.Message{ContentType: ptopFormType, Body: escaped}, keys)
	ptopRefused(t, payack.ReasonMalformed, form, ptopByHeader(ptopFormType, pair, ptopSum(ptopKeyText, pair)), keys)
	ptopRefused(t, payack.ReasonSignature, form, verify.Message{ContentType: ptopFormType, Body: ptopForm + "&signature"}, keys)
}

func TestPtopCutsInTheMiddle(t *testing.T) {
	const before, after = `{"success":true, "transaction_id":"t1"`, `"order_id":"ORD-1"}`
	keys := newPtopKeys(t, ptopKeyText)
	pinned := newPtop(t, verify.PtopOptions{Schemes: []payack.Scheme{payack.SchemeSpliced}})
	for name, signed := range map[string]string{
		"from the comma before to the end of the value": before + " ,\t" + after,
		"from the name to the next name":                before + ",\n" + after,
	} {
		t.Run(name, func(t *testing.T) {
			body := before + ",\n" + `"signature" : "` + ptopSum(ptopKeyText, signed) + `"` + " ,\t" + after
			ev, err := pinned.Verify(verify.Message{ContentType: ptopJSONType, Body: body}, keys)
			require.NoError(t, err)
			assert.Equal(t, payack.SchemeSpliced, ev.Scheme)
			assert.Equal(t, "ORD-1", ev.OrderID)
		})
	}
	for name, signed := range map[string]string{
		"no comma":   before + after,
		"both":       before + ",\n ,\t" + after,
		"no blanks":  before + "," + after,
		"re-encoded": `{"success":true,"transaction_id":"t1","order_id":"ORD-1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			body := before + ",\n" + `"signature" : "` + ptopSum(ptopKeyText, signed) + `"` + " ,\t" + after
			ptopRefused(t, payack.ReasonSignature, pinned, verify.Message{ContentType: ptopJSONType, Body: body}, keys)
		})
	}
}

func TestPtopReencoded(t *testing.T) {
	keys := newPtopKeys(t, ptopKeyText)
	v := newPtop(t, verify.PtopOptions{Schemes: []payack.Scheme{payack.SchemeReencoded}})
	message := func(members, signed string) verify.Message {
		return verify.Message{ContentType: ptopJSONType, Body: `{ "signature": "` + ptopSum(ptopKeyText, signed) + `", ` + members + ` }`}
	}
	const ids = `"success":true,"transaction_id":"t","order_id":7`
	for _, signed := range []string{`{` + ids + `,"meta":[]}`, `{` + ids + `,"meta":{}}`} { // PHP's texts after decoding to arrays and to objects
		ev, err := v.Verify(message(ids+`, "meta": {}`, signed), keys)
		require.NoError(t, err)
		assert.Equal(t, "7", ev.OrderID)
		assert.Equal(t, payack.NewText("{}"), ev.Extra["meta"])
	}
	// PHP would round this number, so many bodies would have the same signed text.
	for _, signed := range []string{`{` + ids + `,"n":9.223372036854776e+18}`, `{` + ids + `,"n":9223372036854775808}`} {
		ptopRefused(t, payack.ReasonSignature, v, message(ids+`, "n":9223372036854775808`, signed), keys)
	}
	_, err := v.Verify(message(ids+`, "n":9223372036854775807`, `{`+ids+`,"n":9223372036854775807}`), keys)
	require.NoError(t, err)
	// Two literals with one signed text must have one identity.
	const zero = `{"success":true,"transaction_id":"t","order_id":0}`
	_, err = v.Verify(message(zero[1:len(zero)-1], zero), keys)
	require.NoError(t, err)
	for _, other := range []string{"-0", "0.0", "0e0", "-0.0"} {
		for _, signed := range []string{zero, strings.Replace(zero, ":0}", ":-0}", 1), strings.Replace(zero, ":0}", ":0.0}", 1), strings.Replace(zero, ":0}", ":-0.0}", 1)} {
			_, err = v.Verify(message(`"success":true,"transaction_id":"t","order_id":`+other, signed), keys)
			require.Error(t, err, "%s as %s", signed, other)
		}
	}
}

func TestPtopPinnedSchemes(t *testing.T) {
	keys := newPtopKeys(t, ptopKeyText)
	// White space and a slash make the signed texts differ.
	const body = `{"success": true, "transaction_id": "t", "order_id": "O/1"}`
	for _, signed := range ptopJSONSchemes {
		for _, place := range []verify.PtopPlace{verify.PtopLast, verify.PtopFirst, verify.PtopMiddle} {
			m := signPtop(t, signed, place, body)
			ev, err := newPtop(t, verify.PtopOptions{}).Verify(m, keys)
			require.NoError(t, err)
			assert.Equal(t, signed, ev.Scheme)
			for _, pinned := range ptopJSONSchemes {
				v := newPtop(t, verify.PtopOptions{Schemes: []payack.Scheme{pinned}})
				if pinned != signed {
					ptopRefused(t, payack.ReasonSignature, v, m, keys)
					continue
				}
				ev, err := v.Verify(m, keys)
				require.NoError(t, err)
				assert.Equal(t, pinned, ev.Scheme)
			}
		}
	}
	const form = `success=1&transaction_id=t&order_id=O%2f1`
	for _, signed := range ptopFormSchemes {
		for _, place := range []verify.PtopPlace{verify.PtopLast, verify.PtopFirst, verify.PtopMiddle} {
			m := signPtop(t, signed, place, form)
			for _, pinned := range ptopFormSchemes {
				v := newPtop(t, verify.PtopOptions{Body: verify.BodyForm, Schemes: []payack.Scheme{pinned}})
				if pinned != signed {
					ptopRefused(t, payack.ReasonSignature, v, m, keys)
					continue
				}
				ev, err := v.Verify(m, keys)
				require.NoError(t, err)
				assert.Equal(t, pinned, ev.Scheme)
			}
		}
	}
}

// --- members

func TestPtopMembers(t *testing.T) {
	keys := newPtopKeys(t, ptopKeyText)
	forms, jsons := newPtop(t, verify.PtopOptions{Body: verify.BodyForm}), newPtop(t, verify.PtopOptions{})
	verifyText := func(body string) (*payack.PtopEvent, error) {
		v, contentType := forms, ptopFormType
		if strings.HasPrefix(body, "{") {
			v, contentType = jsons, ptopJSONType
		}
		return v.Verify(ptopByHeader(contentType, body, ptopSum(ptopKeyText, body)), keys)
	}
	for body, want := range map[string]payack.Reason{
		`{}`:                                    payack.ReasonMalformed,
		`{"success":true,"transaction_id":"t"}`: payack.ReasonMalformed,
		`{"success":true,"order_id":"O"}`:       payack.ReasonMalformed,
		`{"transaction_id":"t","order_id":"O"}`: payack.ReasonMalformed,
		`{"success":null,"transaction_id":"t","order_id":"O"}`:                            payack.ReasonMalformed,
		`{"success":"true","transaction_id":"t","order_id":"O"}`:                          payack.ReasonMalformed,
		`{"success":1,"transaction_id":"t","order_id":"O"}`:                               payack.ReasonMalformed,
		`{"success":true,"transaction_id":null,"order_id":"O"}`:                           payack.ReasonMalformed,
		`{"success":true,"transaction_id":"t","order_id":null}`:                           payack.ReasonMalformed,
		`{"success":true,"transaction_id":true,"order_id":"O"}`:                           payack.ReasonMalformed,
		`{"success":true,"transaction_id":"t","order_id":["O"]}`:                          payack.ReasonMalformed,
		`{"success":true,"transaction_id":"t","order_id":1.5}`:                            payack.ReasonMalformed,
		`{"success":true,"transaction_id":"t","order_id":-0}`:                             payack.ReasonMalformed,
		`{"success":true,"transaction_id":1` + strings.Repeat("0", 40) + `,"order_id":1}`: payack.ReasonMalformed,
		`{"success":true,"transaction_id":1e3,"order_id":1}`:                              payack.ReasonMalformed,
		`{"success":true,"transaction_id":"","order_id":"O"}`:                             payack.ReasonInvalid,
		`{"success":true,"transaction_id":"t","order_id":""}`:                             payack.ReasonInvalid,
		`success=1&order_id=O`:                      payack.ReasonMalformed,
		`success=1&transaction_id=t`:                payack.ReasonMalformed,
		`transaction_id=t&order_id=O`:               payack.ReasonMalformed,
		`success=yes&transaction_id=t&order_id`:     payack.ReasonMalformed,
		`success=TRUE&transaction_id=t&order_id=O`:  payack.ReasonMalformed,
		`success=+1&transaction_id=t&order_id=O`:    payack.ReasonMalformed,
		`success=null&transaction_id=t&order_id=O`:  payack.ReasonMalformed,
		`success=1&transaction_id=t&order_id=`:      payack.ReasonInvalid,
		`success=1&transaction_id=&order_id=O`:      payack.ReasonInvalid,
		`success=1&transaction_id=t&order_id=O%00x`: payack.ReasonMalformed,
	} {
		ev, err := verifyText(body)
		assert.Equal(t, want, refusedPtop(t, ev, err).Reason, body)
	}
	for body, want := range map[string]bool{
		`{"success":true,"transaction_id":"t","order_id":"O"}`:  true,
		`{"success":false,"transaction_id":"t","order_id":"O"}`: false,
		`success=1&transaction_id=t&order_id=O`:                 true,
		`success=true&transaction_id=t&order_id=O`:              true,
		`success=0&transaction_id=t&order_id=O`:                 false,
		`success=false&transaction_id=t&order_id=O`:             false,
		`success=&transaction_id=t&order_id=O`:                  false,
		`success&transaction_id=t&order_id=O`:                   false,
	} {
		ev, err := verifyText(body)
		require.NoError(t, err, body)
		assert.Equal(t, want, ev.Success, body)
		assert.Nil(t, ev.Extra)
		assert.True(t, ev.Message.IsZero())
	}
	ev, err := verifyText(`{"success":true,"transaction_id":-12,"order_id":9007199254740993,"message":null,"a":100.50,"b":null,"c":[1, 2],"d":"x"}`)
	require.NoError(t, err)
	assert.Equal(t, "-12", ev.TransactionID)
	assert.Equal(t, "9007199254740993", ev.OrderID)
	assert.True(t, ev.Message.IsNull())
	assert.Equal(t, map[string]payack.Text{
		"a": payack.NewText("100.50"), "b": payack.NullText(), "c": payack.NewText("[1, 2]"), "d": payack.NewText("x"),
	}, ev.Extra)
	assert.False(t, ev.Paid(), "a callback alone pays nothing")

	for _, integer := range []string{"9223372036854775808", "18446744073709551615", "-9223372036854775809", strings.Repeat("9", 40)} {
		ev, err := verifyText(`{"success":true,"transaction_id":` + integer + `,"order_id":1}`)
		require.NoError(t, err, integer)
		assert.Equal(t, integer, ev.TransactionID)
	}
}

// --- keys and options

func TestPtopKeys(t *testing.T) {
	for _, keys := range [][]payack.Secret{nil, {{}}, {payack.NewSecret("")}, {ptopSecret, {}}} {
		k, err := verify.NewPtopKeys("t", keys...)
		require.ErrorContains(t, err, "SigningKeys")
		assert.Nil(t, k)
	}
	for text, want := range map[string]string{
		ptopKeyText + "\n": "line break", " " + ptopKeyText: "white space", "${KEY}": "${", "\ufeff" + ptopKeyText: "byte-order mark",
		"a\u00a0b": "invisible", "a\u202eb": "invisible", "a\x01b": "control",
	} {
		k, err := verify.NewPtopKeys("t", ptopSecret, payack.NewSecret(text))
		require.ErrorContains(t, err, "payack: SigningKeys: key 2: it ")
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), ptopKeyText)
		assert.Nil(t, k)
		_, err = verify.SignPtopCallback(payack.NewSecret(text), payack.SchemeHeader, verify.PtopLast, ptopJSON)
		require.ErrorContains(t, err, "payack: SigningKey: it ")
		_, err = verify.PtopPayoutSignature(payack.NewSecret(text), "w", "s", "a@b.example", "1")
		require.ErrorContains(t, err, "payack: SigningKey: it ")
	}
	v := newPtop(t, verify.PtopOptions{})
	m := ptopByHeader(ptopJSONType, ptopJSON, ptopSum("", ptopJSON))
	ptopRefused(t, payack.ReasonSignature, v, m, nil)
	ptopRefused(t, payack.ReasonSignature, v, m, &verify.PtopKeys{})
	ptopRefused(t, payack.ReasonSignature, v, m, newPtopKeys(t, ptopKeyText))

	k, err := verify.NewPtopKeys("shop-1", payack.Secrets("old key", "new key")...)
	require.NoError(t, err)
	assert.Equal(t, "shop-1", k.Tenant())
	for i, text := range []string{"old key", "new key"} {
		for _, scheme := range ptopJSONSchemes {
			m, err := verify.SignPtopCallback(payack.NewSecret(text), scheme, verify.PtopMiddle, `{"success": true, "transaction_id": "t", "order_id": "O/1"}`)
			require.NoError(t, err)
			ev, err := v.Verify(m, k)
			require.NoError(t, err)
			require.Len(t, ev.Signature, 64)
			assert.Contains(t, m.Body+fmt.Sprint(m.Header), ev.Signature)
			assert.Equal(t, payack.Verification{Tenant: "shop-1", Scheme: scheme, Key: i, Signature: ev.Signature}, ev.Verification)
			assert.Equal(t, "ptop:v1:shop-1:t:true", ev.ID())
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(verb, k), "old key")
		assert.NotContains(t, fmt.Sprintf(verb, v), "old key")
	}
}

func TestPtopConcurrent(t *testing.T) {
	v, keys := newPtop(t, verify.PtopOptions{}), newPtopKeys(t, "other", ptopKeyText)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			body := fmt.Sprintf(`{"success":true,"transaction_id":"t%d","order_id":"O"}`, i)
			good := ptopByHeader(ptopJSONType, body, ptopSum(ptopKeyText, body))
			bad := ptopByHeader(ptopJSONType, body, ptopSum("third", body))
			for range 200 {
				ev, err := v.Verify(good, keys)
				if !assert.NoError(t, err) || !assert.Equal(t, fmt.Sprintf("t%d", i), ev.TransactionID) {
					return
				}
				if _, err = v.Verify(bad, keys); !assert.Error(t, err) {
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestPtopOptions(t *testing.T) {
	for want, o := range map[string]verify.PtopOptions{
		"Body":                    {Body: "xml"},
		"Sniff":                   {Body: verify.BodyForm, Sniff: true},
		`unknown scheme "php"`:    {Schemes: []payack.Scheme{payack.SchemePHP}},
		"Schemes: unknown":        {Schemes: []payack.Scheme{payack.SchemeHeader, "x"}},
		`set Body to "form"`:      {Schemes: []payack.Scheme{payack.SchemeForm}},
		`set Body to "json"`:      {Body: verify.BodyForm, Schemes: []payack.Scheme{payack.SchemeSpliced}},
		"Headers: name 1":         {Headers: []string{""}},
		"Headers: name 2":         {Headers: []string{"X-A", "X-Signature: "}},
		"Schemes: \"reencoded\" ": {Body: verify.BodyForm, Schemes: []payack.Scheme{payack.SchemeReencoded}},
	} {
		v, err := verify.NewPtop(o)
		require.ErrorContains(t, err, want)
		assert.Nil(t, v)
	}
	// One header under two spellings is one signature.
	v := newPtop(t, verify.PtopOptions{Headers: []string{"x-sign", "X-Sign"}})
	h := http.Header{}
	h.Set("X-SIGN", ptopSum(ptopKeyText, ptopJSON))
	_, err := v.Verify(verify.Message{ContentType: ptopJSONType, Header: h, Body: ptopJSON}, newPtopKeys(t, ptopKeyText))
	require.NoError(t, err)
	// Configured names replace the usual ones.
	ptopRefused(t, payack.ReasonSignature, v, ptopByHeader(ptopJSONType, ptopJSON, ptopSum(ptopKeyText, ptopJSON)), newPtopKeys(t, ptopKeyText))
	// A later change of the caller's list has no effect.
	schemes := []payack.Scheme{payack.SchemeHeader}
	v = newPtop(t, verify.PtopOptions{Schemes: schemes})
	schemes[0] = payack.SchemeBlanked
	_, err = v.Verify(signPtop(t, payack.SchemeHeader, verify.PtopLast, ptopJSON), newPtopKeys(t, ptopKeyText))
	require.NoError(t, err)
}

func TestPtopContentType(t *testing.T) {
	keys := newPtopKeys(t, ptopKeyText)
	jsons, forms := newPtop(t, verify.PtopOptions{}), newPtop(t, verify.PtopOptions{Body: verify.BodyForm})
	sniffs := newPtop(t, verify.PtopOptions{Sniff: true})
	for contentType, want := range map[string][2]bool{
		ptopJSONType: {true, false}, "application/json; charset=utf-8": {true, false}, "Application/JSON;charset=UTF8": {true, false},
		"application/json; charset=latin1": {}, "text/plain": {}, "": {}, "text/html": {}, "multipart/form-data; boundary=B": {}, "application/jsonp": {},
		ptopFormType: {false, true}, ptopFormType + "; charset=UTF-8": {false, true},
	} {
		assert.Equal(t, want, [2]bool{jsons.Accepts(contentType), forms.Accepts(contentType)}, contentType)
		assert.True(t, sniffs.Accepts(contentType))

		_, err := jsons.Verify(ptopByHeader(contentType, ptopJSON, ptopSum(ptopKeyText, ptopJSON)), keys)
		assert.Equal(t, want[0], err == nil, contentType)
		_, err = forms.Verify(ptopByHeader(contentType, ptopForm, ptopSum(ptopKeyText, ptopForm)), keys)
		assert.Equal(t, want[1], err == nil, contentType)
		_, err = sniffs.Verify(ptopByHeader(contentType, ptopJSON, ptopSum(ptopKeyText, ptopJSON)), keys)
		assert.NoError(t, err, contentType)
		ptopRefused(t, payack.ReasonMalformed, sniffs, ptopByHeader(contentType, ptopForm, ptopSum(ptopKeyText, ptopForm)), keys)
	}
}

// --- errors and cost

func TestPtopErrorsHoldNothing(t *testing.T) {
	const canary = "canary-31337"
	keys := newPtopKeys(t, "key-"+canary)
	right := func(body string) string { return ptopSum("key-"+canary, body) }
	for _, body := range []string{
		`{"` + canary + `":1,"` + canary + `":2}`, `{"success":"` + canary + `"}`, `{"success":` + canary, canary,
		`{"success":true,"transaction_id":"` + canary + `","order_id":["` + canary + `"]}`,
		`{"success":true,"transaction_id":"` + canary + `","order_id":""}`,
		`{"success":true,"transaction_id":"` + canary + `","ORDER_ID":"` + canary + `"}`,
		"success=" + canary + "&transaction_id=" + canary + "&order_id=1", "success=%zz" + canary, canary + "[]=1",
		"a.b=" + canary + "&a_b=1", ptopJSON, ptopForm,
	} {
		for _, signature := range []string{right(body), ptopSum("wrong", body), canary} {
			for format, contentType := range map[verify.Body]string{verify.BodyJSON: ptopJSONType, verify.BodyForm: ptopFormType} {
				_, err := newPtop(t, verify.PtopOptions{Body: format}).Verify(ptopByHeader(contentType, body, signature), keys)
				if err == nil {
					continue
				}
				for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
					assert.NotContains(t, text, canary)
					assert.NotContains(t, text, right(body))
					assert.NotContains(t, text, "ORD-1001")
				}
			}
		}
	}
}

func TestSignPtopCallbackPlaces(t *testing.T) {
	for place, want := range map[verify.PtopPlace]string{
		verify.PtopLast: `{ "a":1 , "b":2,"signature":"%s" }`, verify.PtopFirst: `{ "signature":"%s","a":1 , "b":2 }`, verify.PtopMiddle: `{ "a":1 , "signature":"%s","b":2 }`,
	} {
		const body = `{ "a":1 , "b":2 }`
		m, err := verify.SignPtopCallback(ptopSecret, payack.SchemeSpliced, place, body)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf(want, ptopSum(ptopKeyText, body)), m.Body)
		assert.Equal(t, ptopJSONType, m.ContentType)
		assert.Empty(t, m.Header)
	}
	one := signPtop(t, payack.SchemeSpliced, verify.PtopMiddle, `{"a":1}`)
	assert.Equal(t, `{"a":1,"signature":"`+ptopSum(ptopKeyText, `{"a":1}`)+`"}`, one.Body)
	// If the signature is the only member, there is no comma to cut out, and no
	// event.
	lone := verify.Message{ContentType: ptopJSONType, Body: `{"signature":"` + ptopSum(ptopKeyText, `{}`) + `"}`}
	keys := newPtopKeys(t, ptopKeyText)
	ptopRefused(t, payack.ReasonSignature, newPtop(t, verify.PtopOptions{Schemes: []payack.Scheme{payack.SchemeSpliced}}), lone, keys)
	ptopRefused(t, payack.ReasonMalformed, newPtop(t, verify.PtopOptions{}), lone, keys) // under SchemeReencoded the signature over {} matches
}

func TestSignPtopCallbackRefuses(t *testing.T) {
	for _, c := range []struct {
		key    payack.Secret
		scheme payack.Scheme
		body   string
		want   string
	}{
		{payack.Secret{}, payack.SchemeHeader, ptopJSON, "SigningKey"},
		{ptopSecret, payack.SchemeForm, ptopJSON, "Scheme"},
		{ptopSecret, payack.SchemeSpliced, ptopForm, "Scheme"},
		{ptopSecret, payack.SchemeLiteral, ptopJSON, "Scheme"},
		{ptopSecret, payack.SchemeHeader, `{}`, "no members"},
		{ptopSecret, payack.SchemeHeader, ``, "no members"},
		{ptopSecret, payack.SchemeHeader, `{"signature":"x"}`, "signature already"},
		{ptopSecret, payack.SchemeHeader, `{"a":1,"a":2}`, "twice"},
		{ptopSecret, payack.SchemeFormRebuilt, `a.b=1&a_b=2`, "PHP"},
		{ptopSecret, payack.SchemeReencoded, `{"a":9223372036854775808}`, "64 bits"},
	} {
		m, err := verify.SignPtopCallback(c.key, c.scheme, verify.PtopLast, c.body)
		require.ErrorContains(t, err, c.want)
		assert.Zero(t, m)
		assert.NotContains(t, err.Error(), ptopKeyText)
	}
}

func TestPtopAllocations(t *testing.T) {
	if ptopPoolForgets() {
		t.Skip("sync.Pool drops items at random under the race detector")
	}
	v, keys := newPtop(t, verify.PtopOptions{Schemes: []payack.Scheme{payack.SchemeHeader}}), newPtopKeys(t, ptopKeyText)
	m := signPtop(t, payack.SchemeHeader, verify.PtopLast, ptopJSON)
	got := testing.AllocsPerRun(500, func() {
		if _, err := v.Verify(m, keys); err != nil {
			t.Fatal(err)
		}
	})
	assert.LessOrEqual(t, got, 3.0, "the body's text, the fields, the event")
}

// ptopPoolForgets reports whether a sync.Pool drops items, as under the race detector.
func ptopPoolForgets() bool {
	p := sync.Pool{}
	for range 64 {
		x := new(int)
		p.Put(x)
		if p.Get() != any(x) {
			return true
		}
	}
	return false
}

func BenchmarkPtopHeader(b *testing.B) {
	v, keys := newPtop(b, verify.PtopOptions{Schemes: []payack.Scheme{payack.SchemeHeader}}), newPtopKeys(b, ptopKeyText)
	m := signPtop(b, payack.SchemeHeader, verify.PtopLast, ptopJSON)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(m, keys); err != nil {
			b.Fatal(err)
		}
	}
}
