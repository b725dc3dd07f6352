package middleware

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/payack/payack"
)

// spliceID returns the key under which the store binds a hashed text. It holds the
// text itself, or a digest if the text is long or not printable ASCII, and never
// equals an event's identity.
//
// It depends on the joined text only, so moving characters between members does not
// change it. Like an identity it ignores how an amount is written (500.0 for 500)
// and which paid status came (Late Approved for Approved), so that a second genuine
// hash of a payment is bound with the first.
func spliceID(kind string, ev *payack.PayatomEvent) string {
	const prefix, longest = "payatom-splice:v1", 128
	var short [2 * longest]byte
	text := append(short[:0], prefix+":"...)
	text = append(text, kind...)
	text = strconv.AppendInt(text, int64(len(ev.Tenant)), 10)
	text = append(text, ':')
	text = append(text, ev.Tenant...)
	text = append(text, ev.OrderID...)
	text = append(text, ev.ReceivedAmount.SignedText()...)
	text = append(trimZeros(text), word(ev.Status)...)
	plain := len(text) <= longest
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= ' ' && text[i] < 0x7f
	}
	if plain {
		return string(text)
	}
	sum := sha256.Sum256(text)
	return prefix + ":sha256:" + hex.EncodeToString(sum[:])
}

// trimZeros drops trailing zeros after the last point of a text that ends in
// digits, and then a trailing point.
func trimZeros(text []byte) []byte {
	end := len(text)
	for end > 0 && text[end-1] == '0' {
		end--
	}
	digits := end
	for digits > 0 && '0' <= text[digits-1] && text[digits-1] <= '9' {
		digits--
	}
	if digits == 0 || text[digits-1] != '.' {
		return text
	}
	if digits == end {
		end-- // the point itself
	}
	return text[:end]
}

func word(s payack.PayatomStatus) payack.PayatomStatus {
	if s.Paid() {
		return payack.PayatomApproved
	}
	return s
}
