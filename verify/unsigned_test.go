package verify_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/verify"
)

// anyValues are JSON values of every type, each with its text in an event. The first
// ones are values that senders are known to send instead of a string.
var anyValues = []struct {
	literal string
	text    payack.Text
}{
	{`[]`, payack.NewText(`[]`)}, // PHP's empty map
	{`false`, payack.NewText(`false`)},
	{`{"code": 7}`, payack.NewText(`{"code": 7}`)},
	{`null`, payack.NullText()},
	{`""`, payack.NewText("")},
	{`"text"`, payack.NewText("text")},
	{`"a\u0000b"`, payack.NewText("a\x00b")},
	{`"\u0000"`, payack.NewText("\x00")},
	{`true`, payack.NewText("true")},
	{`{}`, payack.NewText("{}")},
	{`[1, 2]`, payack.NewText("[1, 2]")},
	{`["a\u0000"]`, payack.NewText(`["a\u0000"]`)},
	{`1e999999`, payack.NewText("1e999999")},
	{`-0.00`, payack.NewText("-0.00")},
	{`123456789012345678901234567890123456789012345678901234567890`, payack.NewText("123456789012345678901234567890123456789012345678901234567890")},
}

// brokenValues are values that are refused in any member, with the error's text.
var brokenValues = []struct{ literal, what string }{
	{"\"\xff\"", "invalid UTF-8"},
	{"[{\"a\":\"\xe2\x82\"}]", "invalid UTF-8"},
	{`"\ud83d"`, "a lone surrogate"},
	{`{"a":["\udfff"]}`, "a lone surrogate"},
	{`{"a":1,"a":2}`, "a member's name is given twice"},
	{`nul`, "not valid JSON"},
}

var ptsUnsignedNames = []string{
	"submit_promo", "accept_promo", "payment_address", "receiving_address", "error_message", "reference_number", "details_url",
}

// ptsShapes returns, for each shape of a callback, a function that verifies members
// in that shape.
func ptsShapes(t testing.TB, p *ptsParty) map[string]func(members string) (*payack.PTSEvent, error) {
	jsonType := func(body string) (*payack.PTSEvent, error) { return p.verify(body) }
	return map[string]func(string) (*payack.PTSEvent, error){
		"flat": jsonType,
		"object": func(members string) (*payack.PTSEvent, error) {
			return jsonType(`{"code":"1000","data":` + members + `}`)
		},
		"sealed": func(members string) (*payack.PTSEvent, error) {
			return p.verifier.Verify(verify.Message{ContentType: "text/plain", Body: seal(t, p, members)}, p.keys)
		},
		"sealed in data": func(members string) (*payack.PTSEvent, error) {
			return jsonType(`{"data":"` + seal(t, p, members) + `"}`)
		},
		"query response": func(members string) (*payack.PTSEvent, error) {
			r, err := p.verifier.VerifyResponse(verify.PTSQueryResponse, []byte(`{"code":"1000","message":"ok","data":`+members+`}`), p.keys)
			if err != nil {
				return nil, err
			}
			return r.Event, nil
		},
	}
}

func TestPTSUnsignedRefusesNothing(t *testing.T) {
	p := newPTSParty(t)
	for shape, verifyMembers := range ptsShapes(t, p) {
		for _, name := range append([]string{"unknown"}, ptsUnsignedNames...) {
			for _, v := range anyValues {
				ev, err := verifyMembers(rewrite(t, p.callback, `"user_id"`, `"`+name+`":`+v.literal+`,"user_id"`))
				require.NoError(t, err, "%s is %s, %s", name, v.literal, shape)
				assert.Equal(t, v.text, ptsMembersOf(ev)[name], "%s is %s, %s", name, v.literal, shape)
			}
			for _, v := range brokenValues {
				ev, err := verifyMembers(rewrite(t, p.callback, `"user_id"`, `"`+name+`":`+v.literal+`,"user_id"`))
				e := refusedPTS(t, ev, err)
				assert.Equal(t, payack.ReasonMalformed, e.Reason, "%s is %q, %s", name, v.literal, shape)
				assertNamesMember(t, e, v.what, name, shape)
			}
		}
	}
	ev, err := p.verify(rewrite(t, p.callback, `"user_id"`, `"submit_promo":[],"accept_promo":"5.50","user_id"`))
	require.NoError(t, err)
	assert.False(t, ev.Unsigned.SubmitPromo.Valid())
	assert.True(t, ev.Unsigned.AcceptPromo.Valid())
}

// assertNamesMember checks that an error says what is wrong and where, and never names
// an unknown member. A known member must be named. In two cases the members are nested
// in the member data, and the error must name data instead.
func assertNamesMember(t *testing.T, e *payack.Error, what, name, shape string) {
	t.Helper()
	assert.Regexp(t, `^`+what+`( in \w+)? at byte \d+$`, e.Detail)
	assert.NotContains(t, e.Detail, "unknown")
	switch {
	case shape == "query response", shape == "object" && name == "unknown":
		assert.Contains(t, e.Detail, " in data at byte ")
	case name != "unknown":
		assert.Contains(t, e.Detail, " in "+name+" at byte ")
	}
}

// Signed members are checked strictly in every shape.
func TestPTSSignedStaysStrict(t *testing.T) {
	p := newPTSParty(t)
	for shape, verifyMembers := range ptsShapes(t, p) {
		for _, name := range ptsSignedNames {
			old := `"` + name + `":"` + p.values[name] + `"`
			for _, n := range []string{"submit_amount", "accept_amount", "exchange_rate"} {
				if n == name {
					old = `"` + name + `":` + p.values[name]
				}
			}
			for _, literal := range []string{`[]`, `{}`, `false`, `true`, `"a\u0000"`} {
				ev, err := verifyMembers(rewrite(t, p.callback, old, `"`+name+`":`+literal))
				e := refusedPTS(t, ev, err)
				assert.Equal(t, payack.ReasonMalformed, e.Reason, "%s is %s, %s", name, literal, shape)
				assert.Contains(t, e.Detail, name)
			}
			ev, err := verifyMembers(rewrite(t, p.callback, `"user_id"`, `"`+strings.ToUpper(name)+`":"x","user_id"`))
			e := refusedPTS(t, ev, err)
			assert.Equal(t, payack.ReasonMalformed, e.Reason, "%s, %s", name, shape)
			assert.Contains(t, e.Detail, "differs from "+name+" by case only")
		}
	}
}

// If the member data is an object, then code, message and unknown members beside it
// may have any value.
func TestPTSWrapperRefusesNothing(t *testing.T) {
	p := newPTSParty(t)
	for _, v := range anyValues {
		for _, name := range []string{"code", "message", "Code", "MESSAGE", "unknown"} {
			ev, err := p.verify(`{"` + name + `":` + v.literal + `,"data":` + p.callback + `}`)
			require.NoError(t, err, "%s is %s", name, v.literal)
			assert.Equal(t, "1001", ev.OrderID)
		}
		r, err := p.verifier.VerifyResponse(verify.PTSQueryResponse, []byte(`{"code":"1000","message":`+v.literal+`,"data":`+p.callback+`}`), p.keys)
		require.NoError(t, err, "message is %s", v.literal)
		assert.Equal(t, v.text, r.Message)
	}
	for _, name := range []string{"Data", "Sign", "\u017Fign"} {
		_, err := p.verify(`{"` + name + `":1,"data":` + p.callback + `}`)
		require.ErrorIs(t, err, payack.ErrMalformed, name)
	}
	// The offset is that in the body, even if the members are nested.
	body := `{"code":"1000","data":` + rewrite(t, p.callback, `"user_id"`, `"Status":1,"user_id"`) + `}`
	_, err := p.verify(body)
	require.ErrorContains(t, err, fmt.Sprintf("a member's name differs from status by case only at byte %d", strings.Index(body, `"Status"`)))
}

var payatomUnsignedNames = []string{"requested_amount", "bank_ref", "sender_upi", "ref_code", "refund_info"}

func TestPayatomUnsignedRefusesNothing(t *testing.T) {
	v, keys := newPayatom(t, verify.PayatomOptions{}), newPayatomKeys(t, "", payatomSecret)
	hash := newPayatomSigner(t, payatomSecret).PostHash("ORD10010001", "500", "Approved")
	for shape, verifyMembers := range map[string]func(members string) (*payack.PayatomEvent, error){
		"webhook": func(members string) (*payack.PayatomEvent, error) {
			return v.Verify(verify.Message{ContentType: "application/json", Body: members}, keys)
		},
		"polling": func(members string) (*payack.PayatomEvent, error) { return v.VerifyPolling([]byte(members), keys) },
	} {
		for _, name := range append([]string{"unknown", "amount", "recieved_amount"}, payatomUnsignedNames...) {
			body := `{"order_id":"ORD10010001","` + name + `":%s,"received_amount":"500","status":"Approved","post_hash":"` + hash + `"}`
			for _, value := range anyValues {
				ev, err := verifyMembers(fmt.Sprintf(body, value.literal))
				require.NoError(t, err, "%s is %s, %s", name, value.literal, shape)
				got := payatomMembersOf(ev)
				for extra, text := range ev.Unsigned.Extra {
					got[extra] = text
				}
				if text, ok := got[name]; ok {
					assert.Equal(t, value.text, text, "%s is %s, %s", name, value.literal, shape)
				} else {
					assert.Equal(t, `{"code": 7}`, value.literal, "only a refund is read")
					assert.Equal(t, value.text, ev.Unsigned.RefundInfo)
				}
				assert.Equal(t, "500", ev.ReceivedAmount.String())
			}
			for _, value := range brokenValues {
				ev, err := verifyMembers(fmt.Sprintf(body, value.literal))
				e := refusedPayatom(t, ev, err)
				assert.Equal(t, payack.ReasonMalformed, e.Reason, "%s is %q, %s", name, value.literal, shape)
				known := name
				if shape == "webhook" && strings.HasSuffix(name, "amount") && name != "requested_amount" {
					known = "unknown" // a webhook has no such member
				}
				assertNamesMember(t, e, value.what, known, shape)
			}
		}
	}
	ev, err := verifyPayatomJSON(t, payatomWebhook(t, "O1", "5", "Approved", `"5"`))
	require.NoError(t, err)
	assert.True(t, ev.Unsigned.RequestedAmount.Valid())
	ev, err = verifyPayatomJSON(t, rewrite(t, payatomWebhook(t, "O1", "5", "Approved", `"5"`), `"requested_amount":"500"`, `"requested_amount":{}`))
	require.NoError(t, err)
	assert.Equal(t, "{}", ev.Unsigned.RequestedAmount.String())
	assert.False(t, ev.Unsigned.RequestedAmount.Valid())
}

func TestPayatomFormUnsignedRefusesNothing(t *testing.T) {
	form, keys := newPayatom(t, verify.PayatomOptions{Body: verify.BodyForm}), newPayatomKeys(t, "", payatomSecret)
	base := "order_id=O1&status=Approved&received_amount=5&post_hash=" + url.QueryEscape(newPayatomSigner(t, payatomSecret).PostHash("O1", "5", "Approved"))
	for _, name := range append([]string{"unknown"}, payatomUnsignedNames...) {
		for sent, text := range map[string]string{"": "", "a%00b": "a\x00b", "%00": "\x00", "false": "false", "[]": "[]", "{%22a%22:1}": `{"a":1}`} {
			ev, err := form.Verify(verify.Message{ContentType: ptopFormType, Body: base + "&" + name + "=" + sent}, keys)
			require.NoError(t, err, "%s=%s", name, sent)
			b, err := json.Marshal(ev)
			require.NoError(t, err)
			quoted, err := json.Marshal(text)
			require.NoError(t, err)
			assert.Contains(t, string(b), `"`+name+`":`+string(quoted))
		}
		for _, sent := range []string{"%ff", "%ed%a0%bd", "\xff"} {
			ev, err := form.Verify(verify.Message{ContentType: ptopFormType, Body: base + "&" + name + "=" + sent}, keys)
			assert.Equal(t, payack.ReasonMalformed, refusedPayatom(t, ev, err).Reason, "%s=%s", name, sent)
		}
	}
	for _, name := range []string{"order_id", "status", "received_amount", "post_hash"} {
		ev, err := form.Verify(verify.Message{ContentType: ptopFormType, Body: strings.Replace(base, name+"=", name+"=%00", 1)}, keys)
		e := refusedPayatom(t, ev, err)
		assert.Equal(t, payack.ReasonMalformed, e.Reason, name)
		assert.Contains(t, e.Detail, "U+0000 in "+name)
	}
}

// The member message is signed like the rest of the body, but no callback is
// refused because of it.
func TestPtopMessageRefusesNothing(t *testing.T) {
	v, keys := newPtop(t, verify.PtopOptions{}), newPtopKeys(t, ptopKeyText)
	for _, scheme := range ptopJSONSchemes {
		pinned := newPtop(t, verify.PtopOptions{Schemes: []payack.Scheme{scheme}})
		for _, value := range anyValues {
			if scheme == payack.SchemeReencoded && len(value.literal) > 40 || value.literal == "1e999999" {
				continue // PHP would round it
			}
			for _, body := range []string{
				`{"success":true,"transaction_id":"t","order_id":"O","message":` + value.literal + `}`,
				`{"message": ` + value.literal + ` ,"success":true,"transaction_id":"t","Message":"x","order_id":"O/1"}`,
			} {
				m := signPtop(t, scheme, verify.PtopMiddle, body)
				ev, err := pinned.Verify(m, keys)
				require.NoError(t, err, "message is %s under %s", value.literal, scheme)
				assert.Equal(t, value.text, ev.Message)
				assert.Equal(t, scheme, ev.Scheme)
			}
		}
	}
	for _, value := range brokenValues {
		body := `{"success":true,"transaction_id":"t","order_id":"O","message":` + value.literal + `}`
		ev, err := v.Verify(ptopByHeader(ptopJSONType, body, ptopSum(ptopKeyText, body)), keys)
		require.Nil(t, ev)
		var e *payack.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, payack.ReasonMalformed, e.Reason, value.literal)
		assertNamesMember(t, e, value.what, "message", "")
	}
	for _, name := range []string{"success", "transaction_id", "order_id"} {
		body := `{"success":true,"transaction_id":"t","order_id":"O","` + strings.ToUpper(name) + `":1}`
		ptopRefused(t, payack.ReasonMalformed, v, ptopByHeader(ptopJSONType, body, ptopSum(ptopKeyText, body)), keys)
	}

	// PHP's text for U+0000, written independently of the package.
	pinned := newPtop(t, verify.PtopOptions{Schemes: []payack.Scheme{payack.SchemeReencoded}})
	sum := ptopSum(ptopKeyText, `{"success":true,"transaction_id":"t","order_id":"O","message":"a\u0000\/"}`)
	ev, err := pinned.Verify(verify.Message{ContentType: ptopJSONType,
		Body: `{"success":true,"transaction_id":"t","order_id":"O","message":"\u0061\u0000/", "signature":"` + sum + `"}`}, keys)
	require.NoError(t, err)
	assert.Equal(t, "a\x00/", ev.Message.String())

	forms := newPtop(t, verify.PtopOptions{Body: verify.BodyForm})
	for _, scheme := range ptopFormSchemes {
		m := signPtop(t, scheme, verify.PtopLast, "success=1&transaction_id=t&order_id=O&message=a%00b&other=%00")
		ev, err := forms.Verify(m, keys)
		require.NoError(t, err)
		assert.Equal(t, "a\x00b", ev.Message.String())
		assert.Equal(t, "\x00", ev.Extra["other"].String())
	}
}
