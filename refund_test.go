package payack_test

import (
	"testing"

	"github.com/payack/payack"
)

// refund_info is not signed, so it may hold anything. Refund returns the members
// that it can parse.
func TestRefundOfAnything(t *testing.T) {
	for _, info := range []string{
		"", "[]", "[1,2]", "{}", "null", "false", "true", "0", `"text"`, "text", `{"refund_amount":`, "{", "\x00", `[{"refund_amount":"5"}]`,
	} {
		u := payack.PayatomUnsigned{RefundInfo: payack.NewText(info)}
		if refund, ok := u.Refund(); ok || refund != (payack.PayatomRefund{}) {
			t.Errorf("%q is read as %+v", info, refund)
		}
	}
	for _, u := range []payack.PayatomUnsigned{{}, {RefundInfo: payack.NullText()}} {
		if _, ok := u.Refund(); ok {
			t.Errorf("%+v has a refund", u)
		}
	}
	u := payack.PayatomUnsigned{RefundInfo: payack.NewText(` {"refund_amount":[], "refund_status":false,"refund_notes":"a\u0000","refunded_upi":null,
		"refund_initiated_time":{"a":1}, "other":1}`)}
	refund, ok := u.Refund()
	want := payack.PayatomRefund{
		RefundedUPI: payack.NullText(), Amount: payack.NewAmount("[]"), InitiatedTime: payack.NewText(`{"a":1}`),
		Status: payack.NewText("false"), Notes: payack.NewText("a\x00"),
	}
	if !ok || refund != want {
		t.Errorf("%+v, want %+v", refund, want)
	}
	if refund.Amount.Valid() {
		t.Error("an amount that is an array is valid")
	}
}
