package payack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/payack/payack"
)

// everything returns events that together cover each member, each state of a text
// (absent, null, empty, filled), and amounts whose signed text is the literal, another
// spelling of it or another value.
func everything() []payack.Event {
	odd := "<script>&amp;</script>\u2028\u2029\x00\x1f\x7f\u0080\u00a0\ufeff\ufffd\U0001f4b6\"\\/\u0000é"
	by := payack.Verification{Tenant: "shop:" + odd, Scheme: payack.SchemePHP, Key: 3, Signature: "c2lnbmF0dXJl+/==" + odd}
	found := payack.Findings{Confirmed: &payack.Confirmation{Paid: true, Status: "1"}, Expected: payack.Expectation{Found: true, Amount: amount("500")}}
	extra := map[string]payack.Text{
		"": text(""), odd: text(odd), "null": payack.NullText(), "Fee": text("1"), "fee": text("2"), "\u017ftatus": text("3"), "status": text("4"),
		"nested": text(`{"a":[1,2.50,null,"\u0000"],"a":{"b":1e400}}`), "long": text(strings.Repeat("\x00<é", 16<<10)), strings.Repeat("n", 64<<10): text("x"),
	}
	pts := fullPTS()
	pts.Verification, pts.Confirmed, pts.Unsigned.Extra = by, found.Confirmed, extra
	pts.OrderID, pts.Channel, pts.Timestamp = odd, text(odd), text(strings.Repeat("7", 64<<10))
	pts.SubmitAmount = amount("100.50").Signed("100.5")            // equal values
	pts.AcceptAmount = amount("500.000000000000001").Signed("500") // different values
	pts.ExchangeRate = amount("0.00001").Signed("1.0E-5")          // equal values
	waiting := fullPTS()
	waiting.Verification, waiting.Status = by, payack.PTSWaiting
	waiting.Channel, waiting.SubmitCurrency, waiting.AcceptCurrency = text(""), payack.NullText(), payack.Text{}
	waiting.SubmitAmount, waiting.AcceptAmount, waiting.ExchangeRate = amount(""), payack.AmountOf(payack.NullText()), payack.Amount{}
	waiting.Unsigned = payack.PTSUnsigned{SubmitPromo: payack.AmountOf(payack.NullText()), AcceptPromo: amount("no number"), ErrorMessage: payack.NullText(), DetailsURL: text("")}
	payatom := fullPayatom()
	payatom.Verification, payatom.Findings, payatom.Unsigned.Extra = by, found, extra
	payatom.ReceivedAmount = amount("500.000000000000001").Signed("500")
	payatom.Unsigned.RefundInfo = text(`{"refund_amount":5.00,"refund_notes":"\u0000\u2028"}`)
	ptop := fullPtop()
	ptop.Verification, ptop.Confirmed, ptop.Extra, ptop.Message = by, found.Confirmed, extra, text(odd)
	invalid := &payack.PayatomEvent{ReceivedAmount: amount("hostile").Signed("stranger")} // verified but invalid
	return []payack.Event{
		pts, waiting, payatom, ptop, invalid,
		fullPTS(), fullPayatom(), fullPtop(), &payack.PTSEvent{}, &payack.PayatomEvent{}, &payack.PtopEvent{},
		&payack.PtopEvent{Message: payack.NullText()}, &payack.PtopEvent{Message: text("")},
	}
}

// withoutFindings returns a copy of an event without its findings, and with nil for
// an empty Extra.
func withoutFindings(ev payack.Event) payack.Event {
	c := reflect.New(reflect.TypeOf(ev).Elem())
	c.Elem().Set(reflect.ValueOf(ev).Elem())
	for _, name := range []string{"Findings", "Confirmed"} {
		if f := c.Elem().FieldByName(name); f.IsValid() {
			f.SetZero()
		}
	}
	extra := c.Elem()
	if unsigned := extra.FieldByName("Unsigned"); unsigned.IsValid() {
		extra = unsigned
	}
	if m := extra.FieldByName("Extra"); m.Len() == 0 {
		m.SetZero()
	}
	return c.Interface().(payack.Event)
}

// roundTrip encodes an event, decodes it and requires the same event.
func roundTrip(t *testing.T, ev payack.Event) (encoded []byte, back payack.Event) {
	t.Helper()
	encoded, err := payack.EncodeEvent(ev)
	if err != nil {
		t.Fatalf("%#v: %v", ev, err)
	}
	if back, err = payack.DecodeEvent(encoded); err != nil {
		t.Fatalf("%.2000s: %v", encoded, err)
	}
	if back.ID() != ev.ID() || back.Fingerprint() != ev.Fingerprint() || back.Payment() != ev.Payment() || back.Order() != ev.Order() ||
		back.Provider() != ev.Provider() || back.VerifiedBy() != ev.VerifiedBy() || (back.Check() == nil) != (ev.Check() == nil) || back.Found() != (payack.Findings{}) {
		t.Fatalf("%.2000s: decoded as another event: %q, %q", encoded, ev.ID(), back.ID())
	}
	if want := withoutFindings(ev); !reflect.DeepEqual(withoutFindings(back), want) {
		t.Fatalf("decoded\n%#v, want\n%#v", back, want)
	}
	again, err := payack.EncodeEvent(back)
	if twice, err2 := payack.DecodeEvent(again); err != nil || err2 != nil || !reflect.DeepEqual(withoutFindings(twice), withoutFindings(back)) {
		t.Fatalf("the second round: %v, %v", err, err2)
	}
	return encoded, back
}

func TestEncodeEvent(t *testing.T) {
	for _, ev := range everything() {
		encoded, back := roundTrip(t, ev)
		if !json.Valid(encoded) || bytes.ContainsAny(encoded, "\r\n\x00\u2028<&") {
			t.Errorf("%.300s: control characters, or what HTML knows, stand in it as they are", encoded)
		}
		if again, err := payack.EncodeEvent(back); err != nil || !bytes.Equal(again, encoded) {
			t.Errorf("encoded again: %.300s, %v; want %.300s", again, err, encoded)
		}
		if paid := back.Paid(); paid != ev.Paid() && ev.Provider() != payack.Ptop {
			t.Errorf("%s: paid %v", ev.ID(), paid)
		}
	}
	// A Ptop event counts as paid only with Ptop's confirmation, which is not encoded.
	if _, back := roundTrip(t, fullPtop()); back.Paid() || !fullPtop().Paid() {
		t.Error("what Ptop confirmed is kept with the event")
	}
}

// Databases hold encoded events, so the encoding must not change.
func TestEncodedForm(t *testing.T) {
	pts := fullPTS()
	pts.Signature, pts.Unsigned = "c2ln", payack.PTSUnsigned{}
	pts.AcceptAmount = amount("500.000000000000001").Signed("500")
	pts.SubmitAmount = amount("100.50").Signed("100.5")
	for _, c := range []struct {
		ev   payack.Event
		want string
	}{
		{&payack.PtopEvent{TransactionID: "t", OrderID: "o"},
			`{"v":1,"provider":"ptop","scheme":"","key":0,"signature":"","event":{"success":false,"transaction_id":"t","order_id":"o"}}`},
		{pts, `{"v":1,"provider":"pts","tenant":"shop","scheme":"literal","key":1,"signature":"c2ln",` +
			`"amounts":{"AcceptAmount":{"literal":"500.000000000000001","signed":"500"},"SubmitAmount":{"literal":"100.50","signed":"100.5"}},` +
			`"event":{"user_id":"884","order_id":"20241878538106","transaction_id":"TB9DC67450A3989B734","channel":"QRPH","submit_currency":"PHP",` +
			`"submit_amount":"100.50","accept_currency":"USDT","accept_amount":"500","exchange_rate":"1","status":"2000","timestamp":"1745596328"}}`},
	} {
		got, err := payack.EncodeEvent(c.ev)
		if err != nil || string(got) != c.want {
			t.Errorf("%s, %v; want\n%s", got, err, c.want)
		}
		back, err := payack.DecodeEvent([]byte(c.want))
		if err != nil || !reflect.DeepEqual(back, c.ev) {
			t.Errorf("decoded %#v, %v", back, err)
		}
	}
}

// mine is a merchant's type that embeds an event.
type mine struct{ payack.Event }

type byValueEvent struct{ payack.Event }

func TestEncodeEventRefuses(t *testing.T) {
	broken := "\xff"
	with := func(f func(*payack.PTSEvent)) payack.Event { ev := fullPTS(); f(ev); return ev }
	for name, ev := range map[string]payack.Event{
		"nil":                                 nil,
		"a nil PtopEvent":                     (*payack.PtopEvent)(nil),
		"a nil PTSEvent":                      (*payack.PTSEvent)(nil),
		"a nil PayatomEvent":                  (*payack.PayatomEvent)(nil),
		"a nil embedding type":                (*mine)(nil),
		"an embedding type":                   &mine{Event: fullPTS()},
		"an event by value":                   byValueEvent{fullPTS()},
		"invalid UTF-8 in an id":              with(func(e *payack.PTSEvent) { e.OrderID = broken }),
		"invalid UTF-8 in a status":           with(func(e *payack.PTSEvent) { e.Status = "2000\xc2" }),
		"invalid UTF-8 in a text":             with(func(e *payack.PTSEvent) { e.Channel = text(broken) }),
		"invalid UTF-8 in an amount":          with(func(e *payack.PTSEvent) { e.AcceptAmount = amount(broken) }),
		"invalid UTF-8 in a signed text":      with(func(e *payack.PTSEvent) { e.AcceptAmount = amount("1").Signed(broken) }),
		"invalid UTF-8 in an unsigned text":   with(func(e *payack.PTSEvent) { e.Unsigned.DetailsURL = text(broken) }),
		"invalid UTF-8 in an unsigned amount": with(func(e *payack.PTSEvent) { e.Unsigned.SubmitPromo = amount(broken) }),
		"invalid UTF-8 in a name of Extra":    with(func(e *payack.PTSEvent) { e.Unsigned.Extra = map[string]payack.Text{broken: text("")} }),
		"invalid UTF-8 in a text of Extra":    with(func(e *payack.PTSEvent) { e.Unsigned.Extra = map[string]payack.Text{"a": text("\xed\xa0\x80")} }),
		"invalid UTF-8 in the tenant":         with(func(e *payack.PTSEvent) { e.Tenant = broken }),
		"invalid UTF-8 in the scheme":         with(func(e *payack.PTSEvent) { e.Scheme = payack.Scheme(broken) }),
		"invalid UTF-8 in the signature":      with(func(e *payack.PTSEvent) { e.Signature = broken }),
		"an absent member in Extra":           &payack.PtopEvent{Extra: map[string]payack.Text{"a": {}}},
		"an unsigned amount with a signed text": with(func(e *payack.PTSEvent) {
			e.Unsigned.AcceptPromo = amount("1.0").Signed("1")
		}),
	} {
		encoded, err := payack.EncodeEvent(ev)
		if err == nil || encoded != nil || !strings.HasPrefix(err.Error(), "payack: EncodeEvent: ") || strings.Contains(err.Error(), broken) {
			t.Errorf("%s: %s, %v", name, encoded, err)
		}
	}
}

func TestDecodeEventRefuses(t *testing.T) {
	const event = `{"success":true,"transaction_id":"t","order_id":"o"}`
	const pts = `{"user_id":"1","accept_amount":"5","channel":"5","unsigned":{"submit_promo":"5"}}`
	ptop := func(head string) string { return `{"v":1,"provider":"ptop"` + head + `,"event":` + event + `}` }
	amounts := func(list string) string { return `{"v":1,"provider":"pts","amounts":` + list + `,"event":` + pts + `}` }
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, `%q:{"literal":"5","signed":"6"},`, fmt.Sprint("Amount", i))
	}
	if _, err := payack.DecodeEvent([]byte(ptop(""))); err != nil {
		t.Fatal(err)
	}
	if _, err := payack.DecodeEvent([]byte(amounts(`{"AcceptAmount":{"literal":"5","signed":"5.0"}}`))); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{
		"nothing":           "",
		"garbage":           "hostile",
		"zeros":             "\x00\x00\x00",
		"null":              "null",
		"a number":          "1",
		"a string":          `"hostile"`,
		"an array":          "[" + ptop("") + "]",
		"an empty object":   "{}",
		"a plain event":     event,
		"trailing data":     ptop("") + "{}",
		"a byte-order mark": "\ufeff" + ptop(""),
		"invalid UTF-8":     ptop(`,"tenant":"` + "\xff" + `"`),
		"nested too deeply": strings.Repeat(`{"event":`, 20_000) + "1" + strings.Repeat("}", 20_000),

		"no version":              `{"provider":"ptop","event":` + event + `}`,
		"version 0":               `{"v":0,"provider":"ptop","event":` + event + `}`,
		"a negative version":      `{"v":-1,"provider":"ptop","event":` + event + `}`,
		"a newer version":         `{"v":2,"provider":"ptop","event":` + event + `}`,
		"a newer version's form":  `{"v":2,"event":"sealed"}`,
		"another type of version": `{"v":"1","provider":"ptop","event":` + event + `}`,
		"a version beyond int":    `{"v":1e99,"provider":"ptop","event":` + event + `}`,

		"no provider":                            `{"v":1,"event":` + event + `}`,
		"an unknown provider":                    `{"v":1,"provider":"hostile","event":` + event + `}`,
		"a provider in capitals":                 `{"v":1,"provider":"PTOP","event":` + event + `}`,
		"another type of provider":               `{"v":1,"provider":1,"event":` + event + `}`,
		"another type of key":                    ptop(`,"key":"1"`),
		"a key that is not an integer":           ptop(`,"key":1.5`),
		"another type of tenant":                 ptop(`,"tenant":["hostile"]`),
		"another type of signature":              ptop(`,"signature":{}`),
		"no event":                               `{"v":1,"provider":"ptop"}`,
		"a null event":                           `{"v":1,"provider":"ptop","event":null}`,
		"an event that is a string":              `{"v":1,"provider":"ptop","event":"hostile"}`,
		"an event that is an array":              `{"v":1,"provider":"ptop","event":[` + event + `]}`,
		"an event that is a number":              `{"v":1,"provider":"ptop","event":1}`,
		"an event that is true":                  `{"v":1,"provider":"ptop","event":true}`,
		"a member of another type":               `{"v":1,"provider":"ptop","event":{"success":"true"}}`,
		"an amount of another type":              `{"v":1,"provider":"pts","event":{"accept_amount":["hostile"]}}`,
		"an Extra of another type":               `{"v":1,"provider":"ptop","event":{"extra":["hostile"]}}`,
		"a nested value in Extra":                `{"v":1,"provider":"ptop","event":{"extra":{"a":{"b":1}}}}`,
		"a name twice":                           ptop(`,"tenant":"a","tenant":"b"`),
		"a name twice, escaped":                  ptop(`,"tenant":"a","t\u0065nant":"b"`),
		"two events":                             ptop(`,"event":` + event),
		"a member twice":                         `{"v":1,"provider":"ptop","event":{"order_id":"a","success":true,"order_id":"b"}}`,
		"a name of Extra twice":                  `{"v":1,"provider":"ptop","event":{"extra":{"a":"1","b":[{}],"a":"2"}}}`,
		"an unknown name twice":                  ptop(`,"x":[{"y":[],"z":{"w":1,"w":1}}]`),
		"an amount that the event does not have": amounts(`{"ReceivedAmount":{"literal":"5","signed":"5.0"}}`),
		"an amount by its wire name":             amounts(`{"accept_amount":{"literal":"5","signed":"5.0"}}`),
		"an amount in small letters":             amounts(`{"acceptamount":{"literal":"5","signed":"5.0"}}`),
		"an amount that is a text":               amounts(`{"Channel":{"literal":"5","signed":"5.0"}}`),
		"an amount that is a string":             amounts(`{"UserID":{"literal":"1","signed":"5.0"}}`),
		"an unsigned amount":                     amounts(`{"Unsigned":{"literal":"5","signed":"5.0"}}`),
		"an unsigned amount's name":              amounts(`{"Unsigned.SubmitPromo":{"literal":"5","signed":"5.0"}}`),
		"an amount without a name":               amounts(`{"":{"literal":"5","signed":"5.0"}}`),
		"a verification as an amount":            amounts(`{"Tenant":{"literal":"5","signed":"5.0"}}`),
		"findings as an amount":                  amounts(`{"Confirmed":{"literal":"5","signed":"5.0"}}`),
		"an embedded struct":                     amounts(`{"Findings":{"literal":"5","signed":"5.0"}}`),
		"a null amount":                          amounts(`{"AcceptAmount":null}`),
		"an empty amount":                        amounts(`{"AcceptAmount":{}}`),
		"a null literal":                         amounts(`{"AcceptAmount":{"literal":null,"signed":"5"}}`),
		"no signed text":                         amounts(`{"AcceptAmount":{"literal":"5"}}`),
		"one text as two":                        amounts(`{"AcceptAmount":{"literal":"5","signed":"5"}}`),
		"another literal":                        amounts(`{"AcceptAmount":{"literal":"5.0","signed":"5.00"}}`),
		"another signed text":                    amounts(`{"AcceptAmount":{"literal":"5","signed":"6"}}`),
		"texts of an amount that is 0":           amounts(`{"ExchangeRate":{"literal":"5","signed":"5.0"}}`),
		"amounts of another type":                amounts(`["AcceptAmount"]`),
		"an amount of another kind":              amounts(`{"AcceptAmount":"5"}`),
		"a huge number of amounts":               amounts(`{` + many.String() + `"AcceptAmount":{"literal":"5","signed":"5.0"}}`),
		"an amount twice":                        amounts(`{"AcceptAmount":{"literal":"5","signed":"5.0"},"AcceptAmount":{"literal":"5","signed":"5.00"}}`),
	} {
		ev, err := payack.DecodeEvent([]byte(in))
		if ev != nil || !errors.Is(err, payack.ErrMalformed) {
			t.Errorf("%s: %#v, %v", name, ev, err)
			continue
		}
		if strings.Contains(err.Error(), "hostile") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error quotes what it was given: %v", name, err)
		}
	}
	if _, err := payack.DecodeEvent([]byte(`{"v":2}`)); !errors.Is(err, payack.ErrNewer) || !errors.Is(err, payack.ErrMalformed) || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("the error does not say that a newer version wrote it: %v", err)
	}

	for _, ev := range everything()[1:3] {
		encoded, err := payack.EncodeEvent(ev)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(encoded)/500)
		for n := 0; n < len(encoded); n += step {
			if back, err := payack.DecodeEvent(encoded[:n]); back != nil || !errors.Is(err, payack.ErrMalformed) {
				t.Fatalf("cut after %d of %d bytes: %#v, %v", n, len(encoded), back, err)
			}
		}
	}
}

// An event with very many members is decoded like any other.
func TestDecodeEventOfManyMembers(t *testing.T) {
	ev := fullPtop()
	ev.Confirmed = nil
	for i := range 20_000 {
		ev.Extra[fmt.Sprint("member", i)] = text("x")
	}
	roundTrip(t, ev)
}

// DecodeEvent accepts more than EncodeEvent writes: encoding/json ignores the case
// of names, and unknown names. This is no weakness, because decoding verifies
// nothing anyway. Anybody who can write the bytes can make any event, so keep
// encoded events where only the receiver writes.
func TestDecodeEventVerifiesNothing(t *testing.T) {
	want := &payack.PTSEvent{UserID: "1", OrderID: "2", TransactionID: "3", Status: payack.PTSSuccess, AcceptAmount: amount("1000000")}
	for _, made := range []string{
		`{"v":1,"provider":"pts","event":{"user_id":"1","order_id":"2","transaction_id":"3","status":"2000","accept_amount":"1000000"}}`,
		`{"V":1,"Provider":"pts","EVENT":{"User_ID":"1","ORDER_ID":"2","transaction_id":"3","\u017ftatus":"2000","accept_amount":1000000}}`,
		`{"v":9,"V":1,"provider":"pts","event":null,"Event":{"user_id":"1","order_id":"2","transaction_id":"3","status":"3000","STATUS":"2000","accept_amount":"1000000"}}`,
		` {"v":1,"provider":"pts","later":[{}],"event":{"user_id":"1","order_id":"2","transaction_id":"3","status":"2000","accept_amount":"1000000","later":1}} `,
	} {
		ev, err := payack.DecodeEvent([]byte(made))
		if err != nil || !reflect.DeepEqual(ev, want) || !ev.Paid() || ev.Check() != nil || ev.VerifiedBy() != (payack.Verification{}) {
			t.Errorf("%s: %#v, %v", made, ev, err)
		}
	}
}

func FuzzEncodeEvent(f *testing.F) {
	f.Add("884", "100.50", "100.5", "name", "shop", ^uint64(0), 1)
	f.Add("<&>\u2028\x00", "500.000000000000001", "500", "", "\u0080", uint64(0x1b1b1b1b), -1)
	f.Add("\xff", "1e5", "hostile", "é", "", uint64(0x5555aaaa5555aaaa), 0)
	f.Fuzz(func(t *testing.T, a, b, c, name, tenant string, state uint64, key int) {
		by := payack.Verification{Tenant: tenant, Scheme: payack.Scheme(c), Key: key, Signature: b}
		for _, ev := range fuzzEvents(a, b, c, name, state) {
			switch ev := ev.(type) {
			case *payack.PTSEvent:
				ev.Verification = by
				ev.SubmitAmount, ev.AcceptAmount, ev.ExchangeRate = ev.SubmitAmount.Signed(c), ev.AcceptAmount.Signed(b), ev.ExchangeRate.Signed(a)
			case *payack.PayatomEvent:
				ev.Verification, ev.ReceivedAmount = by, ev.ReceivedAmount.Signed(c)
			case *payack.PtopEvent:
				ev.Verification = by
			}
			if _, err := payack.EncodeEvent(ev); err != nil {
				if utf8.ValidString(strings.Join([]string{a, b, c, name, tenant}, " ")) {
					t.Fatalf("%#v: %v", ev, err)
				}
				continue
			}
			roundTrip(t, ev)
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	for _, ev := range append(fullEvents(), &payack.PTSEvent{Status: "1000", AcceptAmount: amount("500.000000000000001").Signed("500")}) {
		encoded, err := payack.EncodeEvent(ev)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
		f.Add(encoded[:len(encoded)/2])
	}
	f.Add([]byte(`{"V":1,"provider":"payatom","event":{"Order_ID":"\ud800","unsigned":{"extra":{}},"received_amount":5e2}}`))
	f.Add([]byte(`{"v":1,"provider":"ptop","event":{"extra":{"a":null,"":"\u0000"},"message":null}}`))
	f.Add([]byte(`{"v":1,"provider":"pts","amounts":{"AcceptAmount":{"literal":"5","signed":"6"}},"event":{"accept_amount":"6","status":null}}`))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		ev, err := payack.DecodeEvent(encoded)
		if err != nil {
			if ev != nil || !errors.Is(err, payack.ErrMalformed) {
				t.Fatalf("%#v, %v", ev, err)
			}
			return
		}
		roundTrip(t, ev)
	})
}
