package verify_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"regexp"
	"runtime/debug"
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

// The members that a callback's signature covers, and the known members that it
// does not cover.
var (
	ptsSignedNames = verify.PTSCallback.SignedMembers()
	ptsOtherNames  = []string{
		"submit_promo", "accept_promo", "payment_address", "receiving_address",
		"error_message", "reference_number", "details_url", "sign",
	}
)

func loadPTS(t testing.TB) *vectors.File {
	t.Helper()
	f, err := vectors.Load("pts")
	require.NoError(t, err)
	require.Len(t, f.Vectors, vectors.Counts["pts"])
	return f
}

// ptsReceiver is a verifier with keys, configured as a vector requires.
type ptsReceiver struct {
	options verify.PTSOptions
	keys    verify.PTSKeyConfig
}

func ptsReceiverOf(f *vectors.File, v *vectors.Vector) ptsReceiver {
	key := f.Keys[v.KeyID]
	r := ptsReceiver{keys: verify.PTSKeyConfig{
		Safecode:         payack.NewSecret(key.Safecode),
		SafecodeEncoding: ptsEncodingOf(v),
		PublicKeys:       []string{key.PublicPEM},
	}}
	switch v.Dim("xsig") {
	case "hex":
		r.options.TransactionSignature = verify.PTSHex
		r.keys.TransactionSecret = payack.NewSecret(key.TransactionSecret)
	case "base64":
		r.options.TransactionSignature = verify.PTSBase64
		r.keys.TransactionSecret = payack.NewSecret(key.TransactionSecret)
	}
	return r
}

func ptsEncodingOf(v *vectors.Vector) envelope.PTSEncoding {
	if strings.HasSuffix(v.Dim("envelope"), "_aes128_hex") {
		return envelope.PTSHex
	}
	return envelope.PTSRaw
}

func (r ptsReceiver) verify(t testing.TB, m verify.Message) (*payack.PTSEvent, error) {
	t.Helper()
	v, err := verify.NewPTS(r.options)
	require.NoError(t, err)
	k, err := verify.NewPTSKeys(r.keys)
	require.NoError(t, err)
	return v.Verify(m, k)
}

// pinned returns the same receiver with one scheme pinned.
func (r ptsReceiver) pinned(s payack.Scheme) ptsReceiver {
	r.options.Numbers = []payack.Scheme{s}
	return r
}

func ptsSignerOf(t testing.TB, f *vectors.File, v *vectors.Vector) *verify.PTSSigner {
	t.Helper()
	key := f.Keys[v.KeyID]
	s, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode:          payack.NewSecret(key.Safecode),
		SafecodeEncoding:  ptsEncodingOf(v),
		PrivateKey:        payack.NewSecret(key.PrivatePEM),
		TransactionSecret: payack.NewSecret(key.TransactionSecret),
	})
	require.NoError(t, err)
	return s
}

// messageOfVector returns the vector's request as a message.
func messageOfVector(t testing.TB, v *vectors.Vector) verify.Message {
	t.Helper()
	body, err := v.Request.Body()
	require.NoError(t, err)
	h := v.Request.Header()
	return verify.Message{ContentType: h.Get("Content-Type"), Header: h, Body: string(body)}
}

// ptsMembersOf returns the members that an event has, under their names on the
// wire.
func ptsMembersOf(ev *payack.PTSEvent) map[string]payack.Text {
	u := &ev.Unsigned
	all := map[string]payack.Text{
		"user_id":           payack.NewText(ev.UserID),
		"order_id":          payack.NewText(ev.OrderID),
		"transaction_id":    payack.NewText(ev.TransactionID),
		"status":            payack.NewText(string(ev.Status)),
		"channel":           ev.Channel,
		"submit_currency":   ev.SubmitCurrency,
		"submit_amount":     asSent(ev.SubmitAmount),
		"accept_currency":   ev.AcceptCurrency,
		"accept_amount":     asSent(ev.AcceptAmount),
		"exchange_rate":     asSent(ev.ExchangeRate),
		"timestamp":         ev.Timestamp,
		"submit_promo":      asSent(u.SubmitPromo),
		"accept_promo":      asSent(u.AcceptPromo),
		"payment_address":   u.PaymentAddress,
		"receiving_address": u.ReceivingAddress,
		"error_message":     u.ErrorMessage,
		"reference_number":  u.ReferenceNumber,
		"details_url":       u.DetailsURL,
	}
	maps.Copy(all, u.Extra)
	maps.DeleteFunc(all, func(_ string, text payack.Text) bool { return text.IsZero() })
	return all
}

// ptsSignedTextsOf are the texts of an event that its signature covers.
func ptsSignedTextsOf(ev *payack.PTSEvent) map[string]string {
	return map[string]string{
		"user_id":         ev.UserID,
		"order_id":        ev.OrderID,
		"transaction_id":  ev.TransactionID,
		"status":          string(ev.Status),
		"channel":         ev.Channel.String(),
		"submit_currency": ev.SubmitCurrency.String(),
		"submit_amount":   ev.SubmitAmount.SignedText(),
		"accept_currency": ev.AcceptCurrency.String(),
		"accept_amount":   ev.AcceptAmount.SignedText(),
		"exchange_rate":   ev.ExchangeRate.SignedText(),
		"timestamp":       ev.Timestamp.String(),
	}
}

// textsOfExpect turns a vector's expected members, null among them, into texts.
func textsOfExpect(expect map[string]*string, without ...string) map[string]payack.Text {
	texts := make(map[string]payack.Text)
	for name, value := range expect {
		switch {
		case slices.Contains(without, name):
		case value == nil:
			texts[name] = payack.NullText()
		default:
			texts[name] = payack.NewText(*value)
		}
	}
	return texts
}

// withoutNested drops unknown members with a nested value, which the vectors
// leave out of what they expect.
func withoutNested(texts map[string]payack.Text, known ...string) map[string]payack.Text {
	maps.DeleteFunc(texts, func(name string, text payack.Text) bool {
		s := text.String()
		return !slices.Contains(known, name) && (strings.HasPrefix(s, "{") || strings.HasPrefix(s, "["))
	})
	return texts
}

// refusal returns the error of a refused callback. It must be a *payack.Error of the
// verify stage with a documented reason that errors.Is matches. There must be a
// verified event beside it if the reason is invalid, and none otherwise.
func refusal(t testing.TB, p payack.Provider, ev payack.Event, err error) *payack.Error {
	t.Helper()
	require.Error(t, err)
	if errors.Is(err, payack.ErrInvalid) {
		require.NotNil(t, ev, "an invalid event must be there")
		require.Equal(t, p, ev.Provider())
		require.NotEmpty(t, ev.VerifiedBy().Scheme)
		require.NotEmpty(t, ev.VerifiedBy().Signature)
	} else {
		require.Nil(t, ev, "a refused callback must give no event")
	}
	var e *payack.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, p, e.Provider)
	require.Equal(t, payack.StageVerify, e.Stage)
	require.Empty(t, e.EventID)
	require.NoError(t, e.Err)
	require.NotEmpty(t, e.Detail)
	switch e.Reason {
	case payack.ReasonEnvelope:
		require.ErrorIs(t, err, payack.ErrEnvelope)
	case payack.ReasonMalformed:
		require.ErrorIs(t, err, payack.ErrMalformed)
	case payack.ReasonSignature:
		require.ErrorIs(t, err, payack.ErrSignature)
	case payack.ReasonInvalid:
		require.ErrorIs(t, err, payack.ErrInvalid)
	default:
		require.Fail(t, "not a reason of this stage", "%s", e.Reason)
	}
	return e
}

func refusedPTS(t testing.TB, ev *payack.PTSEvent, err error) *payack.Error {
	t.Helper()
	if ev == nil {
		return refusal(t, payack.PTS, nil, err)
	}
	return refusal(t, payack.PTS, ev, err)
}

// defaultBodyLimit is the default limit for bodies of package middleware, in bytes.
const defaultBodyLimit = 64 << 10

// onlyTheGateSees reports whether a vector's defect is one that a verifier does not
// check: the method, or a body over the limit.
func onlyTheGateSees(v *vectors.Vector, m verify.Message) bool {
	if v.Request.Method == "RESPONSE" {
		return false
	}
	return v.Request.Method != http.MethodPost || len(m.Body) > defaultBodyLimit
}

// ptsNotPaidEnough are the genuine vectors whose status says success although
// accept_amount is not above zero. They verify and are invalid.
var ptsNotPaidEnough = strings.Fields("php-067-random-16 php-074-random-23 node-003-string-json128 python-007-random-0")

func TestPTSAcceptsGenuineVectors(t *testing.T) {
	f := loadPTS(t)
	schemes := map[payack.Scheme]int{}
	shapes := map[string]int{}
	accepted := 0
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if v.Verdict != vectors.MustAccept {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			require.Equal(t, "callback", v.Kind)
			r, m := ptsReceiverOf(f, v), messageOfVector(t, v)
			ev, err := r.verify(t, m)
			if slices.Contains(ptsNotPaidEnough, strings.TrimPrefix(v.Name, "pts-pub-")) {
				e := refusedPTS(t, ev, err)
				assert.Equal(t, payack.ReasonInvalid, e.Reason)
				assert.Contains(t, e.Detail, "accept_amount is not above zero")
				return
			}
			require.NoError(t, err)

			got := withoutNested(ptsMembersOf(ev), slices.Concat(ptsSignedNames, ptsOtherNames)...)
			assert.Equal(t, textsOfExpect(v.Expect, "sign"), got)

			// The signing side rebuilds the text, the signature and the envelope.
			signer := ptsSignerOf(t, f, v)
			signed := ptsSignedTextsOf(ev)
			text, err := signer.SignedText(verify.PTSCallback, signed)
			require.NoError(t, err)
			assert.Equal(t, v.SignedText, text)
			sign, err := signer.Sign(verify.PTSCallback, signed)
			require.NoError(t, err)
			require.NotNil(t, v.Expect["sign"])
			assert.Equal(t, *v.Expect["sign"], sign)
			assert.Equal(t, sign, ev.Signature)
			if sealed, found := sealedTextOf(t, v, m); found {
				plain, err := signer.Open(sealed)
				require.NoError(t, err)
				again, err := signer.Seal(plain)
				require.NoError(t, err)
				assert.Equal(t, string(sealed), string(again))
				if want := m.Header[verify.PTSTransactionHeader]; len(want) > 0 {
					header, err := signer.TransactionSignature(sealed, r.options.TransactionSignature)
					require.NoError(t, err)
					assert.Equal(t, want[0], header)
				}
			}

			// The scheme is literal unless the signed text differs from the literal.
			literal := maps.Clone(signed)
			literal["submit_amount"] = ev.SubmitAmount.Literal()
			literal["accept_amount"] = ev.AcceptAmount.Literal()
			literal["exchange_rate"] = ev.ExchangeRate.Literal()
			literalText, err := signer.SignedText(verify.PTSCallback, literal)
			require.NoError(t, err)
			want := payack.SchemeLiteral
			if v.Dim("number") == "php_float" && literalText != v.SignedText {
				want = payack.SchemePHP
			}
			assert.Equal(t, want, ev.Scheme)
			assert.Equal(t, 0, ev.Key)
			assert.Nil(t, ev.Confirmed)

			// A receiver that is pinned to the reported scheme accepts the callback.
			again, err := r.pinned(ev.Scheme).verify(t, m)
			require.NoError(t, err)
			assert.Equal(t, ev, again)
			// A receiver that is pinned to php also accepts numbers whose literal is equal
			// to PHP's text.
			if v.Dim("number") != "literal" {
				again, err := r.pinned(payack.SchemePHP).verify(t, m)
				require.NoError(t, err)
				assert.Equal(t, payack.SchemePHP, again.Scheme)
				assert.Equal(t, ev.ID(), again.ID())
				assert.Equal(t, ev.Fingerprint(), again.Fingerprint())
			}

			// The same public key in PKCS#1 gives the same event.
			r.keys.PublicKeys = []string{f.Keys[v.KeyID].PublicPEMPKCS1}
			again, err = r.verify(t, m)
			require.NoError(t, err)
			assert.Equal(t, ev, again)

			schemes[ev.Scheme]++
			shapes[v.Dim("envelope")]++
			accepted++
		})
	}
	assert.Equal(t, 125-len(ptsNotPaidEnough), accepted)
	assert.Equal(t, map[payack.Scheme]int{payack.SchemeLiteral: 92, payack.SchemePHP: 29}, schemes)
	assert.Equal(t, map[string]int{
		"plain": 35, "wrapped": 12,
		"text_aes256_ascii": 23, "text_aes128_hex": 20,
		"json_aes256_ascii": 17, "json_aes128_hex": 14,
	}, shapes)
}

// sealedTextOf returns the base64 of the envelope in a vector's body.
func sealedTextOf(t testing.TB, v *vectors.Vector, m verify.Message) (sealed []byte, found bool) {
	t.Helper()
	switch envelope := v.Dim("envelope"); {
	case strings.HasPrefix(envelope, "text_"):
		return []byte(m.Body), true
	case strings.HasPrefix(envelope, "json_"):
		var outer struct{ Data string }
		require.NoError(t, json.Unmarshal([]byte(m.Body), &outer))
		return []byte(outer.Data), true
	}
	return nil, false
}

// sameValueOtherText are the vectors in which an amount whose literal was signed is
// replaced by another text of the same number. Only a receiver that is pinned to
// literal refuses them, because other receivers accept a signature over PHP's text,
// too.
var sameValueOtherText = []string{
	"pts-pub-php-196-tamper-submit_amount",
	"pts-pub-php-198-tamper-accept_amount",
	"pts-pub-php-199-tamper-exchange_rate",
}

// ptsRefusals says, for each class of forged vectors, how many are refused for
// which reason.
var ptsRefusals = map[string]string{
	"base64_newlines":            "2 envelope, 1 signature",
	"base64_noncanonical":        "1 signature",
	"base64url_alphabet":         "2 envelope, 1 signature",
	"bom_prefix":                 "2 envelope, 1 malformed",
	"case_variant_keys":          "4 malformed",
	"ct_bitflip":                 "4 envelope, 2 malformed",
	"deep_nesting":               "3 malformed",
	"duplicate_keys":             "6 malformed",
	"duplicate_signature":        "2 malformed",
	"ecb_blocks":                 "2 malformed, 1 signature",
	"empty_body":                 "2 envelope, 1 malformed",
	"empty_signature":            "2 malformed, 1 signature",
	"envelope_type":              "6 malformed",
	"flavour_confusion":          "1 envelope",
	"get_method":                 "1 malformed",
	"invalid_utf8":               "6 malformed",
	"malformed_json":             "4 malformed",
	"missing_field":              "3 malformed",
	"non_block_multiple":         "3 envelope",
	"not_an_object":              "6 malformed",
	"nul_bytes":                  "5 malformed",
	"padding_error":              "6 envelope",
	"separator_injection":        "2 malformed",
	"sign_bitflip":               "4 signature",
	"sign_degenerate":            "5 signature",
	"sign_encoding":              "1 signature",
	"signature_of_another_order": "4 signature",
	"tampered_field":             "12 signature",
	"trailing_data":              "1 envelope, 5 malformed",
	"truncated_base64":           "3 envelope, 2 signature",
	"type_confusion":             "5 malformed",
	"wrong_algorithm":            "6 signature",
	"wrong_content_type":         "1 envelope, 6 malformed",
	"wrong_secret":               "1 envelope, 7 signature",
	"wrong_sign_text":            "9 signature",
	"xsig_bitflip":               "4 signature",
	"xsig_encoding":              "3 signature",
	"xsig_missing":               "4 signature",
}

func TestPTSRefusesForgedVectors(t *testing.T) {
	f := loadPTS(t)
	ran := map[string]int{}
	reasons := map[string]map[payack.Reason]int{}
	gate := map[string]int{}
	for i := range f.Vectors {
		v := &f.Vectors[i]
		if v.Verdict == vectors.MustAccept {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			require.Equal(t, "callback", v.Kind)
			r, m := ptsReceiverOf(f, v), messageOfVector(t, v)
			ran[v.Verdict]++
			if slices.Contains(sameValueOtherText, v.Name) {
				unpinned, err := r.verify(t, m)
				require.NoError(t, err)
				assert.Equal(t, payack.SchemePHP, unpinned.Scheme)
				r = r.pinned(payack.SchemeLiteral)
			}
			ev, err := r.verify(t, m)
			if onlyTheGateSees(v, m) && err == nil {
				gate[v.Class]++
				return
			}
			e := refusedPTS(t, ev, err)
			inside, _ := ptsSignerOf(t, f, v).Open([]byte(m.Body))
			assertTellsNothing(t, err, secretsOfPTS(f, v), []byte(m.Body), inside)
			if reasons[v.Class] == nil {
				reasons[v.Class] = map[payack.Reason]int{}
			}
			reasons[v.Class][e.Reason]++
		})
	}
	assert.Equal(t, map[string]int{vectors.MustReject: 100, vectors.PolicyReject: 68, vectors.RecordReject: 2}, ran)
	assert.Equal(t, map[string]int{"body_2mib": 2, "get_method": 2}, gate)
	assert.Equal(t, ptsRefusals, summaries(reasons))
}

// summaries writes the counts of each class as a text, such as "2 envelope, 1
// signature".
func summaries(reasons map[string]map[payack.Reason]int) map[string]string {
	out := make(map[string]string)
	for class, counts := range reasons {
		var words []string
		for _, reason := range slices.Sorted(maps.Keys(counts)) {
			words = append(words, fmt.Sprint(counts[reason], " ", reason))
		}
		out[class] = strings.Join(words, ", ")
	}
	return out
}

// secretsOfPTS are the texts that must never be printed.
func secretsOfPTS(f *vectors.File, v *vectors.Vector) []string {
	key := f.Keys[v.KeyID]
	return []string{key.Safecode, key.TransactionSecret, pemLine(key.PrivatePEM), pemLine(key.PrivatePEMPKCS1), pemLine(key.PublicPEM)}
}

// pemLine returns the first line of a PEM's contents.
func pemLine(text string) string { return strings.Split(text, "\n")[1] }

var (
	quoted     = regexp.MustCompile(`"([^"\\\r\n]{4,})"`)
	onlyDigits = regexp.MustCompile(`^[0-9]+$`)
	longRun    = regexp.MustCompile(`[0-9A-Za-z+/=]{24,}`)
)

// assertTellsNothing fails the test if an error, however it is printed, contains a
// secret, a signature, a hash or a string of the input.
func assertTellsNothing(t testing.TB, err error, secrets []string, inputs ...[]byte) {
	t.Helper()
	names := slices.Concat(ptsSignedNames, ptsOtherNames, []string{"data", "code", "message"},
		[]string{"received_amount", "requested_amount", "post_hash", "bank_ref", "sender_upi", "ref_code", "refund_info", "amount"})
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		text := fmt.Sprintf(verb, err)
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("the error holds a secret (%s)", verb)
			}
		}
		assert.NotRegexp(t, longRun, text, "the error holds what looks like a signature or a key")
		for _, input := range inputs {
			if len(input) > defaultBodyLimit {
				input = input[:defaultBodyLimit]
			}
			for _, m := range quoted.FindAllSubmatch(input, -1) {
				value := string(m[1])
				if slices.Contains(names, value) || onlyDigits.MatchString(value) {
					continue
				}
				assert.NotContains(t, text, value, "the error holds a part of the body")
			}
		}
	}
}

func TestPTSErrorsHoldNothingThatWasSent(t *testing.T) {
	p := newPTSParty(t)
	const marker = "MARKER7f3a"
	const number = "918273645546372819"
	for name, body := range map[string]string{
		"a name twice":            `{"` + marker + `":1,"` + marker + `":2}`,
		"a name that folds":       `{"sign":"x","STATUS":"` + marker + `"}`,
		"a broken literal":        `{"sign":"x","a":` + marker + `}`,
		"a broken escape":         `{"sign":"x","a":"\q` + marker + `"}`,
		"not an object":           `"` + marker + `"`,
		"something after":         `{"sign":"x"} ` + marker,
		"a wrong type":            `{"sign":"x","user_id":{"` + marker + `":` + number + `}}`,
		"a number that is no id":  strings.Replace(p.callback, `"user_id":"7"`, `"user_id":`+number+`.5`, 1),
		"a value with a border":   p.signed(t, map[string]string{"channel": marker}, `"channel":"QRPH"`, `"channel":"`+marker+`&status=x"`),
		"a sign that is no text":  rewrite(t, p.callback, `"sign":"`, `"sign":`+number+`,"x":"`),
		"a sign that is another":  rewrite(t, p.callback, `"QRPH"`, `"`+marker+`"`),
		"a sign in other letters": rewrite(t, p.callback, `"sign":"`, `"sign":"`+marker+`-_`),
		"an envelope of nothing":  `{"data":"` + marker + `"}`,
		"data of another type":    `{"data":[` + number + `]}`,
		"data without sign":       `{"data":{"x":"` + marker + `"}}`,
		"bare text":               marker,
	} {
		t.Run(name, func(t *testing.T) {
			for _, contentType := range []string{"application/json", "text/plain", marker + "/x; charset=" + marker} {
				m := verify.Message{ContentType: contentType, Body: body}
				ev, err := p.verifier.Verify(m, p.keys)
				refusedPTS(t, ev, err)
				assertTellsNothing(t, err, p.secrets, []byte(m.Body))
				assert.NotContains(t, fmt.Sprintf("%+v", err), marker)
				assert.NotContains(t, fmt.Sprintf("%+v", err), number)
			}
		})
	}
}

// ptsParty has the signer and the verifier of one PTS account, and a genuine
// callback.
type ptsParty struct {
	safecode payack.Secret
	secrets  []string
	signer   *verify.PTSSigner
	keys     *verify.PTSKeys
	verifier *verify.PTS
	values   map[string]string
	callback string
}

// ptsTemplate is a callback with numbers for amounts and strings for the rest.
const ptsTemplate = `{"user_id":"7","order_id":"1001","transaction_id":"500700","channel":"QRPH",` +
	`"submit_currency":"PHP","submit_amount":100.50,"accept_currency":"PHP","accept_amount":99.00,` +
	`"exchange_rate":1,"status":"2000","timestamp":"1731000000","sign":"%s"}`

func newPTSParty(t testing.TB) *ptsParty {
	t.Helper()
	f := loadPTS(t)
	key := f.Keys["rsa2048"]
	p := &ptsParty{
		safecode: payack.NewSecret(key.Safecode),
		secrets:  secretsOfPTS(f, &vectors.Vector{KeyID: "rsa2048"}),
		values: map[string]string{
			"user_id": "7", "order_id": "1001", "transaction_id": "500700", "channel": "QRPH",
			"submit_currency": "PHP", "submit_amount": "100.50", "accept_currency": "PHP", "accept_amount": "99.00",
			"exchange_rate": "1", "status": "2000", "timestamp": "1731000000",
		},
	}
	var err error
	p.signer, err = verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: p.safecode, PrivateKey: payack.NewSecret(key.PrivatePEM), TransactionSecret: payack.NewSecret(key.TransactionSecret),
	})
	require.NoError(t, err)
	p.keys, err = verify.NewPTSKeys(verify.PTSKeyConfig{Safecode: p.safecode, PublicKeys: []string{key.PublicPEM}})
	require.NoError(t, err)
	p.verifier, err = verify.NewPTS(verify.PTSOptions{})
	require.NoError(t, err)
	p.callback = p.signed(t, nil)
	return p
}

// signed returns the template with a signature over p.values. If the parameter values
// has a member, the text there is signed in place of the one in p.values. In the body,
// signed replaces each old text in oldnew by the new one that follows it.
func (p *ptsParty) signed(t testing.TB, values map[string]string, oldnew ...string) string {
	t.Helper()
	all := maps.Clone(p.values)
	maps.Copy(all, values)
	sign, err := p.signer.Sign(verify.PTSCallback, all)
	require.NoError(t, err)
	return rewrite(t, fmt.Sprintf(ptsTemplate, sign), oldnew...)
}

func (p *ptsParty) verify(body string) (*payack.PTSEvent, error) {
	return p.verifier.Verify(verify.Message{ContentType: "application/json", Body: body}, p.keys)
}

// rewrite replaces each old text, which must be there once, by the new one
// that follows it.
func rewrite(t testing.TB, body string, oldnew ...string) string {
	t.Helper()
	for pair := range slices.Chunk(oldnew, 2) {
		require.Equal(t, 1, strings.Count(body, pair[0]), "%s must be there once", pair[0])
		body = strings.Replace(body, pair[0], pair[1], 1)
	}
	return body
}

func TestPTSKnownAnswer(t *testing.T) {
	f := loadPTS(t)
	s, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode:          payack.NewSecret("8b998abba49ae33a194cb9677b13ecbe"),
		TransactionSecret: payack.NewSecret("f55c19747fde060a4af40dc6ed187ae3"),
		PrivateKey:        payack.NewSecret(f.Keys["rsa1024"].PrivatePEMPKCS1),
	})
	require.NoError(t, err)
	sealed, err := s.Seal([]byte(`{"user_id":"1"}`))
	require.NoError(t, err)
	assert.Equal(t, "hkRXSsHPJ+wSzEj48TYVwA==", string(sealed))
	header, err := s.TransactionSignature(sealed, verify.PTSBase64)
	require.NoError(t, err)
	assert.Equal(t, "e61bgHW8EyVKH6PEcXWFTE37TF0HBnG3FfjsXAuP86s=", header)
	asHex, err := s.TransactionSignature(sealed, verify.PTSHex)
	require.NoError(t, err)
	raw, err := base64.StdEncoding.DecodeString(header)
	require.NoError(t, err)
	assert.Equal(t, hex.EncodeToString(raw), asHex)
}

func TestPTSIdentifiersAreSignedAsText(t *testing.T) {
	p := newPTSParty(t)
	genuine, err := p.verify(p.callback)
	require.NoError(t, err)
	require.True(t, genuine.Paid())

	// If a number replaces a string of the same digits, the signed text is the
	// same. So the callback verifies, and is the same event.
	for _, member := range []string{`"user_id":"7"`, `"order_id":"1001"`, `"transaction_id":"500700"`, `"status":"2000"`, `"timestamp":"1731000000"`} {
		name, value, _ := strings.Cut(member, ":")
		text := strings.Trim(value, `"`)
		ev, err := p.verify(rewrite(t, p.callback, member, name+":"+text))
		require.NoError(t, err, member)
		assert.Equal(t, genuine, ev)
		assert.Equal(t, genuine.ID(), ev.ID())

		// Another spelling of the number is not an id.
		for _, spelling := range []string{text + ".0", text + ".00", text + "e0", text + "0e-1", "1" + strings.Repeat("0", 40), "true", "[" + value + "]", `{"a":` + value + `}`} {
			ev, err := p.verify(rewrite(t, p.callback, member, name+":"+spelling))
			assert.Equal(t, payack.ReasonMalformed, refusedPTS(t, ev, err).Reason, "%s as %s", name, spelling)
		}
		// Another text is another message.
		for _, spelling := range []string{"-" + text, "9223372036854775808", `"` + text + ` "`, `"0` + text + `"`, `"` + text + `.0"`} {
			ev, err := p.verify(rewrite(t, p.callback, member, name+":"+spelling))
			assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason, "%s as %s", name, spelling)
		}
	}
	for _, spelling := range []string{"2e3", "2000.0", "20e2"} {
		ev, err := p.verify(rewrite(t, p.callback, `"status":"2000"`, `"status":`+spelling))
		assert.Equal(t, payack.ReasonMalformed, refusedPTS(t, ev, err).Reason)
	}
}

// Senders whose integers are unsigned can send ids beyond int64. PHP rounds such
// ids, so with PHP's text pinned they do not verify.
func TestPTSIntegersBeyondInt64(t *testing.T) {
	p := newPTSParty(t)
	php, err := verify.NewPTS(verify.PTSOptions{Numbers: []payack.Scheme{payack.SchemePHP}})
	require.NoError(t, err)
	for _, name := range []string{"user_id", "order_id", "transaction_id", "status", "timestamp"} {
		old := `"` + name + `":"` + p.values[name] + `"`
		for integer, fits := range map[string]bool{
			"9223372036854775807": true, "-9223372036854775808": true,
			"9223372036854775808": false, "18446744073709551615": false, "-18446744073709551615": false, strings.Repeat("9", 40): false,
		} {
			// The amounts are sent and signed as PHP's texts, so that they verify under
			// SchemeLiteral and under SchemePHP.
			values := map[string]string{name: integer, "submit_amount": "100.5", "accept_amount": "99"}
			body := p.signed(t, values, old, `"`+name+`":`+integer, `:100.50,`, `:100.5,`, `:99.00,`, `:99,`)
			ev, err := p.verify(body)
			require.NoError(t, err, "%s is %s", name, integer)
			assert.Equal(t, payack.SchemeLiteral, ev.Scheme)
			assert.Equal(t, integer, ptsSignedTextsOf(ev)[name])
			ev, err = php.Verify(verify.Message{ContentType: "application/json", Body: body}, p.keys)
			if !fits {
				assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason, "%s is %s under php", name, integer)
				continue
			}
			require.NoError(t, err, "%s is %s under php", name, integer)
			assert.Equal(t, payack.SchemePHP, ev.Scheme)
		}
	}
}

func TestPTSLeadingZerosOfStatusCount(t *testing.T) {
	p := newPTSParty(t)
	ev, err := p.verify(p.signed(t, map[string]string{"status": "0000"}, `"status":"2000"`, `"status":"0000"`))
	require.NoError(t, err)
	assert.Equal(t, payack.PTSWaiting, ev.Status)
	ev, err = p.verify(p.signed(t, map[string]string{"status": "-0"}, `"status":"2000"`, `"status":-0`))
	assert.Equal(t, payack.ReasonMalformed, refusedPTS(t, ev, err).Reason)
	ev, err = p.verify(p.signed(t, map[string]string{"status": "0000"}, `"status":"2000"`, `"status":0`))
	assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason)
}

func TestPTSUnknownStatusIsDelivered(t *testing.T) {
	p := newPTSParty(t)
	for _, status := range []string{"2001", "6000", "success", " 2000", "2000 "} {
		ev, err := p.verify(p.signed(t, map[string]string{"status": status}, `"2000"`, `"`+status+`"`))
		require.NoError(t, err)
		assert.Equal(t, payack.PTSStatus(status), ev.Status)
		assert.False(t, ev.Paid() || ev.Final() || ev.Status.Known())
	}
}

// If a sender signs PHP's text, a relay can replace a number's literal by another
// literal of which PHP makes the same text. The relay gains nothing: value and
// identity stay the same.
func TestPTSEqualNumbersAreOneEvent(t *testing.T) {
	p := newPTSParty(t)
	php := map[string]string{"submit_amount": "100.5", "accept_amount": "99"}
	callback := p.signed(t, php)
	genuine, err := p.verify(callback)
	require.NoError(t, err)
	require.Equal(t, payack.SchemePHP, genuine.Scheme)
	assert.Equal(t, "100.50", genuine.SubmitAmount.String())
	assert.Equal(t, "100.5", genuine.SubmitAmount.SignedText())

	literal, err := verify.NewPTS(verify.PTSOptions{Numbers: []payack.Scheme{payack.SchemeLiteral}})
	require.NoError(t, err)
	for _, c := range []struct {
		submit, accept string
		scheme         payack.Scheme
	}{
		{"100.5", "99", payack.SchemeLiteral},
		{`"100.5"`, `"99"`, payack.SchemeLiteral},
		{"100.50", "99.00", payack.SchemePHP},
		{"100.500000", "99", payack.SchemePHP},
		{"1005e-1", "990e-1", payack.SchemePHP},
		{"1.005E2", "9.9e+1", payack.SchemePHP},
		{"100.5e0", "99.0", payack.SchemePHP},
	} {
		body := rewrite(t, callback, `:100.50,`, `:`+c.submit+`,`, `:99.00,`, `:`+c.accept+`,`)
		ev, err := p.verify(body)
		require.NoError(t, err, body)
		assert.Equal(t, c.scheme, ev.Scheme)
		assert.Equal(t, genuine.ID(), ev.ID())
		assert.Equal(t, genuine.Fingerprint(), ev.Fingerprint())
		assert.True(t, genuine.SubmitAmount.Equal(ev.SubmitAmount))
		assert.True(t, genuine.AcceptAmount.Equal(ev.AcceptAmount))

		// With literal pinned, only the text that was signed verifies.
		ev, err = literal.Verify(verify.Message{ContentType: "application/json", Body: body}, p.keys)
		if c.scheme == payack.SchemeLiteral {
			require.NoError(t, err)
			assert.Equal(t, genuine.ID(), ev.ID())
		} else {
			assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason)
		}
	}

	// Another number, and a string that PHP would not rewrite, are forgeries.
	for _, submit := range []string{"100.51", "1005", `"100.50"`, "-100.5", "100.5000001", "null", `""`} {
		ev, err := p.verify(rewrite(t, callback, `:100.50,`, `:`+submit+`,`))
		assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason, submit)
	}
}

// PHP's text of a number is tried for amounts and rates only.
func TestPTSNamesAreNeverRewritten(t *testing.T) {
	p := newPTSParty(t)
	for name, member := range map[string]string{
		"channel": `"QRPH"`, "submit_currency": `"submit_currency":"PHP"`, "accept_currency": `"accept_currency":"PHP"`,
	} {
		number := strings.Replace(member, p.values[name], "1.50", 1)
		number = strings.ReplaceAll(number, `"1.50"`, "1.50")
		php := map[string]string{name: "1.5", "submit_amount": "100.5", "accept_amount": "99"}
		ev, err := p.verify(p.signed(t, php, member, number))
		assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason, name)
		ev, err = p.verify(p.signed(t, map[string]string{name: "1.50"}, member, number))
		require.NoError(t, err, name)
		assert.Equal(t, payack.NewText("1.50"), ptsMembersOf(ev)[name])
	}
}

// PHP writes 14 significant digits, so its text fixes that many: a relay can change
// later digits only.
func TestPTSNumbersBeyondPHPsDigits(t *testing.T) {
	p := newPTSParty(t)
	callback := p.signed(t, map[string]string{"submit_amount": "100.5", "accept_amount": "99"})
	ev, err := p.verify(rewrite(t, callback, `:100.50,`, `:100.50000000000004,`))
	require.NoError(t, err)
	assert.Equal(t, "100.5", ev.SubmitAmount.SignedText())
	ev, err = p.verify(rewrite(t, callback, `:100.50,`, `:100.50000000001,`))
	assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason)
}

// A receiver that is pinned to php accepts only callbacks with a signature over
// PHP's text. This text may be equal to the literal.
func TestPTSPinnedToPHP(t *testing.T) {
	p := newPTSParty(t)
	v, err := verify.NewPTS(verify.PTSOptions{Numbers: []payack.Scheme{payack.SchemePHP}})
	require.NoError(t, err)
	php := map[string]string{"submit_amount": "100.5", "accept_amount": "99"}
	for name, body := range map[string]string{
		"other texts": p.signed(t, php),
		"same texts":  p.signed(t, php, `:100.50,`, `:100.5,`, `:99.00,`, `:99,`),
		"strings":     p.signed(t, php, `:100.50,`, `:"100.5",`, `:99.00,`, `:"99",`),
		"null":        p.signed(t, map[string]string{"submit_amount": "", "accept_amount": "99"}, `:100.50,`, `:null,`, `:99.00,`, `:99,`),
	} {
		t.Run(name, func(t *testing.T) {
			ev, err := v.Verify(verify.Message{ContentType: "application/json", Body: body}, p.keys)
			require.NoError(t, err)
			assert.Equal(t, payack.SchemePHP, ev.Scheme)
		})
	}
	ev, err := v.Verify(verify.Message{ContentType: "application/json", Body: p.callback}, p.keys)
	assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason, "signed over the literals 100.50 and 99.00")
}

// The signed text escapes nothing. So a value that contains a border (&, a signed
// name and =) could be read as two members. Signer and verifier refuse it.
func TestPTSRefusesBordersInValues(t *testing.T) {
	p := newPTSParty(t)
	for _, in := range []string{"user_id", "order_id", "transaction_id", "channel", "submit_currency", "accept_currency", "status", "timestamp"} {
		old := `"` + in + `":"` + p.values[in] + `"`
		for _, border := range ptsSignedNames {
			value := p.values[in] + "&" + border + "=x"
			ev, err := p.verify(rewrite(t, p.callback, old, `"`+in+`":"`+value+`"`))
			assert.Equal(t, payack.ReasonMalformed, refusedPTS(t, ev, err).Reason)

			values := maps.Clone(p.values)
			values[in] = value
			_, err = p.signer.SignedText(verify.PTSCallback, values)
			require.ErrorContains(t, err, in+": it contains & with the name of a signed member")
			assert.NotContains(t, err.Error(), value)
			_, err = p.signer.Sign(verify.PTSCallback, values)
			require.Error(t, err)
		}
	}
	// Texts that only resemble a border are accepted.
	for _, value := range []string{"&", "a&b=c", "&status", "&STATUS=1", "&sign=x", "status=1", "& status=1", "&&x=", "&order_idx=1"} {
		ev, err := p.verify(p.signed(t, map[string]string{"channel": value}, `"QRPH"`, `"`+value+`"`))
		require.NoError(t, err, value)
		assert.Equal(t, value, ev.Channel.String())
	}
}

func TestPTSSignedMembers(t *testing.T) {
	p := newPTSParty(t)
	for message, names := range map[verify.PTSMessage]string{
		verify.PTSPayment:          "user_id order_id amount currency channel timestamp",
		verify.PTSWithdraw:         "user_id order_id amount currency channel timestamp",
		verify.PTSPaymentQuery:     "user_id order_id timestamp",
		verify.PTSWithdrawQuery:    "user_id order_id timestamp",
		verify.PTSBalance:          "user_id timestamp",
		verify.PTSPaymentResponse:  "user_id order_id transaction_id channel submit_currency submit_amount accept_currency accept_amount exchange_rate pay_url",
		verify.PTSWithdrawResponse: "user_id order_id transaction_id channel submit_currency submit_amount accept_currency accept_amount exchange_rate",
		verify.PTSQueryResponse:    "user_id order_id transaction_id channel submit_currency submit_amount accept_currency accept_amount exchange_rate status timestamp",
		verify.PTSCallback:         "user_id order_id transaction_id channel submit_currency submit_amount accept_currency accept_amount exchange_rate status timestamp",
		verify.PTSBalanceResponse:  "user_id",
	} {
		t.Run(string(message), func(t *testing.T) {
			want := strings.Fields(names)
			slices.Sort(want)
			assert.Equal(t, want, message.SignedMembers())

			values := map[string]string{"unsigned": "x"}
			text := ""
			for _, name := range want {
				values[name] = "v-" + name
				text += name + "=v-" + name + "&"
			}
			got, err := p.signer.SignedText(message, values)
			require.NoError(t, err)
			assert.Equal(t, text+p.safecode.Reveal(), got)

			for _, name := range want {
				missing := maps.Clone(values)
				delete(missing, name)
				_, err := p.signer.SignedText(message, missing)
				require.ErrorContains(t, err, name+": it is signed in "+string(message)+" and missing")
			}
		})
	}
	_, err := p.signer.SignedText("payment_v3", p.values)
	require.ErrorContains(t, err, `no message of PTS is named "payment_v3"`)
	assert.Nil(t, verify.PTSMessage("payment_v3").SignedMembers())
	verify.PTSCallback.SignedMembers()[0] = "changed"
	assert.Equal(t, "accept_amount", verify.PTSCallback.SignedMembers()[0], "the list is a copy")
}

func TestPTSRequiredAndEmptyMembers(t *testing.T) {
	p := newPTSParty(t)
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(p.callback), &members))
	for _, name := range append([]string{"sign"}, ptsSignedNames...) {
		less := maps.Clone(members)
		delete(less, name)
		body, err := json.Marshal(less)
		require.NoError(t, err)
		for _, shape := range []string{"%s", `{"code":"1000","message":"ok","data":%s}`} {
			ev, err := p.verify(fmt.Sprintf(shape, body))
			assert.Equal(t, payack.ReasonMalformed, refusedPTS(t, ev, err).Reason, "%s is missing in %s", name, shape)
		}
		sealed, err := p.signer.Seal(body)
		require.NoError(t, err)
		ev, err := p.verifier.Verify(verify.Message{ContentType: "text/plain", Body: string(sealed)}, p.keys)
		assert.Equal(t, payack.ReasonMalformed, refusedPTS(t, ev, err).Reason, "%s is missing in an envelope", name)
	}
	for _, name := range ptsSignedNames {
		for _, literal := range []string{`""`, "null"} {
			less := maps.Clone(members)
			less[name] = json.RawMessage(literal)
			sign, err := p.signer.Sign(verify.PTSCallback, withValue(p.values, name, ""))
			require.NoError(t, err)
			less["sign"], err = json.Marshal(sign)
			require.NoError(t, err)
			body, err := json.Marshal(less)
			require.NoError(t, err)
			ev, err := p.verify(string(body))
			switch name {
			case "user_id", "order_id", "transaction_id", "status":
				e := refusedPTS(t, ev, err)
				assert.Equal(t, payack.ReasonInvalid, e.Reason, "%s is %s", name, literal)
				assert.Contains(t, e.Detail, name)
			case "accept_amount": // the status says success
				e := refusedPTS(t, ev, err)
				assert.Equal(t, payack.ReasonInvalid, e.Reason)
				assert.Contains(t, e.Detail, "accept_amount is not above zero")
			default:
				require.NoError(t, err, "%s is %s", name, literal)
				text := ptsMembersOf(ev)[name]
				assert.Equal(t, literal == "null", text.IsNull())
				assert.Empty(t, text.String())
			}
		}
	}
}

func withValue(values map[string]string, name, value string) map[string]string {
	values = maps.Clone(values)
	values[name] = value
	return values
}

func TestPTSAmountsOutOfBoundsAreInvalid(t *testing.T) {
	p := newPTSParty(t)
	for _, literal := range []string{"1e41", `"abc"`, `"01"`, `" 1"`, `"1,00"`, strings.Repeat("9", 41)} {
		text := strings.Trim(literal, `"`)
		ev, err := p.verify(p.signed(t, map[string]string{"submit_amount": text}, `:100.50,`, `:`+literal+`,`))
		e := refusedPTS(t, ev, err)
		assert.Equal(t, payack.ReasonInvalid, e.Reason)
		assert.Contains(t, e.Detail, "submit_amount")
	}
	for _, literal := range []string{"0", "-5", "1e40", `"0.000001"`, strings.Repeat("9", 40)} {
		text := strings.Trim(literal, `"`)
		ev, err := p.verify(p.signed(t, map[string]string{"submit_amount": text}, `:100.50,`, `:`+literal+`,`))
		require.NoError(t, err, literal)
		assert.Equal(t, text, ev.SubmitAmount.Literal())
	}
}

func TestPTSKeysOfAnotherAccountRefuse(t *testing.T) {
	p := newPTSParty(t)
	f := loadPTS(t)
	own, other := f.Keys["rsa2048"], f.Keys["rsa1024"]
	sealed, err := p.signer.Seal([]byte(p.callback))
	require.NoError(t, err)
	for name, c := range map[string]verify.PTSKeyConfig{
		"all other":      {Safecode: payack.NewSecret(other.Safecode), PublicKeys: []string{other.PublicPEM}},
		"other safecode": {Safecode: payack.NewSecret(other.Safecode), PublicKeys: []string{own.PublicPEM}},
		"other key":      {Safecode: payack.NewSecret(own.Safecode), PublicKeys: []string{other.PublicPEM, f.Keys["rsa4096"].PublicPEM}},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := verify.NewPTSKeys(c)
			require.NoError(t, err)
			ev, err := p.verifier.Verify(verify.Message{ContentType: "application/json", Body: p.callback}, keys)
			assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason)
			ev, err = p.verifier.Verify(verify.Message{ContentType: "text/plain", Body: string(sealed)}, keys)
			refusedPTS(t, ev, err)
		})
	}

	// With several keys the event reports which one verified, and the tenant is part of
	// the identity.
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		Tenant: "shop-2", Safecode: payack.NewSecret(own.Safecode),
		PublicKeys: []string{other.PublicPEM, own.PublicPEMPKCS1},
	})
	require.NoError(t, err)
	assert.Equal(t, "shop-2", keys.Tenant())
	ev, err := p.verifier.Verify(verify.Message{ContentType: "application/json", Body: p.callback}, keys)
	require.NoError(t, err)
	assert.Equal(t, 1, ev.Key)
	assert.Equal(t, "shop-2", ev.Tenant)
	plain, err := p.verify(p.callback)
	require.NoError(t, err)
	assert.NotEqual(t, plain.ID(), ev.ID())

	// No keys at all are an unknown tenant.
	_, err = p.verifier.Verify(verify.Message{ContentType: "application/json", Body: p.callback}, nil)
	require.ErrorIs(t, err, payack.ErrUnknownTenant)
}

func TestPTSConfiguredUserID(t *testing.T) {
	p := newPTSParty(t)
	key := loadPTS(t).Keys["rsa2048"]
	for _, c := range []struct {
		userID string
		ok     bool
	}{{"7", true}, {"70", false}, {"07", false}} {
		keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{UserID: c.userID, Safecode: p.safecode, PublicKeys: []string{key.PublicPEM}})
		require.NoError(t, err)
		ev, err := p.verifier.Verify(verify.Message{ContentType: "application/json", Body: p.callback}, keys)
		if c.ok {
			require.NoError(t, err)
			continue
		}
		assert.Equal(t, payack.ReasonInvalid, refusedPTS(t, ev, err).Reason)
	}
}

// Neither the answer nor the logged error may reveal what is wrong inside an
// envelope. Whether the envelope is base64 may be said, since the sender can see
// that.
func TestPTSEnvelopeFailuresAreOne(t *testing.T) {
	p := newPTSParty(t)
	sealed, err := p.signer.Seal([]byte(p.callback))
	require.NoError(t, err)
	text := string(sealed)
	var first *payack.Error
	for name, body := range map[string]string{
		"not whole blocks":   base64.StdEncoding.EncodeToString(make([]byte, 17)),
		"damaged last block": text[:len(text)-24] + base64.StdEncoding.EncodeToString(make([]byte, 18)),
		"block of zeros":     base64.StdEncoding.EncodeToString(make([]byte, 16)),
	} {
		ev, err := p.verifier.Verify(verify.Message{ContentType: "text/plain", Body: body}, p.keys)
		e := refusedPTS(t, ev, err)
		assert.Equal(t, payack.ReasonEnvelope, e.Reason, name)
		if first == nil {
			first = e
		}
		assert.Equal(t, first, e, name)
	}
}

func TestPTSShapes(t *testing.T) {
	p := newPTSParty(t)
	sealedBytes, err := p.signer.Seal([]byte(p.callback))
	require.NoError(t, err)
	sealed := string(sealedBytes)
	wrapped := `{"code":"1000","message":"ok","data":` + p.callback + `}`
	twice, err := p.signer.Seal([]byte(wrapped))
	require.NoError(t, err)
	for _, c := range []struct {
		name, contentType, body string
		sniffOnly, refused      bool
	}{
		{name: "flat", contentType: "application/json", body: p.callback},
		{name: "flat, charset", contentType: "application/json; charset=utf-8", body: p.callback},
		{name: "flat, capitals", contentType: "Application/JSON;CHARSET=UTF-8", body: p.callback},
		{name: "flat, another charset", contentType: "application/json; charset=utf-16", body: p.callback, sniffOnly: true},
		{name: "flat as text", contentType: "text/plain", body: p.callback, sniffOnly: true},
		{name: "flat as form", contentType: "application/x-www-form-urlencoded", body: p.callback, sniffOnly: true},
		{name: "flat, no type", body: p.callback, sniffOnly: true},
		{name: "envelope as text", contentType: "text/plain", body: sealed},
		{name: "envelope as text, charset", contentType: "text/plain; charset=ISO-8859-1", body: sealed},
		{name: "envelope as JSON", contentType: "application/json", body: sealed, refused: true},
		{name: "envelope, no type", body: sealed, refused: true},
		{name: "envelope in data", contentType: "application/json", body: `{"data":"` + sealed + `"}`},
		{name: "envelope in data, escaped", contentType: "application/json", body: `{"data":"` + strings.ReplaceAll(sealed, "/", `\/`) + `"}`},
		{name: "members in data", contentType: "application/json", body: wrapped},
		{name: "members in data in an envelope", contentType: "text/plain", body: string(twice), refused: true},
		{name: "envelope in an envelope", contentType: "text/plain", body: seal(t, p, `{"data":"`+sealed+`"}`), refused: true},
		{name: "an envelope of bare text", contentType: "text/plain", body: seal(t, p, sealed), refused: true},
		{name: "data in data", contentType: "application/json", body: `{"data":` + wrapped + `}`, refused: true},
		{name: "sign beside data", contentType: "application/json", body: `{"sign":"x","data":"` + sealed + `"}`, refused: true},
		{name: "Data", contentType: "application/json", body: `{"Data":"` + sealed + `"}`, refused: true},
		{name: "data and DATA", contentType: "application/json", body: `{"data":"` + sealed + `","DATA":1}`, refused: true},
		{name: "data and Sign", contentType: "application/json", body: `{"data":"` + sealed + `","Sign":"x"}`, refused: true},
		{name: "neither", contentType: "application/json", body: `{}`, refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := verify.Message{ContentType: c.contentType, Body: c.body}
			sniffing, err := verify.NewPTS(verify.PTSOptions{Sniff: true})
			require.NoError(t, err)
			for v, wantRefused := range map[*verify.PTS]bool{p.verifier: c.refused || c.sniffOnly, sniffing: c.refused} {
				ev, err := v.Verify(m, p.keys)
				if wantRefused {
					refusedPTS(t, ev, err)
					continue
				}
				require.NoError(t, err)
				assert.True(t, v.Accepts(c.contentType))
				assert.Equal(t, "1001", ev.OrderID)
			}
		})
	}
	assert.False(t, p.verifier.Accepts("text/html"))
	assert.False(t, p.verifier.Accepts(""))
}

func seal(t testing.TB, p *ptsParty, plain string) string {
	t.Helper()
	sealed, err := p.signer.Seal([]byte(plain))
	require.NoError(t, err)
	return string(sealed)
}

// The HMAC of the transaction secret covers envelopes only. A receiver that
// requires it refuses all other callbacks, and checks the HMAC before it decrypts.
func TestPTSTransactionSecret(t *testing.T) {
	p := newPTSParty(t)
	key := loadPTS(t).Keys["rsa2048"]
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		Safecode: p.safecode, PublicKeys: []string{key.PublicPEM}, TransactionSecret: payack.NewSecret(key.TransactionSecret),
	})
	require.NoError(t, err)
	sealed := seal(t, p, p.callback)
	good, err := p.signer.TransactionSignature([]byte(sealed), verify.PTSBase64)
	require.NoError(t, err)
	with := func(contentType, body string, values ...string) verify.Message {
		return verify.Message{ContentType: contentType, Body: body, Header: map[string][]string{verify.PTSTransactionHeader: values}}
	}
	for _, m := range []verify.Message{
		with("text/plain", sealed, good),
		with("application/json", `{"data":"`+sealed+`"}`, good),
	} {
		_, err := p.verifier.Verify(m, keys)
		require.NoError(t, err)
	}
	for name, m := range map[string]verify.Message{
		"missing":           with("text/plain", sealed),
		"empty":             with("text/plain", sealed, ""),
		"twice":             with("text/plain", sealed, good, good),
		"padded with blank": with("text/plain", sealed, good+" "),
		"no padding":        with("text/plain", sealed, strings.TrimRight(good, "=")),
		"no envelope":       with("text/plain", "!", good),
	} {
		ev, err := p.verifier.Verify(m, keys)
		assert.Equal(t, payack.ReasonSignature, refusedPTS(t, ev, err).Reason, name)
	}
	for name, body := range map[string]string{"flat": p.callback, "members in data": `{"data":` + p.callback + `}`} {
		ev, err := p.verifier.Verify(with("application/json", body, good), keys)
		assert.Equal(t, payack.ReasonEnvelope, refusedPTS(t, ev, err).Reason, name)
	}

	// Without a transaction secret, PTSTransactionHeader is ignored.
	_, err = p.verifier.Verify(with("text/plain", sealed, "nonsense"), p.keys)
	require.NoError(t, err)
}

func TestPTSWithoutEnvelopes(t *testing.T) {
	f := loadPTS(t)
	safecode := payack.NewSecret("not an AES key")
	signer, err := verify.NewPTSSigner(verify.PTSSignerConfig{
		Safecode: safecode, NoEnvelopes: true, PrivateKey: payack.NewSecret(f.Keys["rsa2048"].PrivatePEM),
	})
	require.NoError(t, err)
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{
		Safecode: safecode, NoEnvelopes: true, PublicKeys: []string{f.Keys["rsa2048"].PublicPEM},
	})
	require.NoError(t, err)
	_, err = signer.Seal([]byte("{}"))
	require.ErrorContains(t, err, "switched off")
	_, err = signer.Open([]byte("AAAAAAAAAAAAAAAAAAAAAA=="))
	require.ErrorIs(t, err, payack.ErrEnvelope)

	p := newPTSParty(t)
	p.signer, p.keys = signer, keys
	_, err = p.verify(p.signed(t, nil))
	require.NoError(t, err)
	for contentType, body := range map[string]string{"text/plain": "AAAAAAAAAAAAAAAAAAAAAA==", "application/json": `{"data":"AAAAAAAAAAAAAAAAAAAAAA=="}`} {
		ev, err := p.verifier.Verify(verify.Message{ContentType: contentType, Body: body}, keys)
		assert.Equal(t, payack.ReasonEnvelope, refusedPTS(t, ev, err).Reason)
	}
}

func pemOf(t testing.TB, kind string, der []byte, err error) string {
	t.Helper()
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// smallRSAKey returns a key of 512 bits, which the standard library no longer
// makes.
func smallRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	one := big.NewInt(1)
	for {
		p, err := rand.Prime(rand.Reader, 256)
		require.NoError(t, err)
		q, err := rand.Prime(rand.Reader, 256)
		require.NoError(t, err)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(65537), phi)
		if n := new(big.Int).Mul(p, q); d != nil && p.Cmp(q) != 0 && n.BitLen() == 512 {
			return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}, D: d, Primes: []*big.Int{p, q}}
		}
	}
}

func TestPTSConfigurationErrors(t *testing.T) {
	f := loadPTS(t)
	own := f.Keys["rsa2048"]
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	small := smallRSAKey(t)
	ecDER, err := x509.MarshalPKIXPublicKey(&ec.PublicKey)
	ecPublic := pemOf(t, "PUBLIC KEY", ecDER, err)
	ecDER, err = x509.MarshalPKCS8PrivateKey(ec)
	ecPrivate := pemOf(t, "PRIVATE KEY", ecDER, err)
	smallPublic := pemOf(t, "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&small.PublicKey), nil)
	smallPrivate := pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small), nil)
	damaged := pemOf(t, "PUBLIC KEY", []byte("damaged"), nil)

	keys := func(change func(*verify.PTSKeyConfig)) error {
		c := verify.PTSKeyConfig{Safecode: payack.NewSecret(own.Safecode), PublicKeys: []string{own.PublicPEM}}
		change(&c)
		_, err := verify.NewPTSKeys(c)
		return err
	}
	public := func(texts ...string) error {
		return keys(func(c *verify.PTSKeyConfig) { c.PublicKeys = texts })
	}
	signer := func(change func(*verify.PTSSignerConfig)) error {
		c := verify.PTSSignerConfig{Safecode: payack.NewSecret(own.Safecode), PrivateKey: payack.NewSecret(own.PrivatePEM)}
		change(&c)
		_, err := verify.NewPTSSigner(c)
		return err
	}
	private := func(text string) error {
		return signer(func(c *verify.PTSSignerConfig) { c.PrivateKey = payack.NewSecret(text) })
	}
	options := func(o verify.PTSOptions) error {
		_, err := verify.NewPTS(o)
		return err
	}
	require.NoError(t, keys(func(*verify.PTSKeyConfig) {}))
	require.NoError(t, signer(func(*verify.PTSSignerConfig) {}))

	for _, c := range []struct {
		name        string
		err         error
		member, fix string
	}{
		{"empty safecode", keys(func(c *verify.PTSKeyConfig) { c.Safecode = payack.NewSecret("") }), "Safecode", "back office shows it"},
		{"safecode of 31", keys(func(c *verify.PTSKeyConfig) { c.Safecode = payack.NewSecret(own.Safecode[1:]) }), "Safecode", "16, 24 or 32 bytes, or set NoEnvelopes"},
		{"safecode of 15 in hex", keys(func(c *verify.PTSKeyConfig) {
			c.Safecode, c.SafecodeEncoding = payack.NewSecret(own.Safecode[2:]), envelope.PTSHex
		}), "Safecode", "16, 24 or 32 bytes"},
		{"odd hex", keys(func(c *verify.PTSKeyConfig) {
			c.Safecode, c.SafecodeEncoding = payack.NewSecret(own.Safecode[1:]), envelope.PTSHex
		}), "Safecode", `"raw"`},
		{"no hex", keys(func(c *verify.PTSKeyConfig) {
			c.Safecode, c.SafecodeEncoding = payack.NewSecret("zz998abba49ae33a194cb9677b13ecbe"), envelope.PTSHex
		}), "Safecode", `"raw"`},
		{"unknown safecode encoding", keys(func(c *verify.PTSKeyConfig) { c.SafecodeEncoding = "base64" }), "SafecodeEncoding", `choose "raw" or "hex"`},
		{"a user id with a line break", keys(func(c *verify.PTSKeyConfig) { c.UserID = "277\n" }), "UserID", "ends with a line break"},
		{"a variable as user id", keys(func(c *verify.PTSKeyConfig) { c.UserID = "${USER_ID}" }), "UserID", "begins with ${"},
		{"no public key", public(), "PublicKeys", "give PTS's public key as PEM"},
		{"safecode with a line break", keys(func(c *verify.PTSKeyConfig) { c.Safecode = payack.NewSecret(own.Safecode + "\n") }), "Safecode", "ends with a line break"},
		{"safecode with a mark", keys(func(c *verify.PTSKeyConfig) { c.Safecode = payack.NewSecret("\ufeff" + own.Safecode) }), "Safecode", "byte-order mark"},
		{"safecode without envelopes", keys(func(c *verify.PTSKeyConfig) {
			c.NoEnvelopes, c.Safecode = true, payack.NewSecret("${SAFECODE}")
		}), "Safecode", "begins with ${"},
		{"transaction secret with a blank", keys(func(c *verify.PTSKeyConfig) { c.TransactionSecret = payack.NewSecret(own.TransactionSecret + " ") }), "TransactionSecret", "white space"},
		{"a variable as PEM", public("${PUBLIC_KEY}"), "PublicKeys: key 1", "begins with ${"},
		{"empty PEM", public(own.PublicPEM, " \n"), "PublicKeys: key 2", "it is empty"},
		{"PEM behind a mark", public("\ufeff" + own.PublicPEM), "PublicKeys: key 1", "byte-order mark"},
		{"PEM with line breaks as text", public(strings.ReplaceAll(own.PublicPEM, "\n", `\n`)), "PublicKeys: key 1", `written as \n`},
		{"PEM in quotes with line breaks as text", public(`"` + strings.ReplaceAll(own.PublicPEM, "\n", `\n`) + `"`), "PublicKeys: key 1", `written as \n`},
		{"PEM on one line", public(strings.ReplaceAll(own.PublicPEM, "\n", " ")), "PublicKeys: key 1", "line breaks are lost"},
		{"PEM with an invisible character", public(strings.Replace(own.PublicPEM, "MII", "M\u200bII", 1)), "PublicKeys: key 1", "copy it again"},
		{"PEM and something behind", public(own.PublicPEM + "x"), "PublicKeys: key 1", "something after"},
		{"a damaged block before a good one", public(strings.Replace(own.PublicPEM, "MII", "!", 1) + own.PublicPEM), "PublicKeys: key 1", "more than one PEM block"},
		{"an encrypted key as public", public(pemOf(t, "ENCRYPTED PRIVATE KEY", []byte{0x30, 0}, nil)), "PublicKeys: key 1", "encrypted"},
		{"no PEM", public(own.Safecode), "PublicKeys: key 1", "-----BEGIN"},
		{"a file's name", public("pts-public.pem"), "PublicKeys: key 1", "-----BEGIN; give the file's content, not its name"},
		{"a file's path", public("/etc/shop/pts public.key.pem"), "PublicKeys: key 1", "give the file's content, not its name"},
		{"a long text with a dot", public(own.PublicPEM, strings.Repeat("x.", 200)), "PublicKeys: key 2", "it is no PEM; it begins with -----BEGIN"},
		{"two lines with a dot", public("a.b\nc.d"), "PublicKeys: key 1", "it is no PEM; it begins with -----BEGIN"},
		{"signer: a file's name", private("merchant-private.pem"), "PrivateKey", "give the file's content, not its name"},
		{"base64 without PEM lines", public(pemLine(own.PublicPEM)), "PublicKeys: key 1", "-----BEGIN"},
		{"private key as public", public(own.PrivatePEM), "PublicKeys: key 1", "give PTS's PUBLIC KEY or RSA PUBLIC KEY"},
		{"private PKCS#1 key as public", public(own.PrivatePEMPKCS1), "PublicKeys: key 1", "give PTS's PUBLIC KEY or RSA PUBLIC KEY"},
		{"certificate", public(pemOf(t, "CERTIFICATE", []byte{0x30, 0}, nil)), "PublicKeys: key 1", "give PTS's PUBLIC KEY or RSA PUBLIC KEY"},
		{"EC key", public(ecPublic), "PublicKeys: key 1", "not of RSA"},
		{"damaged", public(own.PublicPEM, damaged), "PublicKeys: key 2", "copy it again"},
		{"512 bits", public(own.PublicPEM, smallPublic), "PublicKeys: key 2", "at least 1024"},
		{"two blocks", public(own.PublicPEM + own.PublicPEMPKCS1), "PublicKeys: key 1", "give each key its own entry"},
		{"public and private in one", public(own.PublicPEM + own.PrivatePEM), "PublicKeys: key 1", "give each key its own entry"},
		{"transaction secret without envelopes", keys(func(c *verify.PTSKeyConfig) {
			c.NoEnvelopes, c.TransactionSecret = true, payack.NewSecret(own.TransactionSecret)
		}), "TransactionSecret", "leave one of the two out"},

		{"signer: empty safecode", signer(func(c *verify.PTSSignerConfig) { c.Safecode = payack.Secret{} }), "Safecode", "back office shows it"},
		{"signer: safecode of 31", signer(func(c *verify.PTSSignerConfig) { c.Safecode = payack.NewSecret(own.Safecode[1:]) }), "Safecode", "16, 24 or 32 bytes"},
		{"signer: no key", private(""), "PrivateKey", "-----BEGIN"},
		{"signer: an encrypted key", private(pemOf(t, "ENCRYPTED PRIVATE KEY", []byte{0x30, 0}, nil)), "PrivateKey", "openssl pkey"},
		{"signer: an encrypted key, PKCS#1", private(strings.Replace(own.PrivatePEMPKCS1, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1)), "PrivateKey", "openssl pkey"},
		{"signer: line breaks as text", private(strings.ReplaceAll(own.PrivatePEM, "\n", `\n`)), "PrivateKey", `written as \n`},
		{"signer: safecode with a blank", signer(func(c *verify.PTSSignerConfig) { c.Safecode = payack.NewSecret(" " + own.Safecode) }), "Safecode", "white space"},
		{"signer: public key", private(own.PublicPEM), "PrivateKey", "give PRIVATE KEY or RSA PRIVATE KEY"},
		{"signer: EC key", private(ecPrivate), "PrivateKey", "not of RSA"},
		{"signer: 512 bits", private(smallPrivate), "PrivateKey", "at least 1024"},
		{"signer: damaged", private(pemOf(t, "PRIVATE KEY", []byte("damaged"), nil)), "PrivateKey", "copy it again"},
		{"signer: two blocks", private(own.PrivatePEM + own.PrivatePEM), "PrivateKey", "more than one PEM block"},

		{"unknown scheme", options(verify.PTSOptions{Numbers: []payack.Scheme{payack.SchemeLiteral, "perl"}}), "Numbers", "choose from literal, php"},
		{"another provider's scheme", options(verify.PTSOptions{Numbers: []payack.Scheme{payack.SchemeHeader}}), "Numbers", "choose from literal, php"},
		{"unknown header encoding", options(verify.PTSOptions{TransactionSignature: "HEX"}), "TransactionSignature", `choose "base64" or "hex"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Error(t, c.err)
			text := c.err.Error()
			assert.True(t, strings.HasPrefix(text, "payack: "+c.member+":"), text)
			assert.Contains(t, text, c.fix)
			assertTellsNothing(t, c.err, append(secretsOfPTS(f, &vectors.Vector{KeyID: "rsa2048"}), own.Safecode[1:], own.Safecode[2:], "zz998abba49"))
		})
	}

	// White space around a PEM and CRLF in it are accepted.
	for _, text := range []string{own.PublicPEM + "\n\n", "\r\n " + own.PublicPEM, strings.ReplaceAll(own.PublicPEM, "\n", "\r\n"), strings.TrimSpace(own.PublicPEM), "Key of PTS\n" + own.PublicPEM} {
		require.NoError(t, public(text), "%q", text[:20])
	}

	// A missing transaction secret and an unknown encoding are errors.
	s, err := verify.NewPTSSigner(verify.PTSSignerConfig{Safecode: payack.NewSecret(own.Safecode), PrivateKey: payack.NewSecret(own.PrivatePEM)})
	require.NoError(t, err)
	_, err = s.TransactionSignature([]byte("x"), verify.PTSBase64)
	require.ErrorContains(t, err, "TransactionSecret: it is empty")
	_, err = newPTSParty(t).signer.TransactionSignature([]byte("x"), "HEX")
	require.ErrorContains(t, err, `choose "base64" or "hex"`)
}

// assertPrintsNoSecret prints a value with each verb, and fails the test if the result
// contains a secret's text, bytes or hex digits.
func assertPrintsNoSecret(t testing.TB, name string, value any, secrets ...string) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		text := fmt.Sprintf(verb, value)
		for _, secret := range secrets {
			decimal := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))), decimal} {
				if strings.Contains(text, form) {
					t.Errorf("%s shows a secret under %s", name, verb)
				}
			}
		}
	}
	if text, err := json.Marshal(value); err == nil {
		for _, secret := range secrets {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s shows a secret in JSON", name)
			}
		}
	}
}

func TestPTSNothingPrintsASecret(t *testing.T) {
	f := loadPTS(t)
	own := f.Keys["rsa2048"]
	kc := verify.PTSKeyConfig{
		Safecode: payack.NewSecret(own.Safecode), TransactionSecret: payack.NewSecret(own.TransactionSecret), PublicKeys: []string{own.PublicPEM},
	}
	sc := verify.PTSSignerConfig{
		Safecode: kc.Safecode, TransactionSecret: kc.TransactionSecret, PrivateKey: payack.NewSecret(own.PrivatePEM),
	}
	keys, err := verify.NewPTSKeys(kc)
	require.NoError(t, err)
	signer, err := verify.NewPTSSigner(sc)
	require.NoError(t, err)
	block, _ := pem.Decode([]byte(own.PrivatePEM))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	secrets := []string{own.Safecode, own.TransactionSecret, pemLine(own.PrivatePEM), parsed.(*rsa.PrivateKey).D.String(), parsed.(*rsa.PrivateKey).D.Text(16)}
	for name, value := range map[string]any{
		"PTSKeyConfig": kc, "*PTSKeyConfig": &kc, "PTSSignerConfig": sc, "*PTSSignerConfig": &sc,
		"*PTSKeys": keys, "PTSKeys": *keys, "*PTSSigner": signer, "PTSSigner": *signer,
		"a struct that holds them": struct {
			K *verify.PTSKeys
			S verify.PTSSigner
		}{keys, *signer},
	} {
		assertPrintsNoSecret(t, name, value, secrets...)
	}
}

// A later change of the caller's lists changes neither the verifier nor the keys.
func TestPTSKeysKeepNothingOfTheConfiguration(t *testing.T) {
	p := newPTSParty(t)
	f := loadPTS(t)
	schemes := []payack.Scheme{payack.SchemePHP}
	publicKeys := []string{f.Keys["rsa2048"].PublicPEM}
	v, err := verify.NewPTS(verify.PTSOptions{Numbers: schemes})
	require.NoError(t, err)
	keys, err := verify.NewPTSKeys(verify.PTSKeyConfig{Safecode: p.safecode, PublicKeys: publicKeys})
	require.NoError(t, err)
	schemes[0], publicKeys[0] = payack.SchemeLiteral, f.Keys["rsa1024"].PublicPEM
	body := p.signed(t, map[string]string{"submit_amount": "100.5", "accept_amount": "99"})
	_, err = v.Verify(verify.Message{ContentType: "application/json", Body: body}, keys)
	require.NoError(t, err)
}

func TestPTSConcurrentUse(t *testing.T) {
	p := newPTSParty(t)
	sealed := seal(t, p, p.callback)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				ev, err := p.verify(p.callback)
				if !assert.NoError(t, err) || !assert.Equal(t, "1001", ev.OrderID) {
					return
				}
				_, err = p.verifier.Verify(verify.Message{ContentType: "text/plain", Body: sealed}, p.keys)
				assert.NoError(t, err)
				ev, err = p.verify(p.callback[:len(p.callback)-8])
				assert.Error(t, err)
				assert.Nil(t, ev)
			}
		})
	}
	wg.Wait()
}

// raceDetectorOn reports whether the test was built with -race, which changes the
// number of allocations.
func raceDetectorOn() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// assertAllocations fails the test if a verification allocates more often than the
// bound.
func assertAllocations(t *testing.T, most float64, verification func() error) {
	t.Helper()
	if raceDetectorOn() {
		t.Skip("allocations are not counted with -race")
	}
	require.NoError(t, verification())
	got := testing.AllocsPerRun(200, func() { _ = verification() })
	assert.LessOrEqual(t, got, most)
	t.Logf("%.0f allocations", got)
}

func TestPTSAllocations(t *testing.T) {
	p := newPTSParty(t)
	sealed := seal(t, p, p.callback)
	t.Run("flat", func(t *testing.T) {
		m := verify.Message{ContentType: "application/json", Body: p.callback}
		assertAllocations(t, 14, func() error { _, err := p.verifier.Verify(m, p.keys); return err })
	})
	t.Run("sealed", func(t *testing.T) {
		m := verify.Message{ContentType: "text/plain", Body: sealed}
		assertAllocations(t, 16, func() error { _, err := p.verifier.Verify(m, p.keys); return err })
	})
}

// Only & with a signed name and = is a border. A text that resembles a border is
// signed unchanged.
func TestPTSBorders(t *testing.T) {
	p := newPTSParty(t)
	for value, border := range map[string]bool{
		"&user_id=": true, "1&user_id=2": true, "=&timestamp=": true, "&x=&user_id=1": true, "&&user_id=": true,
		"user_id=": false, "=user_id=": false, "=user_id=&": false, "&user_id": false, "&xuser_id=": false, "&user_idx=": false, "&": false, "=": false, "": false,
	} {
		_, err := p.signer.SignedText(verify.PTSBalance, map[string]string{"timestamp": value, "user_id": "277"})
		assert.Equal(t, border, err != nil, "%q: %v", value, err)
	}
}

// A content type may be at most 256 bytes long.
func TestContentTypesAreBounded(t *testing.T) {
	v := newPayatom(t, verify.PayatomOptions{})
	long := "application/json;" + strings.Repeat(" ", 256-len("application/json;charset=utf-8")) + "charset=utf-8"
	assert.True(t, v.Accepts(long))
	assert.False(t, v.Accepts("application/json; "+strings.TrimPrefix(long, "application/json;")))
}
