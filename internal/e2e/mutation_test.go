package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
	"github.com/payack/payack/verify"
)

// The kinds of change after which a callback is still accepted. They are harmless:
// the signed text, and with it the identity, stays the same.
const (
	// A byte of a member that the provider does not sign. The event has the member
	// under Unsigned, or not at all (code and message of the object around data).
	hostileUnsigned = "unsigned member"
	// White space between members of a JSON object. If the whole body is signed, only
	// white space beside the signature that is cut out may change. Under the scheme
	// reencoded, all of it may.
	hostileSpace = "white space"
	// Another JSON or percent escape for the same text: \/ for /, %2b for %2B.
	hostileText = "spelling of a text"
	// Another literal of the same number, if the signed text is PHP's spelling of it.
	hostileNumber = "spelling of a number"
	// && in a form, which all readers treat as &.
	hostilePair = "empty pair"
	// A header that the receiver ignores.
	hostileHeader = "header that does not count"
)

// hostileStore is a store that is cleared before each delivery.
type hostileStore struct{ payack.Store }

func (s *hostileStore) forget() { s.Store = memstore.New(8) }

// Home is empty, because this store is replaced before each delivery and never shared.
func (s *hostileStore) Home() string { return "" }

// hostileSubject is a receiver with one valid delivery for it.
type hostileSubject struct {
	provider payack.Provider
	valid    Message
	// header names the header with the signature; empty if there is none.
	header string
	build  func(o middleware.Options, fn func(payack.Event) error) (http.Handler, error)
	// signed names the members that the signature covers; nil means all of them.
	signed []string
}

// hostileEach calls fn with every text that differs in one byte. The byte's lowest or
// highest bit is flipped, its case is changed, or it is left out or doubled.
func hostileEach(text string, fn func(op string, at int, mutant string)) {
	for i := range len(text) {
		flip := func(bit byte) string {
			b := []byte(text)
			b[i] ^= bit
			return string(b)
		}
		fn("flip", i, flip(0x01))
		fn("flip", i, flip(0x80))
		if c := text[i] | 0x20; 'a' <= c && c <= 'z' {
			fn("flip", i, flip(0x20))
		}
		fn("delete", i, text[:i]+text[i+1:])
		fn("double", i, text[:i+1]+text[i:])
	}
}

// hostileResult is the result of one delivery.
type hostileResult struct {
	answer  Answer
	outcome payack.Outcome
	reason  payack.Reason
	event   payack.Event
	calls   int
}

// hostileReceiver returns a function that delivers to a receiver. The receiver's store
// is cleared before each delivery.
func hostileReceiver(t testing.TB, s hostileSubject) func(m Message) hostileResult {
	t.Helper()
	store := &hostileStore{}
	store.forget()
	var last hostileResult
	w := &Watch{}
	o := w.Options()
	o.Store = store
	o.Observer = payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { last.outcome, last.reason = o.Outcome, o.Reason })
	h, err := s.build(o, func(ev payack.Event) error {
		last.event = ev
		last.calls++
		return nil
	})
	require.NoError(t, err)
	return func(m Message) hostileResult {
		store.forget()
		last = hostileResult{}
		got := Send(h, m)
		last.answer = got
		return last
	}
}

// TestMutations changes every byte of one valid delivery of each shape and scheme. A
// changed delivery may be accepted only if everything that was signed is unchanged.
// The test counts the accepted ones by kind.
func TestMutations(t *testing.T) {
	for _, row := range hostileRows(t) {
		t.Run(row.name, func(t *testing.T) {
			s := row.subject
			deliver := hostileReceiver(t, s)
			genuine := deliver(s.valid)
			require.Equal(t, payack.OutcomeAccepted, genuine.outcome, "%s: %s", genuine.reason, s.valid.Body)
			want := hostileCovered(genuine.event)

			accepted := map[string]int{}
			tried := 0
			check := func(where, op string, at int, m Message) {
				got := deliver(m)
				tried++
				AssertContract(t, s.provider, got.outcome, got.reason, got.answer)
				if got.calls == 0 {
					assert.Equal(t, payack.OutcomeRejected, got.outcome, "%s %s %d", where, op, at)
					return
				}
				assert.Equal(t, payack.OutcomeAccepted, got.outcome)
				assert.Equal(t, 1, got.calls)
				if !assert.Equal(t, want, hostileCovered(got.event), "%s %s %d: %s", where, op, at, m.Body) {
					return
				}
				kind := hostileHeader
				if where == "body" {
					kind = s.kindOf(op, at)
				}
				if kind == "" {
					assert.Fail(t, "accepted, and of no known kind", "%s %s %d: %s", where, op, at, m.Body)
				}
				accepted[kind]++
			}
			hostileEach(s.valid.Body, func(op string, at int, mutant string) {
				m := s.valid
				m.Body = mutant
				check("body", op, at, m)
			})
			if s.header != "" {
				hostileEach(s.valid.Header.Get(s.header), func(op string, at int, mutant string) {
					check("header", op, at, s.valid.With(s.header, mutant))
				})
			}
			assert.Equal(t, row.accepted, accepted, "of %d", tried)
			assert.Greater(t, tried, 4*len(s.valid.Body))
		})
	}
}

// hostileCovered returns the identity and the signed contents of an event. Under the
// scheme reencoded the signed text has PHP's spelling of a number, so a number is
// returned as its value and not as its text.
func hostileCovered(ev payack.Event) map[string]any {
	out := map[string]any{"ID": ev.ID(), "Fingerprint": ev.Fingerprint(), "Paid": ev.Paid(), "Final": ev.Final()}
	switch ev := ev.(type) {
	case *payack.PtopEvent:
		out["success"], out["transaction_id"], out["order_id"], out["message"] = ev.Success, ev.TransactionID, ev.OrderID, ev.Message
		for name, text := range ev.Extra {
			var number float64
			if out["extra "+name] = text; ev.Scheme == payack.SchemeReencoded && json.Unmarshal([]byte(text.String()), &number) == nil {
				out["extra "+name] = number
			}
		}
	case *payack.PTSEvent:
		for name, text := range map[string]string{
			"user_id": ev.UserID, "order_id": ev.OrderID, "transaction_id": ev.TransactionID, "status": string(ev.Status),
			"channel": ev.Channel.String(), "timestamp": ev.Timestamp.String(),
			"submit_currency": ev.SubmitCurrency.String(), "accept_currency": ev.AcceptCurrency.String(),
			"submit_amount": ev.SubmitAmount.SignedText(), "accept_amount": ev.AcceptAmount.SignedText(), "exchange_rate": ev.ExchangeRate.SignedText(),
		} {
			out[name] = text
		}
	case *payack.PayatomEvent:
		out["order_id"], out["received_amount"], out["status"] = ev.OrderID, ev.ReceivedAmount.SignedText(), ev.Status
	}
	return out
}

// kindOf names the kind of change (one of the constants from hostileUnsigned on) that a
// mutation at this offset of the valid body makes. It is empty if no change is permitted
// there.
func (s hostileSubject) kindOf(op string, at int) string {
	body := s.valid.Body
	if !strings.HasPrefix(body, "{") {
		if s.valid.Header.Get("Content-Type") == "text/plain" {
			return "" // nothing in an envelope may change
		}
		return s.kindInForm(body, op, at)
	}
	return s.kindInJSON(body, op, at, 0)
}

func (s hostileSubject) kindInForm(body, op string, at int) string {
	if op == "double" && body[at] == '&' {
		return hostilePair
	}
	start := strings.LastIndexByte(body[:at], '&') + 1
	name, _, _ := strings.Cut(body[start:], "=")
	if s.signed != nil && !slices.Contains(s.signed, name) {
		return hostileUnsigned
	}
	return hostileText
}

// kindInJSON is kindOf for a JSON object.
func (s hostileSubject) kindInJSON(object, op string, at, depth int) string {
	dec := json.NewDecoder(strings.NewReader(object))
	_, _ = dec.Token()
	for dec.More() {
		from := int(dec.InputOffset())
		name, err := dec.Token()
		if err != nil {
			return ""
		}
		nameEnd := int(dec.InputOffset())
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return ""
		}
		end := int(dec.InputOffset())
		start := end - len(value)
		if from += strings.IndexByte(object[from:nameEnd], '"'); at >= end {
			continue
		}
		signed := s.signed == nil || slices.Contains(s.signed, name.(string))
		switch {
		case strings.IndexByte(" \t\r\n", object[at]) >= 0 && (at < from || nameEnd <= at && at < start):
			return hostileSpace
		case at < from || nameEnd <= at && at < start: // a comma, a colon
			return ""
		case name == "data" && value[0] == '{' && depth == 0 && at >= start:
			return s.kindInJSON(string(value), op, at-start, 1)
		case !signed:
			return hostileUnsigned
		case at < nameEnd:
			return ""
		case value[0] == '"':
			return hostileText
		case value[0] == '{' || value[0] == '[':
			return hostileSpace
		}
		return hostileNumber
	}
	if strings.IndexByte(" \t\r\n", object[at]) >= 0 {
		return hostileSpace
	}
	return ""
}

type hostileRow struct {
	name     string
	subject  hostileSubject
	accepted map[string]int
}

// hostileRows lists every shape and scheme with the number of changes that must be
// accepted. If fewer are accepted, the receiver refuses genuine callbacks. If more are
// accepted, it accepts a forgery.
func hostileRows(t testing.TB) []hostileRow {
	t.Helper()
	var rows []hostileRow
	add := func(name string, s hostileSubject, accepted map[string]int) {
		if accepted == nil {
			accepted = map[string]int{}
		}
		rows = append(rows, hostileRow{name, s, accepted})
	}
	for _, numbers := range []string{"literal", "php", "string"} {
		// The rows of PHP have two amounts 100.50, signed as 100.5. Adding or
		// removing a zero at the end leaves the number the same.
		spelled := func(unsigned, space, text int) map[string]int {
			out := map[string]int{hostileUnsigned: unsigned, hostileSpace: space, hostileText: text}
			if numbers == "php" {
				out[hostileNumber] = 4
			}
			return out
		}
		flat := hostilePTS(t, numbers, "flat", false)
		add("pts/flat/"+numbers, flat, spelled(120, 2, 1))
		// This receiver has no transaction secret, so it ignores the header.
		flat = hostilePTS(t, numbers, "flat", false)
		flat.header, flat.valid = verify.PTSTransactionHeader, flat.valid.With(verify.PTSTransactionHeader, "AAAA")
		ignored := spelled(120, 2, 1)
		ignored[hostileHeader] = 20
		add("pts/flat, header not asked for/"+numbers, flat, ignored)
		add("pts/object in data/"+numbers, hostilePTS(t, numbers, "object", false), spelled(184, 2, 1))
		add("pts/text envelope/"+numbers, hostilePTS(t, numbers, "text", false), nil)
		add("pts/text envelope, header/"+numbers, hostilePTS(t, numbers, "text", true), nil)
		// The member code and the white space after it are outside of the envelope.
		outside := map[string]int{hostileUnsigned: 28, hostileSpace: 2}
		add("pts/envelope in data/"+numbers, hostilePTS(t, numbers, "data", false), outside)
		add("pts/envelope in data, header/"+numbers, hostilePTS(t, numbers, "data", true), outside)
	}

	// In the schemes of Ptop that sign the bytes as sent, a change of any byte makes
	// the signature fail, even a byte of the signature itself. The exception is white
	// space beside the comma that is cut out.
	for _, r := range []struct {
		name     string
		scheme   payack.Scheme
		place    verify.PtopPlace
		body     string
		pinned   bool
		accepted map[string]int
	}{
		{"header", payack.SchemeHeader, verify.PtopLast, hostileJSON, false, nil},
		{"header, pinned", payack.SchemeHeader, verify.PtopLast, hostileJSON, true, nil},
		{"spliced, first", payack.SchemeSpliced, verify.PtopFirst, hostileJSON, false, nil},
		{"spliced, middle", payack.SchemeSpliced, verify.PtopMiddle, hostileJSON, false, nil},
		{"spliced, last", payack.SchemeSpliced, verify.PtopLast, hostileJSON, false, nil},
		{"spliced, last, pinned", payack.SchemeSpliced, verify.PtopLast, hostileJSON, true, nil},
		// Without its signature this body is exactly as PHP writes it, so it verifies
		// as reencoded too, unless one scheme is pinned.
		{"spliced, as PHP writes it", payack.SchemeSpliced, verify.PtopLast, hostilePHP, false, map[string]int{hostileText: 1}},
		{"spliced, as PHP writes it, pinned", payack.SchemeSpliced, verify.PtopLast, hostilePHP, true, nil},
		{"reencoded", payack.SchemeReencoded, verify.PtopLast, hostileJSON, false, map[string]int{hostileSpace: 2, hostileNumber: 2}},
		{"reencoded, first, pinned", payack.SchemeReencoded, verify.PtopFirst, hostileJSON, true, map[string]int{hostileSpace: 2, hostileNumber: 2}},
		{"blanked", payack.SchemeBlanked, verify.PtopMiddle, hostileJSON, false, nil},
		{"blanked, pinned", payack.SchemeBlanked, verify.PtopFirst, hostileJSON, true, nil},
		{"form, header", payack.SchemeHeader, verify.PtopLast, hostileForm, false, nil},
		{"form, first", payack.SchemeForm, verify.PtopFirst, hostileForm, false, nil},
		{"form, middle", payack.SchemeForm, verify.PtopMiddle, hostileForm, false, nil},
		{"form, last", payack.SchemeForm, verify.PtopLast, hostileForm, false, nil},
		{"form-rebuilt, first", payack.SchemeFormRebuilt, verify.PtopFirst, hostileForm, false, map[string]int{hostileText: 2, hostilePair: 5}},
		{"form-rebuilt, middle", payack.SchemeFormRebuilt, verify.PtopMiddle, hostileForm, false, map[string]int{hostileText: 2, hostilePair: 5}},
		{"form-rebuilt, last, pinned", payack.SchemeFormRebuilt, verify.PtopLast, hostileForm, true, map[string]int{hostileText: 2, hostilePair: 5}},
	} {
		add("ptop/"+r.name, hostilePtop(t, r.scheme, r.place, r.body, r.pinned), r.accepted)
	}
	apart := hostilePtop(t, payack.SchemeSpliced, verify.PtopLast, hostileJSON, true)
	apart.valid = apart.valid.Replace(`,"signature"`, `, "signature"`)
	add("ptop/spliced, last, a blank at the cut", apart, map[string]int{hostileSpace: 2})

	add("payatom/json/literal", hostilePayatom(t, "json", `500.00`, "500.00"), map[string]int{hostileUnsigned: 83, hostileSpace: 2, hostileText: 1})
	add("payatom/json/php", hostilePayatom(t, "json", `500.00`, "500"), map[string]int{hostileUnsigned: 83, hostileSpace: 2, hostileText: 1, hostileNumber: 4})
	add("payatom/json/string", hostilePayatom(t, "json", `"500.00"`, "500.00"), map[string]int{hostileUnsigned: 83, hostileSpace: 2, hostileText: 1})
	add("payatom/form/literal", hostilePayatom(t, "form", "500.00", "500.00"), map[string]int{hostileUnsigned: 43, hostileText: 6, hostilePair: 4})
	return rows
}

const (
	hostileJSON = `{"success":true, "transaction_id":"T1","order_id":"O/1","message":"bezahlt: é","fee":1.50}`
	hostilePHP  = `{"success":true,"transaction_id":"T1","order_id":"O\/1"}`
	hostileForm = `success=1&transaction_id=T1&order_id=O%2f1&message=ok+%7e&a.b=c`
)

func hostilePtop(t testing.TB, scheme payack.Scheme, place verify.PtopPlace, body string, pinned bool) hostileSubject {
	t.Helper()
	signed, err := verify.SignPtopCallback(payack.NewSecret(PtopKey), scheme, place, body)
	require.NoError(t, err)
	c := middleware.PtopConfig{SigningKeys: payack.Secrets(PtopKey), ConfirmInCallback: true}
	if body == hostileForm {
		c.Body = verify.BodyForm
	}
	if pinned {
		c.Schemes = []payack.Scheme{scheme}
	}
	h := http.Header{}
	s := hostileSubject{provider: payack.Ptop, build: func(o middleware.Options, fn func(payack.Event) error) (http.Handler, error) {
		c.Options = o
		return handlers.NewPtop(c, func(_ context.Context, ev *payack.PtopEvent) error { return fn(ev) })
	}}
	if scheme == payack.SchemeHeader {
		s.header = "X-Signature"
		h = http.Header(signed.Header)
	}
	h.Set("Content-Type", signed.ContentType)
	s.valid = Message{http.MethodPost, "/", h, signed.Body}
	return s
}

// hostilePTS returns a receiver of PTS with a signed callback. The callback also has
// unsigned members and white space.
func hostilePTS(t testing.TB, numbers, shape string, withHeader bool) hostileSubject {
	t.Helper()
	var literals, texts map[string]string
	switch numbers {
	case "php":
		texts = map[string]string{"submit_amount": "100.5", "accept_amount": "100.5"}
	case "string":
		literals = map[string]string{"submit_amount": `"100.50"`, "accept_amount": `"100.50"`, "exchange_rate": `"1"`}
	}
	if literals == nil {
		literals = map[string]string{}
	}
	literals["channel"] = `"QR\/PH"`
	key := PTSKey(t)
	m := PTSMessage(t, literals, texts).Replace("{", `{"reference_number":"R1", "submit_promo":0.5,`)
	c := middleware.PTSConfig{Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}}
	sealed := SealPTS(t, m.Body)
	switch shape {
	case "text":
		m = m.With("Content-Type", "text/plain")
		m.Body = sealed
	case "data":
		m.Body = `{"code":"1000", "data":"` + sealed + `"}`
	case "object":
		m.Body = `{"code":"1000","message":"ok","data":` + m.Body + `}`
	}
	s := hostileSubject{provider: payack.PTS, signed: append([]string{"sign", "data"}, PTSNames...)}
	if withHeader {
		c.TransactionSecret = payack.NewSecret(key.TransactionSecret)
		mac := hmac.New(sha256.New, []byte(key.TransactionSecret))
		mac.Write([]byte(sealed))
		s.header = verify.PTSTransactionHeader
		m = m.With(s.header, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	s.valid = m
	s.build = func(o middleware.Options, fn func(payack.Event) error) (http.Handler, error) {
		c.Options = o
		return handlers.NewPTS(c, func(_ context.Context, ev *payack.PTSEvent) error { return fn(ev) })
	}
	return s
}

func hostilePayatom(t testing.TB, format, amount, signed string) hostileSubject {
	t.Helper()
	signer, err := verify.NewPayatomSigner(payack.NewSecret(PayatomKey))
	require.NoError(t, err)
	hash := signer.PostHashIV([16]byte{1, 2, 3}, "ORD/1", signed, "Late Approved")
	c := middleware.PayatomConfig{SecretKeys: payack.Secrets(PayatomKey)}
	c.Expect = Expecting(map[string]string{"ORD/1": "500"}, nil)
	s := hostileSubject{provider: payack.Payatom, signed: []string{"order_id", "received_amount", "status", "post_hash"}}
	s.valid = Message{http.MethodPost, "/", http.Header{"Content-Type": {"application/json"}},
		`{"order_id":"ORD\/1", "bank_ref":"838","received_amount":` + amount + `,"status":"Late Approved","refund_info":[],"post_hash":"` + hash + `"}`}
	if format == "form" {
		c.Body = verify.BodyForm
		s.valid.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
		s.valid.Body = "order_id=ORD%2f1&bank_ref=838&received_amount=" + amount + "&status=Late+Approved&post_hash=" + url.QueryEscape(hash)
	}
	s.build = func(o middleware.Options, fn func(payack.Event) error) (http.Handler, error) {
		c.Options = o
		return handlers.NewPayatom(c, func(_ context.Context, ev *payack.PayatomEvent) error { return fn(ev) })
	}
	return s
}

// A receiver with a transaction secret refuses callbacks without an envelope. So
// hostileRows has no such receiver for the shapes flat and object.
func TestTransactionSecretRequiresEnvelopes(t *testing.T) {
	key := PTSKey(t)
	for _, shape := range []string{"flat", "object"} {
		s := hostilePTS(t, "literal", shape, true)
		got := hostileReceiver(t, s)(s.valid)
		assert.Equal(t, payack.ReasonEnvelope, got.reason, shape)
		assert.Zero(t, got.calls)
		mac := hmac.New(sha256.New, []byte(key.TransactionSecret))
		mac.Write([]byte(s.valid.Body))
		got = hostileReceiver(t, s)(s.valid.With(verify.PTSTransactionHeader, base64.StdEncoding.EncodeToString(mac.Sum(nil))))
		assert.Equal(t, payack.ReasonEnvelope, got.reason, fmt.Sprintf("%s, signed as a whole", shape))
	}
}

// The identity of an event is short, even if the sender chooses ids as long as a
// body. Different ids still have different identities.
func TestLongIdentities(t *testing.T) {
	for _, p := range providers.All {
		t.Run(string(p), func(t *testing.T) {
			w, c := &Watch{}, &Calls{}
			h := Merchant{Options: w.Options(), Callback: c.Take}.Handler(t, p)
			ids := map[string]bool{}
			for _, id := range []string{
				strings.Repeat("x", 400), strings.Repeat("x", 4000), strings.Repeat("x", 4001), strings.Repeat("x", 3999) + "y",
				strings.Repeat(":", 4000), strings.Repeat("%3A", 4000), strings.Repeat("é", 4000), strings.Repeat("\n", 4000),
			} {
				quoted, err := json.Marshal(id)
				require.NoError(t, err)
				var m Message
				switch p {
				case payack.Ptop:
					m = PtopMessage(t, `{"success":true,"transaction_id":`+string(quoted)+`,"order_id":"O"}`)
				case payack.PTS:
					m = PTSMessage(t, map[string]string{"transaction_id": string(quoted)}, nil)
				case payack.Payatom: // an order_id of 64 bytes is invalid, a status may have any length
					m = PayatomMessage(t, `"ORD1"`, `"500"`, `"Z`+string(quoted[1:]), "ORD1500Z"+id)
				default:
					t.Fatalf("there is no callback of %s", p)
				}
				AssertContract(t, p, payack.OutcomeAccepted, "", Send(h, m))
				AssertContract(t, p, payack.OutcomeDuplicate, "", Send(h, m))
				require.Equal(t, payack.OutcomeDuplicate, w.Last(t).Outcome)
				got := w.Last(t).EventID
				assert.LessOrEqual(t, len(got), 512)
				assert.NotContains(t, got, "\n")
				assert.True(t, strings.HasPrefix(got, string(p)+":"))
				ids[got] = true
			}
			assert.Len(t, ids, 8)
			assert.Len(t, c.Events, 8)
		})
	}
}
