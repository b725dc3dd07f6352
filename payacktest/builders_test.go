package payacktest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	. "github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

var quiet = slog.New(slog.DiscardHandler)

// receiver is a handler that records the outcome of its last delivery.
type receiver[E payack.Event] struct {
	http.Handler
	events *Captured[E]
	last   payack.Observation
}

func (r *receiver[E]) options() middleware.Options {
	return middleware.Options{Logger: quiet, Observer: payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { r.last = *o })}
}

func ptsReceiver(t testing.TB, c middleware.PTSConfig) *receiver[*payack.PTSEvent] {
	t.Helper()
	r := &receiver[*payack.PTSEvent]{events: Capture[*payack.PTSEvent]()}
	c.Options = r.options()
	h, err := handlers.NewPTS(c, r.events.Func)
	require.NoError(t, err)
	r.Handler = h
	return r
}

func ptopReceiver(t testing.TB, c middleware.PtopConfig) *receiver[*payack.PtopEvent] {
	t.Helper()
	r := &receiver[*payack.PtopEvent]{events: Capture[*payack.PtopEvent]()}
	c.Options = r.options()
	h, err := handlers.NewPtop(c, r.events.Func)
	require.NoError(t, err)
	r.Handler = h
	return r
}

func payatomReceiver(t testing.TB, c middleware.PayatomConfig) *receiver[*payack.PayatomEvent] {
	t.Helper()
	r := &receiver[*payack.PayatomEvent]{events: Capture[*payack.PayatomEvent]()}
	c.Options = r.options()
	h, err := handlers.NewPayatom(c, r.events.Func)
	require.NoError(t, err)
	r.Handler = h
	return r
}

// named is a callback of any builder, with its name and a receiver for it.
type named struct {
	name     string
	callback Callback
	handler  func(t testing.TB) (http.Handler, func() payack.Observation)
	scheme   payack.Scheme
}

func ptsShapes(b PTSBuilder) map[string]PTSBuilder {
	return map[string]PTSBuilder{
		"flat": b.Flat(), "envelope": b.Envelope(), "data envelope": b.DataEnvelope(), "data object": b.DataObject(),
	}
}

// combinations returns a callback for every shape and scheme that the builders
// offer.
func combinations(t testing.TB) []named {
	t.Helper()
	var out []named
	addPTS := func(name string, b PTSBuilder, scheme payack.Scheme) {
		out = append(out, named{"pts " + name, b.Callback(t), func(t testing.TB) (http.Handler, func() payack.Observation) {
			r := ptsReceiver(t, b.Config())
			return r, func() payack.Observation { return r.last }
		}, scheme})
	}
	hexKeys := NewPTSKeys()
	hexKeys.SafecodeEncoding = envelope.PTSHex
	for keyName, keys := range map[string]PTSKeys{
		"raw": NewPTSKeys(), "hex": hexKeys,
		"X-Transaction-Signature base64": NewPTSKeys().WithTransactionSignature(verify.PTSBase64),
		"X-Transaction-Signature hex":    NewPTSKeys().WithTransactionSignature(verify.PTSHex),
	} {
		for shape, b := range ptsShapes(PTS(keys)) {
			if !keys.TransactionSecret.IsZero() && !strings.HasSuffix(shape, "envelope") {
				continue // the configuration refuses callbacks without an envelope
			}
			addPTS(keyName+" "+shape+" literal", b, payack.SchemeLiteral)
			addPTS(keyName+" "+shape+" php", b.PHPNumbers(), payack.SchemePHP)
			addPTS(keyName+" "+shape+" strings", b.SetJSON("submit_amount", `"100.50"`).SetJSON("accept_amount", `"100.50"`).
				SetJSON("exchange_rate", `"1"`).PHPNumbers(), payack.SchemeLiteral)
		}
	}

	addPtop := func(name string, b PtopBuilder, scheme payack.Scheme) {
		out = append(out, named{"ptop " + name, b.Callback(t), func(t testing.TB) (http.Handler, func() payack.Observation) {
			r := ptopReceiver(t, b.Config())
			return r, func() payack.Observation { return r.last }
		}, scheme})
	}
	keys := NewPtopKeys()
	for _, header := range []string{"X-Signature", "the_signature", "X-Callback-Digest"} {
		addPtop("header "+header, Ptop(keys).Header(header), payack.SchemeHeader)
		addPtop("form header "+header, Ptop(keys).Form().Header(header), payack.SchemeHeader)
	}
	for placeName, place := range map[string]verify.PtopPlace{"last": verify.PtopLast, "first": verify.PtopFirst, "middle": verify.PtopMiddle} {
		b := Ptop(keys).Place(place).Set("message", "Zahlung für 1/2")
		for _, s := range []payack.Scheme{payack.SchemeSpliced, payack.SchemeReencoded, payack.SchemeBlanked, payack.SchemeForm, payack.SchemeFormRebuilt} {
			want := s
			if s == payack.SchemeFormRebuilt {
				want = payack.SchemeForm // form and form-rebuilt sign the same text unless PHP changes a name
			}
			addPtop(string(s)+" "+placeName, b.Scheme(s), want)
		}
		addPtop("reencoded objects "+placeName, b.SetJSON("details", "{}").ReencodedObjects(), payack.SchemeReencoded)
		addPtop("white space "+placeName, b.Body("{ \"success\" : true,\n \"transaction_id\" :\"T\", \"order_id\":\"O\" }").Scheme(payack.SchemeSpliced), payack.SchemeSpliced)
	}
	addPtop("form-rebuilt mangled", Ptop(keys).Scheme(payack.SchemeFormRebuilt).Set("note.x", "1"), payack.SchemeFormRebuilt)
	addPtop("form body", Ptop(keys).Body("success=1&transaction_id=T&order_id=O").Scheme(payack.SchemeForm), payack.SchemeForm)

	addPayatom := func(name string, b PayatomBuilder, scheme payack.Scheme) {
		out = append(out, named{"payatom " + name, b.Callback(t), func(t testing.TB) (http.Handler, func() payack.Observation) {
			r := payatomReceiver(t, b.Config())
			return r, func() payack.Observation { return r.last }
		}, scheme})
	}
	refunds := map[string]func(PayatomBuilder) PayatomBuilder{
		"[]":   func(b PayatomBuilder) PayatomBuilder { return b },
		"none": func(b PayatomBuilder) PayatomBuilder { return b.Remove("refund_info") },
		"null": func(b PayatomBuilder) PayatomBuilder { return b.SetJSON("refund_info", "null") },
		"{…}": func(b PayatomBuilder) PayatomBuilder {
			return b.Status(payack.PayatomRefundCompleted).Refund(payack.PayatomRefund{
				RefundedUPI: payack.NewText("payer@example"), Amount: payack.NewAmount("500"), Status: payack.NewText("Completed")})
		},
	}
	for refund, with := range refunds {
		b := with(Payatom(NewPayatomKeys()))
		addPayatom("string refund "+refund, b.Amount("500.00"), payack.SchemeLiteral)
		addPayatom("number refund "+refund, b.NumberAmount("500.00"), payack.SchemeLiteral)
		addPayatom("number php refund "+refund, b.NumberAmount("500.00").PHPNumbers(), payack.SchemePHP)
		addPayatom("form refund "+refund, b.Form(), payack.SchemeLiteral)
		addPayatom("form amount refund "+refund, b.FormAmount(), payack.SchemeLiteral)
	}
	slices.SortFunc(out, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return out
}

func TestEveryCombinationIsAccepted(t *testing.T) {
	all := combinations(t)
	assert.Len(t, all, 24+12+6+15+6+2+20, "of PTS: 4 shapes × 2 keys × 3 texts, and 2 × 2 × 3; of Ptop and Payatom as listed")
	for _, x := range all {
		t.Run(x.name, func(t *testing.T) {
			h, last := x.handler(t)
			Accepted(t, x.callback.Provider, x.callback.Deliver(h))
			assert.Equal(t, payack.OutcomeAccepted, last().Outcome)
			assert.Equal(t, x.scheme, last().Scheme)

			// A redelivery, over a real connection.
			server := httptest.NewServer(h)
			defer server.Close()
			res, err := x.callback.Post(context.Background(), nil, server.URL+"/any?path=1")
			require.NoError(t, err)
			Accepted(t, x.callback.Provider, res)
			assert.Equal(t, payack.OutcomeDuplicate, last().Outcome)
		})
	}
}

func TestEveryForgeryIsRefused(t *testing.T) {
	for _, x := range combinations(t) {
		t.Run(x.name, func(t *testing.T) {
			forgeries, err := Forgeries(x.callback)
			require.NoError(t, err)
			assert.Greater(t, len(forgeries), 12)
			original := x.callback.Clone()
			for _, f := range forgeries {
				t.Run(f.Name, func(t *testing.T) {
					h, last := x.handler(t)
					f.Callback.Deliver(h)
					assert.Contains(t, []payack.Outcome{payack.OutcomeRejected, payack.OutcomeRefused, payack.OutcomeFailed}, last().Outcome)
					assert.Empty(t, last().EventID, "it must not have verified")
					assert.False(t, f.Callback.Equal(x.callback))
				})
			}
			assert.True(t, original.Equal(x.callback), "tampering must leave the callback alone")
		})
	}
}

func TestBuildersAreValues(t *testing.T) {
	base := PTS(NewPTSKeys())
	first := base.Set("status", "1000")
	second := base.Set("status", "3000").Set("new", "x")
	for want, b := range map[string]PTSBuilder{"2000": base, "1000": first, "3000": second} {
		assert.Contains(t, string(b.Callback(t).Body), `"status":"`+want+`"`)
	}
	cb := base.Callback(t)
	cb.Bytes()[0] = 'x'
	cb.Request("/").Header.Set("X", "y")
	cb.Message().Header["X"] = []string{"y"}
	assert.True(t, cb.Equal(base.Callback(t)), "a flat callback has the same bytes each time")
}

func TestSetKeepsOrderAndTypes(t *testing.T) {
	cb := PTS(NewPTSKeys()).Set("accept_amount", "7.10").SetJSON("exchange_rate", "1e0").SetJSON("timestamp", "null").
		Set("submit_amount", "a lot").Set("zeta", `"<&>`).Remove("reference_number").Callback(t)
	body, _, _ := strings.Cut(string(cb.Body), `,"sign"`)
	assert.Equal(t, `{"user_id":"1","order_id":"ORD1000001","transaction_id":"T1000001","channel":"GCASH","submit_currency":"PHP",`+
		`"submit_amount":"a lot","accept_currency":"PHP","accept_amount":7.10,"exchange_rate":1e0,"status":"2000","timestamp":null,"zeta":"\"<&>"`, body)

	ptop := Ptop(NewPtopKeys()).Set("success", "false").Set("message", "").Callback(t)
	assert.Equal(t, `{"success":false,"transaction_id":"TX1000001","order_id":"ORD1000001","message":""}`, string(ptop.Body))
	assert.Equal(t, ptop.Body, Ptop(NewPtopKeys()).Success(false).SetJSON("message", `""`).Callback(t).Body)
	assert.Contains(t, string(Ptop(NewPtopKeys()).Success(false).Success(true).Transaction("T9").Order("O9").Callback(t).Body),
		`{"success":true,"transaction_id":"T9","order_id":"O9"`)
}

func TestBuilderEvents(t *testing.T) {
	keys := NewPTSKeys()
	keys.UserID = "42"
	r := ptsReceiver(t, keys.Config())
	Accepted(t, payack.PTS, PTS(keys).Order("ORD-7").Amount("12.00").Status(payack.PTSProcessing).Callback(t).Deliver(r))
	r.events.Saw(t, Members{"user_id": "42", "order_id": "ORD-7", "accept_amount": "12.00", "submit_amount": "12.00", "status": "1000", "reference_number": "R1000001"})
	assert.Equal(t, "12.00", r.events.One(t).AcceptAmount.String())

	q := payatomReceiver(t, NewPayatomKeys().Config())
	Accepted(t, payack.Payatom, Payatom(NewPayatomKeys()).Order("ORD-8").Status(payack.PayatomRefundCompleted).Refund(payack.PayatomRefund{
		Amount: payack.NewAmount("5.5"), Notes: payack.NewText(`"quoted"`)}).Callback(t).Deliver(q))
	refund, ok := q.events.One(t).Unsigned.Refund()
	require.True(t, ok)
	assert.Equal(t, "5.5", refund.Amount.String())
	assert.Equal(t, `"quoted"`, refund.Notes.String())
	assert.True(t, refund.RefundedUPI.IsNull())
}

func TestFreshCallbacksDiffer(t *testing.T) {
	pts, ptop, payatom := ptsReceiver(t, NewPTSKeys().Config()), ptopReceiver(t, NewPtopKeys().Config()), payatomReceiver(t, NewPayatomKeys().Config())
	for range 2 {
		Accepted(t, payack.PTS, PTS(NewPTSKeys()).Fresh().Callback(t).Deliver(pts))
		Accepted(t, payack.Ptop, Ptop(NewPtopKeys()).Fresh().Callback(t).Deliver(ptop))
		Accepted(t, payack.Payatom, Payatom(NewPayatomKeys()).Fresh().Callback(t).Deliver(payatom))
	}
	assert.Len(t, pts.events.Events(), 2)
	assert.Len(t, ptop.events.Events(), 2)
	assert.Len(t, payatom.events.Events(), 2)
}

func TestFreshKeys(t *testing.T) {
	pts := FreshPTSKeys()
	Accepted(t, payack.PTS, PTS(pts).Envelope().Callback(t).Deliver(ptsReceiver(t, pts.Config())))
	r := ptsReceiver(t, FreshPTSKeys().Config())
	Rejected(t, payack.PTS, PTS(pts).Callback(t).Deliver(r))
	r.events.SawNothing(t)

	ptop := FreshPtopKeys()
	Accepted(t, payack.Ptop, Ptop(ptop).Callback(t).Deliver(ptopReceiver(t, ptop.Config())))
	Rejected(t, payack.Ptop, Ptop(FreshPtopKeys()).Callback(t).Deliver(ptopReceiver(t, ptop.Config())))
	payatom := FreshPayatomKeys()
	Accepted(t, payack.Payatom, Payatom(payatom).Callback(t).Deliver(payatomReceiver(t, payatom.Config())))
	Rejected(t, payack.Payatom, Payatom(FreshPayatomKeys()).Callback(t).Deliver(payatomReceiver(t, payatom.Config())))
}

func TestKeysDoNotPrint(t *testing.T) {
	for _, keys := range []any{NewPTSKeys().WithTransactionSignature(verify.PTSHex), NewPtopKeys(), NewPayatomKeys(), PTS(NewPTSKeys()).Callback(t)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			assert.NotContains(t, fmt.Sprintf(verb, keys), "7e57")
		}
	}
}

func TestPayatomIV(t *testing.T) {
	b := Payatom(NewPayatomKeys())
	assert.NotEqual(t, b.Callback(t).Body, b.Callback(t).Body)
	fixed := b.IV([16]byte{1})
	assert.Equal(t, fixed.Callback(t).Body, fixed.Callback(t).Body)
	Accepted(t, payack.Payatom, fixed.Callback(t).Deliver(payatomReceiver(t, fixed.Config())))
}

func TestBuildsThatFail(t *testing.T) {
	noEnvelopes := NewPTSKeys()
	noEnvelopes.NoEnvelopes = true
	noKey := NewPTSKeys()
	noKey.PrivateKey = payack.NewSecret("none")
	badEncoding := NewPTSKeys().WithTransactionSignature("octal")
	builds := map[string]func() (Callback, error){
		"no envelope":               PTS(noEnvelopes).Envelope().Build,
		"no private key":            PTS(noKey).Build,
		"transaction encoding":      PTS(badEncoding).Envelope().Build,
		"ambiguous text":            PTS(NewPTSKeys()).Set("channel", "x&status=2000").Build,
		"sign is the builder's":     PTS(NewPTSKeys()).Set("sign", "x").Build,
		"no name":                   PTS(NewPTSKeys()).Set("", "x").Build,
		"ptop without a key":        Ptop(PtopKeys{}).Build,
		"ptop scheme and body":      Ptop(NewPtopKeys()).Form().Scheme(payack.SchemeSpliced).Build,
		"ptop unknown scheme":       Ptop(NewPtopKeys()).Scheme("psychic").Build,
		"ptop body unreadable":      Ptop(NewPtopKeys()).Body("{").Build,
		"ptop no header name":       Ptop(NewPtopKeys()).Header("").Build,
		"ptop has a signature":      Ptop(NewPtopKeys()).Set("signature", "x").Build,
		"ptop no name":              Ptop(NewPtopKeys()).SetJSON("", "1").Build,
		"payatom without a key":     Payatom(PayatomKeys{}).Build,
		"post_hash is the builders": Payatom(NewPayatomKeys()).Set("post_hash", "x").Build,
		"payatom no name":           Payatom(NewPayatomKeys()).Set("", "x").Build,
	}
	for name, build := range builds {
		t.Run(name, func(t *testing.T) {
			_, err := build()
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "7e57")
			fake := run(func(t testing.TB) { Ptop(PtopKeys{}).Callback(t) })
			assert.True(t, fake.fatal)
		})
	}
	Accepted(t, payack.PTS, PTS(noEnvelopes).Callback(t).Deliver(ptsReceiver(t, noEnvelopes.Config())))
}

func TestPostAnswersAreRead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return
		}
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d %v %d %v", r.Method, r.ContentLength, r.TransferEncoding, len(body), err)
	}))
	defer server.Close()
	post := func(cb Callback, path string) string {
		res, err := cb.Post(context.Background(), nil, server.URL+path)
		require.NoError(t, err)
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return fmt.Sprint(res.StatusCode, " ", string(b))
	}
	cb := Callback{Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("12345")}
	assert.Equal(t, "200 POST 5 [] 5 <nil>", post(cb, "/"))
	assert.Equal(t, "307 ", post(cb, "/redirect"))
	assert.Equal(t, "200 POST -1 [chunked] 5 <nil>", post(cb.Tampered(t, AnnounceLength(-1)), "/"))
	assert.Equal(t, "200 POST 9 [] 5 unexpected EOF", post(cb.Tampered(t, AnnounceLength(9)), "/"))
	assert.Equal(t, "200 POST 3 [] 3 <nil>", post(cb.Tampered(t, AnnounceLength(3)), "/"))
	cb.Method = "PUT"
	assert.Equal(t, "200 PUT 5 [] 5 <nil>", post(cb, "/"))

	_, err := cb.Tampered(t, AnnounceLength(3)).Post(context.Background(), nil, "https://127.0.0.1:1/")
	assert.ErrorContains(t, err, "http URLs only")
	_, err = cb.Post(context.Background(), nil, "::")
	assert.Error(t, err)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []Callback{cb, cb.Tampered(t, AnnounceLength(9))} {
		_, err = c.Post(cancelled, nil, server.URL)
		assert.ErrorIs(t, err, context.Canceled)
	}
}

func TestWrongLengthsAtTheReceiver(t *testing.T) {
	r := ptsReceiver(t, NewPTSKeys().Config())
	server := httptest.NewServer(r)
	defer server.Close()
	cb := PTS(NewPTSKeys()).Callback(t)
	n := int64(len(cb.Body))
	for _, length := range []int64{n - 1, n + 1, n + 1000} {
		res, err := cb.Tampered(t, AnnounceLength(length)).Post(context.Background(), nil, server.URL)
		require.NoError(t, err)
		Rejected(t, payack.PTS, res)
	}
	r.events.SawNothing(t)
	res, err := cb.Tampered(t, AnnounceLength(-1)).Post(context.Background(), nil, server.URL)
	require.NoError(t, err)
	Accepted(t, payack.PTS, res)
	Accepted(t, payack.PTS, cb.Tampered(t, AnnounceLength(-1)).Deliver(r))
	assert.Equal(t, payack.OutcomeDuplicate, r.last.Outcome)
}

func TestRemovedMembers(t *testing.T) {
	r := ptsReceiver(t, NewPTSKeys().Config())
	Rejected(t, payack.PTS, PTS(NewPTSKeys()).Remove("channel").Callback(t).Deliver(r))
	assert.Equal(t, payack.ReasonMalformed, r.last.Reason, "a signed member that is missing")
	Accepted(t, payack.PTS, PTS(NewPTSKeys()).SetJSON("channel", "null").Callback(t).Deliver(r))

	q := ptopReceiver(t, NewPtopKeys().Config())
	Accepted(t, payack.Ptop, Ptop(NewPtopKeys()).Remove("message").Callback(t).Deliver(q))
	assert.True(t, q.events.One(t).Message.IsZero())
	Answered(t, payack.Ptop, payack.ReasonMalformed, Ptop(NewPtopKeys()).Remove("success").Callback(t).Deliver(q))

	for _, b := range []PayatomBuilder{
		Payatom(NewPayatomKeys()).Status(payack.PayatomPending).Remove("received_amount"),
		Payatom(NewPayatomKeys()).Status(payack.PayatomPending).SetJSON("received_amount", "null"),
	} {
		x := payatomReceiver(t, b.Config())
		Accepted(t, payack.Payatom, b.Callback(t).Deliver(x))
		assert.True(t, x.events.One(t).ReceivedAmount.IsEmpty())
		Answered(t, payack.Payatom, payack.ReasonInvalid, b.Status(payack.PayatomApproved).Callback(t).Deliver(x))
	}
}

// A change of an unsigned member named amount is not a forgery.
func TestForgeriesLeaveUnsignedMembersAlone(t *testing.T) {
	b := Payatom(NewPayatomKeys()).Set("amount", "1")
	forgeries, err := Forgeries(b.Callback(t))
	require.NoError(t, err)
	for _, f := range forgeries {
		r := payatomReceiver(t, b.Config())
		f.Callback.Deliver(r)
		r.events.SawNothing(t)
	}
}
