package payack

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/shopspring/decimal"
)

// Amount is a sum of money, or a rate, exactly as it came in: 100.50 stays
// 100.50. It costs nothing until it is asked for its value, and never passes
// through a float.
//
// The zero Amount is an absent member. Amounts are safe for concurrent use.
// Compare them with Equal: == compares their texts.
type Amount struct {
	text   Text
	signed string // set only where the signed text is not the literal
}

// Bounds of an amount's text, from the wire rules common to all providers:
// they keep every conversion to a number cheap, whatever is sent.
const (
	maxAmountLen      = 40
	maxAmountExponent = 40
)

// NewAmount returns an amount with this text, without looking at it; Valid
// and the conversions tell whether it is a number.
func NewAmount(text string) Amount { return Amount{text: NewText(text)} }

// AmountOf returns an amount with this text, which may be absent or null.
func AmountOf(text Text) Amount { return Amount{text: text} }

// Signed returns the same amount with the text that the provider's signature
// covers, for senders that sign another spelling of the number than they send
// (100.5 for 100.50). Events carry it so that their identity is made of signed
// text only.
func (a Amount) Signed(text string) Amount {
	if a.signed = text; text == a.text.s {
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

// String returns the text as received, empty when the amount was absent, null
// or empty.
func (a Amount) String() string { return a.text.s }

// Text returns the text as received, with the difference between absent, null
// and empty.
func (a Amount) Text() Text { return a.text }

// IsNull tells whether the amount was there and null.
func (a Amount) IsNull() bool { return a.text.IsNull() }

// IsZero tells whether the amount was absent. It does not tell whether it is
// the number zero.
func (a Amount) IsZero() bool { return a.text.IsZero() }

// IsEmpty tells whether there is no text: absent, null or the empty string.
func (a Amount) IsEmpty() bool { return a.text.s == "" }

// Valid tells whether the text is a JSON number of at most 40 characters with
// an exponent within ±40.
func (a Amount) Valid() bool { return validAmount(a.text.s) }

// ErrNotANumber is returned by conversions of an amount whose text is missing
// or is not a number within the bounds of [Amount.Valid].
var ErrNotANumber = errors.New("payack: the amount is missing or not a decimal number of at most 40 characters")

// ErrInexact is returned by [Amount.MinorUnits] when the amount does not fit
// exactly.
var ErrInexact = errors.New("payack: the amount is not a whole number of minor units that fits an int64")

// Decimal returns the amount's exact value. The error is [ErrNotANumber].
// (The decimal's own text drops trailing zeros, so never sign or compare it as
// text.)
func (a Amount) Decimal() (decimal.Decimal, error) {
	if !a.Valid() {
		return decimal.Decimal{}, ErrNotANumber
	}
	d, err := decimal.NewFromString(a.text.s)
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

// Equal tells whether both amounts have the same value: 100.50 equals 1005e-1.
// Amounts that are no numbers are equal only when both are missing, null or
// empty.
func (a Amount) Equal(b Amount) bool {
	if a.IsEmpty() || b.IsEmpty() {
		return a.IsEmpty() && b.IsEmpty()
	}
	if a.text.s == b.text.s {
		return a.Valid()
	}
	da, err := a.Decimal()
	if err != nil {
		return false
	}
	db, err := b.Decimal()
	return err == nil && da.Equal(db)
}

// MarshalJSON writes the text as a JSON string, or null.
func (a Amount) MarshalJSON() ([]byte, error) { return a.text.MarshalJSON() }

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

// plainDecimal is Payatom's narrower grammar: digits with at most one point
// between digits, no sign, no leading zero before another digit, no exponent,
// at most 18 digits. It is part of the defence against moved borders.
func plainDecimal(s string) bool {
	i := skipDigits(s, 0)
	digits := i
	if i == 0 || s[0] == '0' && i > 1 {
		return false
	}
	if i < len(s) && s[i] == '.' {
		end := skipDigits(s, i+1)
		if end == i+1 {
			return false
		}
		digits += end - i - 1
		i = end
	}
	return i == len(s) && digits <= 18
}
