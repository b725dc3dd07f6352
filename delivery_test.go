package payack_test

import (
	"context"
	"testing"

	"github.com/payack/payack"
)

func TestDeliveryFrom(t *testing.T) {
	if d, ok := payack.DeliveryFrom(context.Background()); ok || d != nil {
		t.Errorf("an empty context has a delivery: %v", d)
	}
	want := &payack.Delivery{Provider: payack.PTS, Body: "{}"}
	ctx := payack.WithDelivery(context.Background(), want)
	if d, ok := payack.DeliveryFrom(ctx); !ok || d != want {
		t.Errorf("DeliveryFrom = %v, %v", d, ok)
	}
	inner := &payack.Delivery{Provider: payack.Ptop}
	if d, _ := payack.DeliveryFrom(payack.WithDelivery(ctx, inner)); d != inner {
		t.Error("the inner delivery does not win")
	}
	if d, _ := payack.DeliveryFrom(context.WithoutCancel(ctx)); d != want {
		t.Error("a context made from it has lost the delivery")
	}
	if d, ok := payack.DeliveryFrom(payack.WithDelivery(context.Background(), nil)); ok || d != nil {
		t.Errorf("a nil delivery is found: %v, %v", d, ok)
	}
}

func TestEventFrom(t *testing.T) {
	pts := &payack.PTSEvent{OrderID: "1"}
	with := func(ev payack.Event) context.Context {
		return payack.WithDelivery(context.Background(), &payack.Delivery{Event: ev})
	}
	if ev, ok := payack.EventFrom[*payack.PTSEvent](with(pts)); !ok || ev != pts {
		t.Errorf("EventFrom = %v, %v", ev, ok)
	}
	if ev, ok := payack.EventFrom[payack.Event](with(pts)); !ok || ev != payack.Event(pts) {
		t.Errorf("EventFrom any event = %v, %v", ev, ok)
	}
	if ev, ok := payack.EventFrom[*payack.PtopEvent](with(pts)); ok || ev != nil {
		t.Errorf("behind another provider: %v, %v", ev, ok)
	}
	for name, ctx := range map[string]context.Context{
		"no delivery":                 context.Background(),
		"a nil delivery":              payack.WithDelivery(context.Background(), nil),
		"a delivery without an event": with(nil),
	} {
		if ev, ok := payack.EventFrom[*payack.PTSEvent](ctx); ok || ev != nil {
			t.Errorf("%s: %v, %v", name, ev, ok)
		}
		if ev, ok := payack.EventFrom[payack.Event](ctx); ok || ev != nil {
			t.Errorf("%s, any event: %v, %v", name, ev, ok)
		}
	}
}

func TestObserverFunc(t *testing.T) {
	var got *payack.Observation
	var o payack.Observer = payack.ObserverFunc(func(_ context.Context, o *payack.Observation) { got = o })
	want := &payack.Observation{Outcome: payack.OutcomeAccepted}
	if o.Observe(context.Background(), want); got != want {
		t.Errorf("observed %v", got)
	}
}

func TestClaimStateString(t *testing.T) {
	for state, want := range map[payack.ClaimState]string{
		payack.ClaimGranted: "granted", payack.ClaimDone: "done", payack.ClaimBusy: "busy", payack.ClaimConflict: "conflict", payack.ClaimUnknown: "unknown", 9: "unknown",
	} {
		if state.String() != want {
			t.Errorf("%d is %q, want %q", int(state), state, want)
		}
	}
}
