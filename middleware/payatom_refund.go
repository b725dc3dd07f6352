package middleware

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/payack/payack"
)

// refundDetails returns a digest of refund_info, and the key under which the store
// keeps the digest. Two refunds of one order and amount differ only in refund_info,
// which is not signed.
func refundDetails(ev *payack.PayatomEvent) (id, digest string, ok bool) {
	if ev.Status != payack.PayatomRefundInitiated && ev.Status != payack.PayatomRefundCompleted {
		return "", "", false
	}
	sum := sha256.Sum256([]byte(ev.ID()))
	return "payatom-refund:v1:" + hex.EncodeToString(sum[:]), refundDigest(ev), true
}

// refundDigest returns the digest of refund_info, which arrives as one member or,
// in a form, spread over several. If the one member is a JSON object, white space and
// the order of its names do not change the digest.
func refundDigest(ev *payack.PayatomEvent) string {
	extra := ev.Unsigned.Extra
	text := []string{plainObject(ev.Unsigned.RefundInfo.String())}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if strings.HasPrefix(name, "refund_info[") {
			text = append(text, name, extra[name].String())
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(text, "\x00")))
	return hex.EncodeToString(sum[:])
}

// plainObject returns a JSON object with its names sorted and without white space,
// or the literal itself if it is not an object.
func plainObject(literal string) string {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(literal), &members) != nil {
		return literal
	}
	plain, err := json.Marshal(members)
	if err != nil {
		return literal
	}
	return string(plain)
}
