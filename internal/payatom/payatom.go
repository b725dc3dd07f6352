// Package payatom has the grammar of the three members that Payatom's hash joins
// without separators. Besides the merchant's and the gateway's records, the grammar
// is the only defence against a message in which the border between two members was
// moved.
package payatom

// MaxOrderID is the length in bytes that an order_id must stay below: the block size
// of MD5. The secret comes last in the hashed text, so two ids that collide over
// whole blocks have the same hash under every amount, status and secret.
const MaxOrderID = 64

// OrderID reports whether id may be hashed: it has 1 to 63 bytes.
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
