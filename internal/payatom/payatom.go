// Package payatom holds the grammar of the three members that Payatom's hash
// joins without separators. It is part of the defence against moved borders:
// where order_id ends and received_amount begins, only the grammar and the
// merchant's records tell.
package payatom

// MaxOrderID is the length that an order_id stays below, in bytes. The secret
// comes last in the hash, so two ids that collide over whole blocks of MD5 (64
// bytes) would have the same hash with every amount, status and secret.
const MaxOrderID = 64

// OrderID reports whether id may stand in a hash.
func OrderID(id string) bool { return id != "" && len(id) < MaxOrderID }

// Status reports whether a status begins with an ASCII letter, so that no digit
// of the amount can have moved into it.
func Status(s string) bool {
	return s != "" && ('a' <= s[0]|0x20 && s[0]|0x20 <= 'z')
}

// Amount reports whether an amount is a plain decimal: digits with at most one
// point between digits, no sign, no leading zero before another digit, no
// exponent, at most 18 digits.
func Amount(s string) bool {
	i := digits(s, 0)
	count := i
	if i == 0 || s[0] == '0' && i > 1 {
		return false
	}
	if i < len(s) && s[i] == '.' {
		end := digits(s, i+1)
		if end == i+1 {
			return false
		}
		count += end - i - 1
		i = end
	}
	return i == len(s) && count <= 18
}

func digits(s string, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}
