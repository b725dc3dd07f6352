package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/middleware"
	"github.com/payack/payack/store/memstore"
)

// keeping is an inbox that records the receipts that it gets.
type keeping struct {
	payack.Store
	desks map[string]payack.Desk
	kept  []payack.Receipt
	state payack.ClaimState
	err   error
}

func newKeeping() *keeping {
	return &keeping{Store: memstore.New(0), desks: map[string]payack.Desk{}, state: payack.ClaimGranted}
}

func (k *keeping) Mount(name string, d payack.Desk) error {
	if k.desks[name] != nil {
		return errors.New("the name " + name + " is taken; give the receivers a Name each")
	}
	k.desks[name] = d
	return nil
}

func (k *keeping) Keep(_ context.Context, r *payack.Receipt) (payack.ClaimState, error) {
	if k.err != nil {
		return payack.ClaimUnknown, k.err
	}
	receipt, delivery := *r, *r.Delivery
	receipt.Delivery = &delivery
	k.kept = append(k.kept, receipt)
	return k.state, nil
}

// With an inbox the answer to a verified event depends only on what Keep returns.
// The function runs later.
func TestInboxKeepsBeforeTheAnswer(t *testing.T) {
	k, called := newKeeping(), 0
	d := newDesk(t, func(c *middleware.PayatomConfig) { c.Inbox = k }, func(_ context.Context, ev *payack.PayatomEvent) error {
		called++
		return nil
	})
	assert.Equal(t, map[string]payack.Desk{"payatom:": d.h}, k.desks)
	for _, tc := range []struct {
		state   payack.ClaimState
		err     error
		outcome payack.Outcome
		reason  payack.Reason
		answer  string
	}{
		{payack.ClaimGranted, nil, payack.OutcomeAccepted, "", `"HashMatched","acknowledge":"yes"`},
		{payack.ClaimDone, nil, payack.OutcomeDuplicate, "", `"HashMatched","acknowledge":"yes"`},
		{payack.ClaimWaits, nil, payack.OutcomeDuplicate, "", `"HashMatched","acknowledge":"yes"`},
		{payack.ClaimBusy, nil, payack.OutcomeFailed, payack.ReasonBusy, `"HashMatched","acknowledge":"no"`},
		{0, errMerchant, payack.OutcomeFailed, payack.ReasonInbox, `"HashMatched","acknowledge":"no"`},
	} {
		k.state, k.err = tc.state, tc.err
		assert.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), tc.answer)
		o := d.last(t)
		assert.Equal(t, tc.outcome, o.Outcome)
		assert.Equal(t, tc.reason, o.Reason)
		assert.Equal(t, tc.state == payack.ClaimGranted || tc.state == payack.ClaimWaits, o.Waits)
		assert.Equal(t, "payatom:v1::ORD1:Approved", o.EventID)
	}
	assert.Zero(t, called)
	// An invalid event is kept, too. The second half rejects it.
	k.state, k.err, k.kept = payack.ClaimGranted, nil, nil
	assert.Contains(t, serve(d.h, payatomRequest(t, "ORD1", "0", "Approved")).Body.String(), `"yes"`)
	require.Len(t, k.kept, 1)
	assert.Equal(t, "payatom:", k.kept[0].Receiver)
	assert.Empty(t, k.kept[0].Variant, "nobody asks by anything unsigned")
	var o payack.Observation
	require.ErrorIs(t, k.desks["payatom:"].Process(t.Context(), k.kept[0].Delivery, &o), payack.ErrInvalid)
	assert.Equal(t, payack.ReasonInvalid, o.Reason)
	assert.Zero(t, called)
	// A callback that does not verify is not kept.
	k.kept = nil
	r := payatomRequest(t, "ORD1", "500", "Approved")
	setBody(r, bodyOf(t, r)+"x")
	assert.Contains(t, serve(d.h, r).Body.String(), "HashMismatch")
	assert.Empty(t, k.kept)
}

func TestInboxVariantsAndNames(t *testing.T) {
	k := newKeeping()
	confirm := func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) { return nil, errMerchant }
	d := newDesk(t, func(c *middleware.PayatomConfig) {
		c.Inbox, c.Name, c.ExpectInCallback, c.Confirm = k, "mine", false, confirm
		c.AllowedAddresses = prefixes("192.0.2.0/24")
	}, func(context.Context, *payack.PayatomEvent) error { return nil })
	serve(d.h, payatomRequest(t, "ORD1", "500", "Approved"))
	require.Len(t, k.kept, 1)
	assert.Equal(t, "mine", k.kept[0].Receiver)
	assert.Equal(t, "b73ea664", k.kept[0].Variant, "what Confirm would ask by")
	assert.True(t, k.kept[0].Allowed)

	build := func(tenant, name string) error {
		rc, err := middleware.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Tenant: tenant,
			Options: middleware.Options{Inbox: k, Name: name, Logger: quiet}})
		require.NoError(t, err)
		_, err = middleware.Handle(rc, acceptAll)
		return err
	}
	require.NoError(t, build("", ""))
	require.NoError(t, build("shop", ""))
	require.ErrorContains(t, build("", ""), "the name ptop: is taken")
	require.ErrorContains(t, build("other", "mine"), "the name mine is taken")
}

// A wrapped handler can't run after the request. A Name has no effect without an
// inbox.
func TestInboxDoesNotGoWithWrap(t *testing.T) {
	rc := ptopReceiver(t, middleware.Options{Inbox: newKeeping()})
	assert.Panics(t, func() { rc.Wrap(http.NotFoundHandler()) })
	_, err := middleware.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Options: middleware.Options{Name: "x"}})
	require.ErrorContains(t, err, "without an Inbox")
	_, err = middleware.NewPtop(middleware.PtopConfig{SigningKeys: payack.Secrets(ptopKey), ConfirmInCallback: true, Options: middleware.Options{Inbox: (*keeping)(nil)}})
	require.ErrorContains(t, err, "nil pointer")
}

// An event that is done in the former store is a duplicate, and is not kept. Other
// events are claimed in the inbox: the former store is only read.
func TestInboxReadsTheFormerStore(t *testing.T) {
	former := newRecordingStore()
	claim, err := former.Store.Claim(t.Context(), ptopID("T1"), "ORD1", middleware.DefaultDeadline)
	require.NoError(t, err)
	require.NoError(t, former.Store.Commit(t.Context(), ptopID("T1"), claim.Token))
	k, c := newKeeping(), &counter{}
	w := newWatch()
	o := w.options()
	o.Inbox, o.Store = k, former
	rc := ptopReceiver(t, o)
	h, err := middleware.Handle(rc, c.accept)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T1")).Code)
	assert.Equal(t, payack.OutcomeDuplicate, w.last(t).Outcome)
	assert.Empty(t, k.kept)
	assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T2")).Code)
	require.Len(t, k.kept, 1)
	assert.Same(t, k, h.Store())

	var seen payack.Observation
	require.NoError(t, h.Process(t.Context(), k.kept[0].Delivery, &seen))
	assert.Equal(t, payack.OutcomeAccepted, seen.Outcome)
	require.NoError(t, h.Process(t.Context(), k.kept[0].Delivery, &seen))
	assert.Equal(t, payack.OutcomeDuplicate, seen.Outcome, "the inbox has claimed it")
	assert.Equal(t, 1, c.get())

	// An event that is done in the former store by the time it is processed.
	assert.Equal(t, http.StatusOK, serve(h, ptopRequest(t, "T3")).Code)
	require.Len(t, k.kept, 2)
	claim, err = former.Store.Claim(t.Context(), ptopID("T3"), "ORD1", middleware.DefaultDeadline)
	require.NoError(t, err)
	require.NoError(t, former.Store.Commit(t.Context(), ptopID("T3"), claim.Token))
	require.NoError(t, h.Process(t.Context(), k.kept[1].Delivery, &seen))
	assert.Equal(t, payack.OutcomeDuplicate, seen.Outcome)
	assert.Equal(t, 1, c.get())
	for _, call := range former.calls {
		assert.Contains(t, call, "lookup ")
	}
}

// An event that the first half found invalid stays invalid, even if the event alone
// does not show it: a callback with another account's user_id is never processed.
func TestInboxKeepsInvalidEventsAsInvalid(t *testing.T) {
	key := ptsVectorKey(t)
	k, called := newKeeping(), 0
	w := newWatch()
	o := w.options()
	o.Inbox = k
	rc, err := middleware.NewPTS(middleware.PTSConfig{Safecode: payack.NewSecret(key.Safecode), PublicKeys: []string{key.PublicPEM}, UserID: "another", Options: o})
	require.NoError(t, err)
	h, err := middleware.Handle(rc, func(context.Context, *payack.PTSEvent) error { called++; return nil })
	require.NoError(t, err)
	assert.Equal(t, "SUCCESS", serve(h, ptsDelivery(t, nil)).Body.String())
	require.Len(t, k.kept, 1)
	assert.Contains(t, k.kept[0].Delivery.Invalid, "user_id")
	var seen payack.Observation
	require.ErrorIs(t, h.Process(t.Context(), k.kept[0].Delivery, &seen), payack.ErrInvalid)
	assert.Equal(t, payack.ReasonInvalid, seen.Reason)
	assert.Zero(t, called)
}

// The second half applies the merchant's own rules again, as they are configured
// when it runs.
func TestInboxAppliesOwnRulesAgain(t *testing.T) {
	k, called := newKeeping(), 0
	build := func(name string, rules map[string]string) *middleware.Handler {
		return newDesk(t, func(c *middleware.PayatomConfig) { c.Inbox, c.Name, c.Validate = k, name, rules },
			func(context.Context, *payack.PayatomEvent) error { called++; return nil }).h
	}
	strict := build("strict", map[string]string{"OrderID": "ne=ORD1"})
	require.Contains(t, serve(strict, payatomRequest(t, "ORD1", "500", "Approved")).Body.String(), `"yes"`)
	require.Len(t, k.kept, 1)
	assert.Contains(t, k.kept[0].Delivery.Invalid, "OrderID")
	assert.True(t, k.kept[0].Delivery.OwnRule)
	require.ErrorIs(t, strict.Process(t.Context(), k.kept[0].Delivery, nil), payack.ErrInvalid)
	assert.True(t, k.kept[0].Delivery.OwnRule, "the delivery is the caller's")
	require.NoError(t, build("other", nil).Process(t.Context(), k.kept[0].Delivery, nil))
	assert.Equal(t, 1, called)
}

// The receipt of a refund holds a digest of its unsigned details, and reports
// whether the refund was done before with other details. When Keep returns ClaimConflict,
// the refund is answered as a duplicate, with a warning in the log.
func TestInboxGetsUnsignedDetails(t *testing.T) {
	k := newKeeping()
	d := newDesk(t, func(c *middleware.PayatomConfig) { c.Inbox = k }, func(context.Context, *payack.PayatomEvent) error { return nil })
	refund := func(info string) payack.Receipt {
		k.kept = nil
		r := payatomRequest(t, "ORD1", "500", "Refund Completed")
		setBody(r, strings.Replace(bodyOf(t, r), `"refund_info":[]`, `"refund_info":`+info, 1))
		require.Contains(t, serve(d.h, r).Body.String(), `"yes"`)
		require.Len(t, k.kept, 1)
		return k.kept[0]
	}
	first := refund(`{"refund_amount":"100"}`)
	other := refund(`{"refund_amount":"400"}`)
	assert.NotEmpty(t, first.Details)
	assert.NotEqual(t, first.Details, other.Details)
	assert.False(t, other.Differs, "nothing is done yet")
	require.NoError(t, d.h.Process(t.Context(), first.Delivery, nil))
	assert.False(t, refund(`{"refund_amount":"100"}`).Differs)
	d.lines(t)
	k.state = payack.ClaimConflict
	assert.True(t, refund(`{"refund_amount":"400"}`).Differs)
	assert.Equal(t, payack.OutcomeDuplicate, d.last(t).Outcome)
	assert.Contains(t, fmt.Sprint(d.lines(t)), "other details, which are not signed")
	k.kept, k.state = nil, payack.ClaimGranted
	serve(d.h, payatomRequest(t, "ORD1", "500", "Approved"))
	assert.Empty(t, k.kept[0].Details)
}

// The former store decides about conflicts, about events that another replica still
// processes, and about hashed texts that it has bound to another order.
func TestInboxHeedsTheFormerStore(t *testing.T) {
	former := memstore.New(0)
	before := newDesk(t, func(c *middleware.PayatomConfig) { c.Store = former }, func(context.Context, *payack.PayatomEvent) error { return nil })
	require.Contains(t, serve(before.h, payatomRequest(t, "ORD1", "505", "Approved")).Body.String(), `"yes"`)
	_, err := former.Claim(t.Context(), "payatom:v1::BUSY1:Approved", "500", middleware.DefaultDeadline)
	require.NoError(t, err)

	k, called := newKeeping(), 0
	d := newDesk(t, func(c *middleware.PayatomConfig) { c.Store, c.Inbox = former, k }, func(context.Context, *payack.PayatomEvent) error { called++; return nil })
	for _, tc := range []struct {
		order, amount string
		reason        payack.Reason
	}{
		{"ORD1", "300", payack.ReasonConflict},
		{"BUSY1", "500", payack.ReasonBusy},
		{"ORD150", "5", payack.ReasonSpliced},
	} {
		k.kept = nil
		require.Contains(t, serve(d.h, payatomRequest(t, tc.order, tc.amount, "Approved")).Body.String(), `"yes"`, "kept")
		d.last(t)
		require.Len(t, k.kept, 1)
		var o payack.Observation
		require.Error(t, d.h.Process(t.Context(), k.kept[0].Delivery, &o))
		assert.Equal(t, tc.reason, o.Reason, tc.order)
	}
	assert.Zero(t, called)
}

// An event that was found by asking is always allowed: it has no sender who could
// fill the inbox.
func TestInboxKeepsEventsFoundByAsking(t *testing.T) {
	k, called := newKeeping(), 0
	d := newDesk(t, func(c *middleware.PayatomConfig) {
		c.Inbox, c.ExpectInCallback = k, false
		c.Confirm = func(context.Context, *payack.PayatomEvent) (*payack.Confirmation, error) { return nil, errMerchant }
		c.Validate = map[string]string{"ReceivedAmount": "lt=600"}
	}, func(context.Context, *payack.PayatomEvent) error { called++; return nil })
	found := kept(t, "ORD1", "500", "Approved")
	found.Source = payack.SourceQuery
	var o payack.Observation
	require.NoError(t, d.h.Deliver(t.Context(), found, &o))
	assert.Equal(t, payack.OutcomeAccepted, o.Outcome)
	assert.Same(t, found, o.Delivery)
	require.Len(t, k.kept, 1)
	assert.Equal(t, payack.SourceQuery, k.kept[0].Delivery.Source)
	assert.Equal(t, "payatom:", k.kept[0].Receiver)
	assert.Equal(t, "b73ea664", k.kept[0].Variant)
	assert.True(t, k.kept[0].Allowed)

	invalid := kept(t, "ORD2", "700", "Approved") // it breaks the merchant's own rule
	require.NoError(t, d.h.Deliver(t.Context(), invalid, &o))
	require.Len(t, k.kept, 2)
	assert.Contains(t, k.kept[1].Delivery.Invalid, "ReceivedAmount")
	assert.False(t, k.kept[1].Allowed)

	k.state = payack.ClaimDone
	require.NoError(t, d.h.Deliver(t.Context(), found, &o))
	assert.Equal(t, payack.OutcomeDuplicate, o.Outcome)
	k.err = errMerchant
	require.ErrorIs(t, d.h.Deliver(t.Context(), found, &o), errMerchant)
	assert.Equal(t, payack.ReasonInbox, o.Reason)
	require.ErrorIs(t, d.h.Deliver(t.Context(), nil, nil), payack.ErrInvalid)
	assert.Zero(t, called)
}
