package middleware

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/payack/payack"
)

// spliceID returns the key under which the store binds a hashed text. The key holds
// the text itself, or a digest if the text is long or not printable ASCII. It never
// equals an event's identity.
//
// The members are joined in the key, so moving characters between them does not
// change it. One payment can have several genuine hashes: its amount may be written
// 500 or 500.0, and its status may be Approved or Late Approved. The key is the
// same for all of them, and so is the event's identity.
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
