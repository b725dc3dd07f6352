package verify_test

import (
	"bytes"
	"crypto/aes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/verify"
)

func loadPayatom(t testing.TB) *vectors.File {
	t.Helper()
	f, err := vectors.Load("payatom")
	require.NoError(t, err)
	require.Len(t, f.Vectors, vectors.Counts["payatom"])
	return f
}

func newPayatom(t testing.TB, o verify.PayatomOptions) *verify.Payatom {
	t.Helper()
	v, err := verify.NewPayatom(o)
	require.NoError(t, err)
	return v
}

func newPayatomKeys(t testing.TB, tenant string, texts ...string) *verify.PayatomKeys {
	t.Helper()
	k, err := verify.NewPayatomKeys(tenant, payack.Secrets(texts...)...)
	require.NoError(t, err)
	return k
}

func newPayatomSigner(t testing.TB, text string) *verify.PayatomSigner {
	t.Helper()
	s, err := verify.NewPayatomSigner(payack.NewSecret(text))
	require.NoError(t, err)
	return s
}

func refusedPayatom(t testing.TB, ev *payack.PayatomEvent, err error) *payack.Error {
	t.Helper()
	if ev == nil {
		return refusal(t, payack.Payatom, nil, err)
	}
	return refusal(t, payack.Payatom, ev, err)
}

// asSent returns an amount's text as sent.
func asSent(a payack.Amount) payack.Text {
	if _, ok := a.Text().Get(); !ok {
		return a.Text()
	}
	return payack.NewText(a.Literal())
}

// payatomMembersOf returns the members that an event has, under their names in a
// webhook. The members of refund_info are named refund_info.NAME.
func payatomMembersOf(ev *payack.PayatomEvent) map[string]payack.Text {
	u := &ev.Unsigned
	all := map[string]payack.Text{
		"order_id":         payack.NewText(ev.OrderID),
		"status":           payack.NewText(string(ev.Status)),
		"received_amount":  asSent(ev.ReceivedAmount),
		"requested_amount": asSent(u.RequestedAmount),
		"bank_ref":         u.BankRef,
		"sender_upi":       u.SenderUPI,
		"ref_code":         u.RefCode,
		"refund_info":      u.RefundInfo,
	}
	if refund, ok := u.Refund(); ok {
		delete(all, "refund_info")
		all["refund_info.refunded_upi"] = refund.RefundedUPI
		all["refund_info.refund_amount"] = asSent(refund.Amount)
		all["refund_info.refund_initiated_time"] = refund.InitiatedTime
		all["refund_info.refund_completed_time"] = refund.CompletedTime
		all["refund_info.refund_status"] = refund.Status
		all["refund_info.refund_notes"] = refund.Notes
	}
	maps.DeleteFunc(all, func(_ string, text payack.Text) bool { return text.IsZero() })
	return all
}

// postHashOf returns the post_hash of a genuine JSON body, and its IV.
func postHashOf(t testing.TB, body []byte) (hash string, iv [aes.BlockSize]byte) {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(body, &members))
	hash, _ = members["post_hash"].(string)
	blob, err := base64.StdEncoding.DecodeString(hash)
	require.NoError(t, err)
	require.Len(t, blob, 96)
	return hash, [aes.BlockSize]byte(blob)
}

// assertHashOf checks that a genuine post_hash contains the digest of the vector, and
// that sealing the digest again with the same IV gives the same post_hash.
func assertHashOf(t testing.TB, v *vectors.Vector, secret, hash string, iv [aes.BlockSize]byte) {
	t.Helper()
	digest := md5.Sum([]byte(v.SignedText))
	require.NotNil(t, v.Expect["md5"])
	require.Equal(t, *v.Expect["md5"], hex.EncodeToString(digest[:]))
	e, err := envelope.NewPayatom(payack.NewSecret(secret))
	require.NoError(t, err)
	plain, err := e.Open(hash)
	require.NoError(t, err)
	assert.Equal(t, *v.Expect["md5"], string(plain))
	assert.Equal(t, hash, e.SealIV(plain, iv))
}

// notPlainDecimals are the genuine vectors whose received_amount is no plain
// decimal. They verify, and are invalid.
var notPlainDecimals = strings.Fields(`
	php-019-num-literal-1e3 php-024-num-phpfloat-1e6 php-028-num-phpfloat-1e15
	php-055-random-2 php-061-random-8 php-063-random-10 php-064-random-11 php-077-random-24
	node-005-num-phpfloat-exp node-006-num-literal-exp node-009-random-0 node-010-random-1
	node-011-random-2 node-014-random-5 node-015-random-6 node-016-random-7 node-017-random-8
	node-020-random-11 python-010-random-1 python-012-random-3 python-014-random-5
	python-015-random-6 python-016-random-7 python-017-random-8 python-019-random-10
	python-020-random-11 python-021-random-12 python-022-random-13 python-023-random-14`)

// notPaidEnough are the genuine vectors whose status says paid although the amount
// is not above zero. They verify, and are invalid.
var notPaidEnough = strings.Fields(`php-065-random-12`)

// payatomLongID is a genuine vector whose order_id fills a block of MD5. Its hash
// may be that of another order, so it is invalid.
const payatomLongID = "payatom-pub-php-036-order-id-len-64"

func TestPayatomAcceptsGenuineWebhooks(t *testing.T) {
	f := loadPayatom(t)
	schemes := map[payack.Scheme]int{}
	var invalid []string
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if v.Verdict != vectors.MustAccept || v.Kind != "webhook" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			secret := f.Keys[v.KeyID].SecretKey
			keys, m := newPayatomKeys(t, "", secret), messageOfVector(t, v)
			hash, iv := postHashOf(t, []byte(m.Body))
			assertHashOf(t, v, secret, hash, iv)

			ev, err := newPayatom(t, verify.PayatomOptions{}).Verify(m, keys)
			if v.Name == payatomLongID {
				assert.Equal(t, payack.ReasonInvalid, refusedPayatom(t, ev, err).Reason)
				assert.Len(t, ev.OrderID, 64)
				return
			}
			if short := strings.TrimPrefix(v.Name, "payatom-pub-"); slices.Contains(notPlainDecimals, short) {
				e := refusedPayatom(t, ev, err)
				assert.Equal(t, payack.ReasonInvalid, e.Reason)
				assert.Contains(t, e.Detail, "received_amount is not a plain decimal")
				assertTellsNothing(t, err, []string{secret}, []byte(m.Body))
				assert.Equal(t, textsOfExpect(v.Expect, "md5"), payatomMembersOf(ev), "the event stands beside the error")
				assert.Equal(t, hash, ev.Signature)
				invalid = append(invalid, short)
				return
			}
			if slices.Contains(notPaidEnough, strings.TrimPrefix(v.Name, "payatom-pub-")) {
				e := refusedPayatom(t, ev, err)
				assert.Equal(t, payack.ReasonInvalid, e.Reason)
				assert.Contains(t, e.Detail, "received_amount is not above zero")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, textsOfExpect(v.Expect, "md5"), payatomMembersOf(ev))

			// The signing side rebuilds the text and the hash.
			assert.Equal(t, v.SignedText, ev.SignedText()+secret)
			signer := newPayatomSigner(t, secret)
			amount := ev.ReceivedAmount.SignedText()
			assert.Equal(t, hash, signer.PostHashIV(iv, ev.OrderID, amount, string(ev.Status)))
			assert.Equal(t, hash, ev.Signature)
			assert.True(t, signer.Opens(hash, ev.OrderID, amount, string(ev.Status)))

			want := payack.SchemeLiteral
			if v.Dim("number") == "php_float" && ev.OrderID+ev.ReceivedAmount.Literal()+string(ev.Status)+secret != v.SignedText {
				want = payack.SchemePHP
			}
			assert.Equal(t, want, ev.Scheme)
			schemes[ev.Scheme]++

			// A receiver that is pinned to the reported scheme accepts the webhook. One
			// that is pinned to php accepts every webhook of senders that sign PHP's text.
			again, err := newPayatom(t, verify.PayatomOptions{Numbers: []payack.Scheme{ev.Scheme}}).Verify(m, keys)
			require.NoError(t, err)
			assert.Equal(t, ev, again)
			if v.Dim("number") != "literal" {
				again, err := newPayatom(t, verify.PayatomOptions{Numbers: []payack.Scheme{payack.SchemePHP}}).Verify(m, keys)
				require.NoError(t, err)
				assert.Equal(t, payack.SchemePHP, again.Scheme)
				assert.Equal(t, ev.ID(), again.ID())
			}
		})
	}
	assert.Equal(t, notPlainDecimals, invalid)
	assert.Equal(t, map[payack.Scheme]int{payack.SchemeLiteral: 89, payack.SchemePHP: 11}, schemes)
}

func TestPayatomPollingVectors(t *testing.T) {
	f := loadPayatom(t)
	ran := map[string]int{}
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if v.Kind == "webhook" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			require.Equal(t, vectors.MustAccept, v.Verdict)
			ran[v.Kind]++
			secret := f.Keys[v.KeyID].SecretKey
			signer := newPayatomSigner(t, secret)
			m := messageOfVector(t, v)
			hash, iv := postHashOf(t, []byte(m.Body))
			assertHashOf(t, v, secret, hash, iv)

			if v.Kind == "polling_request" {
				refCode, pid := *v.Expect["ref_code"], *v.Expect["pid"]
				assert.Equal(t, v.SignedText, refCode+pid+secret)
				assert.True(t, signer.Opens(hash, refCode, pid))
				assert.False(t, signer.Opens(hash, refCode+"x", pid))
				assert.True(t, signer.Opens(signer.PollingHash(refCode, pid), refCode, pid))
				assert.Equal(t, hash, signer.PostHashIV(iv, refCode, pid, ""), "the same text, the same envelope")
				return
			}
			ev, err := newPayatom(t, verify.PayatomOptions{}).VerifyPolling([]byte(m.Body), newPayatomKeys(t, "", secret))
			require.NoError(t, err)
			assert.Equal(t, map[string]payack.Text{
				"order_id":        payack.NewText(*v.Expect["order_id"]),
				"status":          payack.NewText(*v.Expect["status"]),
				"received_amount": payack.NewText(*v.Expect["amount"]),
				"refund_info":     payack.NewText(*v.Expect["refund_info"]),
			}, payatomMembersOf(ev))
			assert.Equal(t, payack.NewText(*v.Expect["upi_id"]), ev.Unsigned.UPIID)
			assert.Equal(t, payack.NewText(*v.Expect["webhook_acknowledged"]), ev.Unsigned.WebhookAcknowledged)
			assert.Nil(t, ev.Unsigned.Extra)
			assert.Equal(t, v.SignedText, ev.SignedText()+secret)
			assert.Equal(t, v.Dim("number") == "php_float", ev.Scheme == payack.SchemePHP)
		})
	}
	assert.Equal(t, map[string]int{"polling_request": 3, "polling_response": 3}, ran)
}

// payatomRefusals has, for each class of forged vectors, the number of refusals by
// reason.
var payatomRefusals = map[string]string{
	"base64_newlines":            "3 envelope",
	"base64url_alphabet":         "2 envelope",
	"bom_prefix":                 "3 malformed",
	"case_variant_keys":          "3 malformed",
	"cross_protocol":             "1 signature",
	"ct_bitflip":                 "2 envelope",
	"deep_nesting":               "3 malformed",
	"duplicate_keys":             "4 malformed",
	"duplicate_signature":        "2 malformed",
	"empty_body":                 "2 malformed",
	"empty_ciphertext":           "1 envelope",
	"empty_signature":            "2 envelope, 1 malformed",
	"get_method":                 "1 malformed",
	"invalid_utf8":               "6 malformed",
	"iv_bitflip":                 "3 envelope",
	"mac_bitflip":                "2 envelope",
	"malformed_json":             "5 malformed",
	"non_block_multiple":         "4 envelope",
	"not_an_object":              "8 malformed",
	"nul_bytes":                  "3 malformed",
	"padding_error":              "6 envelope",
	"short_blob":                 "3 envelope",
	"signature_of_another_order": "1 signature",
	"tampered_field":             "5 signature",
	"trailing_data":              "5 malformed",
	"truncated_base64":           "3 envelope",
	"type_confusion":             "6 malformed",
	"wrong_content_type":         "8 malformed",
	"wrong_plaintext":            "4 envelope, 3 signature",
	"wrong_secret":               "4 envelope, 1 signature",
}

// payatomUnsignedTwin is a vector with an extra member whose name differs from an
// unsigned one by case folding. Nothing is refused because of unsigned members, so
// the vector is accepted.
const payatomUnsignedTwin = "payatom-pub-php-134-case-variant-kelvin"

func TestPayatomRefusesForgedVectors(t *testing.T) {
	f := loadPayatom(t)
	ran := map[string]int{}
	reasons := map[string]map[payack.Reason]int{}
	gate := map[string]int{}
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if v.Verdict != vectors.MustReject && v.Verdict != vectors.PolicyReject {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			require.Equal(t, "webhook", v.Kind)
			ran[v.Verdict]++
			secret, m := f.Keys[v.KeyID].SecretKey, messageOfVector(t, v)
			keys := newPayatomKeys(t, "", secret)
			ev, err := newPayatom(t, verify.PayatomOptions{}).Verify(m, keys)
			if onlyTheGateSees(v, m) && err == nil {
				gate[v.Class]++
				return
			}
			if v.Name == payatomUnsignedTwin {
				require.NoError(t, err)
				assert.Equal(t, "826678564469", ev.Unsigned.BankRef.String())
				assert.Equal(t, map[string]payack.Text{"ban\u212A_ref": payack.NewText("FORGED")}, ev.Unsigned.Extra)
				return
			}
			e := refusedPayatom(t, ev, err)
			assertTellsNothing(t, err, []string{secret}, []byte(m.Body))
			if reasons[v.Class] == nil {
				reasons[v.Class] = map[payack.Reason]int{}
			}
			reasons[v.Class][e.Reason]++

			// A body that is refused as JSON is refused as a form, too.
			form := newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm})
			ev, err = form.Verify(verify.Message{ContentType: "application/x-www-form-urlencoded", Body: m.Body}, keys)
			refusedPayatom(t, ev, err)
			assertTellsNothing(t, err, []string{secret}, []byte(m.Body))
		})
	}
	assert.Equal(t, map[string]int{vectors.MustReject: 59, vectors.PolicyReject: 57}, ran)
	assert.Equal(t, map[string]int{"body_2mib": 2, "get_method": 3}, gate)
	assert.Equal(t, payatomRefusals, summaries(reasons))
}

// In these vectors the borders between members were moved. The hash is right, so
// only an invalid amount or the merchant's own records can reveal the forgery.
func TestPayatomMovedBordersAreTheHandlersBusiness(t *testing.T) {
	f := loadPayatom(t)
	outcome := map[string]string{}
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if v.Verdict != vectors.RecordReject {
			continue
		}
		secret, m := f.Keys[v.KeyID].SecretKey, messageOfVector(t, v)
		short := strings.TrimPrefix(v.Name, "payatom-pub-php-")
		ev, err := newPayatom(t, verify.PayatomOptions{}).Verify(m, newPayatomKeys(t, "", secret))
		if err != nil {
			outcome[short] = string(refusedPayatom(t, ev, err).Reason)
			assertTellsNothing(t, err, []string{secret}, []byte(m.Body))
			continue
		}
		expected, known := v.Context.KnownOrders[ev.OrderID]
		switch {
		case !known:
			outcome[short] = "no such order"
		case expected != ev.ReceivedAmount.String():
			outcome[short] = "another amount"
		default:
			outcome[short] = "undetectable by amount"
			assert.True(t, v.Context.UndetectableByAmount)
		}
	}
	assert.Equal(t, map[string]string{
		"201-shift-brief-a":      "invalid",
		"202-shift-brief-b":      "no such order",
		"203-shift-amount-x15":   "no such order",
		"204-shift-to-longer-id": "invalid",
		"205-shift-status":       "invalid",
		"206-shift-minus":        "invalid",
		"207-shift-exponent":     "invalid",
		"208-shift-decimal":      "no such order",
		"209-shift-empty-order":  "invalid",
		"210-shift-number":       "no such order",
		"211-shift-worst-case":   "undetectable by amount",
	}, outcome)
}

func TestPayatomVectorsAreAllRun(t *testing.T) {
	ran := map[string]int{}
	for _, v := range loadPayatom(t).Vectors {
		ran[v.Kind+" "+v.Verdict]++
	}
	assert.Equal(t, map[string]int{
		"webhook must_accept": 131, "polling_request must_accept": 3, "polling_response must_accept": 3,
		"webhook must_reject": 59, "webhook policy_reject": 57, "webhook record_reject": 11,
	}, ran)
}

// payatomSecret is the key of the webhooks that the tests below sign.
const payatomSecret = "68e6d7a89981a0c7335f2a7f07ff3e20"

// payatomWebhook returns a webhook with the hash over order, amount and status. The
// received_amount in its body is the given literal.
func payatomWebhook(t testing.TB, order, amount, status, literal string) string {
	t.Helper()
	return fmt.Sprintf(`{"order_id":%q,"requested_amount":"500","status":%q,"post_hash":%q,"received_amount":%s,"bank_ref":"1","refund_info":[]}`,
		order, status, newPayatomSigner(t, payatomSecret).PostHash(order, amount, status), literal)
}

func verifyPayatomJSON(t testing.TB, body string, numbers ...payack.Scheme) (*payack.PayatomEvent, error) {
	t.Helper()
	v := newPayatom(t, verify.PayatomOptions{Numbers: numbers})
	return v.Verify(verify.Message{ContentType: "application/json", Body: body}, newPayatomKeys(t, "", payatomSecret))
}

func TestPayatomAmountsRewritten(t *testing.T) {
	webhook := payatomWebhook(t, "ORD10010001", "500", "Approved", `"500"`)
	genuine, err := verifyPayatomJSON(t, webhook)
	require.NoError(t, err)
	assert.True(t, genuine.Paid() && genuine.Final())
	for _, c := range []struct {
		literal string
		scheme  payack.Scheme
		reason  payack.Reason
	}{
		{literal: "500", scheme: payack.SchemeLiteral},
		{literal: "500.00", scheme: payack.SchemePHP},
		{literal: "500.0", scheme: payack.SchemePHP},
		// The same number, but not written as a plain decimal.
		{literal: "5e2", reason: payack.ReasonInvalid},
		{literal: "500E0", reason: payack.ReasonInvalid},
		{literal: "500.0000000000000000", reason: payack.ReasonInvalid},
		// Another text, or another number.
		{literal: `"500.00"`, reason: payack.ReasonSignature},
		{literal: `" 500"`, reason: payack.ReasonSignature},
		{literal: "500.01", reason: payack.ReasonSignature},
		{literal: "5000", reason: payack.ReasonSignature},
		{literal: "-500", reason: payack.ReasonSignature},
		{literal: "null", reason: payack.ReasonSignature},
		{literal: "true", reason: payack.ReasonMalformed},
		{literal: "[500]", reason: payack.ReasonMalformed},
	} {
		body := rewrite(t, webhook, `"received_amount":"500"`, `"received_amount":`+c.literal)
		ev, err := verifyPayatomJSON(t, body)
		if c.reason != "" {
			assert.Equal(t, c.reason, refusedPayatom(t, ev, err).Reason, c.literal)
			continue
		}
		require.NoError(t, err, c.literal)
		assert.Equal(t, c.scheme, ev.Scheme)
		assert.Equal(t, genuine.ID(), ev.ID(), "one event under each spelling")
		assert.Equal(t, genuine.Fingerprint(), ev.Fingerprint())
		assert.Equal(t, genuine.SignedText(), ev.SignedText())
		assert.True(t, genuine.ReceivedAmount.Equal(ev.ReceivedAmount))

		// With literal pinned, only the text that was signed verifies.
		ev, err = verifyPayatomJSON(t, body, payack.SchemeLiteral)
		if c.scheme == payack.SchemeLiteral {
			require.NoError(t, err)
		} else {
			assert.Equal(t, payack.ReasonSignature, refusedPayatom(t, ev, err).Reason)
		}
	}
	// PHP writes an id beyond int64 as another text, so the literal is not PHP's
	// text.
	beyond := fmt.Sprintf(`{"order_id":9223372036854775808,"received_amount":"500","status":"Approved","post_hash":%q}`,
		newPayatomSigner(t, payatomSecret).PostHash("9223372036854775808", "500", "Approved"))
	_, err = verifyPayatomJSON(t, beyond)
	require.NoError(t, err)
	refused, err := verifyPayatomJSON(t, beyond, payack.SchemePHP)
	assert.Equal(t, payack.ReasonSignature, refusedPayatom(t, refused, err).Reason)
	// A receiver pinned to php refuses a number whose literal was signed.
	ev, err := verifyPayatomJSON(t, payatomWebhook(t, "ORD10010001", "500.00", "Approved", "500.00"), payack.SchemePHP)
	assert.Equal(t, payack.ReasonSignature, refusedPayatom(t, ev, err).Reason)
}

// The joined text has no borders, so a captured hash verifies for other members
// that join to the same text. The result is an event with an invalid amount, or
// another event with the same SignedText, which a receiver's store recognises.
func TestPayatomMovedBorders(t *testing.T) {
	genuine, err := verifyPayatomJSON(t, payatomWebhook(t, "ORD1", "500", "Approved", `"500"`))
	require.NoError(t, err)
	hash := newPayatomSigner(t, payatomSecret).PostHash("ORD1", "500", "Approved")
	for _, c := range []struct {
		order, amount, status string
		invalid               bool
	}{
		{order: "ORD", amount: "1500", status: "Approved"},
		{order: "ORD150", amount: "0", status: "Approved", invalid: true},
		{order: "ORD15", amount: "00", status: "Approved", invalid: true},
		{order: "ORD1500", amount: "", status: "Approved", invalid: true},
		{order: "ORD1", amount: "50", status: "0Approved", invalid: true},
		{order: "ORD1", amount: "", status: "500Approved", invalid: true},
		{order: "ORD1", amount: "500Appr", status: "oved", invalid: true},
		{order: "OR", amount: "D1500", status: "Approved", invalid: true},
		{order: "", amount: "ORD1500", status: "Approved", invalid: true},
	} {
		body := fmt.Sprintf(`{"order_id":%q,"received_amount":%q,"status":%q,"post_hash":%q}`, c.order, c.amount, c.status, hash)
		ev, err := verifyPayatomJSON(t, body)
		if c.invalid {
			assert.Equal(t, payack.ReasonInvalid, refusedPayatom(t, ev, err).Reason, body)
			continue
		}
		require.NoError(t, err, body)
		assert.NotEqual(t, genuine.ID(), ev.ID())
		assert.NotEqual(t, genuine.Fingerprint(), ev.Fingerprint())
		assert.Equal(t, genuine.SignedText(), ev.SignedText())
	}
}

func TestPayatomAmountGrammar(t *testing.T) {
	for _, c := range []struct {
		literal, status string
		ok              bool
	}{
		{`"500"`, "Approved", true},
		{`"0"`, "Declined", true},
		{`"0.50"`, "Late Approved", true},
		{`"999999999999999999"`, "Approved", true},
		{`"9999999999999999.99"`, "Approved", true},
		{`"9999999999999999999"`, "Approved", false},
		{`"00"`, "Approved", false},
		{`"01"`, "Approved", false},
		{`"1e3"`, "Approved", false},
		{`1e3`, "Approved", false},
		{`"-1200"`, "Approved", false},
		{`-1200`, "Approved", false},
		{`"+5"`, "Approved", false},
		{`"500Late "`, "Approved", false},
		{`"5."`, "Approved", false},
		{`".5"`, "Approved", false},
		{`"1.2.3"`, "Approved", false},
		{`"1,000"`, "Approved", false},
		{`" 5"`, "Approved", false},
		{`"5 "`, "Approved", false},
		{`"٥"`, "Approved", false},
		// Nothing was paid, so the amount may be empty.
		{`""`, "Pending", true},
		{`null`, "Pending", true},
		{`null`, "Declined", true},
		{`""`, "User Timed Out", true},
		{`""`, "Amount Mismatch", true},
		{`""`, "Something New", true},
		{`""`, "Approved", false},
		{`null`, "Approved", false},
		{`""`, "Late Approved", false},
		{`""`, "Refund Initiated", false},
		{`null`, "Refund Completed", false},
		// A status begins with a letter.
		{`"5"`, "Something New", true},
		{`"5"`, "z", true},
		{`"5"`, "0Approved", false},
		{`"5"`, " Approved", false},
		{`"5"`, ".Approved", false},
		{`"5"`, "éApproved", false},
		{`"5"`, "", false},
	} {
		t.Run(c.literal+" "+c.status, func(t *testing.T) {
			amount := strings.Trim(c.literal, `"`)
			if amount == "null" {
				amount = ""
			}
			ev, err := verifyPayatomJSON(t, payatomWebhook(t, "ORD10010001", amount, c.status, c.literal))
			if !c.ok {
				assert.Equal(t, payack.ReasonInvalid, refusedPayatom(t, ev, err).Reason)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, amount, ev.ReceivedAmount.String())
			assert.Equal(t, c.literal == "null", ev.ReceivedAmount.IsNull())
			if !ev.Status.Known() {
				assert.False(t, ev.Paid() || ev.Final())
			}
		})
	}
}

// payatomHash returns a post_hash over any text. The signer would refuse some of
// these texts.
func payatomHash(t testing.TB, secret, text string) string {
	t.Helper()
	e, err := envelope.NewPayatom(payack.NewSecret(secret))
	require.NoError(t, err)
	sum := md5.Sum([]byte(text + secret))
	return e.Seal([]byte(hex.EncodeToString(sum[:])))
}

// Two ids that collide over whole blocks of MD5 have the same hash, whatever follows
// them, even the secret. The pair is public.
func TestPayatomCollidingOrderIDs(t *testing.T) {
	const tail = "2wSYT3biRsaCbtgqXTN0rvRZd8bRVcQK91KciZzphUXmeNDJrfRWaz2ySc5VO6Zk"
	const mine = "TEXTCOLLBYfGiJUETHQ4hAcKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aH" + tail
	const yours = "TEXTCOLLBYfGiJUETHQ4hEcKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aH" + tail
	require.NotEqual(t, mine, yours)
	require.Len(t, mine, 128)
	require.Equal(t, md5.Sum([]byte(mine+"500Approved"+payatomSecret)), md5.Sum([]byte(yours+"500Approved"+payatomSecret)))

	v, keys := newPayatom(t, verify.PayatomOptions{}), newPayatomKeys(t, "", payatomSecret)
	form := newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm})
	hash := payatomHash(t, payatomSecret, mine+"500Approved")
	for _, id := range []string{mine, yours} {
		body := fmt.Sprintf(`{"order_id":%q,"received_amount":"500","status":"Approved","post_hash":%q}`, id, hash)
		ev, err := v.Verify(verify.Message{ContentType: "application/json", Body: body}, keys)
		assert.Equal(t, payack.ReasonInvalid, refusedPayatom(t, ev, err).Reason)
		require.ErrorContains(t, err, "order_id")
		assert.Equal(t, id, ev.OrderID)
		ev, err = v.VerifyPolling([]byte(body), keys)
		assert.Equal(t, payack.ReasonInvalid, refusedPayatom(t, ev, err).Reason)
		ev, err = form.Verify(verify.Message{ContentType: ptopFormType,
			Body: "order_id=" + id + "&received_amount=500&status=Approved&post_hash=" + url.QueryEscape(hash)}, keys)
		assert.Equal(t, payack.ReasonInvalid, refusedPayatom(t, ev, err).Reason)

		// With a wrong hash the error is about the hash, as for every id.
		ev, err = v.Verify(verify.Message{ContentType: "application/json", Body: strings.Replace(body, `"500"`, `"501"`, 1)}, keys)
		assert.Equal(t, payack.ReasonSignature, refusedPayatom(t, ev, err).Reason)
	}

	signer := newPayatomSigner(t, payatomSecret)
	for n, signs := range map[int]bool{1: true, 63: true, 64: false, 65: false, 128: false} {
		id := strings.Repeat("x", n)
		assert.Equal(t, signs, signer.PostHash(id, "500", "Approved") != "", "%d bytes", n)
		assert.Equal(t, signs, signer.PostHashIV([16]byte{}, id, "500", "Approved") != "", "%d bytes", n)
		assert.Equal(t, signs, signer.PayoutStatusHash(id, "pid") != "", "%d bytes", n)
		body := fmt.Sprintf(`{"order_id":%q,"received_amount":"500","status":"Approved","post_hash":%q}`, id, payatomHash(t, payatomSecret, id+"500Approved"))
		_, err := verifyPayatomJSON(t, body)
		assert.Equal(t, signs, err == nil, "%d bytes: %v", n, err)
		_, err = v.VerifyPolling([]byte(body), keys)
		assert.Equal(t, signs, err == nil, "%d bytes: %v", n, err)
	}
	// Bytes count, not characters.
	assert.Empty(t, signer.PostHash(strings.Repeat("é", 32), "500", "Approved"))
}

func TestPayatomRefundIsNeverPaid(t *testing.T) {
	for _, status := range []string{"Refund Initiated", "Refund Completed"} {
		ev, err := verifyPayatomJSON(t, payatomWebhook(t, "ORD10010001", "500", status, `"500"`))
		require.NoError(t, err)
		assert.False(t, ev.Paid())
	}
}

func TestPayatomMemberTypes(t *testing.T) {
	webhook := payatomWebhook(t, "10010001", "500", "Approved", `"500"`)
	for _, c := range []struct {
		name, old, new string
		reason         payack.Reason
	}{
		{"order_id as number", `"order_id":"10010001"`, `"order_id":10010001`, ""},
		{"order_id as float", `"order_id":"10010001"`, `"order_id":10010001.0`, payack.ReasonMalformed},
		{"order_id with exponent", `"order_id":"10010001"`, `"order_id":10010001e0`, payack.ReasonMalformed},
		{"order_id beyond int64", `"order_id":"10010001"`, `"order_id":9223372036854775808`, payack.ReasonSignature},
		{"order_id of 41 digits", `"order_id":"10010001"`, `"order_id":1` + strings.Repeat("0", 40), payack.ReasonMalformed},
		{"order_id as array", `"order_id":"10010001"`, `"order_id":["10010001"]`, payack.ReasonMalformed},
		{"order_id missing", `"order_id":"10010001",`, ``, payack.ReasonMalformed},
		{"status missing", `"status":"Approved",`, ``, payack.ReasonMalformed},
		{"status as bool", `"status":"Approved"`, `"status":true`, payack.ReasonMalformed},
		{"status in lower case", `"Approved"`, `"approved"`, payack.ReasonSignature},
		{"Status beside status", `"status":`, `"Status":"Approved","status":`, payack.ReasonMalformed},
		{"NUL", `"bank_ref":"1"`, `"bank_ref":"\u0000"`, ""},
		{"NUL in order_id", `"order_id":"10010001"`, `"order_id":"10010001\u0000"`, payack.ReasonMalformed},
		{"NUL in post_hash", `"post_hash":"`, `"post_hash":"\u0000`, payack.ReasonMalformed},
		{"NUL in an unknown member", `"bank_ref":"1"`, `"other":"\u0000"`, ""},
		{"unsigned as bool", `"bank_ref":"1"`, `"bank_ref":true`, ""},
		{"refund_info as null", `"refund_info":[]`, `"refund_info":null`, ""},
		{"refund_info missing", `,"refund_info":[]`, ``, ""},
		{"refund_info empty object", `"refund_info":[]`, `"refund_info":{}`, ""},
		{"refund_info blank array", `"refund_info":[]`, `"refund_info":[ ]`, ""},
		{"refund_info with one", `"refund_info":[]`, `"refund_info":[1]`, ""},
		{"refund_info as string", `"refund_info":[]`, `"refund_info":"[]"`, ""},
		{"refund_info with a name twice", `"refund_info":[]`, `"refund_info":{"a":1,"a":2}`, payack.ReasonMalformed},
		{"amount beside received_amount", `"bank_ref"`, `"amount":"9","bank_ref"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ev, err := verifyPayatomJSON(t, rewrite(t, webhook, c.old, c.new))
			if c.reason != "" {
				assert.Equal(t, c.reason, refusedPayatom(t, ev, err).Reason)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "10010001", ev.OrderID)
			assert.Equal(t, "500", ev.ReceivedAmount.String())
		})
	}
}

func TestPayatomUnknownMembersAreKept(t *testing.T) {
	webhook := payatomWebhook(t, "ORD10010001", "500", "Approved", `"500"`)
	ev, err := verifyPayatomJSON(t, rewrite(t, webhook, `"bank_ref"`, `"amount":9.50,"x":null,"y":{"a": [1]},"z":"s","bank_ref"`))
	require.NoError(t, err)
	assert.Equal(t, map[string]payack.Text{
		"amount": payack.NewText("9.50"), "x": payack.NullText(), "y": payack.NewText(`{"a": [1]}`), "z": payack.NewText("s"),
	}, ev.Unsigned.Extra)
	assert.Equal(t, "500", ev.ReceivedAmount.String())
}

func TestPayatomForms(t *testing.T) {
	const formType = "application/x-www-form-urlencoded"
	signer := newPayatomSigner(t, payatomSecret)
	form := newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm})
	keys := newPayatomKeys(t, "", payatomSecret)
	iv := [aes.BlockSize]byte(bytes.Repeat([]byte{0xfb}, aes.BlockSize)) // gives a hash with + and / in it
	hash := url.QueryEscape(signer.PostHashIV(iv, "ORD10010001", "500.00", "Late Approved"))
	base := "order_id=ORD10010001&status=Late+Approved&post_hash=" + hash
	for _, c := range []struct {
		name, body, contentType string
		reason                  payack.Reason
	}{
		{"received_amount", base + "&received_amount=500.00&refund_info=&x=1", formType, ""},
		{"amount", base + "&amount=500.00", formType, ""},
		{"charset", base + "&amount=500.00", formType + "; charset=UTF-8", ""},
		{"empty pairs", "&" + base + "&&amount=500.00&", formType, ""},
		{"both", base + "&amount=500.00&received_amount=500.00", formType, payack.ReasonMalformed},
		{"twice", base + "&amount=500.00&amount=1", formType, payack.ReasonMalformed},
		{"twice, escaped", base + "&amount=500.00&am%6funt=1", formType, payack.ReasonMalformed},
		{"Amount beside amount", base + "&amount=500.00&Amount=1", formType, payack.ReasonMalformed},
		{"Received_Amount", base + "&Received_Amount=500.00", formType, payack.ReasonMalformed},
		{"another number", base + "&amount=500", formType, payack.ReasonSignature},
		{"no amount", base, formType, payack.ReasonSignature},
		{"plus as blank in the hash", strings.ReplaceAll(base, "%2B", "+") + "&amount=500.00", formType, payack.ReasonEnvelope},
		{"brackets", base + "&amount=500.00&refund_info[]=", formType, ""},
		{"NUL", base + "&amount=500.00&bank_ref=%00", formType, ""},
		{"NUL in a signed member", strings.Replace(base, "Approved", "Approved%00", 1) + "&amount=500.00", formType, payack.ReasonMalformed},
		{"as JSON", base + "&amount=500.00", "application/json", payack.ReasonMalformed},
		{"no type", base + "&amount=500.00", "", payack.ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			ev, err := form.Verify(verify.Message{ContentType: c.contentType, Body: c.body}, keys)
			if c.reason != "" {
				assert.Equal(t, c.reason, refusedPayatom(t, ev, err).Reason)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "500.00", ev.ReceivedAmount.String())
			assert.Equal(t, payack.PayatomLateApproved, ev.Status)
			assert.NotContains(t, ev.Unsigned.Extra, "amount")
		})
	}

	// The values of a form are texts, so PHP's text of a number is not tried.
	hash = url.QueryEscape(signer.PostHash("ORD10010001", "500", "Approved"))
	ev, err := form.Verify(verify.Message{ContentType: formType, Body: "order_id=ORD10010001&status=Approved&amount=500.00&post_hash=" + hash}, keys)
	assert.Equal(t, payack.ReasonSignature, refusedPayatom(t, ev, err).Reason)
}

// The content type is not signed, so the meaning of a body must not depend on it.
func TestPayatomTakesOneFormat(t *testing.T) {
	keys := newPayatomKeys(t, "", payatomSecret)
	asJSON := payatomWebhook(t, "ORD10010001", "500", "Approved", `"500"`)
	asForm := "order_id=ORD10010001&status=Approved&amount=500&post_hash=" +
		url.QueryEscape(newPayatomSigner(t, payatomSecret).PostHash("ORD10010001", "500", "Approved"))
	// A JSON body with a value that is itself a form with a good hash.
	both := rewrite(t, asJSON, `"bank_ref":"1"`, `"bank_ref":"x&`+asForm+`&y="`)
	for name, c := range map[string]struct {
		options      verify.PayatomOptions
		takes        string
		refusesTypes []string
	}{
		"json":  {verify.PayatomOptions{}, asJSON, []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/json, text/plain"}},
		"form":  {verify.PayatomOptions{Body: verify.BodyForm}, asForm, []string{"", "text/plain", "application/json"}},
		"sniff": {verify.PayatomOptions{Sniff: true}, asJSON, nil},
	} {
		v := newPayatom(t, c.options)
		for _, contentType := range []string{"", "text/plain", "text/html", "application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded"} {
			for _, body := range []string{asJSON, asForm, both} {
				ev, err := v.Verify(verify.Message{ContentType: contentType, Body: body}, keys)
				takes := body == c.takes || body == both && c.takes == asJSON
				if v.Accepts(contentType) && takes {
					require.NoError(t, err, "%s as %q", name, contentType)
					assert.Equal(t, "ORD10010001", ev.OrderID)
					continue
				}
				refusedPayatom(t, ev, err)
			}
		}
		for _, contentType := range c.refusesTypes {
			assert.False(t, v.Accepts(contentType), "%s takes %q", name, contentType)
		}
	}
}

func TestPayatomPollingResponses(t *testing.T) {
	signer := newPayatomSigner(t, payatomSecret)
	keys := newPayatomKeys(t, "shop-1", payatomSecret)
	v := newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm}) // a response is JSON, even if webhooks are forms
	hash := signer.PostHash("ORD10010001", "500", "Approved")
	response := func(amounts string) []byte {
		return []byte(`{"order_id":"ORD10010001","status":"Approved",` + amounts + `"ref_code":"r","post_hash":"` + hash + `"}`)
	}
	for _, c := range []struct {
		amounts string
		reason  payack.Reason
	}{
		{`"amount":"500",`, ""},
		{`"recieved_amount":"500","amount":"900",`, ""},
		{`"received_amount":"500","recieved_amount":"1","amount":"900",`, ""},
		{`"amount":500.00,`, ""},
		{`"received_amount":"900","amount":"500",`, payack.ReasonSignature},
		{`"amount":"501",`, payack.ReasonSignature},
		{``, payack.ReasonSignature},
		{`"amount":"500","Amount":"900",`, payack.ReasonMalformed},
		{`"amount":"500","RECIEVED_amount":"900",`, payack.ReasonMalformed},
		{`"amount":["500"],`, payack.ReasonMalformed},
	} {
		t.Run(c.amounts, func(t *testing.T) {
			ev, err := v.VerifyPolling(response(c.amounts), keys)
			if c.reason != "" {
				assert.Equal(t, c.reason, refusedPayatom(t, ev, err).Reason)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "500", ev.ReceivedAmount.SignedText())
			assert.Equal(t, "shop-1", ev.Tenant)
			assert.Equal(t, "r", ev.Unsigned.RefCode.String())
		})
	}
	// The hash of a request does not verify as that of a response.
	body := []byte(`{"order_id":"ORD10010001","status":"Approved","amount":"500","post_hash":"` + signer.PollingHash("r", "pid") + `"}`)
	ev, err := v.VerifyPolling(body, keys)
	assert.Equal(t, payack.ReasonSignature, refusedPayatom(t, ev, err).Reason)
}

func TestPayatomRequestHashes(t *testing.T) {
	s := newPayatomSigner(t, payatomSecret)
	assert.True(t, s.Opens(s.PollingHash("ref", "pid"), "ref", "pid"))
	assert.True(t, s.Opens(s.PayoutStatusHash("order", "pid"), "order", "pid"))
	assert.True(t, s.Opens(s.PostHash("o", "1", "Approved"), "o", "1", "Approved"))
	assert.False(t, s.Opens(s.PollingHash("ref", "pid"), "ref"))
	assert.False(t, s.Opens("", "ref", "pid"))
	assert.False(t, newPayatomSigner(t, "another").Opens(s.PollingHash("ref", "pid"), "ref", "pid"))
	assert.NotEqual(t, s.PollingHash("ref", "pid"), s.PollingHash("ref", "pid"), "each hash has an IV of its own")

	// printf '%s' pid68e6d7a89981a0c7335f2a7f07ff3e2001-02-2025 | sha256sum
	assert.Equal(t, "72e437b96efa0cbf313b78f4714f01716ac0ddcf6e23eff43e60d87bb6776baf", s.ReconcileSignature("pid", "01-02-2025"))
}

func TestPayatomKeysOfAnotherAccountRefuse(t *testing.T) {
	v := newPayatom(t, verify.PayatomOptions{})
	m := verify.Message{ContentType: "application/json", Body: payatomWebhook(t, "ORD10010001", "500", "Approved", `"500"`)}
	ev, err := v.Verify(m, newPayatomKeys(t, "", "another", "and another"))
	assert.Equal(t, payack.ReasonEnvelope, refusedPayatom(t, ev, err).Reason)
	_, err = v.Verify(m, nil)
	require.ErrorIs(t, err, payack.ErrUnknownTenant)

	keys := newPayatomKeys(t, "shop-2", "another", payatomSecret)
	assert.Equal(t, "shop-2", keys.Tenant())
	ev, err = v.Verify(m, keys)
	require.NoError(t, err)
	assert.Equal(t, 1, ev.Key)
	plain, err := v.Verify(m, newPayatomKeys(t, "", payatomSecret))
	require.NoError(t, err)
	assert.NotEqual(t, plain.ID(), ev.ID(), "the tenant is part of the identity")
}

func TestPayatomConfigurationErrors(t *testing.T) {
	keys := func(texts ...string) error {
		_, err := verify.NewPayatomKeys("", payack.Secrets(texts...)...)
		return err
	}
	options := func(o verify.PayatomOptions) error {
		_, err := verify.NewPayatom(o)
		return err
	}
	_, noKey := verify.NewPayatomSigner(payack.Secret{})
	for _, c := range []struct {
		name        string
		err         error
		member, fix string
	}{
		{"no key", keys(), "SecretKeys", "give at least one"},
		{"empty key", keys(payatomSecret, ""), "SecretKeys", "key 2: it is empty"},
		{"key with a line break", keys(payatomSecret + "\n"), "SecretKeys", "key 1: it ends with a line break"},
		{"second key with a zero-width space", keys("x", payatomSecret+"\u200b"), "SecretKeys", "key 2: it has an invisible character"},
		{"a variable", keys("${SECRET_KEY}"), "SecretKeys", "key 1: it begins with ${"},
		{"signer without key", noKey, "SecretKey", "it is empty"},
		{"unknown scheme", options(verify.PayatomOptions{Numbers: []payack.Scheme{"LITERAL"}}), "Numbers", "choose from literal, php"},
		{"unknown body", options(verify.PayatomOptions{Body: "xml"}), "Body", `choose "json" or "form"`},
		{"sniff with form", options(verify.PayatomOptions{Body: verify.BodyForm, Sniff: true}), "Sniff", "leave one of the two out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Error(t, c.err)
			assert.True(t, strings.HasPrefix(c.err.Error(), "payack: "+c.member+":"), c.err.Error())
			assert.Contains(t, c.err.Error(), c.fix)
			assert.NotContains(t, c.err.Error(), payatomSecret)
		})
	}
}

func TestPayatomNothingPrintsASecret(t *testing.T) {
	keys := newPayatomKeys(t, "shop", payatomSecret)
	signer := newPayatomSigner(t, payatomSecret)
	for name, value := range map[string]any{
		"*PayatomKeys": keys, "PayatomKeys": *keys, "*PayatomSigner": signer, "PayatomSigner": *signer,
		"a struct that holds them": struct {
			K verify.PayatomKeys
			S *verify.PayatomSigner
		}{*keys, signer},
	} {
		assertPrintsNoSecret(t, name, value, payatomSecret)
	}
}

func TestPayatomErrorsHoldNothingThatWasSent(t *testing.T) {
	const marker, number = "MARKER7f3a", "918273645546372819"
	good := payatomWebhook(t, "ORD10010001", "500", "Approved", `"500"`)
	keys := newPayatomKeys(t, "", payatomSecret)
	for name, body := range map[string]string{
		"a name twice":         `{"` + marker + `":1,"` + marker + `":2}`,
		"a broken literal":     `{"a":` + marker + `}`,
		"something after":      good + marker,
		"a wrong type":         `{"order_id":{"` + marker + `":` + number + `}}`,
		"a number that is not": rewrite(t, good, `"ORD10010001"`, number+`.5`),
		"another order":        rewrite(t, good, `"ORD10010001"`, `"`+marker+`"`),
		"another hash":         `{"order_id":"1","status":"x","post_hash":"` + strings.Repeat(marker[:8], 16) + `"}`,
		"a short hash":         `{"order_id":"1","status":"x","post_hash":"` + marker + `"}`,
		"a bad amount":         payatomWebhook(t, "ORD1", marker, "Approved", `"`+marker+`"`),
		"a bad status":         payatomWebhook(t, "ORD1", "1", "1"+marker, `"1"`),
		"a form":               "a=%zz&" + marker + "=" + number,
		"a form's names":       marker + "=1&" + marker + "=2",
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				body        verify.Body
				contentType string
			}{{verify.BodyJSON, "application/json"}, {verify.BodyForm, "application/x-www-form-urlencoded"}, {verify.BodyJSON, marker + "/x"}} {
				ev, err := newPayatom(t, verify.PayatomOptions{Body: c.body}).Verify(verify.Message{ContentType: c.contentType, Body: body}, keys)
				refusedPayatom(t, ev, err)
				assertTellsNothing(t, err, []string{payatomSecret}, []byte(body))
				assert.NotContains(t, fmt.Sprintf("%+v", err), marker)
				assert.NotContains(t, fmt.Sprintf("%+v", err), number)
			}
		})
	}
}

// If a hash is strict base64, the error must not reveal why the hash does not open.
func TestPayatomEnvelopeFailuresAreOne(t *testing.T) {
	good := payatomWebhook(t, "ORD10010001", "500", "Approved", `"500"`)
	hash, _ := postHashOf(t, []byte(good))
	var first *payack.Error
	for i := 0; i < len(hash); i += 3 {
		other := byte('A')
		if hash[i] == other {
			other = 'B'
		}
		ev, err := verifyPayatomJSON(t, strings.Replace(good, hash, hash[:i]+string(other)+hash[i+1:], 1))
		e := refusedPayatom(t, ev, err)
		assert.Equal(t, payack.ReasonEnvelope, e.Reason)
		if first == nil {
			first = e
		}
		assert.Equal(t, first, e, "at %d", i)
	}
}

func TestPayatomConcurrentUse(t *testing.T) {
	v, keys := newPayatom(t, verify.PayatomOptions{}), newPayatomKeys(t, "", "another", payatomSecret)
	signer := newPayatomSigner(t, payatomSecret)
	good := payatomWebhook(t, "ORD10010001", "500", "Approved", `"500"`)
	bad := rewrite(t, good, `"500",`+`"bank_ref"`, `"501",`+`"bank_ref"`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				ev, err := v.Verify(verify.Message{ContentType: "application/json", Body: good}, keys)
				if !assert.NoError(t, err) || !assert.Equal(t, "ORD10010001", ev.OrderID) {
					return
				}
				_, err = v.Verify(verify.Message{ContentType: "application/json", Body: bad}, keys)
				assert.ErrorIs(t, err, payack.ErrSignature)
				assert.True(t, signer.Opens(signer.PollingHash("ref", "pid"), "ref", "pid"))
			}
		})
	}
	wg.Wait()
}

func TestPayatomAllocations(t *testing.T) {
	v, keys := newPayatom(t, verify.PayatomOptions{}), newPayatomKeys(t, "", payatomSecret)
	m := verify.Message{ContentType: "application/json", Body: payatomWebhook(t, "ORD10010001", "500", "Approved", `"500"`)}
	assertAllocations(t, 6, func() error { _, err := v.Verify(m, keys); return err })
}
