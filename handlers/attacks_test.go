package handlers_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/envelope"
	"github.com/payack/payack/verify"
)

func sealPTS(t testing.TB, plain string) string {
	t.Helper()
	e, err := envelope.NewPTS(payack.NewSecret(ptsKeyOf(t).Safecode), envelope.PTSRaw)
	require.NoError(t, err)
	return string(e.Seal([]byte(plain)))
}

// calls is a callback that counts its events.
type calls struct{ events []payack.Event }

func (c *calls) take(_ context.Context, ev payack.Event) error {
	c.events = append(c.events, ev)
	return nil
}

// A genuine JSON body can hold a text that reads as a form with other values,
// under the same bytes and so the same signature. The content type is not
// signed.
func TestSignedJSONSentAgainAsForm(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	ptop := ptopMessage(t, `{"success":false,"transaction_id":"T1","order_id":"ORD1","message":"x&success=1&transaction_id=T9&order_id=ORD9&y="}`)
	payatom := genuine(t, payack.Payatom)
	pts := genuine(t, payack.PTS)
	for _, tc := range []struct {
		name string
		m    message
		p    payack.Provider
	}{{"ptop", ptop, payack.Ptop}, {"pts", pts, payack.PTS}, {"payatom", payatom, payack.Payatom}} {
		t.Run(tc.name, func(t *testing.T) {
			w, c := &watch{}, &calls{}
			h := merchant{options: w.options(), callback: c.take}.handler(t, tc.p)
			assertContract(t, tc.p, payack.OutcomeRefused, payack.ReasonContentType, send(h, tc.m.with("Content-Type", form)))
			assert.Empty(t, c.events)
			assertContract(t, tc.p, payack.OutcomeAccepted, "", send(h, tc.m))
			if tc.p == payack.PTS {
				return // knows no forms
			}
			forms := merchant{options: w.options(), callback: c.take, body: verify.BodyForm}.handler(t, tc.p)
			c.events = nil
			assertContract(t, tc.p, payack.OutcomeRefused, payack.ReasonContentType, send(forms, tc.m))
			assertContract(t, tc.p, payack.OutcomeRejected, payack.ReasonMalformed, send(forms, tc.m.with("Content-Type", form)))
			assert.Equal(t, payack.ReasonMalformed, w.last(t).Reason)
			assert.Empty(t, c.events)
		})
	}
}

// A signed form is no JSON either.
func TestSignedFormSentAgainAsJSON(t *testing.T) {
	w, c := &watch{}, &calls{}
	signed, err := verify.SignPtopCallback(payack.NewSecret(ptopKeyText), payack.SchemeHeader, verify.PtopLast,
		`success=1&transaction_id=T1&order_id=ORD1`)
	require.NoError(t, err)
	h := http.Header(signed.Header)
	h.Set("Content-Type", signed.ContentType)
	m := message{http.MethodPost, "/", h, signed.Body}
	json := merchant{options: w.options(), callback: c.take}.handler(t, payack.Ptop)
	assertContract(t, payack.Ptop, payack.OutcomeRefused, payack.ReasonContentType, send(json, m))
	assertContract(t, payack.Ptop, payack.OutcomeRejected, payack.ReasonMalformed, send(json, m.with("Content-Type", "application/json")))
	assert.Empty(t, c.events)
	form := merchant{options: w.options(), callback: c.take, body: verify.BodyForm}.handler(t, payack.Ptop)
	assertContract(t, payack.Ptop, payack.OutcomeAccepted, "", send(form, m))
	assert.Len(t, c.events, 1)
}

// The URL's query is not signed and never counts.
func TestQueryIsNoPartOfACallback(t *testing.T) {
	for _, p := range providers {
		c := &calls{}
		h := merchant{callback: c.take}.handler(t, p)
		assertContract(t, p, payack.OutcomeAccepted, "", send(h, genuine(t, p).to("/?order_id=X&signature=Y&sign=Z&success=false")))
		assertContract(t, p, payack.OutcomeDuplicate, "", send(h, genuine(t, p)))
		require.Len(t, c.events, 1)
	}
}

// One signed text must not become two events by spelling a number in another
// way, nor look like a conflict.
func TestEqualNumbersAreTheSameEvent(t *testing.T) {
	type rewriting struct {
		old, text string
		outcome   payack.Outcome
		reason    payack.Reason
	}
	for _, tc := range []struct {
		name     string
		p        payack.Provider
		first    message
		rewrites []rewriting
	}{
		{"pts, literals were signed", payack.PTS, ptsMessage(t, nil, nil), []rewriting{
			{`"277"`, `277`, payack.OutcomeDuplicate, ""},
			{`"20240001"`, `20240001`, payack.OutcomeDuplicate, ""},
			{`"7001"`, `7001`, payack.OutcomeDuplicate, ""},
			{`"2000"`, `2000`, payack.OutcomeDuplicate, ""},
			{`1731000000`, `"1731000000"`, payack.OutcomeDuplicate, ""},
			{`"277"`, `277.0`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"277"`, `2.77e2`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"20240001"`, `20240001.0`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"7001"`, `7.001e3`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"2000"`, `2e3`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"2000"`, `2000.0`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"2000"`, `"02000"`, payack.OutcomeRejected, payack.ReasonSignature},
			{`1731000000`, `1731000000.0`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`1731000000`, `1.731e9`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"accept_amount":100.50`, `"accept_amount":"100.50"`, payack.OutcomeDuplicate, ""},
			{`"accept_amount":100.50`, `"accept_amount":100.5`, payack.OutcomeRejected, payack.ReasonSignature},
		}},
		{"pts, PHP's texts were signed", payack.PTS, ptsMessage(t, nil, map[string]string{"submit_amount": "100.5", "accept_amount": "100.5"}), []rewriting{
			{`"submit_amount":100.50`, `"submit_amount":1005e-1`, payack.OutcomeDuplicate, ""},
			{`"accept_amount":100.50`, `"accept_amount":100.5`, payack.OutcomeDuplicate, ""},
			{`"accept_amount":100.50`, `"accept_amount":1.005E+2`, payack.OutcomeDuplicate, ""},
			{`"exchange_rate":1`, `"exchange_rate":1.0`, payack.OutcomeDuplicate, ""},
			{`"exchange_rate":1`, `"exchange_rate":10e-1`, payack.OutcomeDuplicate, ""},
			{`"2000"`, `2000`, payack.OutcomeDuplicate, ""},
			{`"2000"`, `2000.0`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"7001"`, `7001.0`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`1731000000`, `1731000000.0`, payack.OutcomeRejected, payack.ReasonMalformed},
			{`"accept_amount":100.50`, `"accept_amount":"100.50"`, payack.OutcomeRejected, payack.ReasonSignature},
		}},
		{"payatom", payack.Payatom, payatomMessage(t, `"ORD1"`, `500`, `"Approved"`, "ORD1500Approved"), []rewriting{
			{`"received_amount":500`, `"received_amount":500.0`, payack.OutcomeDuplicate, ""},
			{`"received_amount":500`, `"received_amount":500.000`, payack.OutcomeDuplicate, ""},
			{`"received_amount":500`, `"received_amount":"500"`, payack.OutcomeDuplicate, ""},
			{`"received_amount":500`, `"received_amount":5e2`, payack.OutcomeRejected, payack.ReasonInvalid},
			{`"received_amount":500`, `"received_amount":5000E-1`, payack.OutcomeRejected, payack.ReasonInvalid},
			{`"received_amount":500`, `"received_amount":"500.0"`, payack.OutcomeRejected, payack.ReasonSignature},
		}},
		{"payatom, the rewritten one comes first", payack.Payatom, payatomMessage(t, `"ORD1"`, `500.00`, `"Approved"`, "ORD1500Approved"), []rewriting{
			{`"received_amount":500.00`, `"received_amount":500`, payack.OutcomeDuplicate, ""},
			{`"received_amount":500.00`, `"received_amount":"500"`, payack.OutcomeDuplicate, ""},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, withExpect := range []bool{false, true} {
				w, c := &watch{}, &calls{}
				m := merchant{options: w.options(), callback: c.take}
				if withExpect {
					m.expect = expecting(map[string]string{"ORD1": "500"}, nil)
				}
				h := m.handler(t, tc.p)
				assertContract(t, tc.p, payack.OutcomeAccepted, "", send(h, tc.first))
				for _, r := range tc.rewrites {
					rewritten := tc.first.replace(r.old, r.text)
					require.NotEqual(t, tc.first.body, rewritten.body)
					got := send(h, rewritten)
					assert.Equal(t, r.outcome, w.last(t).Outcome, "%s for %s", r.text, r.old)
					assert.Equal(t, r.reason, w.last(t).Reason, "%s for %s", r.text, r.old)
					assertContract(t, tc.p, r.outcome, r.reason, got)
				}
				assert.Len(t, c.events, 1)
			}
		})
	}
}

// The same identity with other signed amounts is no duplicate: somebody should
// look.
func TestConflictAsksToSendAgain(t *testing.T) {
	w, c := &watch{}, &calls{}
	h := merchant{options: w.options(), callback: c.take}.handler(t, payack.PTS)
	assertContract(t, payack.PTS, payack.OutcomeAccepted, "", send(h, ptsMessage(t, nil, nil)))
	other := ptsMessage(t, map[string]string{"accept_amount": "900"}, nil)
	assertContract(t, payack.PTS, payack.OutcomeRejected, payack.ReasonConflict, send(h, other))
	assert.Equal(t, payack.ReasonConflict, w.last(t).Reason)
	lines := w.lines(t)
	assert.Equal(t, "ERROR", lines[len(lines)-1]["level"])
	assertContract(t, payack.PTS, payack.OutcomeDuplicate, "", send(h, ptsMessage(t, nil, nil)))
	assert.Len(t, c.events, 1)
}

// movedBorders are the readings of one hash besides the genuine order ORD1,
// amount 500.
func movedBorders(genuine message) map[string]message {
	moved := func(orderID, amount string) message {
		return genuine.replace(`"ORD1"`, `"`+orderID+`"`).replace(`"received_amount":"500"`, `"received_amount":"`+amount+`"`)
	}
	return map[string]message{
		"amount times three": moved("ORD", "1500"),
		"a longer order":     moved("ORD15", "00"),
		"a longer order, 0":  moved("ORD150", "0"),
	}
}

func TestMovedBordersWithExpect(t *testing.T) {
	w, c := &watch{}, &calls{}
	h := merchant{options: w.options(), callback: c.take,
		expect: expecting(map[string]string{"ORD1": "500", "ORD": "99", "ORD15": "5", "ORD150": "7"}, nil)}.handler(t, payack.Payatom)
	good := genuine(t, payack.Payatom)
	for _, when := range []string{"before", "after"} {
		for name, forged := range movedBorders(good) {
			got := send(h, forged)
			o := w.last(t)
			assert.Equal(t, payack.OutcomeRejected, o.Outcome, "%s the genuine one: %s", when, name)
			assert.Contains(t, []payack.Reason{payack.ReasonUnexpected, payack.ReasonInvalid, payack.ReasonSpliced}, o.Reason)
			assertContract(t, payack.Payatom, payack.OutcomeRejected, o.Reason, got)
		}
		if when == "before" {
			assert.Empty(t, c.events)
			assertContract(t, payack.Payatom, payack.OutcomeAccepted, "", send(h, good))
		}
	}
	assertContract(t, payack.Payatom, payack.OutcomeDuplicate, "", send(h, good))
	assert.Len(t, c.events, 1)
}

// A forger who moves the borders into another order that was made out for just
// that amount is caught by the memory of hashes, when the genuine one was first.
func TestMovedBordersIntoAnOrderOfThatAmount(t *testing.T) {
	w, c := &watch{}, &calls{}
	h := merchant{options: w.options(), callback: c.take,
		expect: expecting(map[string]string{"ORD1": "500", "ORD": "1500"}, nil)}.handler(t, payack.Payatom)
	good := genuine(t, payack.Payatom)
	assertContract(t, payack.Payatom, payack.OutcomeAccepted, "", send(h, good))
	forged := movedBorders(good)["amount times three"]
	assertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonSpliced, send(h, forged))
	assert.Equal(t, payack.ReasonSpliced, w.last(t).Reason)
	// A fresh hash of the same text, which the gateway might make, is none of
	// the forger's: the text belongs to the first event.
	fresh := movedBorders(genuine(t, payack.Payatom))["amount times three"]
	require.NotEqual(t, forged.body, fresh.body)
	assertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonSpliced, send(h, fresh))
	assert.Len(t, c.events, 1)
	// The same event under a fresh hash is the same event.
	assertContract(t, payack.Payatom, payack.OutcomeDuplicate, "", send(h, genuine(t, payack.Payatom)))
	assert.Len(t, c.events, 1)
}

func TestMovedBordersWithConfirm(t *testing.T) {
	w, c := &watch{}, &calls{}
	h := merchant{options: w.options(), callback: c.take, confirm: func(_ context.Context, ev payack.Event) (*payack.Confirmation, error) {
		e := ev.(*payack.PayatomEvent)
		if e.OrderID == "ORD1" && e.ReceivedAmount.Equal(payack.NewAmount("500")) {
			return &payack.Confirmation{Paid: true, Status: "Approved", Amount: e.ReceivedAmount}, nil
		}
		return nil, payack.ErrUnconfirmed
	}}.handler(t, payack.Payatom)
	good := genuine(t, payack.Payatom)
	for name, forged := range movedBorders(good) {
		send(h, forged)
		assert.Equal(t, payack.OutcomeRejected, w.last(t).Outcome, name)
	}
	assert.Empty(t, c.events)
	assertContract(t, payack.Payatom, payack.OutcomeAccepted, "", send(h, good))
	for name, forged := range movedBorders(good) {
		send(h, forged)
		assert.Equal(t, payack.OutcomeRejected, w.last(t).Outcome, name)
	}
	require.Len(t, c.events, 1)
	assert.True(t, c.events[0].Found().Confirmed.Paid)
	assert.Equal(t, "Approved", c.events[0].Found().Confirmed.Status)
}

// comparing is a callback that compares the order itself.
func (c *calls) comparing(ctx context.Context, ev payack.Event) error {
	e := ev.(*payack.PayatomEvent)
	if e.OrderID != "ORD1" || e.ReceivedAmount.String() != "500" {
		return errMerchant
	}
	return c.take(ctx, ev)
}

func TestMovedBordersWithExpectInCallback(t *testing.T) {
	w, c := &watch{}, &calls{}
	h := merchant{options: w.options(), callback: c.comparing}.handler(t, payack.Payatom)
	good := genuine(t, payack.Payatom)
	forged := movedBorders(good)["amount times three"]
	// Who comes first and is not true must not lock the genuine one out.
	assertContract(t, payack.Payatom, payack.OutcomeFailed, payack.ReasonCallback, send(h, forged))
	assertContract(t, payack.Payatom, payack.OutcomeAccepted, "", send(h, good))
	require.Len(t, c.events, 1)
	assertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonSpliced, send(h, forged))
	assert.Equal(t, payack.ReasonSpliced, w.last(t).Reason)
	assertContract(t, payack.Payatom, payack.OutcomeDuplicate, "", send(h, good))
	assert.Len(t, c.events, 1)
}

// While a forged webhook is being compared by the callback, nobody knows yet
// which one is true: the genuine one must be asked for again, not rejected.
func TestForgedWebhookInTheCallbackDoesNotRejectTheGenuineOne(t *testing.T) {
	w, c := &watch{}, &calls{}
	good := genuine(t, payack.Payatom)
	var h http.Handler
	var meanwhile answer
	var outcome payack.Outcome
	h = merchant{options: w.options(), callback: func(ctx context.Context, ev payack.Event) error {
		if ev.(*payack.PayatomEvent).OrderID != "ORD1" {
			meanwhile = send(h, good)
			outcome = w.last(t).Outcome
		}
		return c.comparing(ctx, ev)
	}}.handler(t, payack.Payatom)
	assertContract(t, payack.Payatom, payack.OutcomeFailed, payack.ReasonCallback, send(h, movedBorders(good)["amount times three"]))
	assert.Contains(t, []payack.Outcome{payack.OutcomeFailed, payack.OutcomeAccepted}, outcome, "answered %s", meanwhile.body)
	assert.Contains(t, []payack.Outcome{payack.OutcomeAccepted, payack.OutcomeDuplicate}, func() payack.Outcome { send(h, good); return w.last(t).Outcome }())
	assert.Len(t, c.events, 1)
}

// byPath finds the tenant in the path.
func byPath(_ context.Context, r *http.Request) (string, error) {
	switch name := r.PathValue("tenant"); name {
	case "one", "two", "other":
		return name, nil
	}
	return "", payack.ErrUnknownTenant
}

func tenants(t *testing.T, p payack.Provider, m merchant) http.Handler {
	t.Helper()
	m.tenant = byPath
	m.otherKey = map[string]string{"other": "0123456789abcdef0123456789abcdef"}
	mux := http.NewServeMux()
	mux.Handle("/{tenant}/callback", m.handler(t, p))
	return mux
}

func TestRecordedDeliveryUnderAnotherTenantsPath(t *testing.T) {
	for _, p := range providers {
		t.Run(string(p), func(t *testing.T) {
			w, c := &watch{}, &calls{}
			h := tenants(t, p, merchant{options: w.options(), callback: c.take})
			good := genuine(t, p)
			assertContract(t, p, payack.OutcomeAccepted, "", send(h, good.to("/one/callback")))
			require.Len(t, c.events, 1)

			rejected := send(h, good.to("/other/callback"))
			assert.Equal(t, payack.OutcomeRejected, w.last(t).Outcome)
			assertContract(t, p, payack.OutcomeRejected, w.last(t).Reason, rejected)
			require.Len(t, c.events, 1)

			// Two tenants that share keys are two merchants all the same.
			assertContract(t, p, payack.OutcomeAccepted, "", send(h, good.to("/two/callback")))
			require.Len(t, c.events, 2)
			assert.NotEqual(t, c.events[0].ID(), c.events[1].ID())
			assert.Equal(t, "one", c.events[0].VerifiedBy().Tenant)
			assert.Equal(t, "two", c.events[1].VerifiedBy().Tenant)
			for _, path := range []string{"/one/callback", "/two/callback"} {
				assertContract(t, p, payack.OutcomeDuplicate, "", send(h, good.to(path)))
			}
			assert.Len(t, c.events, 2)
		})
	}
}

// Who does not know a tenant's keys must not learn whether there is such a
// tenant.
func TestUnknownTenantLooksLikeAWrongSignature(t *testing.T) {
	for _, p := range providers {
		t.Run(string(p), func(t *testing.T) {
			w := &watch{}
			h := tenants(t, p, merchant{options: w.options()})
			bodies := map[string]message{"well-formed": genuine(t, p)}
			for name, body := range map[string]string{"empty": "", "no JSON": "}", "no members": "{}"} {
				m := genuine(t, p)
				m.body = body
				bodies[name] = m
			}
			for name, m := range bodies {
				wrong := send(h, m.to("/other/callback"))
				require.Equal(t, payack.OutcomeRejected, w.last(t).Outcome, name)
				unknown := send(h, m.to("/none/callback"))
				require.Equal(t, payack.OutcomeRejected, w.last(t).Outcome, name)
				assert.Equal(t, wrong, unknown, name)
			}
			send(h, genuine(t, p).to("/none/callback"))
			assert.Equal(t, payack.ReasonUnknownTenant, w.last(t).Reason)
		})
	}
}
