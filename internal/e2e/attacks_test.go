package e2e

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/providers"
	"github.com/payack/payack/verify"
)

// A genuine JSON body may contain a text that reads as a form with other values. The
// content type is not signed, so the signature also fits if the same bytes are sent as
// a form.
func TestSignedJSONSentAgainAsForm(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	ptop := PtopMessage(t, `{"success":false,"transaction_id":"T1","order_id":"ORD1","message":"x&success=1&transaction_id=T9&order_id=ORD9&y="}`)
	payatom := Genuine(t, payack.Payatom)
	pts := Genuine(t, payack.PTS)
	for _, tc := range []struct {
		name string
		m    Message
		p    payack.Provider
	}{{"ptop", ptop, payack.Ptop}, {"pts", pts, payack.PTS}, {"payatom", payatom, payack.Payatom}} {
		t.Run(tc.name, func(t *testing.T) {
			w, c := &Watch{}, &Calls{}
			h := Merchant{Options: w.Options(), Callback: c.Take}.Handler(t, tc.p)
			AssertContract(t, tc.p, payack.OutcomeRefused, payack.ReasonContentType, Send(h, tc.m.With("Content-Type", form)))
			assert.Empty(t, c.Events)
			AssertContract(t, tc.p, payack.OutcomeAccepted, "", Send(h, tc.m))
			if tc.p == payack.PTS {
				return // PTS has no forms
			}
			forms := Merchant{Options: w.Options(), Callback: c.Take, Body: verify.BodyForm}.Handler(t, tc.p)
			c.Events = nil
			AssertContract(t, tc.p, payack.OutcomeRefused, payack.ReasonContentType, Send(forms, tc.m))
			AssertContract(t, tc.p, payack.OutcomeRejected, payack.ReasonMalformed, Send(forms, tc.m.With("Content-Type", form)))
			assert.Equal(t, payack.ReasonMalformed, w.Last(t).Reason)
			assert.Empty(t, c.Events)
		})
	}
}

// A signed form that is sent again as JSON is not accepted.
func TestSignedFormSentAgainAsJSON(t *testing.T) {
	w, c := &Watch{}, &Calls{}
	signed, err := verify.SignPtopCallback(payack.NewSecret(PtopKey), payack.SchemeHeader, verify.PtopLast,
		`success=1&transaction_id=T1&order_id=ORD1`)
	require.NoError(t, err)
	h := http.Header(signed.Header)
	h.Set("Content-Type", signed.ContentType)
	m := Message{http.MethodPost, "/", h, signed.Body}
	json := Merchant{Options: w.Options(), Callback: c.Take}.Handler(t, payack.Ptop)
	AssertContract(t, payack.Ptop, payack.OutcomeRefused, payack.ReasonContentType, Send(json, m))
	AssertContract(t, payack.Ptop, payack.OutcomeRejected, payack.ReasonMalformed, Send(json, m.With("Content-Type", "application/json")))
	assert.Empty(t, c.Events)
	form := Merchant{Options: w.Options(), Callback: c.Take, Body: verify.BodyForm}.Handler(t, payack.Ptop)
	AssertContract(t, payack.Ptop, payack.OutcomeAccepted, "", Send(form, m))
	assert.Len(t, c.Events, 1)
}

// The URL's query is not signed and never counts.
func TestQueryIsNoPartOfACallback(t *testing.T) {
	for _, p := range providers.All {
		c := &Calls{}
		h := Merchant{Callback: c.Take}.Handler(t, p)
		AssertContract(t, p, payack.OutcomeAccepted, "", Send(h, Genuine(t, p).To("/?order_id=X&signature=Y&sign=Z&success=false")))
		AssertContract(t, p, payack.OutcomeDuplicate, "", Send(h, Genuine(t, p)))
		require.Len(t, c.Events, 1)
	}
}

// A callback that spells a number in another way, but has the same signed text, is the
// same event. It is neither a second event nor a conflict.
func TestEqualNumbersAreTheSameEvent(t *testing.T) {
	type rewriting struct {
		old, text string
		outcome   payack.Outcome
		reason    payack.Reason
	}
	for _, tc := range []struct {
		name     string
		p        payack.Provider
		first    Message
		rewrites []rewriting
	}{
		{"pts, literals were signed", payack.PTS, PTSMessage(t, nil, nil), []rewriting{
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
		{"pts, PHP's texts were signed", payack.PTS, PTSMessage(t, nil, map[string]string{"submit_amount": "100.5", "accept_amount": "100.5"}), []rewriting{
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
		{"payatom", payack.Payatom, PayatomMessage(t, `"ORD1"`, `500`, `"Approved"`, "ORD1500Approved"), []rewriting{
			{`"received_amount":500`, `"received_amount":500.0`, payack.OutcomeDuplicate, ""},
			{`"received_amount":500`, `"received_amount":500.000`, payack.OutcomeDuplicate, ""},
			{`"received_amount":500`, `"received_amount":"500"`, payack.OutcomeDuplicate, ""},
			{`"received_amount":500`, `"received_amount":5e2`, payack.OutcomeRejected, payack.ReasonInvalid},
			{`"received_amount":500`, `"received_amount":5000E-1`, payack.OutcomeRejected, payack.ReasonInvalid},
			{`"received_amount":500`, `"received_amount":"500.0"`, payack.OutcomeRejected, payack.ReasonSignature},
		}},
		{"payatom, the rewritten one comes first", payack.Payatom, PayatomMessage(t, `"ORD1"`, `500.00`, `"Approved"`, "ORD1500Approved"), []rewriting{
			{`"received_amount":500.00`, `"received_amount":500`, payack.OutcomeDuplicate, ""},
			{`"received_amount":500.00`, `"received_amount":"500"`, payack.OutcomeDuplicate, ""},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, withExpect := range []bool{false, true} {
				w, c := &Watch{}, &Calls{}
				m := Merchant{Options: w.Options(), Callback: c.Take}
				if withExpect {
					m.Expect = Expecting(map[string]string{"ORD1": "500"}, nil)
				}
				h := m.Handler(t, tc.p)
				AssertContract(t, tc.p, payack.OutcomeAccepted, "", Send(h, tc.first))
				for _, r := range tc.rewrites {
					rewritten := tc.first.Replace(r.old, r.text)
					require.NotEqual(t, tc.first.Body, rewritten.Body)
					got := Send(h, rewritten)
					assert.Equal(t, r.outcome, w.Last(t).Outcome, "%s for %s", r.text, r.old)
					assert.Equal(t, r.reason, w.Last(t).Reason, "%s for %s", r.text, r.old)
					AssertContract(t, tc.p, r.outcome, r.reason, got)
				}
				assert.Len(t, c.Events, 1)
			}
		})
	}
}

// The same identity with other signed amounts is a conflict and not a duplicate, so
// that a person looks at it.
func TestConflictAsksToSendAgain(t *testing.T) {
	w, c := &Watch{}, &Calls{}
	h := Merchant{Options: w.Options(), Callback: c.Take}.Handler(t, payack.PTS)
	AssertContract(t, payack.PTS, payack.OutcomeAccepted, "", Send(h, PTSMessage(t, nil, nil)))
	other := PTSMessage(t, map[string]string{"accept_amount": "900"}, nil)
	AssertContract(t, payack.PTS, payack.OutcomeRejected, payack.ReasonConflict, Send(h, other))
	assert.Equal(t, payack.ReasonConflict, w.Last(t).Reason)
	lines := w.Lines(t)
	assert.Equal(t, "ERROR", lines[len(lines)-1]["level"])
	AssertContract(t, payack.PTS, payack.OutcomeDuplicate, "", Send(h, PTSMessage(t, nil, nil)))
	assert.Len(t, c.Events, 1)
}

// movedBorders returns forgeries of a genuine webhook for order ORD1 and amount 500.
// The hash covers the joined members, so it still matches after the border between the
// order and the amount is moved.
func movedBorders(genuine Message) map[string]Message {
	moved := func(orderID, amount string) Message {
		return genuine.Replace(`"ORD1"`, `"`+orderID+`"`).Replace(`"received_amount":"500"`, `"received_amount":"`+amount+`"`)
	}
	return map[string]Message{
		"amount times three": moved("ORD", "1500"),
		"a longer order":     moved("ORD15", "00"),
		"a longer order, 0":  moved("ORD150", "0"),
	}
}

func TestMovedBordersWithExpect(t *testing.T) {
	w, c := &Watch{}, &Calls{}
	h := Merchant{Options: w.Options(), Callback: c.Take,
		Expect: Expecting(map[string]string{"ORD1": "500", "ORD": "99", "ORD15": "5", "ORD150": "7"}, nil)}.Handler(t, payack.Payatom)
	good := Genuine(t, payack.Payatom)
	for _, when := range []string{"before", "after"} {
		for name, forged := range movedBorders(good) {
			got := Send(h, forged)
			o := w.Last(t)
			assert.Equal(t, payack.OutcomeRejected, o.Outcome, "%s the genuine one: %s", when, name)
			assert.Contains(t, []payack.Reason{payack.ReasonUnexpected, payack.ReasonInvalid, payack.ReasonSpliced}, o.Reason)
			AssertContract(t, payack.Payatom, payack.OutcomeRejected, o.Reason, got)
		}
		if when == "before" {
			assert.Empty(t, c.Events)
			AssertContract(t, payack.Payatom, payack.OutcomeAccepted, "", Send(h, good))
		}
	}
	AssertContract(t, payack.Payatom, payack.OutcomeDuplicate, "", Send(h, good))
	assert.Len(t, c.Events, 1)
}

// A forger may move the border so that order and amount fit another real order. If the
// genuine webhook came first, the receiver remembers its hash and rejects the forgery.
func TestMovedBordersIntoAnOrderOfThatAmount(t *testing.T) {
	w, c := &Watch{}, &Calls{}
	h := Merchant{Options: w.Options(), Callback: c.Take,
		Expect: Expecting(map[string]string{"ORD1": "500", "ORD": "1500"}, nil)}.Handler(t, payack.Payatom)
	good := Genuine(t, payack.Payatom)
	AssertContract(t, payack.Payatom, payack.OutcomeAccepted, "", Send(h, good))
	forged := movedBorders(good)["amount times three"]
	AssertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonSpliced, Send(h, forged))
	assert.Equal(t, payack.ReasonSpliced, w.Last(t).Reason)
	// Only the gateway can make a new hash of the same text. The receiver rejects the
	// forgery under the new hash as well, because it remembers the text as the first
	// event's.
	fresh := movedBorders(Genuine(t, payack.Payatom))["amount times three"]
	require.NotEqual(t, forged.Body, fresh.Body)
	AssertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonSpliced, Send(h, fresh))
	assert.Len(t, c.Events, 1)
	// The same event under a new hash is a duplicate.
	AssertContract(t, payack.Payatom, payack.OutcomeDuplicate, "", Send(h, Genuine(t, payack.Payatom)))
	assert.Len(t, c.Events, 1)
}

func TestMovedBordersWithConfirm(t *testing.T) {
	w, c := &Watch{}, &Calls{}
	h := Merchant{Options: w.Options(), Callback: c.Take, Confirm: func(_ context.Context, ev payack.Event) (*payack.Confirmation, error) {
		e := ev.(*payack.PayatomEvent)
		if e.OrderID == "ORD1" && e.ReceivedAmount.Equal(payack.NewAmount("500")) {
			return &payack.Confirmation{Paid: true, Status: "Approved", Amount: e.ReceivedAmount}, nil
		}
		return nil, payack.ErrUnconfirmed
	}}.Handler(t, payack.Payatom)
	good := Genuine(t, payack.Payatom)
	for name, forged := range movedBorders(good) {
		Send(h, forged)
		assert.Equal(t, payack.OutcomeRejected, w.Last(t).Outcome, name)
	}
	assert.Empty(t, c.Events)
	AssertContract(t, payack.Payatom, payack.OutcomeAccepted, "", Send(h, good))
	for name, forged := range movedBorders(good) {
		Send(h, forged)
		assert.Equal(t, payack.OutcomeRejected, w.Last(t).Outcome, name)
	}
	require.Len(t, c.Events, 1)
	assert.True(t, c.Events[0].Found().Confirmed.Paid)
	assert.Equal(t, "Approved", c.Events[0].Found().Confirmed.Status)
}

// comparing is a callback that itself compares the event with the expected order.
func (c *Calls) comparing(ctx context.Context, ev payack.Event) error {
	e := ev.(*payack.PayatomEvent)
	if e.OrderID != "ORD1" || e.ReceivedAmount.String() != "500" {
		return errMerchant
	}
	return c.Take(ctx, ev)
}

func TestMovedBordersWithExpectInCallback(t *testing.T) {
	w, c := &Watch{}, &Calls{}
	h := Merchant{Options: w.Options(), Callback: c.comparing}.Handler(t, payack.Payatom)
	good := Genuine(t, payack.Payatom)
	forged := movedBorders(good)["amount times three"]
	// A forgery that comes first must not lock out the genuine webhook.
	AssertContract(t, payack.Payatom, payack.OutcomeFailed, payack.ReasonCallback, Send(h, forged))
	AssertContract(t, payack.Payatom, payack.OutcomeAccepted, "", Send(h, good))
	require.Len(t, c.Events, 1)
	AssertContract(t, payack.Payatom, payack.OutcomeRejected, payack.ReasonSpliced, Send(h, forged))
	assert.Equal(t, payack.ReasonSpliced, w.Last(t).Reason)
	AssertContract(t, payack.Payatom, payack.OutcomeDuplicate, "", Send(h, good))
	assert.Len(t, c.Events, 1)
}

// While the callback compares a forged webhook, the receiver can't know which webhook
// is genuine: it must ask for the genuine one again and not reject it.
func TestForgedWebhookInTheCallbackDoesNotRejectTheGenuineOne(t *testing.T) {
	w, c := &Watch{}, &Calls{}
	good := Genuine(t, payack.Payatom)
	var h http.Handler
	var meanwhile Answer
	var outcome payack.Outcome
	h = Merchant{Options: w.Options(), Callback: func(ctx context.Context, ev payack.Event) error {
		if ev.(*payack.PayatomEvent).OrderID != "ORD1" {
			meanwhile = Send(h, good)
			outcome = w.Last(t).Outcome
		}
		return c.comparing(ctx, ev)
	}}.Handler(t, payack.Payatom)
	AssertContract(t, payack.Payatom, payack.OutcomeFailed, payack.ReasonCallback, Send(h, movedBorders(good)["amount times three"]))
	assert.Contains(t, []payack.Outcome{payack.OutcomeFailed, payack.OutcomeAccepted}, outcome, "answered %s", meanwhile.Body)
	assert.Contains(t, []payack.Outcome{payack.OutcomeAccepted, payack.OutcomeDuplicate}, func() payack.Outcome { Send(h, good); return w.Last(t).Outcome }())
	assert.Len(t, c.Events, 1)
}

// byPath finds the tenant in the path.
func byPath(_ context.Context, r *http.Request) (string, error) {
	switch name := r.PathValue("tenant"); name {
	case "one", "two", "other":
		return name, nil
	}
	return "", payack.ErrUnknownTenant
}

func tenants(t *testing.T, p payack.Provider, m Merchant) http.Handler {
	t.Helper()
	m.Tenant = byPath
	m.OtherKey = map[string]string{"other": "0123456789abcdef0123456789abcdef"}
	mux := http.NewServeMux()
	mux.Handle("/{tenant}/callback", m.Handler(t, p))
	return mux
}

func TestRecordedDeliveryUnderAnotherTenantsPath(t *testing.T) {
	for _, p := range providers.All {
		t.Run(string(p), func(t *testing.T) {
			w, c := &Watch{}, &Calls{}
			h := tenants(t, p, Merchant{Options: w.Options(), Callback: c.Take})
			good := Genuine(t, p)
			AssertContract(t, p, payack.OutcomeAccepted, "", Send(h, good.To("/one/callback")))
			require.Len(t, c.Events, 1)

			rejected := Send(h, good.To("/other/callback"))
			assert.Equal(t, payack.OutcomeRejected, w.Last(t).Outcome)
			AssertContract(t, p, payack.OutcomeRejected, w.Last(t).Reason, rejected)
			require.Len(t, c.Events, 1)

			// Two tenants with the same keys are still two merchants.
			AssertContract(t, p, payack.OutcomeAccepted, "", Send(h, good.To("/two/callback")))
			require.Len(t, c.Events, 2)
			assert.NotEqual(t, c.Events[0].ID(), c.Events[1].ID())
			assert.Equal(t, "one", c.Events[0].VerifiedBy().Tenant)
			assert.Equal(t, "two", c.Events[1].VerifiedBy().Tenant)
			for _, path := range []string{"/one/callback", "/two/callback"} {
				AssertContract(t, p, payack.OutcomeDuplicate, "", Send(h, good.To(path)))
			}
			assert.Len(t, c.Events, 2)
		})
	}
}

// A sender without a tenant's keys must not learn whether the tenant exists.
func TestUnknownTenantLooksLikeAWrongSignature(t *testing.T) {
	for _, p := range providers.All {
		t.Run(string(p), func(t *testing.T) {
			w := &Watch{}
			h := tenants(t, p, Merchant{Options: w.Options()})
			bodies := map[string]Message{"well-formed": Genuine(t, p)}
			for name, body := range map[string]string{"empty": "", "no JSON": "}", "no members": "{}"} {
				m := Genuine(t, p)
				m.Body = body
				bodies[name] = m
			}
			for name, m := range bodies {
				wrong := Send(h, m.To("/other/callback"))
				require.Equal(t, payack.OutcomeRejected, w.Last(t).Outcome, name)
				unknown := Send(h, m.To("/none/callback"))
				require.Equal(t, payack.OutcomeRejected, w.Last(t).Outcome, name)
				assert.Equal(t, wrong, unknown, name)
			}
			Send(h, Genuine(t, p).To("/none/callback"))
			assert.Equal(t, payack.ReasonUnknownTenant, w.Last(t).Reason)
		})
	}
}
