package verify_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// phpTwinsOf returns other spellings of a name, as they are written in a form. A PHP
// reader, or a reader that folds case, takes each of them for the name.
func phpTwinsOf(name string) []string {
	parts := strings.SplitN(name, "_", 2)
	twins := []string{
		name + "[]", name + "[x]", name + "[x][y]", name + "[", name + "]", name + "[x", name + "%5B%5D", name + "%5bx%5D",
		strings.ToUpper(name[:1]) + name[1:] + "[x]", strings.ToUpper(name) + "[]", strings.ToUpper(name) + "[", strings.ToUpper(name),
		"+" + name, "+" + name + "[x]", "%20" + name, name + "%00", name + "%00[x]", name + "%00x", name + "[%00]",
		"+" + strings.ToUpper(name),
	}
	if strings.Contains(name, "s") {
		long := strings.Replace(name, "s", "%C5%BF", 1) // LATIN SMALL LETTER LONG S
		twins = append(twins, long, long+"[x]", long+"[", "+"+long)
	}
	if len(parts) == 2 {
		for _, mark := range []string{".", "+", "%20", "["} {
			twin := parts[0] + mark + parts[1]
			twins = append(twins, twin, "+"+twin, strings.ToUpper(twin))
			if mark != "[" {
				twins = append(twins, twin+"[x]", twin+"[")
			}
		}
	}
	return twins
}

func TestPayatomFormNamesOfPHP(t *testing.T) {
	form, keys := newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm}), newPayatomKeys(t, "", payatomSecret)
	base := "order_id=O1&status=Approved&received_amount=5&post_hash=" + url.QueryEscape(newPayatomSigner(t, payatomSecret).PostHash("O1", "5", "Approved"))
	verifyWith := func(pairs string) (*payack.PayatomEvent, error) {
		ev, err := form.Verify(verify.Message{ContentType: ptopFormType, Body: base + "&" + pairs}, keys)
		before, errBefore := form.Verify(verify.Message{ContentType: ptopFormType, Body: pairs + "&" + base}, keys)
		require.Equal(t, err == nil, errBefore == nil, pairs)
		require.Equal(t, ev, before, pairs)
		return ev, err
	}
	for _, name := range []string{"order_id", "status", "received_amount", "amount", "post_hash"} {
		for _, twin := range phpTwinsOf(name) {
			ev, err := verifyWith(twin + "=2")
			assert.Equal(t, payack.ReasonMalformed, refusedPayatom(t, ev, err).Reason, twin)
		}
	}
	for name, pairs := range map[string]string{
		"first letter":   "_x[a]=1",
		"brackets first": "[order_id]=1",
		"blank first":    "+custom[a]=1",
		"twice":          "custom[]=1&custom[]=2",
		"too deep":       "custom" + strings.Repeat("[a]", 64) + "=1",
	} {
		ev, err := verifyWith(pairs)
		assert.Equal(t, payack.ReasonMalformed, refusedPayatom(t, ev, err).Reason, name)
	}
	// A name that no reader treats as a signed one is kept as it was sent.
	for _, name := range []string{
		"custom[a][b]", "custom[]", "order[id]", "orderid[x]", "order_ids[x]", "my.order_id[x]", "bank_ref[x]", "bank.ref", "Bank_Ref[0]",
		"ref_code[", "amounts[x]", "received[amount]", "x[order_id]", "order_id2[x]", "\u00e9[x]", "refund_info.x", "a b",
	} {
		ev, err := verifyWith(url.QueryEscape(name) + "=1")
		require.NoError(t, err, name)
		assert.Equal(t, map[string]payack.Text{name: payack.NewText("1")}, ev.Unsigned.Extra, name)
		assert.True(t, ev.Unsigned.BankRef.IsZero() && ev.Unsigned.RefCode.IsZero() && ev.Unsigned.RefundInfo.IsZero())
	}
}

// refund_info in the spelling of PHP's http_build_query gives the same event as the
// object in JSON.
func TestPayatomFormRefundInfo(t *testing.T) {
	form, keys := newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm}), newPayatomKeys(t, "", payatomSecret)
	base := "order_id=O1&status=Refund+Completed&received_amount=5&post_hash=" +
		url.QueryEscape(newPayatomSigner(t, payatomSecret).PostHash("O1", "5", "Refund Completed"))
	unsignedOf := func(t *testing.T, pairs string) payack.PayatomUnsigned {
		t.Helper()
		ev, err := form.Verify(verify.Message{ContentType: ptopFormType, Body: base + "&" + pairs}, keys)
		require.NoError(t, err)
		return ev.Unsigned
	}
	extra := func(names ...string) map[string]payack.Text {
		out := map[string]payack.Text{}
		for _, name := range names {
			out[name] = payack.NewText("1")
		}
		return out
	}

	all := unsignedOf(t, "refund_info%5Brefunded_upi%5D=u%40bank&refund_info[refund_amount]=300.50&refund_info[refund_initiated_time]=t1"+
		"&refund_info[refund_completed_time]=t2&refund_info[refund_status]=done&refund_info[refund_notes]=%22a%22+%3C%00%C3%A9&x=1")
	assert.Equal(t, `{"refunded_upi":"u@bank","refund_amount":"300.50","refund_initiated_time":"t1",`+
		`"refund_completed_time":"t2","refund_status":"done","refund_notes":"\"a\" <\u0000é"}`, all.RefundInfo.String())
	refund, ok := all.Refund()
	assert.True(t, ok)
	assert.Equal(t, payack.PayatomRefund{
		RefundedUPI: payack.NewText("u@bank"), Amount: payack.NewAmount("300.50"), InitiatedTime: payack.NewText("t1"),
		CompletedTime: payack.NewText("t2"), Status: payack.NewText("done"), Notes: payack.NewText("\"a\" <\x00é"),
	}, refund)
	assert.Equal(t, extra("x"), all.Extra)
	again, err := json.Marshal(all)
	require.NoError(t, err)
	assert.True(t, json.Valid(again))

	for _, c := range []struct {
		name, pairs string
		info        payack.Text
		extra       map[string]payack.Text
		refund      bool
	}{
		{"one member", "refund_info[refund_amount]=1", payack.NewText(`{"refund_amount":"1"}`), nil, true},
		{"an unknown member", "refund_info[0]=1&refund_info[x y]=2", payack.NewText(`{"0":"1","x y":"2"}`), nil, true},
		{"no text", "refund_info[refund_amount]", payack.NewText(`{"refund_amount":""}`), nil, true},
		{"nested deeper", "refund_info[a][b]=1&refund_info[refund_status]=s", payack.NewText(`{"refund_status":"s"}`), extra("refund_info[a][b]"), true},
		{"nested deeper only", "refund_info[a][b]=1", payack.Text{}, extra("refund_info[a][b]"), false},
		{"a list", "refund_info[]=1", payack.Text{}, extra("refund_info[]"), false},
		{"not closed", "refund_info[ab=1", payack.Text{}, extra("refund_info[ab"), false},
		{"not opened", "refund_infoab]=1", payack.Text{}, extra("refund_infoab]"), false},
		{"closed twice", "refund_info[a]]=1", payack.Text{}, extra("refund_info[a]]"), false},
		{"something behind", "refund_info[a]b=1", payack.Text{}, extra("refund_info[a]b"), false},
		{"plain", "refund_info=%7B%22refund_amount%22:5%7D", payack.NewText(`{"refund_amount":5}`), nil, true},
		{"plain and empty", "refund_info=", payack.NewText(""), nil, false},
		{"both", "refund_info=p&refund_info[a]=1", payack.NewText("p"), extra("refund_info[a]"), false},
		{"both, plain and empty", "refund_info[a]=1&refund_info", payack.NewText(""), extra("refund_info[a]"), false},
		{"in another case", "Refund_Info[a]=1", payack.Text{}, extra("Refund_Info[a]"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := unsignedOf(t, c.pairs)
			assert.Equal(t, c.info, u.RefundInfo)
			assert.Equal(t, c.extra, u.Extra)
			_, ok := u.Refund()
			assert.Equal(t, c.refund, ok)
		})
	}
	ev, err := form.Verify(verify.Message{ContentType: ptopFormType, Body: base + "&refund_info[a]=1&refund_info%5ba%5d=2"}, keys)
	assert.Equal(t, payack.ReasonMalformed, refusedPayatom(t, ev, err).Reason)

	// In JSON, names with brackets or points have no special meaning.
	hash := newPayatomSigner(t, payatomSecret).PostHash("O1", "5", "Approved")
	got, err := verifyPayatomJSON(t, `{"order_id":"O1","status":"Approved","received_amount":"5","refund_info[a]":"1","order.id":"2","post_hash":"`+hash+`"}`)
	require.NoError(t, err)
	assert.Equal(t, map[string]payack.Text{"refund_info[a]": payack.NewText("1"), "order.id": payack.NewText("2")}, got.Unsigned.Extra)
	assert.True(t, got.Unsigned.RefundInfo.IsZero())
}

// PHP makes arrays of names with brackets, so SchemeFormRebuilt is not tried. Under
// the other schemes the signature covers the text as sent.
func TestPtopFormBrackets(t *testing.T) {
	v, keys := newPtop(t, verify.PtopOptions{Body: verify.BodyForm}), newPtopKeys(t, ptopKeyText)
	for _, name := range []string{"success", "transaction_id", "order_id", "signature"} {
		for _, twin := range phpTwinsOf(name) {
			body := ptopForm + "&" + twin + "=2"
			ptopRefused(t, payack.ReasonMalformed, v, ptopByHeader(ptopFormType, body, ptopSum(ptopKeyText, body)), keys)
			body += "&signature=" + ptopSum(ptopKeyText, body)
			ptopRefused(t, payack.ReasonMalformed, v, verify.Message{ContentType: ptopFormType, Body: body}, keys)
		}
	}
	const body = ptopForm + "&meta[a]=1&meta%5Bb%5D%5B%5D=2&message[x]=3"
	for _, scheme := range []payack.Scheme{payack.SchemeForm, payack.SchemeHeader} {
		for _, place := range []verify.PtopPlace{verify.PtopFirst, verify.PtopMiddle, verify.PtopLast} {
			ev, err := v.Verify(signPtop(t, scheme, place, body), keys)
			require.NoError(t, err)
			assert.Equal(t, scheme, ev.Scheme)
			assert.Equal(t, map[string]payack.Text{
				"meta[a]": payack.NewText("1"), "meta[b][]": payack.NewText("2"), "message[x]": payack.NewText("3"),
			}, ev.Extra)
			assert.Equal(t, "Payment done", ev.Message.String())
		}
	}
	for _, pairs := range []string{"meta[a]=1&a.b=1&a_b=2", "a.b=1&meta[a]=1&a_b=2", "a.b=1&a_b=2&meta[a]=1"} { // a.b and a_b are one name for PHP, even if another name has brackets
		twice := ptopForm + "&" + pairs
		ptopRefused(t, payack.ReasonMalformed, v, ptopByHeader(ptopFormType, twice, ptopSum(ptopKeyText, twice)), keys)
	}
	_, err := verify.SignPtopCallback(ptopSecret, payack.SchemeFormRebuilt, verify.PtopLast, body)
	require.ErrorContains(t, err, "brackets")
	// PHP's own http_build_query would give this text.
	rebuilt := ptopSum(ptopKeyText, "success=true&transaction_id=a93kd82hda&order_id=ORD-1001&message=Payment+done&meta%5Ba%5D=1")
	for _, schemes := range [][]payack.Scheme{nil, {payack.SchemeFormRebuilt}} {
		pinned := newPtop(t, verify.PtopOptions{Body: verify.BodyForm, Schemes: schemes})
		ptopRefused(t, payack.ReasonSignature, pinned, verify.Message{ContentType: ptopFormType, Body: ptopForm + "&meta[a]=1&signature=" + rebuilt}, keys)
	}
}

// PHP changes the names of forms, but not those of JSON. So a name that is refused
// in a form is an extra member in JSON.
func TestPtopJSONNamesOfPHP(t *testing.T) {
	v, keys := newPtop(t, verify.PtopOptions{}), newPtopKeys(t, ptopKeyText)
	body := strings.Replace(ptopJSON, "{", `{"order.id":1,"order_id[x]":2,"a.b":3,"a_b":4,"c[d]":5,"":6,`, 1)
	ev, err := v.Verify(ptopByHeader(ptopJSONType, body, ptopSum(ptopKeyText, body)), keys)
	require.NoError(t, err)
	for name, want := range map[string]string{"order.id": "1", "order_id[x]": "2", "a.b": "3", "a_b": "4", "c[d]": "5", "": "6"} {
		assert.Equal(t, payack.NewText(want), ev.Extra[name], name)
	}
}
