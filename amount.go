package payack

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// Amount is a sum of money, or a rate, with the text that was received: 100.50
// stays 100.50. The value is computed when a method needs it, and never passes
// through a float.
//
// The provider's signed text decides the value. Usually the signed text is the text
// that was sent. Some senders send one spelling of the number and sign another:
// they send 100.50 and sign 100.5. [Amount.SignedText] returns the signed spelling.
// The text that was sent is then authenticated only if both have the same value.
//
// The zero Amount is an absent member. Amounts are safe for concurrent use. Compare
// them with [Amount.Equal]: == compares texts.
type Amount struct {
	text   Text   // as sent
	signed string // set only where the signed text is not the literal
}

// Bounds of an amount's text, from the wire rules common to all providers. The
// bounds keep every conversion to a number cheap, whatever is sent.
const (
	maxAmountLen      = 40
	maxAmountExponent = 40
)

// NewAmount returns an amount with this text. It accepts any text; [Amount.Valid]
// reports whether it is a number.
func NewAmount(text string) Amount { return Amount{text: NewText(text)} }

// AmountOf returns an amount with this text, which may be absent or null.
func AmountOf(text Text) Amount { return Amount{text: text} }

// Signed returns the same amount with another signed text, for senders that send
// one spelling of a number and sign another (send 100.50 and sign 100.5). The
// signed text then decides the amount's value. If the argument is empty, or if the
// amount has no text, the signed text is the text as sent.
func (a Amount) Signed(text string) Amount {
	if a.signed = text; text == a.text.s || a.IsEmpty() {
		a.signed = ""
	}
	return a
}

// SignedText returns the text that the signature covers. This is the literal,
// unless the sender signed another spelling of the number.
func (a Amount) SignedText() string {
	if a.signed != "" {
		return a.signed
	}
	return a.text.s
}

// Literal returns the text as sent. It is empty when the amount was absent, null or
// empty. The literal is not authenticated if its value differs from that of
// SignedText.
func (a Amount) Literal() string { return a.text.s }

// String returns the text as sent if it has the same value as the signed text, and
// the signed text otherwise. It is empty when the amount was absent, null or empty.
func (a Amount) String() string {
	if a.signed == "" || canonical(a.signed) == canonical(a.text.s) {
		return a.text.s
	}
	return a.signed
}

// Text returns the result of String as a [Text], which distinguishes absent, null
// and empty.
func (a Amount) Text() Text {
	t := a.text
	t.s = a.String()
	return t
}

// IsNull reports whether the member was present and null.
func (a Amount) IsNull() bool { return a.text.IsNull() }

// IsZero reports whether the member was absent. It does not report whether the
// number is zero.
func (a Amount) IsZero() bool { return a.text.IsZero() }

// IsEmpty reports whether there is no text: the member was absent, null or an empty
// string.
func (a Amount) IsEmpty() bool { return a.text.s == "" }

// Valid reports whether the signed text is a JSON number of at most 40
// characters with an exponent within ±40.
func (a Amount) Valid() bool { return validAmount(a.SignedText()) }

// positive reports whether the amount is a number above zero.
func (a Amount) positive() bool {
	text := a.SignedText()
	digits, _, _ := strings.Cut(strings.ToLower(text), "e")
	return a.Valid() && text[0] != '-' && strings.ContainsAny(digits, "123456789")
}

// byValue returns the same text for all amounts with the same value, and different
// texts for different values. For an amount that is not a number, the result
// depends on the signed text alone.
func (a Amount) byValue() string { return canonical(a.SignedText()) }

// ErrNotANumber means that an amount has no text, or that its signed text is not
// [Amount.Valid].
var ErrNotANumber = errors.New("payack: the amount is missing or not a decimal number of at most 40 characters")

// ErrInexact means that [Amount.MinorUnits] can't return the amount exactly.
var ErrInexact = errors.New("payack: the amount is not a whole number of minor units that fits an int64")

// Decimal returns the exact value. The error is [ErrNotANumber]. Don't sign or
// compare the decimal's text: it drops trailing zeros.
func (a Amount) Decimal() (decimal.Decimal, error) {
	if !a.Valid() {
		return decimal.Decimal{}, ErrNotANumber
	}
	d, err := decimal.NewFromString(a.SignedText())
	if err != nil {
		return decimal.Decimal{}, ErrNotANumber
	}
	return d, nil
}

// MinorUnits returns the amount in units of 10^-digits: with 2 digits, 100.50 is
// 10050. Give the digits of the currency, 0 to 18: PHP and INR have 2, JPY has 0.
//
// The error is [ErrNotANumber], or [ErrInexact] when the amount is not a whole
// number of such units or does not fit an int64. Digits out of range are an error,
// too.
func (a Amount) MinorUnits(digits int) (int64, error) {
	if digits < 0 || digits > 18 {
		return 0, fmt.Errorf("payack: %d digits of minor units: give 0 to 18", digits)
	}
	d, err := a.Decimal()
	if err != nil {
		return 0, err
	}
	d = d.Shift(int32(digits))
	if !d.IsInteger() {
		return 0, ErrInexact
	}
	n := d.BigInt()
	if !n.IsInt64() {
		return 0, ErrInexact
	}
	return n.Int64(), nil
}

// Equal reports whether both amounts have the same value: 100.50 equals 1005e-1.
// Amounts that are absent, null or empty equal one another. A text that is not a
// number equals nothing, not even itself.
func (a Amount) Equal(b Amount) bool {
	if a.IsEmpty() || b.IsEmpty() {
		return a.IsEmpty() && b.IsEmpty()
	}
	if a.SignedText() == b.SignedText() { // the usual case
		return a.Valid()
	}
	return a.Valid() && b.Valid() && a.byValue() == b.byValue()
}

// MarshalJSON writes String as a JSON string, or null.
func (a Amount) MarshalJSON() ([]byte, error) { return a.Text().MarshalJSON() }

// UnmarshalJSON reads what MarshalJSON writes, and a JSON number as its literal.
func (a *Amount) UnmarshalJSON(b []byte) error {
	a.signed = ""
	if len(b) > 0 && (b[0] == '-' || '0' <= b[0] && b[0] <= '9') {
		a.text = NewText(string(b))
		return nil
	}
	return a.text.UnmarshalJSON(b)
}

// validAmount implements JSON's number grammar, with bounds. It is written by hand
// because it runs for every amount of every callback.
func validAmount(s string) bool {
	if len(s) == 0 || len(s) > maxAmountLen {
		return false
	}
	i := 0
	if s[i] == '-' {
		i++
	}
	start := i
	i = skipDigits(s, i)
	if i == start || s[start] == '0' && i-start > 1 {
		return false
	}
	if i < len(s) && s[i] == '.' {
		start = i + 1
		if i = skipDigits(s, start); i == start {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		start = i
		if i = skipDigits(s, i); i == start {
			return false
		}
		exp, err := strconv.ParseUint(s[start:i], 10, 32)
		if err != nil || exp > maxAmountExponent {
			return false
		}
	}
	return i == len(s)
}

func skipDigits(s string, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// canonical returns one spelling for each value: digits without an exponent,
// without redundant zeros, and without a sign before zero. A text that is not a
// valid amount stays unchanged, unless it has more than maxAmountLen characters.
// Then it gets a ~ in front: the valid amount 1e40 becomes 41 digits, and must not
// equal an invalid text of the same 41 digits.
func canonical(s string) string {
	if whole := skipDigits(s, 0); whole > 0 && len(s) <= maxAmountLen && (s[0] != '0' || whole == 1) { // the usual case
		switch {
		case whole == len(s):
			return s
		case s[whole] == '.' && skipDigits(s, whole+1) == len(s) && len(s) > whole+1:
			return trimFraction(s)
		}
	}
	if !validAmount(s) {
		if len(s) > maxAmountLen {
			return "~" + s
		}
		return s
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exponent, _ := strconv.Atoi(s[i+1:]) // within ±40
		s = shift(s[:i], exponent)
	}
	if strings.IndexByte(s, '.') >= 0 {
		s = trimFraction(s)
	}
	if s == "-0" {
		return "0"
	}
	return s
}

// trimFraction drops trailing zeros of a fraction, and then a trailing point.
func trimFraction(s string) string {
	end := len(s)
	for s[end-1] == '0' {
		end--
	}
	if s[end-1] == '.' {
		end--
	}
	return s[:end]
}

// shift moves the decimal point of s to the right. by is the number of places; if
// it is negative, the point moves to the left.
func shift(s string, by int) string {
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	point := len(whole) + by
	all := whole + fraction
	switch {
	case point <= 0:
		all = strings.Repeat("0", 1-point) + all
		point = 1
	case point > len(all):
		all += strings.Repeat("0", point-len(all))
	}
	whole, fraction = strings.TrimLeft(all[:point], "0"), all[point:]
	if whole == "" {
		whole = "0"
	}
	if fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}
