package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/internal/vectors"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/verify"
)

// changedVerdicts are the vectors that get another verdict here, because of a rule of
// this project or of net/http. why names the cause.
var changedVerdicts = map[string]struct {
	outcome payack.Outcome
	reason  payack.Reason
	why     string
}{
	"ptop-pub-php-078-form-query-array": {payack.OutcomeRejected, payack.ReasonMalformed,
		"must_accept: form-rebuilt takes no brackets in names, of which PHP makes arrays"},
	"ptop-pub-php-030-unset-big-int": {payack.OutcomeRejected, payack.ReasonSignature,
		"must_accept: PHP rounds integers beyond 64 bits, so reencoded refuses them"},
	"pts-pub-php-067-random-16": {payack.OutcomeRejected, payack.ReasonInvalid,
		"must_accept: status 2000 says paid, and accept_amount is 0"},
	"pts-pub-php-074-random-23": {payack.OutcomeRejected, payack.ReasonInvalid,
		"must_accept: status 2000 says paid, and accept_amount is 0"},
	"pts-pub-node-003-string-json128": {payack.OutcomeRejected, payack.ReasonInvalid,
		"must_accept: status 2000 says paid, and accept_amount is 0"},
	"pts-pub-python-007-random-0": {payack.OutcomeRejected, payack.ReasonInvalid,
		"must_accept: status 2000 says paid, and accept_amount is below 0"},
	"payatom-pub-php-036-order-id-len-64": {payack.OutcomeRejected, payack.ReasonInvalid,
		"must_accept: MD5 has blocks of 64 bytes, so an order_id that fills one may share its hash with another"},
	"payatom-pub-php-065-random-12": {payack.OutcomeRejected, payack.ReasonInvalid,
		"must_accept: Late Approved says paid, and received_amount is 0"},
	"payatom-pub-php-134-case-variant-kelvin": {payack.OutcomeAccepted, "",
		"policy_reject: what differs by case folding from a name that is not signed is an unknown member like any other"},
	"ptop-pub-php-219-sig-enc-blank": {payack.OutcomeAccepted, "",
		"policy_reject: HTTP trims the blank at the end of a header before anybody sees it"},
}

// signedInstead are the vectors in which PHP signed another value than the literal,
// because PHP writes only 14 digits. The event shows the signed text, and keeps the
// literal, too.
var signedInstead = map[string]map[string]string{
	"pts-pub-php-014-grid-php_float-text_aes256_ascii":     {"submit_amount": "123456789.12346", "accept_amount": "123456789.12346"},
	"pts-pub-php-018-grid-php_float-wrapped":               {"accept_amount": "0.3"},
	"pts-pub-php-047-phpfloat-big-int":                     {"accept_amount": "9.2233720368548E+19"},
	"pts-pub-php-048-phpfloat-php-json":                    {"exchange_rate": "0.33333333333333"},
	"pts-pub-php-061-random-10":                            {"submit_amount": "20387726.103445"},
	"pts-pub-php-062-random-11":                            {"accept_amount": "-6.429472952149E+16"},
	"pts-pub-php-068-random-17":                            {"submit_amount": "4.4572917181329E+14"},
	"pts-pub-php-073-random-22":                            {"submit_amount": "98142666673299", "accept_amount": "79684168715833"},
	"pts-pub-php-079-random-28":                            {"exchange_rate": "3.8660917290228E+16"},
	"pts-pub-python-002-phpfloat-15-digits":                {"submit_amount": "123456789.98765"},
	"pts-pub-python-012-random-5":                          {"accept_amount": "-918570296025.04"},
	"payatom-pub-php-027-num-phpfloat-123456789.123456":    {"received_amount": "123456789.12346"},
	"payatom-pub-php-029-num-phpfloat-0.30000000000000004": {"received_amount": "0.3"},
}

// sameValueOtherText are vectors in which a signed literal is replaced by another
// spelling of the same number. A receiver that also tries PHP's spelling accepts them,
// because PHP would have signed the same text. So these vectors need a receiver that
// tries the literal only.
var sameValueOtherText = []string{
	"pts-pub-php-196-tamper-submit_amount",
	"pts-pub-php-198-tamper-accept_amount",
	"pts-pub-php-199-tamper-exchange_rate",
}

// undetectableByAmount is a forgery that fits the merchant's orders. Only Confirm
// detects it, unless the receiver remembers the genuine webhook's hash.
const undetectableByAmount = "payatom-pub-php-211-shift-worst-case"

func TestVectorsThroughHandlers(t *testing.T) {
	want := map[string]map[string]int{
		"ptop": {
			"webhook must_accept: accepted": 111, "webhook must_accept: changed": 2,
			"webhook must_reject: rejected": 136, "webhook must_reject: refused": 1,
			"webhook policy_reject: rejected": 61, "webhook policy_reject: refused": 12, "webhook policy_reject: changed": 1,
			"not for a receiver": 24,
		},
		"pts": {
			"callback must_accept: accepted": 121, "callback must_accept: changed": 4,
			"callback must_reject: rejected":  100,
			"callback policy_reject: refused": 10, "callback policy_reject: rejected": 58,
			"callback record_reject: rejected": 2,
		},
		"payatom": {
			"webhook must_accept: accepted": 100, "webhook must_accept: invalid": 29, "webhook must_accept: changed": 2,
			"webhook must_reject: rejected":  59,
			"webhook policy_reject: refused": 14, "webhook policy_reject: rejected": 42, "webhook policy_reject: changed": 1,
			"webhook record_reject: rejected": 11,
			"not for a receiver":              6,
		},
	}
	total := 0
	names := map[string]bool{}
	for _, provider := range providers.All {
		t.Run(string(provider), func(t *testing.T) {
			f, err := vectors.Load(string(provider))
			require.NoError(t, err)
			require.Len(t, f.Vectors, vectors.Counts[string(provider)])
			responses := loadResponses(t, provider)
			server := NewServer(t)
			counts := map[string]int{}
			for i := range f.Vectors {
				v := &f.Vectors[i]
				total++
				names[v.Name] = true
				if v.Kind != "webhook" && v.Kind != "callback" {
					assert.Contains(t, []string{"polling_request", "polling_response", "payout_request"}, v.Kind)
					counts["not for a receiver"]++
					continue
				}
				t.Run(v.Name, func(t *testing.T) {
					result := runVector(t, f, v, server, responses[v.Name])
					counts[v.Kind+" "+v.Verdict+": "+result]++
				})
			}
			assert.Equal(t, want[string(provider)], counts)
			sum := 0
			for _, n := range counts {
				sum += n
			}
			assert.Equal(t, vectors.Counts[string(provider)], sum)
		})
	}
	assert.Equal(t, 907, total)
	for name := range changedVerdicts {
		assert.True(t, names[name], name)
	}
	for name := range signedInstead {
		assert.True(t, names[name], name)
	}
}

// runVector delivers one vector over HTTP to a new receiver, configured as the vector
// requires, and returns the result.
func runVector(t *testing.T, f *vectors.File, v *vectors.Vector, server *Server, response recordedResponse) string {
	provider := payack.Provider(f.Provider)
	w := &Watch{}
	var calls []payack.Event
	h := receiverOf(t, f, v, w.Options(), func(_ context.Context, ev payack.Event) error {
		calls = append(calls, ev)
		return nil
	})
	body, err := v.Request.Body()
	require.NoError(t, err)
	defer assertLogTellsNothing(t, w, f, body)

	if v.Name == undetectableByAmount {
		// The genuine webhook, which has the same hash as the forgery, comes first.
		first := bytes.Replace(body, []byte(`"order_id":"2024112000"`), []byte(`"order_id":"20241120001"`), 1)
		first = bytes.Replace(first, []byte(`"received_amount":"1500"`), []byte(`"received_amount":"500"`), 1)
		AssertContract(t, provider, payack.OutcomeAccepted, "", sendVector(t, server, h, v, first))
		require.Len(t, calls, 1)
		calls = nil
	}
	got := sendVector(t, server, h, v, body)
	o := w.Last(t)
	AssertContract(t, provider, o.Outcome, o.Reason, got)

	// A delivery has an event if and only if it verified, whatever its outcome.
	verified := o.Outcome == payack.OutcomeAccepted || o.Reason.AfterVerified()
	assert.Equal(t, verified, o.EventID != "", "%v", o.Err)
	assert.Equal(t, verified, o.Delivery.Event != nil, "%v", o.Err)

	rule, changed := changedVerdicts[v.Name]
	notPlain := v.Verdict == vectors.MustAccept && provider == payack.Payatom && !plainDecimal(v)
	switch {
	case changed:
		assert.Equal(t, rule.outcome, o.Outcome, rule.why)
		assert.Equal(t, rule.reason, o.Reason, rule.why)
		assert.Equal(t, rule.outcome == payack.OutcomeAccepted, len(calls) == 1, rule.why)
		return "changed"
	case notPlain:
		// These callbacks verify, but their amounts break Payatom's grammar. The
		// receiver checks the grammar as a defence against moved borders.
		assert.Equal(t, payack.ReasonInvalid, o.Reason)
		assert.Empty(t, calls)
		return "invalid"
	case v.Verdict == vectors.MustAccept:
		require.Equal(t, payack.OutcomeAccepted, o.Outcome, "%v", o.Err)
		require.Len(t, calls, 1)
		assertMembers(t, v, calls[0])
		assert.Equal(t, calls[0].ID(), o.EventID)
		assert.Equal(t, string(body), o.Delivery.Body)
		if response.Status != 0 {
			assert.Equal(t, response.Status, got.Status)
		}
		if response.Body != "" {
			assert.Equal(t, response.Body, got.Body)
			assert.Equal(t, response.ContentType, got.Header.Get("Content-Type"))
		}
		again := sendVector(t, server, h, v, body)
		AssertContract(t, provider, payack.OutcomeDuplicate, "", again)
		assert.Equal(t, payack.OutcomeDuplicate, w.Last(t).Outcome)
		assert.Len(t, calls, 1, "a redelivery must not be processed again")
		return "accepted"
	}
	assert.Empty(t, calls, "a refused callback must not be processed")
	require.Contains(t, ClosedSet, o.Reason)
	assert.Equal(t, ClosedSet[o.Reason], o.Outcome)
	assert.Contains(t, []payack.Outcome{payack.OutcomeRejected, payack.OutcomeRefused}, o.Outcome)
	require.Error(t, o.Err)
	if v.Name == undetectableByAmount {
		assert.Equal(t, payack.ReasonSpliced, o.Reason)
		assertConfirmCatches(t, f, v, server, body)
	}
	return string(o.Outcome)
}

// assertConfirmCatches checks that Confirm rejects the forged webhook, even if the
// forged webhook comes before the genuine one.
func assertConfirmCatches(t *testing.T, f *vectors.File, v *vectors.Vector, server *Server, body []byte) {
	t.Helper()
	w := &Watch{}
	h, err := handlers.NewPayatom(middleware.PayatomConfig{
		SecretKeys: payack.Secrets(f.Keys[v.KeyID].SecretKey),
		Confirm: func(_ context.Context, ev *payack.PayatomEvent) (*payack.Confirmation, error) {
			if ev.OrderID == "20241120001" && ev.ReceivedAmount.String() == "500" {
				return &payack.Confirmation{Paid: true}, nil
			}
			return nil, payack.ErrUnconfirmed
		},
		Options: w.Options(),
	}, func(context.Context, *payack.PayatomEvent) error { return nil })
	require.NoError(t, err)
	AssertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonUnconfirmed, sendVector(t, server, h, v, body))
	assert.Equal(t, payack.ReasonUnconfirmed, w.Last(t).Reason)
}

// receiverOf returns a receiver that is configured as a vector requires.
func receiverOf(t *testing.T, f *vectors.File, v *vectors.Vector, o middleware.Options, fn func(context.Context, payack.Event) error) http.Handler {
	t.Helper()
	key := f.Keys[v.KeyID]
	var h http.Handler
	var err error
	switch payack.Provider(f.Provider) {
	case payack.Ptop:
		c := middleware.PtopConfig{SigningKeys: payack.Secrets(key.TheSignature), ConfirmInCallback: true, Options: o}
		if v.IsForm() {
			c.Body = verify.BodyForm
		}
		if name, found := strings.CutPrefix(v.Dim("signature_at"), "header:"); found {
			c.SignatureHeaders = []string{name}
		}
		if v.Class == "flavour_confusion" || v.Class == "reformatted_body" {
			c.Schemes = []payack.Scheme{schemeOf(v.Flavour)}
		}
		h, err = handlers.NewPtop(c, func(ctx context.Context, ev *payack.PtopEvent) error { return fn(ctx, ev) })
	case payack.PTS:
		c := middleware.PTSConfig{Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}, Options: o}
		if strings.HasSuffix(v.Dim("envelope"), "_aes128_hex") {
			c.SafecodeEncoding = envelope.PTSHex
		}
		if encoding := v.Dim("xsig"); encoding != "none" {
			c.TransactionSecret = payack.NewSecret(key.TransactionSecret)
			c.TransactionSignature = verify.PTSSignatureEncoding(encoding)
		}
		if slices.Contains(sameValueOtherText, v.Name) {
			c.Numbers = []payack.Scheme{payack.SchemeLiteral}
		}
		h, err = handlers.NewPTS(c, func(ctx context.Context, ev *payack.PTSEvent) error { return fn(ctx, ev) })
	case payack.Payatom:
		// A vector that must be refused has to fail in verification. So the receiver for
		// such a vector compares no orders, unless the vector lists known orders.
		c := middleware.PayatomConfig{SecretKeys: payack.Secrets(key.SecretKey), ExpectInCallback: true, Options: o}
		orders := v.Context.KnownOrders
		if v.Verdict == vectors.MustAccept {
			orders = map[string]string{}
			amount := ""
			if given := v.Expect["received_amount"]; given != nil {
				amount = *given
			}
			if signed, found := signedInstead[v.Name]["received_amount"]; found {
				amount = signed
			}
			orders[*v.Expect["order_id"]] = amount
		}
		if orders != nil {
			c.ExpectInCallback = false
			c.Expect = func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
				amount, found := orders[ev.OrderID]
				return payack.Expectation{Found: found, Amount: payack.NewAmount(amount)}, nil
			}
		}
		h, err = handlers.NewPayatom(c, func(ctx context.Context, ev *payack.PayatomEvent) error { return fn(ctx, ev) })
	}
	require.NoError(t, err)
	return h
}

func schemeOf(flavour string) payack.Scheme {
	for prefix, scheme := range map[string]payack.Scheme{
		"header": payack.SchemeHeader, "php_unset": payack.SchemeReencoded, "splice_": payack.SchemeSpliced,
		"emptied_": payack.SchemeBlanked, "form_raw_": payack.SchemeForm, "form_build_query": payack.SchemeFormRebuilt,
	} {
		if strings.HasPrefix(flavour, prefix) {
			return scheme
		}
	}
	return ""
}

var plain = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// plainDecimal reports whether a vector's amount follows Payatom's grammar. It is
// written independently of the code under test.
func plainDecimal(v *vectors.Vector) bool {
	amount, status := v.Expect["received_amount"], *v.Expect["status"]
	if amount == nil || *amount == "" {
		return status == "Pending" || status == "Declined" || status == "User Timed Out" || strings.HasPrefix(status, "No Matching")
	}
	return plain.MatchString(*amount) && len(strings.Replace(*amount, ".", "", 1)) <= 18
}

// sendVector delivers a vector over a real connection.
func sendVector(t *testing.T, server *Server, h http.Handler, v *vectors.Vector, body []byte) Answer {
	t.Helper()
	got := server.Send(t, h, Message{v.Request.Method, "/?" + v.Request.Query, v.Request.Header(), string(body)})
	if v.Request.Method == http.MethodHead {
		_, _, got.Body = Contract(payack.Payatom, payack.OutcomeRefused, payack.ReasonMethod) // the answer to HEAD has no body
	}
	return got
}

type recordedResponse struct {
	Status      int
	ContentType string `json:"content_type"`
	Body        string
}

// loadResponses returns the answers in the vectors.
func loadResponses(t *testing.T, p payack.Provider) map[string]recordedResponse {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", string(p)+".json"))
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			Name     string
			Response recordedResponse
		}
	}
	require.NoError(t, json.Unmarshal(b, &file))
	out := map[string]recordedResponse{}
	for _, v := range file.Vectors {
		out[v.Name] = v.Response
	}
	return out
}

// assertMembers compares the members in an event's JSON form with those that a vector
// expects.
func assertMembers(t *testing.T, v *vectors.Vector, ev payack.Event) {
	t.Helper()
	b, err := json.Marshal(ev)
	require.NoError(t, err)
	var form map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &form))
	got := map[string]*string{}
	flatten(t, got, form)
	rest := map[string]*string{}
	for name, text := range got {
		rest[name] = text
	}
	for name, want := range v.Expect {
		switch {
		case name == "md5": // the MD5 of the signed text; events don't have it
			continue
		case name == "sign" || name == "signature":
			assert.Equal(t, *want, ev.VerifiedBy().Signature)
			continue
		case strings.HasPrefix(name, "refund_info."):
			assert.Equal(t, *want, refundMember(t, ev, strings.TrimPrefix(name, "refund_info.")), name)
			continue
		case name == "success" && *want == "1":
			s := "true"
			want = &s
		}
		if amount, found := SignedAmounts(ev)[name]; found && want != nil {
			assert.Equal(t, *want, amount.Literal(), name)
		}
		if signed, found := signedInstead[v.Name][name]; found {
			want = &signed
		}
		text, found := got[name]
		if assert.True(t, found, "%s is missing", name) {
			assert.Equal(t, want, text, name)
		}
		delete(rest, name)
	}
	if _, given := v.Expect["refund_info"]; !given { // refund_info was compared by its members
		delete(rest, "refund_info")
	}
	for name := range rest { // some unknown members are left out of expect
		assert.Contains(t, extraOf(ev), name, "was not sent")
	}
}

func extraOf(ev payack.Event) map[string]payack.Text {
	switch ev := ev.(type) {
	case *payack.PtopEvent:
		return ev.Extra
	case *payack.PTSEvent:
		return ev.Unsigned.Extra
	case *payack.PayatomEvent:
		return ev.Unsigned.Extra
	}
	return nil
}

func flatten(t *testing.T, dst map[string]*string, members map[string]json.RawMessage) {
	t.Helper()
	for name, raw := range members {
		var text *string
		var nested map[string]json.RawMessage
		switch {
		case (name == "unsigned" || name == "extra") && json.Unmarshal(raw, &nested) == nil:
			flatten(t, dst, nested)
		case json.Unmarshal(raw, &text) == nil:
			dst[name] = text
		default: // the member success of Ptop's event is a boolean
			s := string(raw)
			dst[name] = &s
		}
	}
}

func refundMember(t *testing.T, ev payack.Event, name string) string {
	t.Helper()
	refund, ok := ev.(*payack.PayatomEvent).Unsigned.Refund()
	require.True(t, ok)
	texts := map[string]string{
		"refunded_upi": refund.RefundedUPI.String(), "refund_amount": refund.Amount.String(),
		"refund_initiated_time": refund.InitiatedTime.String(), "refund_completed_time": refund.CompletedTime.String(),
		"refund_status": refund.Status.String(), "refund_notes": refund.Notes.String(),
	}
	require.Contains(t, texts, name)
	return texts[name]
}

var (
	stringInBody = regexp.MustCompile(`"([^"\\\r\n]{8,})"`)
	memberName   = regexp.MustCompile(`^[a-z_]+$`)
)

// assertLogTellsNothing searches a vector's log for keys, and for texts of the body. The
// field event_id may have texts of the body.
func assertLogTellsNothing(t *testing.T, w *Watch, f *vectors.File, body []byte) {
	t.Helper()
	w.mu.Lock()
	text := w.log.String()
	w.mu.Unlock()
	for _, key := range f.Keys {
		for _, secret := range []string{key.TheSignature, key.Safecode, key.TransactionSecret, key.SecretKey} {
			if secret != "" {
				assert.NotContains(t, text, secret, "the log holds a secret")
			}
		}
		for _, pem := range []string{key.PrivatePEM, key.PublicPEM} {
			if pem != "" {
				assert.NotContains(t, text, strings.Split(pem, "\n")[1], "the log holds a key")
			}
		}
	}
	deliveries := 0
	for _, line := range w.Lines(t) {
		if strings.HasPrefix(line["msg"].(string), "payack: callback ") {
			deliveries++
		}
		delete(line, "event_id")
		delete(line, "time")
		b, err := json.Marshal(line)
		require.NoError(t, err)
		for _, m := range stringInBody.FindAllSubmatch(body[:min(len(body), 64<<10)], -1) {
			if value := string(m[1]); !memberName.MatchString(value) { // an error may name the member
				assert.NotContains(t, string(b), value, "the log holds a text of the body")
			}
		}
	}
	assert.Equal(t, w.Count(), deliveries, "one line for each delivery")
}
