package payack_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/payack/payack"
)

// amountGrammar lists texts, and whether each is a valid amount.
var amountGrammar = []struct {
	text  string
	valid bool
}{
	{"0", true}, {"1", true}, {"-1", true}, {"-0", true}, {"100.50", true}, {"0.00", true},
	{"-0.01", true}, {"40000.0", true}, {"1e5", true}, {"1E5", true}, {"1e+5", true},
	{"1e-5", true}, {"1.0E-5", true}, {"1.0E+25", true}, {"0e0", true}, {"0.0e-40", true},
	{"1e40", true}, {"1e-40", true}, {"1e+40", true}, {"1e040", true}, {"1e00000000000000000000000000000000040", true},
	{"9223372036854775807", true}, {"9223372036854775808", true},
	{strings.Repeat("9", 40), true}, {"0." + strings.Repeat("1", 38), true},

	{"", false}, {strings.Repeat("9", 41), false}, {"0." + strings.Repeat("1", 39), false},
	{"1e41", false}, {"1e-41", false}, {"1e+041", false}, {"1e99999999999999999999", false},
	{"1e4294967296", false}, {"1e4294967336", false}, {"1e18446744073709551656", false},
	{"01", false}, {"00", false}, {"-01", false}, {"00.5", false}, {"1.", false}, {".5", false},
	{"-.5", false}, {"-", false}, {"+", false}, {"+1", false}, {"--1", false}, {"-+1", false},
	{"1.e5", false}, {"e5", false}, {"1e", false}, {"1e+", false}, {"1e-", false}, {"1e5.0", false},
	{"1e1e1", false}, {"1.2.3", false}, {"1e--5", false}, {"1,000", false}, {"1,5", false}, {"1_000", false},
	{" 1", false}, {"1 ", false}, {"1\n", false}, {"1\x00", false}, {"\ufeff1", false},
	{"0x10", false}, {"1f", false}, {"NaN", false}, {"Infinity", false}, {"-Infinity", false}, {"inf", false},
	{"null", false}, {"true", false}, {"\"1\"", false}, {"₱1", false}, {"1 PHP", false},
	{"\u22125", false},  // MINUS SIGN
	{"\u0661", false},   // ARABIC-INDIC DIGIT ONE
	{"\uff11", false},   // FULLWIDTH DIGIT ONE
	{"1\u066b5", false}, // ARABIC DECIMAL SEPARATOR
}

func TestAmountGrammar(t *testing.T) {
	for _, c := range amountGrammar {
		a := payack.NewAmount(c.text)
		if a.Valid() != c.valid {
			t.Errorf("NewAmount(%q).Valid() = %v, want %v", c.text, a.Valid(), c.valid)
		}
		if a.String() != c.text {
			t.Errorf("the text %q became %q", c.text, a.String())
		}
		_, err := a.Decimal()
		if c.valid != (err == nil) || !c.valid && !errors.Is(err, payack.ErrNotANumber) {
			t.Errorf("NewAmount(%q).Decimal(): error %v", c.text, err)
		}
		if _, err := a.MinorUnits(2); !c.valid && !errors.Is(err, payack.ErrNotANumber) {
			t.Errorf("NewAmount(%q).MinorUnits(2): error %v", c.text, err)
		}
	}
}

func TestAmountConversionErrorsHoldNoText(t *testing.T) {
	const text = "12hostile34"
	_, err1 := payack.NewAmount(text).Decimal()
	_, err2 := payack.NewAmount(text).MinorUnits(2)
	_, err3 := payack.NewAmount("1.234567").MinorUnits(2)
	for _, err := range []error{err1, err2, err3} {
		if err == nil || strings.Contains(err.Error(), "hostile") || strings.Contains(err.Error(), "1.234567") {
			t.Errorf("error %v", err)
		}
	}
}

func TestAmountDecimalIsExact(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"100.50", "100.5"},
		{"0.1", "0.1"},
		{"1.0E-5", "0.00001"},
		{"-0", "0"},
		{"9007199254740993", "9007199254740993"}, // a float64 rounds it to …992
		{"0.30000000000000004", "0.30000000000000004"},
		{"1e40", "1" + strings.Repeat("0", 40)},
		{"123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"},
	} {
		d, err := payack.NewAmount(c.text).Decimal()
		if err != nil || d.String() != c.want {
			t.Errorf("Decimal of %s = %s, %v; want %s", c.text, d, err, c.want)
		}
	}
}

func TestAmountMinorUnits(t *testing.T) {
	for _, c := range []struct {
		text   string
		digits int
		want   int64
		err    error
	}{
		{"100.50", 2, 10050, nil},
		{"100.5", 2, 10050, nil},
		{"1005e-1", 2, 10050, nil},
		{"1.005e2", 2, 10050, nil},
		{"100.500000", 2, 10050, nil},
		{"0.01", 2, 1, nil},
		{"-0.01", 2, -1, nil},
		{"0", 0, 0, nil},
		{"-0.000", 2, 0, nil},
		{"0e40", 18, 0, nil},
		{"0e-40", 0, 0, nil},
		{"500", 0, 500, nil},
		{"500.00", 0, 500, nil},
		{"1", 18, 1e18, nil},
		{"1e-18", 18, 1, nil},
		{"9223372036854775807", 0, math.MaxInt64, nil},
		{"-9223372036854775808", 0, math.MinInt64, nil},
		{"92233720368547758.07", 2, math.MaxInt64, nil},
		{"-92233720368547758.08", 2, math.MinInt64, nil},
		{"9.223372036854775807", 18, math.MaxInt64, nil},
		{"9.223372036854775807e18", 0, math.MaxInt64, nil},

		{"100.505", 2, 0, payack.ErrInexact},
		{"0.001", 2, 0, payack.ErrInexact},
		{"-0.001", 2, 0, payack.ErrInexact},
		{"500.01", 0, 0, payack.ErrInexact},
		{"1e-40", 18, 0, payack.ErrInexact},
		{"1e-19", 18, 0, payack.ErrInexact},
		{"9223372036854775808", 0, 0, payack.ErrInexact},
		{"-9223372036854775809", 0, 0, payack.ErrInexact},
		{"92233720368547758.08", 2, 0, payack.ErrInexact},
		{"10", 18, 0, payack.ErrInexact},
		{"18446744073709551616", 0, 0, payack.ErrInexact}, // 2^64
		{"18446744073709551617", 0, 0, payack.ErrInexact},
		{"1e40", 18, 0, payack.ErrInexact},
		{strings.Repeat("9", 40), 18, 0, payack.ErrInexact},
		{"", 2, 0, payack.ErrNotANumber},
		{"ten", 2, 0, payack.ErrNotANumber},
	} {
		got, err := payack.NewAmount(c.text).MinorUnits(c.digits)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("MinorUnits(%d) of %q = %d, %v; want %d, %v", c.digits, c.text, got, err, c.want, c.err)
		}
	}
	for _, digits := range []int{-1, 19, math.MaxInt32 + 1, math.MaxInt, math.MinInt} {
		n, err := payack.NewAmount("1").MinorUnits(digits)
		if n != 0 || err == nil || errors.Is(err, payack.ErrInexact) || errors.Is(err, payack.ErrNotANumber) {
			t.Errorf("MinorUnits(%d) = %d, %v; want an error of its own", digits, n, err)
		}
	}
}

func TestAmountEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"100.50", "100.5", true},
		{"100.50", "1005e-1", true},
		{"0", "-0.00", true},
		{"0", "0e40", true},
		{"1e40", "1" + strings.Repeat("0", 39), false},
		{"9007199254740992", "9007199254740993", false},
		{"0.1", "0.10000000000000001", false},
		{"1", "-1", false},
		{"x", "x", false},
		{"x", "1", false},
		{"1", "x", false},
		{"1", "", false},
		{"0", "", false},
		{"", "", true},
	} {
		a, b := payack.NewAmount(c.a), payack.NewAmount(c.b)
		if a.Equal(b) != c.want || b.Equal(a) != c.want {
			t.Errorf("%q and %q: Equal is %v and %v, want %v", c.a, c.b, a.Equal(b), b.Equal(a), c.want)
		}
	}
	none := []payack.Amount{{}, payack.NewAmount(""), payack.AmountOf(payack.NullText())}
	for _, a := range none {
		for _, b := range none {
			if !a.Equal(b) {
				t.Errorf("%#v does not equal %#v", a, b)
			}
		}
		if zero := payack.NewAmount("0"); a.Equal(zero) || zero.Equal(a) {
			t.Errorf("%#v equals the number zero", a)
		}
	}
}

func TestAmountStates(t *testing.T) {
	for _, c := range []struct {
		name                        string
		amount                      payack.Amount
		isNull, isZero, isEmpty, ok bool
		json                        string
	}{
		{"absent", payack.Amount{}, false, true, true, false, `null`},
		{"absent text", payack.AmountOf(payack.Text{}), false, true, true, false, `null`},
		{"null", payack.AmountOf(payack.NullText()), true, false, true, false, `null`},
		{"empty", payack.NewAmount(""), false, false, true, true, `""`},
		{"zero", payack.NewAmount("0"), false, false, false, true, `"0"`},
		{"a number", payack.NewAmount("100.50"), false, false, false, true, `"100.50"`},
		{"not a number", payack.AmountOf(payack.NewText("a\"b")), false, false, false, true, `"a\"b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.amount
			if a.IsNull() != c.isNull || a.IsZero() != c.isZero || a.IsEmpty() != c.isEmpty {
				t.Errorf("IsNull %v, IsZero %v, IsEmpty %v", a.IsNull(), a.IsZero(), a.IsEmpty())
			}
			if s, ok := a.Text().Get(); ok != c.ok || s != a.String() {
				t.Errorf("Text().Get() = %q, %v", s, ok)
			}
			if c.isEmpty && a.Valid() {
				t.Error("a number")
			}
			b, err := json.Marshal(a)
			if err != nil || string(b) != c.json {
				t.Errorf("JSON %s, %v; want %s", b, err, c.json)
			}
			if c.isZero {
				return // events omit absent members
			}
			var back payack.Amount
			if err := json.Unmarshal(b, &back); err != nil || back != a {
				t.Errorf("back from JSON: %#v, %v", back, err)
			}
		})
	}
}

func TestAmountFromJSON(t *testing.T) {
	for _, literal := range []string{`100.50`, `0`, `-1.5e3`} { // as in a provider's answer to a query
		var a payack.Amount
		if err := json.Unmarshal([]byte(literal), &a); err != nil || a.String() != literal {
			t.Errorf("the number %s became %q, %v", literal, a, err)
		}
	}
	for _, in := range []string{`true`, `{}`, `[]`, `["1"]`, `{"hostile":1}`} {
		a := payack.NewAmount("7")
		err := json.Unmarshal([]byte(in), &a)
		if !errors.Is(err, payack.ErrMalformed) {
			t.Errorf("%s: error %v", in, err)
			continue
		}
		if strings.Contains(err.Error(), "hostile") {
			t.Errorf("the error quotes its input: %v", err)
		}
	}
}

func TestAmountSignedText(t *testing.T) {
	for _, c := range []struct {
		literal, signed  string
		shown, signedTxt string
		value            string // empty: not a number
	}{
		{"100.50", "100.5", "100.50", "100.5", "100.5"},
		{"100.50", "100.50", "100.50", "100.50", "100.5"},
		{"100.50", "", "100.50", "100.50", "100.5"},
		{"40000.0", "40000", "40000.0", "40000", "40000"},
		{"0.00001", "1.0E-5", "0.00001", "1.0E-5", "0.00001"},
		{"1e3", "1000", "1e3", "1000", "1000"},
		{"-0.0", "-0", "-0.0", "-0", "0"},
		{"-0.0", "0", "-0.0", "0", "0"},

		// The value is that of the signed text, whatever was sent.
		{"500.000000000000001", "500", "500", "500", "500"},
		{"499.999999999999999", "500", "500", "500", "500"},
		{"0.1000000000000000055", "0.1", "0.1", "0.1", "0.1"},
		{"900", "500", "500", "500", "500"},
		{"-500", "500", "500", "500", "500"},
		{"1e40", "1e-40", "1e-40", "1e-40", "0." + strings.Repeat("0", 39) + "1"},
		{"500.0" + strings.Repeat("0", 40), "500", "500", "500", "500"}, // the literal alone would be too long
		{"hostile", "500", "500", "500", "500"},
		{"500", "hostile", "hostile", "hostile", ""},
		{"hostile", "stranger", "stranger", "stranger", ""},
		{"500", "0500", "0500", "0500", ""},
		{"500", "1e41", "1e41", "1e41", ""},

		{"", "", "", "", ""},
		{"", "500", "", "", ""}, // nothing was sent, so nothing was signed
	} {
		a := payack.NewAmount(c.literal).Signed(c.signed)
		if a.String() != c.shown || a.Literal() != c.literal || a.SignedText() != c.signedTxt || a.Text() != text(c.shown) {
			t.Errorf("%q signed as %q: shown %q, literal %q, signed text %q, text %#v",
				c.literal, c.signed, a.String(), a.Literal(), a.SignedText(), a.Text())
		}
		if line, err := json.Marshal(a); err != nil || string(line) != strconv.Quote(c.shown) {
			t.Errorf("%q signed as %q: JSON %s, %v", c.literal, c.signed, line, err)
		}
		if a.Valid() != (c.value != "") || a.IsEmpty() != (c.literal == "") || a.IsNull() || a.IsZero() {
			t.Errorf("%q signed as %q: valid %v, empty %v, null %v, zero %v", c.literal, c.signed, a.Valid(), a.IsEmpty(), a.IsNull(), a.IsZero())
		}
		if c.value == "" {
			_, err1 := a.Decimal()
			_, err2 := a.MinorUnits(2)
			if !errors.Is(err1, payack.ErrNotANumber) || !errors.Is(err2, payack.ErrNotANumber) || a.Equal(a) != a.IsEmpty() {
				t.Errorf("%q signed as %q: %v, %v, equal to itself %v", c.literal, c.signed, err1, err2, a.Equal(a))
			}
			continue
		}
		// Every method that computes with the value uses the signed text only.
		plain := amount(c.signedTxt)
		got, err := a.Decimal()
		if err != nil || got.String() != c.value {
			t.Errorf("%q signed as %q: Decimal is %s, %v", c.literal, c.signed, got, err)
		}
		units, err := a.MinorUnits(2)
		want, wantErr := plain.MinorUnits(2)
		if units != want || !errors.Is(err, wantErr) {
			t.Errorf("%q signed as %q: MinorUnits is %d, %v; want %d, %v", c.literal, c.signed, units, err, want, wantErr)
		}
		if !a.Equal(plain) || !plain.Equal(a) || !a.Equal(amount(c.value)) && len(c.value) <= 40 {
			t.Errorf("%q signed as %q does not equal what was signed", c.literal, c.signed)
		}
		if a.Equal(amount(c.literal)) != plain.Equal(amount(c.literal)) {
			t.Errorf("%q signed as %q: the literal decides what it equals", c.literal, c.signed)
		}
	}

	a := amount("100.50")
	if b := a.Signed("100.5"); b.SignedText() != "100.5" || a.SignedText() != "100.50" {
		t.Error("Signed changed its receiver")
	}
	if a.Signed("100.5").Signed("100.50") != a || a.Signed("100.5").Signed("") != a {
		t.Error("signing the literal leaves something behind")
	}
	for _, none := range []payack.Amount{{}, payack.AmountOf(payack.NullText()), amount("")} {
		if signed := none.Signed("500"); signed != none || signed.SignedText() != "" || signed.Text() != none.Text() || signed.Valid() {
			t.Errorf("%#v signed as 500 became %#v", none, signed)
		}
	}
	// The signed text of an amount that was decoded from JSON is its literal.
	reused := amount("1.0").Signed("1")
	if err := json.Unmarshal([]byte(`"2.0"`), &reused); err != nil || reused != amount("2.0") {
		t.Errorf("reading over an amount: %#v, %v", reused, err)
	}
}

// byValue returns the text that an amount contributes to IDs and fingerprints. It
// checks that the events of PTS and Payatom use the same text.
func byValue(t *testing.T, a payack.Amount) string {
	t.Helper()
	part := (&payack.PayatomEvent{ReceivedAmount: a}).Fingerprint()
	checkKey(t, payack.Payatom, (&payack.PayatomEvent{Status: "x", ReceivedAmount: a}).ID(), []string{"", "", "x", part})
	checkKey(t, payack.PTS, (&payack.PTSEvent{AcceptAmount: a}).ID(), []string{"", "", "", "", "", "", part})
	checkKey(t, payack.PTS, (&payack.PTSEvent{SubmitAmount: a}).Fingerprint(), []string{part, "", "", ""})
	return part
}

// Amounts of one group have the same value. Amounts of different groups don't.
func TestAmountsByValue(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("0", n) }
	groups := []struct {
		value     string
		spellings []string
	}{
		{"0", []string{"0", "-0", "0.0", "0.000", "-0.00", "0e0", "0e40", "0e-40", "0E+40", "-0e-40", "-0.0e40", "0.000e1", "0." + zeros(38)}},
		{"63", []string{"63", "63.0", "63.00", "6.3e1", "630e-1", "0.63e2", "0.063E+3", "6300e-02", "63e0", "63e-0", "63." + zeros(37), "63" + zeros(34) + "e-34"}},
		{"-63", []string{"-63", "-63.0", "-6.3e1", "-630e-1"}},
		{"630", []string{"630", "63e1", "6.3e2", "630.00"}},
		{"6.3", []string{"6.3", "6.30", "63e-1", "0.63e1"}},
		{"0.63", []string{"0.63", "0.630", "63e-2"}},
		{"100.5", []string{"100.5", "100.50", "1005e-1", "1.005E2"}},
		{"0.00001", []string{"0.00001", "1.0E-5", "1e-5", "0.000010"}},
		{"9007199254740992", []string{"9007199254740992", "9007199254740992.0"}},
		{"9007199254740993", []string{"9007199254740993", "9.007199254740993e15"}}, // a float64 rounds it to …992
		{"0.1", []string{"0.1", "1e-1", "0.10"}},
		{"0.10000000000000001", []string{"0.10000000000000001"}},
		{"1" + zeros(39), []string{"1" + zeros(39), "1e39", "10e38", "0.1e40"}},
		{"1" + zeros(40), []string{"1e40", "1.0e40", "10e39"}},
		{"12" + zeros(39), []string{"12e39", "1.2e40"}},
		{"12" + zeros(40), []string{"12e40", "12.0e+40"}},
		{"-1" + zeros(40), []string{"-1e40", "-1.0E+40"}},
		{"0." + zeros(39) + "1", []string{"1e-40", "1.0e-40", "0.1e-39", "0.01e-38"}},
		{"0." + zeros(40) + "1", []string{"0.1e-40", "0.10e-40"}},
		{strings.Repeat("9", 40), []string{strings.Repeat("9", 40)}},
		{strings.Repeat("9", 37) + zeros(9), []string{strings.Repeat("9", 37) + "e9"}},
		{"0." + strings.Repeat("1", 38), []string{"0." + strings.Repeat("1", 38)}},
		{"0." + zeros(37) + "1", []string{"0." + zeros(37) + "1", "1e-38"}},
	}
	seen := map[string]string{}
	for i, group := range groups {
		for _, spelling := range group.spellings {
			a := amount(spelling)
			if got := byValue(t, a); got != group.value {
				t.Errorf("%q is %q by value, want %q", spelling, got, group.value)
			}
			for j, other := range groups {
				for _, b := range other.spellings {
					if a.Equal(amount(b)) != (i == j) {
						t.Errorf("%q equals %q: %v", spelling, b, i != j)
					}
				}
			}
		}
		if other, found := seen[group.value]; found {
			t.Errorf("the groups of %q and %q are one", other, group.spellings[0])
		}
		seen[group.value] = group.spellings[0]
	}

	// For a text that is not a number, even one that resembles a number, the result of
	// byValue is not that of any other text.
	for _, c := range amountGrammar {
		if c.valid {
			continue
		}
		got := byValue(t, amount(c.text))
		if got != c.text && got != "~"+c.text {
			t.Errorf("%q is %q by value", c.text, got)
		}
		if number, found := seen[got]; found {
			t.Errorf("%q, which is no number, is %q by value", c.text, number)
		}
		seen[got] = c.text
	}
	// Both texts of a pair have the same value, but only the first is short enough
	// for an amount.
	for _, long := range [][2]string{{"1e40", "1" + zeros(40)}, {"1e-40", "0." + zeros(39) + "1"}, {"63", "63." + zeros(38)}, {"0", "0." + zeros(39)}} {
		if a, b := byValue(t, amount(long[0])), byValue(t, amount(long[1])); a == b || amount(long[0]).Equal(amount(long[1])) {
			t.Errorf("%q and the text %q, which is too long, are both %q", long[0], long[1], a)
		}
	}
}

// Plain amounts, the usual case, cost no allocation.
func TestAmountsByValueDoNotAllocate(t *testing.T) {
	for _, spelling := range []string{"", "500", "500.00", "500.50", "0.000", "-0", "-0.00", "0", "100", strings.Repeat("9", 40), "0." + strings.Repeat("0", 38), "hostile"} {
		payatom := &payack.PayatomEvent{ReceivedAmount: amount(spelling)}
		if n := testing.AllocsPerRun(100, func() { _ = payatom.Fingerprint() }); n != 0 {
			t.Errorf("%q: %v allocations", spelling, n)
		}
		pts := &payack.PTSEvent{SubmitAmount: amount(spelling), SubmitCurrency: text("PHP"), AcceptAmount: amount(spelling), AcceptCurrency: text("USDT")}
		if n := testing.AllocsPerRun(100, func() { _ = pts.Fingerprint() }); n > 1 {
			t.Errorf("%q: %v allocations, and one is the text itself", spelling, n)
		}
	}
	for _, spelling := range []string{"1e40", "1e-40", "-1.5E-3"} {
		ev := &payack.PayatomEvent{ReceivedAmount: amount(spelling)}
		if n := testing.AllocsPerRun(100, func() { _ = ev.Fingerprint() }); n > 5 {
			t.Errorf("%q: %v allocations", spelling, n)
		}
	}
}

// FuzzAmountsByValue compares byValue with an independent computation of the value.
func FuzzAmountsByValue(f *testing.F) {
	for i, c := range amountGrammar {
		f.Add(c.text, amountGrammar[(i+5)%len(amountGrammar)].text, int64(i)*7-50, int8(i), int8(i%80-40))
	}
	f.Add("63.00", "6.3e1", int64(630), int8(1), int8(-1))
	f.Add("-0", "0e40", int64(0), int8(40), int8(40))
	f.Add("1e40", "1"+strings.Repeat("0", 40), int64(-1), int8(2), int8(40))
	f.Fuzz(func(t *testing.T, one, two string, digits int64, point, exponent int8) {
		texts := []string{one, two, "~" + one, spell(digits, point, exponent), spell(digits, 0, 0), spell(digits, point+1, exponent+1)}
		for _, x := range texts {
			a := amount(x)
			value := byValue(t, a)
			d, err := a.Decimal()
			switch {
			case err == nil && value != d.String():
				t.Fatalf("%q is %q by value, and %s as a decimal", x, value, d)
			case err != nil && value != x && value != "~"+x:
				t.Fatalf("%q, which is no number, is %q by value", x, value)
			}
			for _, y := range texts {
				b := amount(y)
				e, otherErr := b.Decimal()
				numbers := err == nil && otherErr == nil && d.Equal(e)
				if same := value == byValue(t, b); same != (numbers || x == y) {
					t.Fatalf("%q and %q by value: %v, as decimals %v", x, y, same, numbers)
				}
				if equal := a.Equal(b); equal != (numbers || x == "" && y == "") {
					t.Fatalf("%q and %q are equal: %v, as decimals %v", x, y, equal, numbers)
				}
				// Take x as the sent text and y as the signed one. Neither need be a
				// number. If one of them is empty, Signed changes nothing.
				if x == "" || y == "" {
					continue
				}
				signed := a.Signed(y)
				if signed.SignedText() != y || byValue(t, signed) != byValue(t, b) || signed.Valid() != b.Valid() || !signed.Equal(b) && b.Valid() {
					t.Fatalf("%q signed as %q: %q by value", x, y, byValue(t, signed))
				}
				want := y
				if numbers || x == y {
					want = x
				}
				if signed.String() != want || signed.Literal() != x {
					t.Fatalf("%q signed as %q: shown as %q, literal %q", x, y, signed, signed.Literal())
				}
			}
		}
	})
}

// spell writes a number with an exponent. point sets how many digits follow the
// decimal point. The result need not be a valid amount.
func spell(digits int64, point, exponent int8) string {
	s := strings.TrimPrefix(strconv.FormatInt(digits, 10), "-")
	if n := int(uint8(point)) % 24; n > 0 {
		s = strings.Repeat("0", max(0, n+1-len(s))) + s
		s = s[:len(s)-n] + "." + s[len(s)-n:]
	}
	if digits < 0 {
		s = "-" + s
	}
	if exponent != 0 {
		s += "e" + strconv.Itoa(int(exponent))
	}
	return s
}

var referenceAmount = regexp.MustCompile(`\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?\z`)

// referenceValue computes an amount's value independently of the package.
func referenceValue(s string) (*big.Rat, bool) {
	m := referenceAmount.FindStringSubmatch(s)
	if m == nil || len(s) > 40 {
		return nil, false
	}
	if m[1] != "" {
		exp, ok := new(big.Int).SetString(m[1], 10)
		if !ok || exp.CmpAbs(big.NewInt(40)) > 0 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}

func FuzzAmount(f *testing.F) {
	for i, c := range amountGrammar {
		f.Add(c.text, amountGrammar[(i+7)%len(amountGrammar)].text, i%20)
	}
	f.Add("100.50", "1005e-1", 2)
	f.Add("92233720368547758.08", "-92233720368547758.08", 2)
	f.Fuzz(func(t *testing.T, text, other string, digits int) {
		a := payack.NewAmount(text)
		want, valid := referenceValue(text)
		if a.Valid() != valid {
			t.Fatalf("%q: Valid() = %v, the reference says %v", text, a.Valid(), valid)
		}
		if a.String() != text || a.SignedText() != text {
			t.Fatalf("%q: the text changed", text)
		}
		d, err := a.Decimal()
		if (err == nil) != valid {
			t.Fatalf("%q: Decimal() error %v", text, err)
		}
		n, minorErr := a.MinorUnits(digits)
		if digits < 0 || digits > 18 {
			if minorErr == nil {
				t.Fatalf("%d digits were taken", digits)
			}
		} else if !valid {
			if !errors.Is(minorErr, payack.ErrNotANumber) {
				t.Fatalf("%q: MinorUnits error %v", text, minorErr)
			}
		} else {
			scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
			units := new(big.Rat).Mul(want, new(big.Rat).SetInt(scale))
			if fits := units.IsInt() && units.Num().IsInt64(); fits != (minorErr == nil) ||
				fits && n != units.Num().Int64() || !fits && !errors.Is(minorErr, payack.ErrInexact) {
				t.Fatalf("%q: MinorUnits(%d) = %d, %v; the reference says %s", text, digits, n, minorErr, units.RatString())
			}
		}
		if valid && d.Rat().Cmp(want) != 0 {
			t.Fatalf("%q: Decimal() = %s, the reference says %s", text, d, want.RatString())
		}

		b := payack.NewAmount(other)
		otherWant, otherValid := referenceValue(other)
		equal := valid && otherValid && want.Cmp(otherWant) == 0 || text == "" && other == ""
		if a.Equal(b) != equal || b.Equal(a) != equal {
			t.Fatalf("%q and %q: Equal is %v and %v, the reference says %v", text, other, a.Equal(b), b.Equal(a), equal)
		}

		if strconv.Quote(text) == `"`+text+`"` { // printable, so JSON can hold it
			j, err := json.Marshal(a)
			var back payack.Amount
			if err != nil || json.Unmarshal(j, &back) != nil || back != a {
				t.Fatalf("%q: JSON %s, back %q", text, j, back)
			}
		}
	})
}
