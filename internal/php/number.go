package php

import (
	"bytes"
	"math"
	"strconv"
)

const (
	// longestNumber bounds a literal's length. PHP and Go cap exponents at
	// different values beyond 10,000. So they disagree on a literal that has such
	// an exponent and about as many digits. A literal within the bound can't have
	// so many digits.
	longestNumber = 4096

	// stringDigits (for a string) and jsonDigits (for JSON) bound the digits before
	// the point. PHP writes a float that has more of them with an exponent.
	// stringDigits is also the number of significant digits in a string. In JSON,
	// PHP writes as many digits as it takes to read the same value back.
	stringDigits = 14
	jsonDigits   = 17

	// highest and lowest are the bounds of int64 without their sign.
	highest = "9223372036854775807"
	lowest  = "9223372036854775808"
)

// NumberText returns the text that PHP makes of a number in JSON, which is (string)
// json_decode(literal): 100.50 becomes 100.5, 40000.0 becomes 40000 and 0.00001
// becomes 1.0E-5. An integer within int64 keeps its text, except that -0 becomes 0.
// An integer beyond int64 becomes a float.
//
// It reports false if literal is not exactly one JSON number, if its value is
// infinite for PHP, and if it is longer than 4096 bytes. It does not allocate for a
// literal that is equal to its text.
func NumberText(literal string) (text string, ok bool) {
	length, float := scanNumber(literal)
	if length == 0 || length != len(literal) || length > longestNumber {
		return "", false
	}
	if !float && fitsInteger(literal) {
		return integerText(literal), true
	}
	value, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return "", false
	}
	var space [32]byte
	written := appendFloat(space[:0], value, stringDigits, 'E')
	if string(written) == literal {
		return literal, true
	}
	return string(written), true
}

// scanNumber returns the length of the JSON number at the beginning of s, or 0 if
// there is none, and whether it has a fraction or an exponent.
func scanNumber[T string | []byte](s T) (length int, float bool) {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	switch {
	case i < len(s) && s[i] == '0':
		i++
	case i < len(s) && isDigit(s[i]):
		i = skipDigits(s, i)
	default:
		return 0, false
	}
	if i < len(s) && s[i] == '.' {
		end := skipDigits(s, i+1)
		if end == i+1 {
			return 0, false
		}
		i, float = end, true
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		end := skipDigits(s, i)
		if end == i {
			return 0, false
		}
		i, float = end, true
	}
	return i, float
}

func skipDigits[T string | []byte](s T, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// fitsInteger reports whether an integer literal is within int64. Like PHP it
// compares digits.
func fitsInteger(literal string) bool {
	digits, border := literal, highest
	if literal[0] == '-' {
		digits, border = literal[1:], lowest
	}
	return len(digits) < len(border) || len(digits) == len(border) && digits <= border
}

// integerText returns PHP's text of an integer literal within int64. JSON allows no
// leading zeros, so only zero has a second spelling.
func integerText(literal string) string {
	if literal == "-0" {
		return "0"
	}
	return literal
}

// appendFloat appends PHP's text of a finite float. The parameter width is
// stringDigits or jsonDigits.
func appendFloat(dst []byte, value float64, width int, exponentMark byte) []byte {
	precision := -1
	if width == stringDigits {
		precision = width - 1
	}
	var space [32]byte
	text := strconv.AppendFloat(space[:0], value, 'e', precision, 64)
	if text[0] == '-' {
		dst = append(dst, '-')
		text = text[1:]
	}

	// text is d.ddde±xx or de±xx. Get the digits before the e.
	mark := len(text) - 1
	for text[mark] != 'e' {
		mark--
	}
	exponent := 0
	for _, c := range text[mark+2:] {
		exponent = exponent*10 + int(c-'0')
	}
	if text[mark+1] == '-' {
		exponent = -exponent
	}
	digits := text[:mark]
	if mark > 1 {
		text[1] = text[0]
		digits = text[1:mark]
	}
	if width != stringDigits || !keepsZeros(value) {
		digits = bytes.TrimRight(digits, "0") // the value zero has no digits left, and its 0 is written before the point
	}

	point := exponent + 1 // the number of digits before the point
	switch {
	case point < -3 || point > width:
		dst = append(dst, digits[0], '.')
		if len(digits) == 1 {
			dst = append(dst, '0')
		}
		dst = append(dst, digits[1:]...)
		dst = append(dst, exponentMark)
		if exponent >= 0 {
			dst = append(dst, '+')
		}
		return strconv.AppendInt(dst, int64(exponent), 10)
	case point <= 0:
		dst = append(dst, '0', '.')
		for ; point < 0; point++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	case point < len(digits):
		dst = append(dst, digits[:point]...)
		dst = append(dst, '.')
		return append(dst, digits[point:]...)
	default:
		dst = append(dst, digits...)
		for n := len(digits); n < point; n++ {
			dst = append(dst, '0')
		}
		return dst
	}
}

// keepsZeros reports whether PHP keeps a zero at the end of the digits. It does so
// for an integral float of 15 digits that lies exactly between two texts of 14
// digits and is rounded down to one that ends with zero: 168879950046905.0 becomes
// 1.6887995004690E+14.
func keepsZeros(value float64) bool {
	value = math.Abs(value)
	return 1e14 <= value && value < 1e15 && math.Mod(value, 100) == 5
}
