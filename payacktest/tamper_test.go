package payacktest_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/handlers"
	"github.com/payack/payack/middleware"
	. "github.com/payack/payack/payacktest"
	"github.com/payack/payack/verify"
)

func TestTamperedDeliveries(t *testing.T) {
	transaction := NewPTSKeys().WithTransactionSignature("")
	for name, x := range map[string]struct {
		callback Callback
		how      Tampering
		reason   payack.Reason
	}{
		"pts body":              {PTS(NewPTSKeys()).Callback(t), SetMember("accept_amount", "9100.50"), payack.ReasonSignature},
		"pts body sealed":       {PTS(NewPTSKeys()).Envelope().Callback(t), SetMember("accept_amount", "9100.50"), payack.ReasonSignature},
		"pts sealed with MAC":   {PTS(transaction).DataEnvelope().Callback(t), SetMember("status", `"1000"`), payack.ReasonSignature},
		"pts data object":       {PTS(NewPTSKeys()).DataObject().Callback(t), SetMember("status", `"1000"`), payack.ReasonSignature},
		"pts signature":         {PTS(NewPTSKeys()).Envelope().Callback(t), FlipSignature, payack.ReasonSignature},
		"pts MAC":               {PTS(transaction).Envelope().Callback(t), FlipMAC, payack.ReasonSignature},
		"pts envelope":          {PTS(NewPTSKeys()).Envelope().Callback(t), FlipEnvelope, payack.ReasonMalformed},
		"pts envelope, MAC":     {PTS(transaction).Envelope().Callback(t), FlipEnvelope, payack.ReasonSignature},
		"pts first byte":        {PTS(NewPTSKeys()).Callback(t), FlipBody(0), payack.ReasonMalformed},
		"pts another's sign":    {PTS(NewPTSKeys()).Callback(t), SignatureOf(PTS(NewPTSKeys()).Status("1000").Envelope().Callback(t)), payack.ReasonSignature},
		"pts dropped":           {PTS(NewPTSKeys()).Envelope().Callback(t), DropMember("channel"), payack.ReasonMalformed},
		"pts twice":             {PTS(NewPTSKeys()).Envelope().Callback(t), DuplicateMember("channel"), payack.ReasonMalformed},
		"pts case":              {PTS(NewPTSKeys()).DataEnvelope().Callback(t), RecaseMember("transaction_id"), payack.ReasonMalformed},
		"pts unsigned":          {PTS(NewPTSKeys()).Callback(t), SetMember("reference_number", `"forged"`), ""},
		"pts padded":            {PTS(NewPTSKeys()).Callback(t), Pad(65537), payack.ReasonTooLarge},
		"pts type":              {PTS(NewPTSKeys()).Callback(t), AnnounceType("application/xml"), payack.ReasonContentType},
		"pts flat as text":      {PTS(NewPTSKeys()).Callback(t), AnnounceType("text/plain"), payack.ReasonEnvelope},
		"ptop header":           {Ptop(NewPtopKeys()).Callback(t), FlipSignature, payack.ReasonSignature},
		"ptop header by MAC":    {Ptop(NewPtopKeys()).Header("X-Other-Digest").Callback(t), FlipMAC, payack.ReasonSignature},
		"ptop member":           {Ptop(NewPtopKeys()).Scheme(payack.SchemeSpliced).Callback(t), FlipSignature, payack.ReasonSignature},
		"ptop form":             {Ptop(NewPtopKeys()).Scheme(payack.SchemeForm).Callback(t), FlipSignature, payack.ReasonSignature},
		"ptop form twice":       {Ptop(NewPtopKeys()).Scheme(payack.SchemeForm).Callback(t), DuplicateMember("order_id"), payack.ReasonMalformed},
		"ptop form case":        {Ptop(NewPtopKeys()).Scheme(payack.SchemeForm).Callback(t), RecaseMember("order_id"), payack.ReasonMalformed},
		"ptop form dropped":     {Ptop(NewPtopKeys()).Scheme(payack.SchemeForm).Callback(t), DropMember("message"), payack.ReasonSignature},
		"ptop form changed":     {Ptop(NewPtopKeys()).Scheme(payack.SchemeForm).Callback(t), SetMember("order_id", `"a b&c"`), payack.ReasonSignature},
		"ptop unsigned":         {Ptop(NewPtopKeys()).Callback(t), DropSignature, payack.ReasonSignature},
		"ptop unsigned form":    {Ptop(NewPtopKeys()).Scheme(payack.SchemeForm).Callback(t), DropSignature, payack.ReasonSignature},
		"ptop another's":        {Ptop(NewPtopKeys()).Callback(t), SignatureOf(Ptop(NewPtopKeys()).Order("x").Callback(t)), payack.ReasonSignature},
		"ptop another's inside": {Ptop(NewPtopKeys()).Scheme(payack.SchemeBlanked).Callback(t), SignatureOf(Ptop(NewPtopKeys()).Order("x").Callback(t)), payack.ReasonSignature},
		"ptop last byte":        {Ptop(NewPtopKeys()).Callback(t), FlipBody(-3), payack.ReasonSignature},
		"payatom MAC":           {Payatom(NewPayatomKeys()).Callback(t), FlipMAC, payack.ReasonEnvelope},
		"payatom signature":     {Payatom(NewPayatomKeys()).Callback(t), FlipSignature, payack.ReasonEnvelope},
		"payatom IV":            {Payatom(NewPayatomKeys()).Callback(t), FlipIV, payack.ReasonEnvelope},
		"payatom envelope":      {Payatom(NewPayatomKeys()).FormAmount().Callback(t), FlipEnvelope, payack.ReasonEnvelope},
		"payatom body":          {Payatom(NewPayatomKeys()).Callback(t), SetMember("received_amount", `"9500"`), payack.ReasonSignature},
		"payatom unsigned":      {Payatom(NewPayatomKeys()).Callback(t), DropSignature, payack.ReasonMalformed},
		"payatom another's":     {Payatom(NewPayatomKeys()).Callback(t), SignatureOf(Payatom(NewPayatomKeys()).Order("x").Callback(t)), payack.ReasonSignature},
		"chunked, untampered":   {Payatom(NewPayatomKeys()).Callback(t), AnnounceLength(-1), ""},
		"compressed":            {Payatom(NewPayatomKeys()).Callback(t), SetHeader("content-encoding", "gzip"), payack.ReasonContentEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			var h http.Handler
			var last func() payack.Observation
			form := strings.Contains(x.callback.Header.Get("Content-Type"), "form")
			switch x.callback.Provider {
			case payack.PTS:
				c := NewPTSKeys().Config()
				if x.callback.Header.Get(verify.PTSTransactionHeader) != "" {
					c = transaction.Config()
				}
				r := ptsReceiver(t, c)
				h, last = r, func() payack.Observation { return r.last }
			case payack.Ptop:
				c := NewPtopKeys().Config()
				if form {
					c.Body = verify.BodyForm
				}
				c.SignatureHeaders = []string{"X-Signature", "X-Other-Digest"}
				r := ptopReceiver(t, c)
				h, last = r, func() payack.Observation { return r.last }
			default:
				c := NewPayatomKeys().Config()
				if form {
					c.Body = verify.BodyForm
				}
				r := payatomReceiver(t, c)
				h, last = r, func() payack.Observation { return r.last }
			}
			Answered(t, x.callback.Provider, x.reason, x.callback.Tampered(t, x.how).Deliver(h))
			assert.Equal(t, x.reason, last().Reason)
		})
	}
}

// MoveBorder keeps the hash right. A receiver refuses the result only if it knows
// the order, has seen the hash with other members, or finds a member invalid.
func TestMovedBorders(t *testing.T) {
	keys := NewPayatomKeys()
	config := func(orders map[string]string) middleware.PayatomConfig {
		c := keys.Config()
		if orders != nil {
			c.ExpectInCallback = false
			c.Expect = func(_ context.Context, ev *payack.PayatomEvent) (payack.Expectation, error) {
				amount, found := orders[ev.OrderID]
				return payack.Expectation{Found: found, Amount: payack.NewAmount(amount)}, nil
			}
		}
		return c
	}
	genuine := Payatom(keys).Order("ORD10000017").Callback(t)
	moved := genuine.Tampered(t, MoveBorder("order_id", "received_amount", 1))
	assert.Contains(t, string(moved.Body), `"order_id":"ORD1000001"`)
	assert.Contains(t, string(moved.Body), `"received_amount":"7500"`)
	assert.Contains(t, string(genuine.Tampered(t, MoveBorder("order_id", "received_amount", -2)).Body), `"order_id":"ORD1000001750"`)

	r := payatomReceiver(t, config(map[string]string{"ORD1000001": "500", "ORD10000017": "500"}))
	RejectedVerified(t, payack.Payatom, moved.Deliver(r))
	assert.Equal(t, payack.ReasonUnexpected, r.last.Reason)

	r = payatomReceiver(t, config(nil))
	Accepted(t, payack.Payatom, genuine.Deliver(r))
	RejectedVerified(t, payack.Payatom, moved.Deliver(r))
	assert.Equal(t, payack.ReasonSpliced, r.last.Reason)

	// A receiver without Expect that has not seen the hash before accepts the
	// result, because the hash fits.
	r = payatomReceiver(t, config(nil))
	Accepted(t, payack.Payatom, moved.Deliver(r))

	// Characters moved into the status: no status begins with a digit.
	intoStatus := genuine.Tampered(t, MoveBorder("received_amount", "status", 1))
	assert.Contains(t, string(intoStatus.Body), `"status":"0Approved"`)
	RejectedVerified(t, payack.Payatom, intoStatus.Deliver(r))
	assert.Equal(t, payack.ReasonInvalid, r.last.Reason)

	form := Payatom(keys).Order("ORD10000017").FormAmount().Callback(t).Tampered(t, MoveBorder("order_id", "received_amount", 1))
	assert.Contains(t, string(form.Body), "order_id=ORD1000001&")
	assert.Contains(t, string(form.Body), "&amount=7500&")

	number := Payatom(keys).Order("ORD10000017").NumberAmount("500").Callback(t).Tampered(t, MoveBorder("order_id", "received_amount", 1))
	assert.Contains(t, string(number.Body), `"received_amount":7500`)
	number = Payatom(keys).NumberAmount("500").Callback(t).Tampered(t, MoveBorder("order_id", "received_amount", 2))
	assert.Contains(t, string(number.Body), `"received_amount":"01500"`, "01500 is no JSON number")
}

func TestRedelivery(t *testing.T) {
	r := ptsReceiver(t, NewPTSKeys().Config())
	cb := PTS(NewPTSKeys()).Envelope().Callback(t)
	for range 3 {
		Accepted(t, payack.PTS, cb.Deliver(r))
	}
	assert.Len(t, r.events.Events(), 1)
}

func TestTamperingALoadedCallback(t *testing.T) {
	keys := NewPTSKeys().WithTransactionSignature(verify.PTSHex)
	built := PTS(keys).Envelope().Callback(t)
	dump, err := built.Dump("/x")
	require.NoError(t, err)
	rec, err := Parse(dump)
	require.NoError(t, err)
	_, err = rec.Tamper(SetMember("status", `"1000"`))
	assert.ErrorContains(t, err, "WithKeys")
	_, err = rec.Tamper(FlipSignature)
	assert.ErrorContains(t, err, "WithKeys")
	assert.False(t, rec.Tampered(t, FlipEnvelope).Equal(built), "the envelope itself needs no keys")
	assert.False(t, rec.Tampered(t, FlipMAC).Equal(built))

	opened := rec.WithKeys(keys).Tampered(t, SetMember("status", `"1000"`))
	assert.True(t, opened.Equal(built.Tampered(t, SetMember("status", `"1000"`))))
	_, err = rec.WithKeys(FreshPTSKeys()).Tamper(FlipSignature)
	assert.Error(t, err)

	for _, cb := range []Callback{
		Ptop(NewPtopKeys()).Header("X-Other-Digest").Callback(t), Ptop(NewPtopKeys()).Scheme(payack.SchemeForm).Callback(t),
		Payatom(NewPayatomKeys()).Callback(t), PTS(NewPTSKeys()).Callback(t), PTS(NewPTSKeys()).DataObject().Callback(t),
	} {
		dump, err := cb.Dump("/")
		require.NoError(t, err)
		rec, err := Parse(dump)
		require.NoError(t, err)
		assert.Empty(t, rec.Provider)
		assert.True(t, rec.Tampered(t, FlipSignature).Equal(cb.Tampered(t, FlipSignature)))
		assert.True(t, rec.Tampered(t, DropSignature).Equal(cb.Tampered(t, DropSignature)))
	}
}

func TestTamperingsThatFail(t *testing.T) {
	pts, ptop, payatom := PTS(NewPTSKeys()).Callback(t), Ptop(NewPtopKeys()).Callback(t), Payatom(NewPayatomKeys()).Callback(t)
	bare := Callback{Body: []byte("a=b")}
	n := int64(len(pts.Body))
	for name, x := range map[string]struct {
		cb  Callback
		how []Tampering
	}{
		"nothing to do":          {pts, nil},
		"offset behind":          {pts, []Tampering{FlipBody(len(pts.Body))}},
		"offset before":          {pts, []Tampering{FlipBody(-len(pts.Body) - 1)}},
		"no such member":         {pts, []Tampering{DropMember("nothing")}},
		"no such twin":           {pts, []Tampering{DuplicateMember("nothing")}},
		"no such case":           {pts, []Tampering{RecaseMember("nothing")}},
		"same value":             {pts, []Tampering{SetMember("status", `"2000"`)}},
		"set of a missing":       {pts, []Tampering{SetMember("nothing", `"2000"`)}},
		"case of no letter":      {PTS(NewPTSKeys()).Set("1st", "x").Callback(t), []Tampering{RecaseMember("1st")}},
		"pts IV":                 {pts, []Tampering{FlipIV}},
		"pts flat envelope":      {pts, []Tampering{FlipEnvelope}},
		"pts flat MAC":           {pts, []Tampering{FlipMAC}},
		"ptop envelope":          {ptop, []Tampering{FlipEnvelope}},
		"ptop IV":                {ptop, []Tampering{FlipIV}},
		"dropped twice":          {ptop, []Tampering{DropSignature, DropSignature}},
		"nothing left to flip":   {payatom, []Tampering{DropSignature, FlipMAC}},
		"no hash to flip":        {payatom, []Tampering{SetMember("post_hash", `"short"`), FlipMAC}},
		"no digits to flip":      {ptop, []Tampering{SetHeader("X-Signature", "XY"), FlipSignature}},
		"twice given, then read": {pts, []Tampering{DuplicateMember("status"), DropMember("status")}},
		"same length":            {pts, []Tampering{AnnounceLength(n)}},
		"no length":              {pts, []Tampering{AnnounceLength(-2)}},
		"same type":              {pts, []Tampering{AnnounceType("application/json")}},
		"no type already":        {pts, []Tampering{AnnounceType(""), AnnounceType("")}},
		"pad to less":            {pts, []Tampering{Pad(3)}},
		"border of others":       {payatom, []Tampering{MoveBorder("order_id", "status", 1)}},
		"border by nothing":      {payatom, []Tampering{MoveBorder("order_id", "received_amount", 0)}},
		"border too far":         {payatom, []Tampering{MoveBorder("order_id", "received_amount", 99)}},
		"border too far back":    {payatom, []Tampering{MoveBorder("order_id", "received_amount", -4)}},
		"border without amount":  {payatom, []Tampering{DropMember("received_amount"), MoveBorder("order_id", "received_amount", 1)}},
		"border of pts":          {pts, []Tampering{MoveBorder("order_id", "received_amount", 1)}},
		"whose is it":            {bare, []Tampering{FlipSignature}},
		"whose signature":        {pts, []Tampering{SignatureOf(bare)}},
		"one's own signature":    {pts, []Tampering{SignatureOf(pts)}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := x.cb.Tamper(x.how...)
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), "payacktest: "), err.Error())
			fake := run(func(t testing.TB) { x.cb.Tampered(t, x.how...) })
			assert.True(t, fake.fatal)
			assert.Contains(t, fake.text, err.Error())
		})
	}
	for _, how := range []Tampering{FlipSignature, FlipMAC, FlipEnvelope, DropSignature, SignatureOf(pts)} {
		_, err := bare.Tamper(how)
		assert.ErrorContains(t, err, "set Provider")
	}
	_, err := Forgeries(bare)
	assert.Error(t, err)
}

func TestDropKeepsTheRest(t *testing.T) {
	cb := Callback{Header: http.Header{}, Body: []byte(`{ "a" : 1 , "b":2,"c":[3] }`)}
	for name, want := range map[string]string{"a": `{ "b":2,"c":[3] }`, "b": `{ "a" : 1 , "c":[3] }`, "c": `{ "a" : 1 , "b":2 }`} {
		assert.Equal(t, want, string(cb.Tampered(t, DropMember(name)).Body))
	}
	assert.Equal(t, `{}`, string(Callback{Body: []byte(`{"a":1}`)}.Tampered(t, DropMember("a")).Body))
	form := Callback{Body: []byte(`a=1&b&c=3%20`)}
	for name, want := range map[string]string{"a": `b&c=3%20`, "b": `a=1&c=3%20`, "c": `a=1&b`} {
		assert.Equal(t, want, string(form.Tampered(t, DropMember(name)).Body))
	}
	assert.Equal(t, `a=1&b=x&c=3%20`, string(form.Tampered(t, SetMember("b", `"x"`)).Body))
	assert.Equal(t, `a=1&a=1&b&c=3%20`, string(form.Tampered(t, DuplicateMember("a")).Body))
}

func TestForgeriesHaveNames(t *testing.T) {
	forgeries, err := Forgeries(Payatom(NewPayatomKeys()).Callback(t))
	require.NoError(t, err)
	var names []string
	for _, f := range forgeries {
		names = append(names, f.Name)
	}
	for _, want := range []string{"signature flipped", "IV flipped", "MAC flipped", "envelope flipped", "order_id dropped", "status given twice", "received_amount changed", "post_hash in another case"} {
		assert.True(t, slices.Contains(names, want), want)
	}
	h, err := handlers.NewPayatom(NewPayatomKeys().Config(), func(context.Context, *payack.PayatomEvent) error { return nil })
	require.NoError(t, err)
	Accepted(t, payack.Payatom, Payatom(NewPayatomKeys()).Callback(t).Deliver(h))
}
