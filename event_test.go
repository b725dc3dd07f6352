package payack_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/payack/payack"
)

var (
	text   = payack.NewText
	amount = payack.NewAmount
)

// fullPTS returns an event in which every member has a value.
func fullPTS() *payack.PTSEvent {
	return &payack.PTSEvent{
		Verification: payack.Verification{Tenant: "shop", Scheme: payack.SchemeLiteral, Key: 1},
		UserID:       "884", OrderID: "20241878538106", TransactionID: "TB9DC67450A3989B734", Channel: text("QRPH"),
		SubmitCurrency: text("PHP"), SubmitAmount: amount("100.50"),
		AcceptCurrency: text("USDT"), AcceptAmount: amount("1.0E-5"), ExchangeRate: amount("1"),
		Status: payack.PTSSuccess, Timestamp: text("1745596328"),
		Unsigned: payack.PTSUnsigned{
			SubmitPromo: amount("0.10"), AcceptPromo: amount("0"),
			PaymentAddress: text("T9yD"), ReceivingAddress: text("TQn9"), ErrorMessage: text("none"),
			ReferenceNumber: text("0012345"), DetailsURL: text("https://pay.example/d?a=1"),
			Extra: map[string]payack.Text{"fee": text("0.10"), "nested": text(`{"a":[1,2.50,null]}`), "note": payack.NullText()},
		},
	}
}

func fullPayatom() *payack.PayatomEvent {
	return &payack.PayatomEvent{
		Verification: payack.Verification{Tenant: "shop", Scheme: payack.SchemePHP},
		OrderID:      "ORD1000001", ReceivedAmount: amount("500.00"), Status: payack.PayatomApproved,
		Unsigned: payack.PayatomUnsigned{
			RequestedAmount: amount("500"), BankRef: text("838498153464"), SenderUPI: text("user@okbank"),
			RefCode: text("b73ea6649b9a4686"), RefundInfo: text("[]"),
			Extra: map[string]payack.Text{"wallet_type": text("upi"), "flags": text("[true,false]")},
		},
	}
}

func fullPtop() *payack.PtopEvent {
	return &payack.PtopEvent{
		Verification: payack.Verification{Tenant: "shop", Scheme: payack.SchemeHeader},
		Confirmed:    &payack.Confirmation{Paid: true, Status: "1", Amount: amount("100.00")},
		Success:      true, TransactionID: "ab0833e4f4", OrderID: "ORD-7479", Message: text("Payment done"),
		Extra: map[string]payack.Text{"attempt": text("2"), "meta": text(`{"k": "v"}`)},
	}
}

func fullEvents() []payack.Event { return []payack.Event{fullPtop(), fullPTS(), fullPayatom()} }

func TestPTSStatuses(t *testing.T) {
	for _, c := range []struct {
		status             payack.PTSStatus
		known, paid, final bool
	}{
		{"0000", true, false, false},
		{"1000", true, false, false},
		{"2000", true, true, true},
		{"3000", true, false, true},
		{"4000", true, false, true},
		{"5000", true, false, false},

		{"", false, false, false},
		{"0", false, false, false},
		{"2", false, false, false},
		{"02000", false, false, false},
		{"2000 ", false, false, false},
		{"2000.0", false, false, false},
		{"20000", false, false, false},
		{"\uff12000", false, false, false},
		{"6000", false, false, false},
		{"success", false, false, false},
	} {
		if c.status.Known() != c.known || c.status.Paid() != c.paid || c.status.Final() != c.final {
			t.Errorf("%q: known %v, paid %v, final %v", c.status, c.status.Known(), c.status.Paid(), c.status.Final())
		}
		ev := fullPTS()
		ev.Status = c.status
		if ev.Paid() != c.paid || ev.Final() != c.final {
			t.Errorf("event with %q: paid %v, final %v", c.status, ev.Paid(), ev.Final())
		}
		if c.status != "" && ev.Check() != nil {
			t.Errorf("%q does not survive: %v", c.status, ev.Check())
		}
	}
}

func TestPayatomStatuses(t *testing.T) {
	for _, c := range []struct {
		status             payack.PayatomStatus
		known, paid, final bool
	}{
		{"Pending", true, false, false},
		{"Approved", true, true, true},
		{"Late Approved", true, true, true},
		{"Declined", true, false, true},
		{"No Matching Payment for UTR", true, false, false},
		{"User Timed Out", true, false, false},
		{"Refund Initiated", true, false, false},
		{"Refund Completed", true, false, true},
		{"Amount Mismatch", true, false, false},
		{"Cancelled", true, false, true},
		{"Failed", true, false, true},

		{"approved", false, false, false},
		{"APPROVED", false, false, false},
		{"Approved ", false, false, false},
		{"Late  Approved", false, false, false},
		{"LateApproved", false, false, false},
		{"Refund Approved", false, false, false},
		{"Chargeback", false, false, false},
		{"", false, false, false},
	} {
		if c.status.Known() != c.known || c.status.Paid() != c.paid || c.status.Final() != c.final {
			t.Errorf("%q: known %v, paid %v, final %v", c.status, c.status.Known(), c.status.Paid(), c.status.Final())
		}
		ev := fullPayatom()
		ev.Status = c.status
		if ev.Paid() != c.paid || ev.Final() != c.final {
			t.Errorf("event with %q: paid %v, final %v", c.status, ev.Paid(), ev.Final())
		}
		if c.status != "" && ev.Check() != nil {
			t.Errorf("%q does not survive: %v", c.status, ev.Check())
		}
	}
}

func TestPtopIsPaidOnlyWhenConfirmed(t *testing.T) {
	paid, unpaid := &payack.Confirmation{Paid: true, Status: "1"}, &payack.Confirmation{Status: "2"}
	for _, c := range []struct {
		success   bool
		confirmed *payack.Confirmation
		want      bool
	}{
		{true, nil, false},
		{true, unpaid, false},
		{true, paid, true},
		{false, nil, false},
		{false, unpaid, false},
		{false, paid, false},
	} {
		ev := &payack.PtopEvent{Success: c.success, TransactionID: "t", OrderID: "o", Message: text("paid")}
		ev.Confirmed = c.confirmed
		if ev.Paid() != c.want || !ev.Final() {
			t.Errorf("success %v, confirmed %+v: paid %v, final %v", c.success, c.confirmed, ev.Paid(), ev.Final())
		}
	}
	for status, final := range map[string]bool{"0": false, "1": true, "2": true, "": false, "3": false, "12": false} {
		ev := &payack.PtopEvent{Success: true, TransactionID: "t", OrderID: "o"}
		ev.Confirmed = &payack.Confirmation{Status: status}
		if ev.Final() != final || ev.Paid() {
			t.Errorf("confirmed status %q: final %v, paid %v", status, ev.Final(), ev.Paid())
		}
	}
}

// VerifiedBy returns a copy. So code that has an event as an interface can't change
// how the event was verified.
func TestVerificationIsACopy(t *testing.T) {
	for _, ev := range fullEvents() {
		before := ev.ID()
		by, found := ev.VerifiedBy(), ev.Found()
		by.Tenant, found.Expected = "another", payack.Expectation{Found: true}
		if ev.VerifiedBy().Tenant != "shop" || ev.Found().Expected.Found || ev.ID() != before {
			t.Errorf("%s: a change of a copy reached the event", ev.Provider())
		}
	}
}

func TestVerificationAndFindings(t *testing.T) {
	by := payack.Verification{Tenant: "shop", Scheme: payack.SchemePHP, Key: 2, Signature: "c2ln"}
	found := payack.Findings{Confirmed: &payack.Confirmation{Paid: true}, Expected: payack.Expectation{Amount: amount("5")}}
	for _, ev := range []payack.Event{
		&payack.PtopEvent{Verification: by, Confirmed: found.Confirmed}, &payack.PTSEvent{Verification: by, Confirmed: found.Confirmed}, &payack.PayatomEvent{Verification: by, Findings: found},
	} {
		want := payack.Findings{Confirmed: found.Confirmed}
		if ev.Provider() == payack.Payatom { // only Payatom has Expect
			want = found
		}
		if ev.VerifiedBy() != by || ev.Found() != want {
			t.Errorf("%s: verified by %+v, found %+v", ev.Provider(), ev.VerifiedBy(), ev.Found())
		}
		line, err := json.Marshal(ev)
		if err != nil || strings.Contains(string(line), "shop") || strings.Contains(string(line), "c2ln") || strings.Contains(string(line), "paid") {
			t.Errorf("JSON tells how it was verified, or what was found: %s, %v", line, err)
		}
	}
	for _, ev := range []payack.Event{&payack.PtopEvent{}, &payack.PTSEvent{}, &payack.PayatomEvent{}} {
		if ev.VerifiedBy() != (payack.Verification{}) || ev.Found() != (payack.Findings{}) {
			t.Errorf("%s: an empty event was verified by %+v, found %+v", ev.Provider(), ev.VerifiedBy(), ev.Found())
		}
	}
}

func TestPTSTime(t *testing.T) {
	for _, c := range []struct {
		timestamp payack.Text
		want      time.Time
		ok        bool
	}{
		{text("1745596328"), time.Date(2025, 4, 25, 15, 52, 8, 0, time.UTC), true},
		{text("0000000000"), time.Unix(0, 0).UTC(), true},
		{text("9999999999"), time.Unix(9999999999, 0).UTC(), true},
		{text("174559632"), time.Time{}, false},
		{text("1745596328000"), time.Time{}, false},
		{text("-174559632"), time.Time{}, false},
		{text("+174559632"), time.Time{}, false},
		{text("1.74559632"), time.Time{}, false},
		{text("17455 6328"), time.Time{}, false},
		{text("١٧٤٥٥"), time.Time{}, false}, // ten bytes, but no ASCII digits
		{text(""), time.Time{}, false},
		{payack.NullText(), time.Time{}, false},
		{payack.Text{}, time.Time{}, false},
	} {
		got, ok := (&payack.PTSEvent{Timestamp: c.timestamp}).Time()
		if !got.Equal(c.want) || ok != c.ok {
			t.Errorf("%q is %v, %v; want %v, %v", c.timestamp, got, ok, c.want, c.ok)
		}
	}
}

// Databases keep identities, so none of these texts may change.
func TestIDs(t *testing.T) {
	pts := func(status payack.PTSStatus, submit, accept payack.Amount) payack.Event {
		ev := fullPTS()
		ev.Status, ev.SubmitAmount, ev.AcceptAmount = status, submit, accept
		return ev
	}
	payatom := func(status payack.PayatomStatus, received payack.Amount) payack.Event {
		ev := fullPayatom()
		ev.Status, ev.ReceivedAmount = status, received
		return ev
	}
	const ptsPayment = "pts:v1:shop:884:20241878538106:TB9DC67450A3989B734"
	const ptsFingerprint = "pts:v1:100.5:PHP:0.00001:USDT"
	const payatomPayment = "payatom:v1:shop:ORD1000001"
	null := payack.AmountOf(payack.NullText())
	for _, c := range []struct {
		ev                              payack.Event
		id, fingerprint, payment, order string
	}{
		{fullPtop(), "ptop:v1:shop:ab0833e4f4:true", "ORD-7479", "ptop:v1:shop:ab0833e4f4", "ORD-7479"},
		{&payack.PtopEvent{TransactionID: "a:b", OrderID: "50%\n"}, "ptop:v1::a%3Ab:false", "50%\n", "ptop:v1::a%3Ab", "50%\n"},

		{pts("0000", amount("100.50"), amount("1.0E-5")), ptsPayment + ":0000:100.5:0.00001", ptsFingerprint, ptsPayment, "20241878538106"},
		{pts("1000", amount("100.50"), amount("1.0E-5")), ptsPayment + ":1000:100.5:0.00001", ptsFingerprint, ptsPayment, "20241878538106"},
		{pts("2000", amount("100.50"), amount("1.0E-5")), ptsPayment + ":2000", ptsFingerprint, ptsPayment, "20241878538106"},
		{pts("3000", amount("100.50"), amount("1.0E-5")), ptsPayment + ":3000", ptsFingerprint, ptsPayment, "20241878538106"},
		{pts("4000", amount("100.50"), amount("1.0E-5")), ptsPayment + ":4000", ptsFingerprint, ptsPayment, "20241878538106"},
		{pts("5000", amount("100.50"), amount("1.0E-5")), ptsPayment + ":5000:100.5:0.00001", ptsFingerprint, ptsPayment, "20241878538106"},
		{pts("6000", amount("100.50"), amount("1.0E-5")), ptsPayment + ":6000:100.5:0.00001", ptsFingerprint, ptsPayment, "20241878538106"},
		{pts("1000", null, payack.Amount{}), ptsPayment + ":1000::", "pts:v1::PHP::USDT", ptsPayment, "20241878538106"},
		{pts("1000", amount("63.00"), amount("63.000000000000001").Signed("63")), ptsPayment + ":1000:63:63", "pts:v1:63:PHP:63:USDT", ptsPayment, "20241878538106"},
		{&payack.PTSEvent{UserID: "1", OrderID: "2", TransactionID: "3", Status: "2000"}, "pts:v1::1:2:3:2000", "pts:v1::::", "pts:v1::1:2:3", "2"},

		{payatom("Approved", amount("500.00")), payatomPayment + ":Approved", "500", payatomPayment, "ORD1000001"},
		{payatom("Late Approved", amount("500.00")), payatomPayment + ":Approved", "500", payatomPayment, "ORD1000001"},
		{payatom("Pending", amount("0")), payatomPayment + ":Pending:0", "0", payatomPayment, "ORD1000001"},
		{payatom("Pending", null), payatomPayment + ":Pending:", "", payatomPayment, "ORD1000001"},
		{payatom("Declined", amount("0.00")), payatomPayment + ":Declined:0", "0", payatomPayment, "ORD1000001"},
		{payatom("No Matching Payment for UTR", amount("0")), payatomPayment + ":No Matching Payment for UTR:0", "0", payatomPayment, "ORD1000001"},
		{payatom("User Timed Out", amount("0")), payatomPayment + ":User Timed Out:0", "0", payatomPayment, "ORD1000001"},
		{payatom("Refund Initiated", amount("20.50")), payatomPayment + ":Refund Initiated:20.5", "20.5", payatomPayment, "ORD1000001"},
		{payatom("Refund Completed", amount("20.50")), payatomPayment + ":Refund Completed:20.5", "20.5", payatomPayment, "ORD1000001"},
		{payatom("Amount Mismatch", amount("499.0")), payatomPayment + ":Amount Mismatch:499", "499", payatomPayment, "ORD1000001"},
		{payatom("Cancelled", amount("")), payatomPayment + ":Cancelled:", "", payatomPayment, "ORD1000001"},
		{payatom("Failed", amount("0")), payatomPayment + ":Failed:0", "0", payatomPayment, "ORD1000001"},
		{payatom("Chargeback", amount("500")), payatomPayment + ":Chargeback:500", "500", payatomPayment, "ORD1000001"},
		{payatom("approved", amount("500")), payatomPayment + ":approved:500", "500", payatomPayment, "ORD1000001"},
		{payatom("Approved", amount("500.0000000000000001").Signed("500")), payatomPayment + ":Approved", "500", payatomPayment, "ORD1000001"},
	} {
		if c.ev.ID() != c.id || c.ev.Fingerprint() != c.fingerprint {
			t.Errorf("ID %q, fingerprint %q; want %q, %q", c.ev.ID(), c.ev.Fingerprint(), c.id, c.fingerprint)
		}
		if c.ev.Payment() != c.payment || c.ev.Order() != c.order {
			t.Errorf("%s: payment %q of order %q; want %q, %q", c.id, c.ev.Payment(), c.ev.Order(), c.payment, c.order)
		}
	}
}

// Characters that an ID must not have are escaped byte by byte; other characters
// are not.
func TestIDsEscape(t *testing.T) {
	id := func(tenant string) string {
		ev := &payack.PtopEvent{Verification: payack.Verification{Tenant: tenant}, TransactionID: "t"}
		return strings.TrimSuffix(strings.TrimPrefix(ev.ID(), "ptop:v1:"), ":t:false")
	}
	for r := rune(0); r < 0x800; r++ {
		s := string(r)
		want := s
		if unicode.IsControl(r) || r == ':' || r == '%' {
			want = ""
			for _, b := range []byte(s) {
				want += fmt.Sprintf("%%%02X", b)
			}
		}
		for _, c := range [][2]string{{s, want}, {"a" + s, "a" + want}, {s + "é", want + "é"}, {s + s + "\u20ac" + s, want + want + "\u20ac" + want}} {
			if got := id(c[0]); got != c[1] {
				t.Errorf("U+%04X: %q became %q, want %q", r, c[0], got, c[1])
			}
		}
	}
	for in, want := range map[string]string{
		"\u0080":                   "%C2%80",
		"\u009f":                   "%C2%9F",
		"\u00a0":                   "\u00a0", // NO-BREAK SPACE
		"\u00c2\u0080":             "\u00c2%C2%80",
		"\u2028\u2029\ufeff\ufffd": "\u2028\u2029\ufeff\ufffd",
		"\U0001f4b6":               "\U0001f4b6",
		"\xff":                     "%FF",
		"\xc2":                     "%C2",
		"\xc2a":                    "%C2a",
		"\x80":                     "%80",
		"é\x80":                    "%C3%A9%80", // not UTF-8, so every byte above ASCII is escaped
		"\u0080\xff":               "%C2%80%FF",
		"\xed\xa0\x80":             "%ED%A0%80", // a surrogate
		"\xc1\xba":                 "%C1%BA",    // an overlong encoding of z
		"\xf4\x90\x80\x80":         "%F4%90%80%80",
		"%3A":                      "%253A",
		"a b/\\\"'<>&":             "a b/\\\"'<>&",
	} {
		if got := id(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// An identity of up to 512 bytes is used as it is; a longer one is replaced by its
// digest.
func TestIDsAreBounded(t *testing.T) {
	const prefix, suffix = "ptop:v1::", ":true"
	room := 512 - len(prefix) - len(suffix)
	of := func(transaction string) string {
		return (&payack.PtopEvent{Success: true, TransactionID: transaction}).ID()
	}
	for _, fits := range []string{strings.Repeat("x", room), strings.Repeat(":", room/3), strings.Repeat("\u0080", room/6), strings.Repeat("é", room/2)} {
		if id := of(fits); strings.Contains(id, "sha256") || len(id) > 512 {
			t.Errorf("%q of %d bytes", id, len(id))
		}
	}
	for transaction, want := range map[string]string{
		strings.Repeat("x", room+1):    "ptop:v1:sha256-912f28e2d4ac8c6d0f9852b6754c2bfa140c34ae086cce78b48f718e9765d9ca",
		strings.Repeat(":", room/3+1):  "ptop:v1:sha256-e9391add57f4ca3cf8ccc068818cecae46024a3f124cb1b70f5f9644cf25660f",
		strings.Repeat("\xff", 64<<10): "ptop:v1:sha256-75b7b221f67c874cc0e0ab486b1e9f5de232cb1cb8c52492dd93c0994d788ce2",
	} {
		if id := of(transaction); id != want {
			t.Errorf("%d bytes: %q, want %q", len(transaction), id, want)
		}
	}
	// No transaction_id gives an identity that equals the digest of another
	// identity.
	long := of(strings.Repeat("x", room+1))
	if forged := of(strings.TrimPrefix(long, "ptop:v1:")); forged == long {
		t.Errorf("%q is two events", forged)
	}
	big := strings.Repeat("x", 4000)
	seen := map[string]bool{}
	for _, ev := range []payack.Event{
		&payack.PTSEvent{UserID: big, OrderID: "o", TransactionID: "t"}, &payack.PTSEvent{UserID: big + "x", OrderID: "o", TransactionID: "t"},
		&payack.PTSEvent{UserID: big, OrderID: "o", TransactionID: "u"}, &payack.PTSEvent{UserID: big, OrderID: "x:o", TransactionID: "t"},
		&payack.PayatomEvent{OrderID: big}, &payack.PayatomEvent{OrderID: big, Status: "x"},
		&payack.PtopEvent{TransactionID: big}, &payack.PtopEvent{TransactionID: big, Success: true},
		&payack.PtopEvent{Verification: payack.Verification{Tenant: "x"}, TransactionID: big},
	} {
		if id := ev.ID(); seen[id] || len(id) > 512 || len(ev.Payment()) > 512 || id == ev.Payment() {
			t.Errorf("ID %q, payment %q", id, ev.Payment())
		}
		seen[ev.ID()] = true
	}
}

// A relay can change unsigned members, so they must not change the identity.
// Members that only describe the delivery must not change it either.
func TestIDsAreMadeOfSignedTextOnly(t *testing.T) {
	same := func(name string, a, b payack.Event) {
		t.Helper()
		if a.ID() != b.ID() || a.Fingerprint() != b.Fingerprint() {
			t.Errorf("%s: %q, %q became %q, %q", name, a.ID(), a.Fingerprint(), b.ID(), b.Fingerprint())
		}
	}
	pts := fullPTS()
	pts.Unsigned = payack.PTSUnsigned{ReferenceNumber: text("forged")}
	same("PTS without unsigned members", fullPTS(), pts)

	payatom := fullPayatom()
	payatom.Unsigned = payack.PayatomUnsigned{RequestedAmount: amount("1"), RefCode: text("forged")}
	same("Payatom without unsigned members", fullPayatom(), payatom)

	otherwise := payack.Verification{Tenant: "shop", Scheme: "other", Key: 7, Signature: "x"}
	found := payack.Findings{Confirmed: &payack.Confirmation{Status: "0"}, Expected: payack.Expectation{Found: true}}
	for i, ev := range []payack.Event{
		&payack.PtopEvent{Verification: otherwise, Confirmed: found.Confirmed, Success: true, TransactionID: "ab0833e4f4", OrderID: "ORD-7479"},
		func() payack.Event {
			ev := fullPTS()
			ev.Verification, ev.Confirmed = otherwise, found.Confirmed
			return ev
		}(),
		func() payack.Event { ev := fullPayatom(); ev.Verification, ev.Findings = otherwise, found; return ev }(),
	} {
		same("verified otherwise", fullEvents()[i], ev)
	}

	// Under the scheme php the sender signs 100.5, whatever spelling it sends.
	for _, literal := range []string{"100.5", "100.50", "100.500", "1005e-1", "1.005E2"} {
		a, b := fullPTS(), fullPTS()
		a.SubmitAmount = amount("100.5")
		b.SubmitAmount = amount(literal).Signed("100.5")
		same("PTS "+literal, a, b)
		b.AcceptAmount = b.AcceptAmount.Signed("0.00001")
		same("PTS, another spelling of what is signed", a, b)
		b.AcceptAmount = b.AcceptAmount.Signed("0.00002")
		if a.Fingerprint() == b.Fingerprint() {
			t.Error("another signed amount has the same fingerprint")
		}

		c, d := fullPayatom(), fullPayatom()
		c.ReceivedAmount = amount("100.5")
		d.ReceivedAmount = amount(literal).Signed("100.5")
		same("Payatom "+literal, c, d)
		if c.SignedText() != "ORD1000001100.5Approved" || d.SignedText() != c.SignedText() {
			t.Errorf("signed text %q and %q", c.SignedText(), d.SignedText())
		}
	}

	// Missing, null and empty members have the same signed text.
	for _, none := range []payack.Text{{}, payack.NullText(), text("")} {
		a, b := fullPTS(), fullPTS()
		a.SubmitAmount, a.SubmitCurrency = amount(""), text("")
		b.SubmitAmount, b.SubmitCurrency = payack.AmountOf(none), none
		same("PTS without an amount", a, b)
		a.Status, b.Status = payack.PTSWaiting, payack.PTSWaiting
		same("PTS without an amount, waiting", a, b)

		c, d := fullPayatom(), fullPayatom()
		c.ReceivedAmount, c.Status = amount(""), payack.PayatomPending
		d.ReceivedAmount, d.Status = payack.AmountOf(none), payack.PayatomPending
		same("Payatom without an amount", c, d)
	}

	// An amount has several spellings, and each can have a genuine signature.
	for _, spelling := range []string{"63", "63.0", "63.00", "6.3e1", "630e-1", "0.63E+2"} {
		for _, status := range []payack.PTSStatus{payack.PTSWaiting, payack.PTSSuccess, "6000"} {
			a, b := fullPTS(), fullPTS()
			a.Status, a.SubmitAmount, a.AcceptAmount = status, amount("63.000"), amount("63.000")
			b.Status, b.SubmitAmount, b.AcceptAmount = status, amount(spelling), amount(spelling)
			same("PTS "+spelling, a, b)
		}
		for _, status := range []payack.PayatomStatus{payack.PayatomPending, payack.PayatomApproved, payack.PayatomRefundCompleted} {
			a, b := fullPayatom(), fullPayatom()
			a.Status, a.ReceivedAmount = status, amount("63.000")
			b.Status, b.ReceivedAmount = status, amount(spelling)
			same("Payatom "+spelling, a, b)
		}
	}
	late := fullPayatom()
	late.Status = payack.PayatomLateApproved
	same("Approved and Late Approved", fullPayatom(), late)
	if late.SignedText() == fullPayatom().SignedText() {
		t.Error("Approved and Late Approved are signed as two words")
	}
}

// Each signed member of the identity distinguishes events. Each signed amount or
// currency distinguishes fingerprints.
func TestIDsAndFingerprintsDistinguishEvents(t *testing.T) {
	type change struct {
		name                     string
		ev                       payack.Event
		id, fingerprint, payment bool // what must differ
	}
	pts := func(f func(*payack.PTSEvent)) payack.Event { ev := fullPTS(); f(ev); return ev }
	payatom := func(f func(*payack.PayatomEvent)) payack.Event { ev := fullPayatom(); f(ev); return ev }
	ptop := func(f func(*payack.PtopEvent)) payack.Event { ev := fullPtop(); f(ev); return ev }
	base := map[payack.Provider]payack.Event{payack.PTS: fullPTS(), payack.Payatom: fullPayatom(), payack.Ptop: fullPtop()}
	check := func(old payack.Event, c change) {
		t.Helper()
		if differs := c.ev.ID() != old.ID(); differs != c.id {
			t.Errorf("%s, another %s: ID %q and %q", c.ev.Provider(), c.name, old.ID(), c.ev.ID())
		}
		if differs := c.ev.Fingerprint() != old.Fingerprint(); differs != c.fingerprint {
			t.Errorf("%s, another %s: fingerprint %q and %q", c.ev.Provider(), c.name, old.Fingerprint(), c.ev.Fingerprint())
		}
		if differs := c.ev.Payment() != old.Payment(); differs != c.payment {
			t.Errorf("%s, another %s: payment %q and %q", c.ev.Provider(), c.name, old.Payment(), c.ev.Payment())
		}
	}
	for _, c := range []change{
		{"tenant", pts(func(e *payack.PTSEvent) { e.Tenant = "shop2" }), true, false, true},
		{"no tenant", pts(func(e *payack.PTSEvent) { e.Tenant = "" }), true, false, true},
		{"user_id", pts(func(e *payack.PTSEvent) { e.UserID = "885" }), true, false, true},
		{"order_id", pts(func(e *payack.PTSEvent) { e.OrderID += "0" }), true, false, true},
		{"transaction_id", pts(func(e *payack.PTSEvent) { e.TransactionID += "0" }), true, false, true},
		{"borders of ids", pts(func(e *payack.PTSEvent) { e.UserID, e.OrderID = "8842", "0241878538106" }), true, false, true},
		{"status", pts(func(e *payack.PTSEvent) { e.Status = payack.PTSFailed }), true, false, false},
		{"submit_amount", pts(func(e *payack.PTSEvent) { e.SubmitAmount = amount("100.51") }), false, true, false},
		{"accept_amount", pts(func(e *payack.PTSEvent) { e.AcceptAmount = amount("2") }), false, true, false},
		{"submit_currency", pts(func(e *payack.PTSEvent) { e.SubmitCurrency = text("USD") }), false, true, false},
		{"accept_currency", pts(func(e *payack.PTSEvent) { e.AcceptCurrency = text("USD") }), false, true, false},
		{"borders", pts(func(e *payack.PTSEvent) { e.SubmitAmount, e.SubmitCurrency = amount("100.5"), text("0PHP") }), false, true, false},
		{"rate", pts(func(e *payack.PTSEvent) { e.ExchangeRate = amount("2") }), false, false, false},
		{"time and channel", pts(func(e *payack.PTSEvent) { e.Timestamp, e.Channel = text("1"), text("GCASH") }), false, false, false},

		{"tenant", payatom(func(e *payack.PayatomEvent) { e.Tenant = "shop2" }), true, false, true},
		{"order_id", payatom(func(e *payack.PayatomEvent) { e.OrderID = "ORD1000002" }), true, false, true},
		{"received_amount", payatom(func(e *payack.PayatomEvent) { e.ReceivedAmount = amount("501") }), false, true, false},
		{"status", payatom(func(e *payack.PayatomEvent) { e.Status = payack.PayatomRefundCompleted }), true, false, false},
		{"spelling of the status", payatom(func(e *payack.PayatomEvent) { e.Status = "approved" }), true, false, false},
		{"borders", payatom(func(e *payack.PayatomEvent) { e.OrderID, e.ReceivedAmount = "ORD10000015", amount("00.00") }), true, true, true},

		{"tenant", ptop(func(e *payack.PtopEvent) { e.Tenant = "shop2" }), true, false, true},
		{"transaction_id", ptop(func(e *payack.PtopEvent) { e.TransactionID = "ab0833e4f5" }), true, false, true},
		{"order_id", ptop(func(e *payack.PtopEvent) { e.OrderID = "ORD-7480" }), false, true, false},
		{"success", ptop(func(e *payack.PtopEvent) { e.Success = false }), true, false, false},
		{"message", ptop(func(e *payack.PtopEvent) { e.Message, e.Extra = text("Failed"), nil }), false, false, false},
	} {
		check(base[c.ev.Provider()], c)
	}

	// An event whose status is not final is another event if its amounts differ.
	for _, status := range []payack.PTSStatus{payack.PTSWaiting, payack.PTSProcessing, payack.PTSExpired, "6000", "success"} {
		with := func(f func(*payack.PTSEvent)) payack.Event {
			return pts(func(e *payack.PTSEvent) { e.Status = status; f(e) })
		}
		old := with(func(*payack.PTSEvent) {})
		for _, c := range []change{
			{"submit_amount", with(func(e *payack.PTSEvent) { e.SubmitAmount = amount("100.51") }), true, true, false},
			{"accept_amount", with(func(e *payack.PTSEvent) { e.AcceptAmount = amount("2") }), true, true, false},
			{"no accept_amount", with(func(e *payack.PTSEvent) { e.AcceptAmount = payack.Amount{} }), true, true, false},
			{"amounts the other way round", with(func(e *payack.PTSEvent) { e.SubmitAmount, e.AcceptAmount = e.AcceptAmount, e.SubmitAmount }), true, true, false},
			{"accept_currency", with(func(e *payack.PTSEvent) { e.AcceptCurrency = text("USD") }), false, true, false},
		} {
			check(old, c)
		}
	}
	for _, status := range []payack.PayatomStatus{payack.PayatomPending, payack.PayatomDeclined, payack.PayatomNoMatch, payack.PayatomTimedOut,
		payack.PayatomRefundInitiated, payack.PayatomRefundCompleted, payack.PayatomAmountMismatch, payack.PayatomCancelled, payack.PayatomFailed, "Chargeback"} {
		with := func(a payack.Amount) payack.Event {
			return payatom(func(e *payack.PayatomEvent) { e.Status, e.ReceivedAmount = status, a })
		}
		check(with(amount("500")), change{"received_amount", with(amount("501")), true, true, false})
		check(with(amount("500")), change{"received_amount", with(payack.Amount{}), true, true, false})
		check(with(amount("0")), change{"received_amount", with(payack.Amount{}), true, true, false})
	}

	spliced := fullPayatom()
	spliced.OrderID, spliced.ReceivedAmount = "ORD10000015", amount("00.00")
	if spliced.SignedText() != fullPayatom().SignedText() {
		t.Error("the spliced event should share the signed text, and nothing else")
	}
}

// meaning lists the parts of each key of an event: ID, fingerprint and payment.
// Amounts are written by value, so that equal amounts are equal parts.
type meaning struct{ id, fingerprint, payment []string }

// members are the texts that a fuzzer chooses.
type members struct{ tenant, user, order, transaction, status, submit, accept, submitCurrency, acceptCurrency string }

// events returns an event of each provider with these members, and what its keys
// must consist of.
func (m members) events() map[payack.Event]meaning {
	v := payack.Verification{Tenant: m.tenant}
	ptsID := []string{m.tenant, m.user, m.order, m.transaction, m.status}
	if m.status != "2000" && m.status != "3000" && m.status != "4000" {
		ptsID = append(ptsID, valueOf(m.submit), valueOf(m.accept))
	}
	payatomID := []string{m.tenant, m.order, m.status, valueOf(m.accept)}
	if m.status == "Approved" || m.status == "Late Approved" {
		payatomID = []string{m.tenant, m.order, "Approved"}
	}
	success := m.status == "2000"
	return map[payack.Event]meaning{
		&payack.PTSEvent{Verification: v, UserID: m.user, OrderID: m.order, TransactionID: m.transaction, Status: payack.PTSStatus(m.status),
			SubmitAmount: amount(m.submit), SubmitCurrency: text(m.submitCurrency),
			AcceptAmount: amount(m.accept), AcceptCurrency: text(m.acceptCurrency)}: {
			id:          ptsID,
			fingerprint: []string{valueOf(m.submit), m.submitCurrency, valueOf(m.accept), m.acceptCurrency},
			payment:     []string{m.tenant, m.user, m.order, m.transaction},
		},
		&payack.PayatomEvent{Verification: v, OrderID: m.order, ReceivedAmount: amount(m.accept), Status: payack.PayatomStatus(m.status)}: {
			id:          payatomID,
			fingerprint: []string{valueOf(m.accept)},
			payment:     []string{m.tenant, m.order},
		},
		&payack.PtopEvent{Verification: v, TransactionID: m.transaction, OrderID: m.order, Success: success}: {
			id:          []string{m.tenant, m.transaction, strconv.FormatBool(success)},
			fingerprint: []string{m.order},
			payment:     []string{m.tenant, m.transaction},
		},
	}
}

// valueOf spells an amount's value independently of the package. For a text that is
// not a number it returns the text, marked if it is too long for an amount.
func valueOf(s string) string {
	if value, valid := referenceValue(s); valid {
		return strings.TrimSuffix(strings.TrimRight(value.FloatString(80), "0"), ".")
	}
	if len(s) > 40 {
		return "~" + s
	}
	return s
}

// keyOf joins parts to a key independently of the package.
func keyOf(p payack.Provider, parts []string) string {
	key := string(p) + ":v1"
	for _, part := range parts {
		key += ":"
		if !utf8.ValidString(part) {
			for _, c := range []byte(part) {
				if c < utf8.RuneSelf {
					key += escapeRune(rune(c))
				} else {
					key += fmt.Sprintf("%%%02X", c)
				}
			}
			continue
		}
		for _, r := range part {
			key += escapeRune(r)
		}
	}
	if len(key) > 512 {
		return fmt.Sprintf("%s:v1:sha256-%x", p, sha256.Sum256([]byte(key)))
	}
	return key
}

func escapeRune(r rune) string {
	if r == ':' || r == '%' || unicode.IsControl(r) {
		return strings.ToUpper(url.QueryEscape(string(r)))
	}
	return string(r)
}

// partsOf splits a key into its parts. If this gives back the parts of every key,
// no two lists of parts share a key.
func partsOf(key string) ([]string, error) {
	parts := strings.Split(key, ":")
	for i, p := range parts {
		var err error
		if parts[i], err = url.PathUnescape(p); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func checkKey(t *testing.T, p payack.Provider, key string, parts []string) {
	t.Helper()
	if want := keyOf(p, parts); key != want {
		t.Fatalf("%q of %q, want %q", key, parts, want)
	}
	if len(key) > 512 || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl) {
		t.Fatalf("%q is no safe key", key)
	}
	if strings.HasPrefix(key, string(p)+":v1:sha256-") && len(key) == len(p)+len(":v1:sha256-")+64 && strings.Count(key, ":") == 2 {
		return
	}
	if got, err := partsOf(key); err != nil || !slices.Equal(got, append([]string{string(p), "v1"}, parts...)) {
		t.Fatalf("%q of %q reads as %q, %v", key, parts, got, err)
	}
}

// checkKeys requires that two events have equal keys exactly when the events mean
// the same.
func checkKeys(t *testing.T, a, b members) {
	t.Helper()
	for one, means := range a.events() {
		checkKey(t, one.Provider(), one.ID(), means.id)
		checkKey(t, one.Provider(), one.Payment(), means.payment)
		if one.Provider() == payack.PTS {
			checkKey(t, one.Provider(), one.Fingerprint(), means.fingerprint)
		} else if one.Fingerprint() != means.fingerprint[0] {
			t.Fatalf("fingerprint %q, want %q", one.Fingerprint(), means.fingerprint[0])
		}
		for two, others := range b.events() {
			related := one.Provider() == two.Provider()
			if equal := one.ID() == two.ID(); equal != (related && slices.Equal(means.id, others.id)) {
				t.Fatalf("%q and %q have the IDs %q and %q", means.id, others.id, one.ID(), two.ID())
			}
			if equal := one.Payment() == two.Payment(); equal != (related && slices.Equal(means.payment, others.payment)) {
				t.Fatalf("%q and %q have the payments %q and %q", means.payment, others.payment, one.Payment(), two.Payment())
			}
			if equal := one.Fingerprint() == two.Fingerprint(); related && equal != slices.Equal(means.fingerprint, others.fingerprint) {
				t.Fatalf("%q and %q have the fingerprints %q and %q", means.fingerprint, others.fingerprint, one.Fingerprint(), two.Fingerprint())
			}
		}
	}
}

// Parts that contain separators or escapes don't share an identity with other
// parts.
func TestIDsAreInjective(t *testing.T) {
	short := []string{""}
	alphabet := []string{":", "%", "3A", "\x00", "a"}
	for _, x := range alphabet {
		short = append(short, x)
		for _, y := range alphabet[:4] {
			short = append(short, x+y)
		}
	}
	seen := make(map[string][4]string)
	for _, tenant := range short {
		for _, a := range short[:13] {
			for _, b := range short[:13] {
				for _, c := range short[:9] {
					parts := [4]string{tenant, a, b, c}
					ev := &payack.PTSEvent{Verification: payack.Verification{Tenant: tenant}, UserID: a, OrderID: b, TransactionID: c}
					for _, status := range []payack.PTSStatus{"2000", "1000"} {
						ev.Status = status
						id := ev.ID()
						if other, found := seen[id]; found {
							t.Fatalf("%q and %q share the ID %q", parts, other, id)
						}
						seen[id] = parts
					}
				}
			}
		}
	}
}

func FuzzIDs(f *testing.F) {
	f.Add("", "884", "20241878538106", "TB9DC67450A3989B734", "2000", "100.50", "1.0E-5", "PHP", "USDT",
		"shop", "885", "20241878538107", "TB9DC67450A3989B735", "3000", "1005e-1", "0.00001", "USD", "usdt", uint16(0))
	f.Add("shop:1", "884:", "%3A", "a%", "Late Approved", "63", "63.00", ":", "%",
		"shop", "1:884:", "\x00", "3A", "Approved", "630e-1", "6.3e1", "%3A", "", uint16(0x1ff))
	f.Add("\xff", "\u0080", "\u2028", "\x7f\r\n", "1000", "-0", "0e40", "é", "\u009f",
		"\xff\xff", "\xc2\x80", "\ufffd", "\x7f", "0000", "0.000", "0", "\xc3\xa9", "\xc2", uint16(0xf))
	f.Add("", "", "", strings.Repeat("x", 600), "1000", "1e40", "1e-40", "", "",
		"", "", strings.Repeat(":", 200), strings.Repeat("x", 601), "1000", "1"+strings.Repeat("0", 40), "0."+strings.Repeat("0", 39)+"1", "", "", uint16(0x16))
	f.Add("", "", "sha256-", "", "Approved", "01", "1", "", "",
		"", "", "", "sha256-", "Approved", "1", "~"+strings.Repeat("1", 41), "", "", uint16(0x1f))
	f.Fuzz(func(t *testing.T, tenant, user, order, transaction, status, submit, accept, submitCurrency, acceptCurrency,
		tenant2, user2, order2, transaction2, status2, submit2, accept2, submitCurrency2, acceptCurrency2 string, same uint16) {
		a := members{tenant, user, order, transaction, status, submit, accept, submitCurrency, acceptCurrency}
		b := members{tenant2, user2, order2, transaction2, status2, submit2, accept2, submitCurrency2, acceptCurrency2}
		checkKeys(t, a, b)
		checkKeys(t, a, a)
		// Random pairs differ in everything, so make pairs that share parts.
		theirs := []*string{&b.tenant, &b.user, &b.order, &b.transaction, &b.status, &b.submit, &b.accept, &b.submitCurrency, &b.acceptCurrency}
		for i, ours := range []string{a.tenant, a.user, a.order, a.transaction, a.status, a.submit, a.accept, a.submitCurrency, a.acceptCurrency} {
			if same>>i&1 == 1 {
				*theirs[i] = ours
			}
		}
		checkKeys(t, a, b)
	})
}

func TestEventsJSON(t *testing.T) {
	for _, c := range []struct {
		name string
		ev   payack.Event
		want string
	}{
		{"PTS, all members", fullPTS(),
			`{"user_id":"884","order_id":"20241878538106","transaction_id":"TB9DC67450A3989B734","channel":"QRPH",` +
				`"submit_currency":"PHP","submit_amount":"100.50","accept_currency":"USDT","accept_amount":"1.0E-5","exchange_rate":"1",` +
				`"status":"2000","timestamp":"1745596328","unsigned":{"submit_promo":"0.10","accept_promo":"0",` +
				`"payment_address":"T9yD","receiving_address":"TQn9","error_message":"none","reference_number":"0012345",` +
				`"details_url":"https://pay.example/d?a=1","extra":{"fee":"0.10","nested":"{\"a\":[1,2.50,null]}","note":null}}}`},
		{"PTS, nothing unsigned", &payack.PTSEvent{
			UserID: "1", OrderID: "2", TransactionID: "3", Channel: text(""), SubmitCurrency: payack.NullText(),
			SubmitAmount: amount("100.50").Signed("100.5"), AcceptAmount: payack.AmountOf(payack.NullText()),
			ExchangeRate: amount(""), Status: "0000", Timestamp: text("1745596328")},
			`{"user_id":"1","order_id":"2","transaction_id":"3","channel":"","submit_currency":null,"submit_amount":"100.50",` +
				`"accept_amount":null,"exchange_rate":"","status":"0000","timestamp":"1745596328"}`},
		{"PTS, null and empty unsigned", &payack.PTSEvent{UserID: "1", OrderID: "2", TransactionID: "3", Status: "9999",
			Unsigned: payack.PTSUnsigned{SubmitPromo: payack.AmountOf(payack.NullText()), ErrorMessage: payack.NullText(), ReferenceNumber: text("")}},
			`{"user_id":"1","order_id":"2","transaction_id":"3","status":"9999","unsigned":{"submit_promo":null,"error_message":null,"reference_number":""}}`},
		{"Payatom, all members", fullPayatom(),
			`{"order_id":"ORD1000001","received_amount":"500.00","status":"Approved","unsigned":{"requested_amount":"500",` +
				`"bank_ref":"838498153464","sender_upi":"user@okbank","ref_code":"b73ea6649b9a4686","refund_info":"[]",` +
				`"extra":{"flags":"[true,false]","wallet_type":"upi"}}}`},
		{"Payatom, a refund", &payack.PayatomEvent{OrderID: "O", ReceivedAmount: amount("5"), Status: payack.PayatomRefundInitiated,
			Unsigned: payack.PayatomUnsigned{RequestedAmount: payack.AmountOf(payack.NullText()),
				RefundInfo: text(`{ "refund_amount" : 5.00, "refund_notes":null}`)}},
			`{"order_id":"O","received_amount":"5","status":"Refund Initiated","unsigned":{"requested_amount":null,` +
				`"refund_info":"{ \"refund_amount\" : 5.00, \"refund_notes\":null}"}}`},
		{"Payatom, nothing paid", &payack.PayatomEvent{OrderID: "O", ReceivedAmount: payack.AmountOf(payack.NullText()),
			Status: payack.PayatomPending, Unsigned: payack.PayatomUnsigned{RefundInfo: payack.NullText()}},
			`{"order_id":"O","received_amount":null,"status":"Pending","unsigned":{"refund_info":null}}`},
		{"Ptop, all members", fullPtop(),
			`{"success":true,"transaction_id":"ab0833e4f4","order_id":"ORD-7479","message":"Payment done",` +
				`"extra":{"attempt":"2","meta":"{\"k\": \"v\"}"}}`},
		{"Ptop, failed", &payack.PtopEvent{TransactionID: "t", OrderID: "o"},
			`{"success":false,"transaction_id":"t","order_id":"o"}`},
		{"Ptop, null message", &payack.PtopEvent{TransactionID: "t", OrderID: "o", Message: payack.NullText(),
			Extra: map[string]payack.Text{"unsigned": text(""), "x": payack.NullText()}},
			`{"success":false,"transaction_id":"t","order_id":"o","message":null,"extra":{"unsigned":"","x":null}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := json.Marshal(c.ev)
			if err != nil || string(got) != c.want {
				t.Fatalf("JSON, error %v:\n%s, want\n%s", err, got, c.want)
			}
			back := reflect.New(reflect.TypeOf(c.ev).Elem()).Interface().(payack.Event)
			if err := json.Unmarshal(got, back); err != nil {
				t.Fatal(err)
			}
			requireSameMembers(t, c.ev, back)
		})
	}
}

// requireSameMembers compares the members that an event's JSON form carries, and
// whether each is absent, null or present. It ignores how the events were verified,
// and the signed texts of amounts.
func requireSameMembers(t *testing.T, want, got payack.Event) {
	t.Helper()
	switch ev := want.(type) {
	case *payack.PTSEvent:
		plain := *ev
		plain.Verification, plain.Confirmed = payack.Verification{}, nil
		plain.SubmitAmount = payack.AmountOf(ev.SubmitAmount.Text())
		plain.AcceptAmount = payack.AmountOf(ev.AcceptAmount.Text())
		plain.ExchangeRate = payack.AmountOf(ev.ExchangeRate.Text())
		want = &plain
	case *payack.PtopEvent:
		plain := *ev
		plain.Verification, plain.Confirmed = payack.Verification{}, nil
		want = &plain
	case *payack.PayatomEvent:
		plain := *ev
		plain.Verification, plain.Findings = payack.Verification{}, payack.Findings{}
		want = &plain
	}
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("back from JSON:\n%#v, want\n%#v", got, want)
	}
}

func TestConfirmationJSON(t *testing.T) {
	for _, c := range []struct {
		in   payack.Confirmation
		want string
	}{
		{payack.Confirmation{Paid: true, Status: "1", Amount: amount("100.00"), Currency: text("USD")},
			`{"paid":true,"status":"1","amount":"100.00","currency":"USD"}`},
		{payack.Confirmation{Status: "0"}, `{"paid":false,"status":"0"}`},
	} {
		b, err := json.Marshal(c.in)
		var back payack.Confirmation
		if err != nil || string(b) != c.want || json.Unmarshal(b, &back) != nil || back != c.in {
			t.Errorf("JSON %s, %v; want %s; back %+v", b, err, c.want, back)
		}
	}
}

func TestEventsFromJSONRefuseOtherTypes(t *testing.T) {
	for _, in := range []string{
		`{"accept_amount":[100.50]}`, `{"channel":7}`, `{"unsigned":{"error_message":["hostile"]}}`,
		`{"unsigned":{"extra":{"fee":{"hostile":1}}}}`, `{"unsigned":{"submit_promo":true}}`,
	} {
		err := json.Unmarshal([]byte(in), new(payack.PTSEvent))
		if !errors.Is(err, payack.ErrMalformed) || strings.Contains(err.Error(), "hostile") {
			t.Errorf("%s: error %v", in, err)
		}
	}
}

// fuzzText makes a member from a fuzzed string. Two bits of state choose whether
// the member is absent, null, empty or s.
func fuzzText(s string, state *uint64) payack.Text {
	two := *state & 3
	*state >>= 2
	switch two {
	case 0:
		return payack.Text{}
	case 1:
		return payack.NullText()
	case 2:
		return text("")
	}
	return text(s)
}

// fuzzEvents makes an event of each provider from fuzzed texts.
func fuzzEvents(a, b, c, name string, state uint64) []payack.Event {
	next := func(s string) payack.Text { return fuzzText(s, &state) }
	num := func(s string) payack.Amount { return payack.AmountOf(next(s)) }
	extra := func() map[string]payack.Text {
		m := map[string]payack.Text{name: next(c), name + "2": next(a)}
		maps.DeleteFunc(m, func(_ string, t payack.Text) bool { return t.IsZero() })
		if len(m) == 0 {
			return nil
		}
		return m
	}
	pts := &payack.PTSEvent{
		UserID: a, OrderID: b, TransactionID: c, Status: payack.PTSStatus(name), Channel: next(a),
		SubmitCurrency: next(b), SubmitAmount: num(b), AcceptCurrency: next(c), AcceptAmount: num(c), ExchangeRate: num(a), Timestamp: next(b),
		Unsigned: payack.PTSUnsigned{SubmitPromo: num(b), AcceptPromo: num(a), PaymentAddress: next(c), ReceivingAddress: next(a),
			ErrorMessage: next(c), ReferenceNumber: next(b), DetailsURL: next(c), Extra: extra()},
	}
	payatom := &payack.PayatomEvent{
		OrderID: a, ReceivedAmount: num(b), Status: payack.PayatomStatus(c),
		Unsigned: payack.PayatomUnsigned{RequestedAmount: num(b), BankRef: next(a), SenderUPI: next(c), RefCode: next(b), RefundInfo: next(c), Extra: extra()},
	}
	ptop := &payack.PtopEvent{Success: state&1 == 1, TransactionID: a, OrderID: b, Message: next(c), Extra: extra()}
	return []payack.Event{pts, payatom, ptop}
}

func FuzzEventsJSON(f *testing.F) {
	f.Add("884", "100.50", `{"a":[1]}`, "name", ^uint64(0))
	f.Add("<&>\u2028", "1e5", `"quoted"`, "", uint64(0x1b1b1b1b))
	f.Add("null", "", "\x00\x1f\\", "é", uint64(0x5555aaaa5555aaaa))
	f.Fuzz(func(t *testing.T, a, b, c, name string, state uint64) {
		for _, s := range []string{a, b, c, name} {
			if !utf8.ValidString(s) {
				t.Skip("strict decoding lets no such text through")
			}
		}
		for _, ev := range fuzzEvents(a, b, c, name, state) {
			line, err := json.Marshal(ev)
			if err != nil || strings.ContainsAny(string(line), "\r\n") {
				t.Fatalf("JSON %s, %v", line, err)
			}
			var members map[string]any
			if err := json.Unmarshal(line, &members); err != nil {
				t.Fatal(err)
			}
			requireTexts(t, members, true)
			back := reflect.New(reflect.TypeOf(ev).Elem()).Interface().(payack.Event)
			if err := json.Unmarshal(line, back); err != nil {
				t.Fatal(err)
			}
			requireSameMembers(t, ev, back)
			if ev.ID() != back.ID() || ev.Fingerprint() != back.Fingerprint() {
				t.Fatalf("ID %q and %q, fingerprint %q and %q", ev.ID(), back.ID(), ev.Fingerprint(), back.Fingerprint())
			}
		}
	})
}

// requireTexts checks the members of an event's JSON form: each is a string or null,
// except success, unsigned and extra. Programs that read logged events rely on this.
func requireTexts(t *testing.T, members map[string]any, top bool) {
	t.Helper()
	for name, v := range members {
		switch v := v.(type) {
		case string, nil:
		case bool:
			if !top || name != "success" {
				t.Fatalf("%s is a boolean", name)
			}
		case map[string]any:
			if name != "unsigned" && name != "extra" {
				t.Fatalf("%s is an object", name)
			}
			requireTexts(t, v, false)
		default:
			t.Fatalf("%s is a %T", name, v)
		}
	}
}

func TestPayatomRefund(t *testing.T) {
	full := payack.PayatomRefund{
		RefundedUPI: text("user@okbank"), Amount: amount("500.00"), InitiatedTime: text("2025-04-25 10:00:00"),
		CompletedTime: payack.NullText(), Status: text("Completed"), Notes: text("a\"b\u20ac"),
	}
	for _, c := range []struct {
		name string
		info payack.Text
		want payack.PayatomRefund
		ok   bool
	}{
		{"an object", text(`{"refunded_upi":"user@okbank","refund_amount":"500.00","refund_initiated_time":"2025-04-25 10:00:00",` +
			`"refund_completed_time":null,"refund_status":"Completed","refund_notes":"a\"b\u20ac"}`), full, true},
		{"with white space", text("{ \"refunded_upi\" : \"user@okbank\" ,\n\"refund_amount\": \"500.00\" , \"refund_initiated_time\":\t\"2025-04-25 10:00:00\"," +
			"\"refund_completed_time\" : null , \"refund_status\" : \"Completed\" , \"refund_notes\" : \"a\\\"b\\u20ac\" } "), full, true},
		{"an amount that is a number", text(`{"refund_amount": 500.00 }`), payack.PayatomRefund{Amount: amount("500.00")}, true},
		{"nested once more", text(`{"refund_notes" : [ 1, {"a": null} ] , "refund_status": {"x" : 1} }`),
			payack.PayatomRefund{Notes: text(`[ 1, {"a": null} ]`), Status: text(`{"x" : 1}`)}, true},
		{"other types", text(`{"refund_notes":true,"refund_status":-1e5,"refunded_upi":""}`),
			payack.PayatomRefund{Notes: text("true"), Status: text("-1e5"), RefundedUPI: text("")}, true},
		{"unknown members only", text(`{"other":1}`), payack.PayatomRefund{}, true},
		{"names are case-sensitive", text(`{"Refund_Amount":"1"}`), payack.PayatomRefund{}, true},

		{"an empty array", text(`[]`), payack.PayatomRefund{}, false},
		{"an empty object", text(`{}`), payack.PayatomRefund{}, false},
		{"null", payack.NullText(), payack.PayatomRefund{}, false},
		{"absent", payack.Text{}, payack.PayatomRefund{}, false},
		{"an empty text", text(""), payack.PayatomRefund{}, false},
		{"the word null", text("null"), payack.PayatomRefund{}, false},
		{"a list", text(`[{"refund_amount":"1"}]`), payack.PayatomRefund{}, false},
		{"a word", text("none"), payack.PayatomRefund{}, false},
		{"cut off", text(`{"refund_amount":"1"`), payack.PayatomRefund{}, false},
		{"something after it", text(`{"refund_amount":"1"}{}`), payack.PayatomRefund{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := payack.PayatomUnsigned{RefundInfo: c.info}
			got, ok := u.Refund()
			if ok != c.ok || got != c.want {
				t.Errorf("Refund() = %+v, %v; want %+v, %v", got, ok, c.want, c.ok)
			}
			if u.RefundInfo != c.info {
				t.Error("the literal changed")
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for _, ev := range fullEvents() {
		if err := ev.Check(); err != nil {
			t.Errorf("%s: %v", ev.Provider(), err)
		}
	}
	pts := func(f func(*payack.PTSEvent)) payack.Event { ev := fullPTS(); f(ev); return ev }
	payatom := func(amount payack.Amount, status payack.PayatomStatus) payack.Event {
		ev := fullPayatom()
		ev.ReceivedAmount, ev.Status = amount, status
		return ev
	}
	null := payack.AmountOf(payack.NullText())
	const odd = "12hostile"
	for _, c := range []struct {
		ev     payack.Event
		member string // empty: the event is valid
	}{
		{pts(func(e *payack.PTSEvent) { e.UserID = "" }), "user_id"},
		{pts(func(e *payack.PTSEvent) { e.OrderID = "" }), "order_id"},
		{pts(func(e *payack.PTSEvent) { e.TransactionID = "" }), "transaction_id"},
		{pts(func(e *payack.PTSEvent) { e.Status = "" }), "status"},
		{pts(func(e *payack.PTSEvent) { e.SubmitAmount = amount(odd) }), "submit_amount"},
		{pts(func(e *payack.PTSEvent) { e.AcceptAmount = amount("0100.50") }), "accept_amount"},
		{pts(func(e *payack.PTSEvent) { e.ExchangeRate = amount("1e41") }), "exchange_rate"},
		{pts(func(e *payack.PTSEvent) {
			e.SubmitAmount, e.AcceptAmount, e.ExchangeRate, e.Status = null, amount(""), payack.Amount{}, payack.PTSWaiting
		}), ""},
		{pts(func(e *payack.PTSEvent) { e.SubmitAmount, e.ExchangeRate = null, payack.Amount{} }), ""},
		{pts(func(e *payack.PTSEvent) { e.SubmitAmount, e.ExchangeRate = amount("-1.5E+3"), amount("-0") }), ""},
		{pts(func(e *payack.PTSEvent) { e.Unsigned.SubmitPromo, e.Timestamp = amount(odd), text(odd) }), ""},
		{pts(func(e *payack.PTSEvent) {
			e.Channel, e.SubmitCurrency, e.AcceptCurrency = text(""), payack.NullText(), payack.Text{}
		}), ""},

		{&payack.PtopEvent{OrderID: "o"}, "transaction_id"},
		{&payack.PtopEvent{TransactionID: "t"}, "order_id"},
		{&payack.PtopEvent{TransactionID: "t", OrderID: "o"}, ""},

		{&payack.PayatomEvent{ReceivedAmount: amount("5"), Status: "Approved"}, "order_id"},
		{payatom(amount("5"), ""), "status"},
		{payatom(amount("5"), "0Approved"), "status"},
		{payatom(amount("5"), " Approved"), "status"},
		{payatom(amount("5"), ".Approved"), "status"},
		{payatom(amount("5"), "@hostile"), "status"},
		{payatom(amount("5"), "[hostile"), "status"},
		{payatom(amount("5"), "`hostile"), "status"},
		{payatom(amount("5"), "{hostile"), "status"},
		{payatom(amount("5"), "Éhostile"), "status"},
		{payatom(amount("5"), "Alien"), ""},
		{payatom(amount("5"), "zulu"), ""},

		{payatom(amount("0"), payack.PayatomPending), ""},
		{payatom(amount("0.5"), payack.PayatomApproved), ""},
		{payatom(amount("100.00"), payack.PayatomApproved), ""},
		{payatom(amount("123456789012345678"), payack.PayatomApproved), ""},
		{payatom(amount("1234567890123456.78"), payack.PayatomApproved), ""},
		{payatom(amount("1234567890123456789"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("12345678901234567.89"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("00"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("0500"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("00.5"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("-5"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("+5"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("5e2"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("5E2"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("5."), payack.PayatomApproved), "received_amount"},
		{payatom(amount(".5"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("."), payack.PayatomApproved), "received_amount"},
		{payatom(amount("5.0.0"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("5 "), payack.PayatomApproved), "received_amount"},
		{payatom(amount("5,00"), payack.PayatomApproved), "received_amount"},
		{payatom(amount("\u0665"), payack.PayatomApproved), "received_amount"}, // ARABIC-INDIC DIGIT FIVE
		{payatom(amount(odd), payack.PayatomPending), "received_amount"},
		{payatom(amount("-0"), payack.PayatomDeclined), "received_amount"},

		// No amount, although money was paid or refunded.
		{payatom(payack.Amount{}, payack.PayatomApproved), "received_amount"},
		{payatom(null, payack.PayatomApproved), "received_amount"},
		{payatom(amount(""), payack.PayatomLateApproved), "received_amount"},
		{payatom(amount(""), payack.PayatomRefundInitiated), "received_amount"},
		{payatom(null, payack.PayatomRefundCompleted), "received_amount"},
		{payatom(amount(""), payack.PayatomPending), ""},
		{payatom(null, payack.PayatomDeclined), ""},
		{payatom(null, payack.PayatomNoMatch), ""},
		{payatom(null, payack.PayatomTimedOut), ""},
		{payatom(null, payack.PayatomCancelled), ""},
		{payatom(null, payack.PayatomFailed), ""},
		{payatom(null, payack.PayatomAmountMismatch), ""},
		{payatom(payack.Amount{}, "Unheard Of"), ""},
	} {
		err := c.ev.Check()
		line, _ := json.Marshal(c.ev)
		if c.member == "" {
			if err != nil {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		if !errors.Is(err, payack.ErrInvalid) {
			t.Errorf("%s: error %v", line, err)
			continue
		}
		if !strings.Contains(err.Error(), c.member) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error does not name %s: %v", line, c.member, err)
		}
		if strings.ContainsAny(err.Error(), "0123456789") || strings.Contains(err.Error(), "hostile") {
			t.Errorf("%s: the error holds a value: %v", line, err)
		}
	}
}

// amountCases are values of a member that holds an amount. positive marks numbers
// above zero.
var amountCases = []struct {
	amount          payack.Amount
	empty, positive bool
	number          bool
	payatom         bool // the literal is in Payatom's narrower grammar
}{
	{payack.Amount{}, true, false, false, false},
	{payack.AmountOf(payack.NullText()), true, false, false, false},
	{amount(""), true, false, false, false},
	{amount("").Signed("500"), true, false, false, false},

	{amount("500"), false, true, true, true},
	{amount("0.01"), false, true, true, true},
	{amount("0.00000000000000001"), false, true, true, true},
	{amount("100.50"), false, true, true, true},
	{amount("1e-40"), false, true, true, false},
	{amount("1e40"), false, true, true, false},
	{amount(strings.Repeat("9", 40)), false, true, true, false},

	{amount("0"), false, false, true, true},
	{amount("0.00"), false, false, true, true},
	{amount("0e5"), false, false, true, false},
	{amount("0.0e-40"), false, false, true, false},
	{amount("-0"), false, false, true, false},
	{amount("-0.00"), false, false, true, false},
	{amount("-1"), false, false, true, false},
	{amount("-1e-40"), false, false, true, false},

	{amount("1e99"), false, false, false, false},
	{amount("1e41"), false, false, false, false},
	{amount(strings.Repeat("9", 41)), false, false, false, false},
	{amount("0500"), false, false, false, false},
	{amount("+500"), false, false, false, false},
	{amount(".5"), false, false, false, false},
	{amount("500 "), false, false, false, false},
	{amount("\uff15"), false, false, false, false}, // FULLWIDTH DIGIT FIVE
	{amount("hostile"), false, false, false, false},
	{amount("null"), false, false, false, false},

	// The signed text decides.
	{amount("0.00").Signed("0"), false, false, true, true},
	{amount("500").Signed("0"), false, false, true, true},
	{amount("500").Signed("-500"), false, false, true, true},
	{amount("0").Signed("500"), false, true, true, true},
	{amount("500").Signed("1.0E-5"), false, true, true, true},
	{amount("500").Signed("hostile"), false, false, false, true},
	{amount("500").Signed("1e99"), false, false, false, true},
	{amount("hostile").Signed("500"), false, true, true, false},
}

// A paid status needs an amount above zero; no other status does.
func TestCheckAmountByStatus(t *testing.T) {
	verdict := func(ev payack.Event, a payack.Amount, member string, want bool) {
		t.Helper()
		err := ev.Check()
		if (err == nil) != want || err != nil && (!errors.Is(err, payack.ErrInvalid) || !strings.Contains(err.Error(), member)) {
			t.Errorf("%s, %v, literal %q, signed %q: %v", ev.Provider(), ev.ID(), a.Literal(), a.SignedText(), err)
		}
	}
	for _, c := range amountCases {
		for _, status := range []payack.PTSStatus{"0000", "1000", "2000", "3000", "4000", "5000", "6000", "02000"} {
			ev := fullPTS()
			ev.Status, ev.AcceptAmount = status, c.amount
			verdict(ev, c.amount, "accept_amount", c.positive || status != payack.PTSSuccess && (c.empty || c.number))
			// submit_amount and exchange_rate need not be above zero.
			ev = fullPTS()
			ev.Status, ev.SubmitAmount = status, c.amount
			verdict(ev, c.amount, "submit_amount", c.empty || c.number)
			ev = fullPTS()
			ev.Status, ev.ExchangeRate = status, c.amount
			verdict(ev, c.amount, "exchange_rate", c.empty || c.number)
		}
		for _, status := range []payack.PayatomStatus{"Approved", "Late Approved"} {
			ev := fullPayatom()
			ev.Status, ev.ReceivedAmount = status, c.amount
			verdict(ev, c.amount, "received_amount", c.payatom && c.positive)
		}
		for _, status := range []payack.PayatomStatus{"Refund Initiated", "Refund Completed"} {
			ev := fullPayatom()
			ev.Status, ev.ReceivedAmount = status, c.amount
			verdict(ev, c.amount, "received_amount", c.payatom && c.number)
		}
		for _, status := range []payack.PayatomStatus{"Pending", "Declined", "No Matching Payment for UTR", "User Timed Out", "Amount Mismatch",
			"Cancelled", "Failed", "Chargeback", "approved", "Approved "} {
			ev := fullPayatom()
			ev.Status, ev.ReceivedAmount = status, c.amount
			verdict(ev, c.amount, "received_amount", c.empty || c.payatom && c.number)
		}
	}
}

// The bound counts bytes, because MD5 works on blocks of bytes.
func TestCheckPayatomOrderIDLength(t *testing.T) {
	for _, c := range []struct {
		orderID string
		ok      bool
	}{
		{"", false},
		{"O", true},
		{strings.Repeat("O", 63), true},
		{strings.Repeat("O", 64), false},
		{strings.Repeat("O", 65), false},
		{strings.Repeat("O", 128), false},
		{strings.Repeat("é", 31) + "O", true},
		{strings.Repeat("é", 32), false},
		{strings.Repeat("\u20ac", 21), true},
		{strings.Repeat("\u20ac", 21) + "O", false},
		{strings.Repeat("\xff", 63), true},
		{strings.Repeat("\x00", 64), false},
	} {
		ev := fullPayatom()
		ev.OrderID = c.orderID
		if err := ev.Check(); (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "order_id") {
			t.Errorf("%d bytes, %d runes: %v", len(c.orderID), utf8.RuneCountInString(c.orderID), err)
		}
	}
}
