package payack

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// Amount is a sum of money, or a rate, exactly as it came in: 100.50 stays
// 100.50. It costs nothing until it is asked for its value, and never passes
// through a float.
//
// Its value is that of the text that the provider signed. Nearly always that is
// the text that was sent. Some senders sign another spelling of the number
// (100.5 for 100.50): SignedText returns it, and the text that was sent decides
// nothing.
//
// The zero Amount is an absent member. Amounts are safe for concurrent use.
// Compare them with Equal: == compares their texts.
type Amount struct {
	text   Text   // as sent
	signed string // set only where the signed text is not the literal
}

// Bounds of an amount's text, from the wire rules common to all providers:
// they keep every conversion to a number cheap, whatever is sent.
const (
	maxAmountLen      = 40
	maxAmountExponent = 40
)

// NewAmount returns an amount with this text, which it does not check. Valid
// reports whether it is a number.
func NewAmount(text string) Amount { return Amount{text: NewText(text)} }

// AmountOf returns an amount with this text, which may be absent or null.
func AmountOf(text Text) Amount { return Amount{text: text} }

// Signed returns the same amount with the text that the provider's signature
// covers, for senders that sign another spelling of the number than they send
// (100.5 for 100.50). The amount's value is then that of the signed text. With
// an empty text, or for an amount that has none, the literal is what is signed.
func (a Amount) Signed(text string) Amount {
	if a.signed = text; text == a.text.s || a.IsEmpty() {
		a.signed = ""
	}
	return a
}

// SignedText returns the text that the signature covers: the literal, unless
// the sender signed another spelling of it.
func (a Amount) SignedText() string {
	if a.signed != "" {
		return a.signed
	}
	return a.text.s
}

// Literal returns the text as sent. It is empty when the amount was absent, null
// or empty. Where its value is not that of SignedText it is not authenticated.
func (a Amount) Literal() string { return a.text.s }

// String returns the literal as sent where its value is that of the signed
// text, and otherwise the signed text. It is empty when the amount was absent,
// null or empty.
func (a Amount) String() string {
	if a.signed == "" || canonical(a.signed) == canonical(a.text.s) {
		return a.text.s
	}
	return a.signed
}

// Text returns String as a [Text], which tells absent, null and empty apart.
func (a Amount) Text() Text {
	t := a.text
	t.s = a.String()
	return t
}

// IsNull reports whether the amount was there and null.
func (a Amount) IsNull() bool { return a.text.IsNull() }

// IsZero reports whether the amount was absent, not whether it is the number
// zero.
func (a Amount) IsZero() bool { return a.text.IsZero() }

// IsEmpty reports whether there is no text: absent, null or the empty string.
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

// byValue returns one text for all amounts of one value. Two amounts of which
// one is no number have the same only when their signed texts are the same.
func (a Amount) byValue() string { return canonical(a.SignedText()) }

// ErrNotANumber is returned by conversions of an amount that has no text, or
// whose signed text is not [Amount.Valid].
var ErrNotANumber = errors.New("payack: the amount is missing or not a decimal number of at most 40 characters")

// ErrInexact is returned by [Amount.MinorUnits] when the amount does not fit
// exactly.
var ErrInexact = errors.New("payack: the amount is not a whole number of minor units that fits an int64")

// Decimal returns the amount's exact value. The error is [ErrNotANumber]. Do not
// sign or compare the decimal as text: it drops trailing zeros.
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

// MinorUnits returns the amount in units of 10^-digits: 100.50 with 2 digits
// is 10050. Digits are those of the currency (PHP and INR have 2, JPY has 0)
// and must lie between 0 and 18. The error is [ErrNotANumber], or [ErrInexact]
// when something would be lost.
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
// Amounts that are absent, null or empty equal each other; any other that is no
// number equals nothing, itself included.
func (a Amount) Equal(b Amount) bool {
	if a.IsEmpty() || b.IsEmpty() {
		return a.IsEmpty() && b.IsEmpty()
	}
	if a.SignedText() == b.SignedText() { // as nearly all that are equal
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

// validAmount is JSON's number grammar with bounds, by hand because it runs
// for every amount of every callback.
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

// canonical returns the one spelling of a number's value: digits without an
// exponent, without leading or trailing zeros that say nothing, and no sign
// before zero. A text that is no valid amount is returned as it is, or marked
// when it is too long for one: written out, 1e40 has 41 digits, and a text of
// 41 digits is not valid.
func canonical(s string) string {
	if whole := skipDigits(s, 0); whole > 0 && len(s) <= maxAmountLen && (s[0] != '0' || whole == 1) { // as nearly all are
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

// trimFraction drops the zeros at the end of a fraction, and a point with
// nothing behind it.
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

// shift moves the decimal point of a number to the right, or to the left when
// by is negative.
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
