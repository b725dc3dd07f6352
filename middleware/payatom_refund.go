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

// refundDetails returns what tells two refunds of one order and amount apart, which
// is not signed: refund_info, as one member or spread over a form.
func refundDetails(ev *payack.PayatomEvent) (id, digest string, ok bool) {
	if ev.Status != payack.PayatomRefundInitiated && ev.Status != payack.PayatomRefundCompleted {
		return "", "", false
	}
	sum := sha256.Sum256([]byte(ev.ID()))
	return "payatom-refund:v1:" + hex.EncodeToString(sum[:]), refundDigest(ev), true
}

// refundDigest is the same for the same details, whoever wrote them.
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

// plainObject returns an object with its names in order and no white space between
// them, so that the order and the blanks of whoever wrote it don't count.
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
