package payack_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/payack/payack"
)

// held implements payack.Held in place of a receiver.
type held struct {
	store     payack.Store
	claims    []payack.HeldClaim
	committed bool
}

func (h *held) Store() payack.Store        { return h.store }
func (h *held) Claims() []payack.HeldClaim { return h.claims }
func (h *held) Committed()                 { h.committed = true }

func TestHeldFrom(t *testing.T) {
	type otherKey struct{}
	for name, ctx := range map[string]context.Context{
		"an empty context": context.Background(),
		"a delivery alone": payack.WithDelivery(context.Background(), &payack.Delivery{}),
		"other values":     context.WithValue(context.Background(), otherKey{}, &held{}),
		"nil":              payack.WithHeld(context.Background(), nil),
	} {
		if h, ok := payack.HeldFrom(ctx); ok || h != nil {
			t.Errorf("%s: %v, %v", name, h, ok)
		}
	}
	want := &held{claims: []payack.HeldClaim{{ID: "pts:v1::1:2:3:2000", Fingerprint: "pts:v1:5:PHP:5:PHP", Token: "t"}, {ID: "second"}}}
	ctx := payack.WithHeld(context.Background(), want)
	below, cancel := context.WithCancel(payack.WithDelivery(ctx, &payack.Delivery{}))
	cancel()
	for name, ctx := range map[string]context.Context{"itself": ctx, "made from it": below, "that outlives it": context.WithoutCancel(below)} {
		h, ok := payack.HeldFrom(ctx)
		if !ok || h != payack.Held(want) || !slices.Equal(h.Claims(), want.claims) || h.Store() != nil {
			t.Errorf("the context %s: %v, %v", name, h, ok)
		}
	}
	if h, ok := payack.HeldFrom(payack.WithHeld(context.Background(), &held{})); ok || h != nil {
		t.Error("nothing is held before the store has granted a claim")
	}
	inner := &held{claims: want.claims[:1]}
	if h, ok := payack.HeldFrom(payack.WithHeld(ctx, inner)); !ok || h != payack.Held(inner) {
		t.Error("the inner one does not win")
	}
	if h, ok := payack.HeldFrom(payack.WithHeld(ctx, nil)); ok || h != nil {
		t.Errorf("nothing is held any more: %v, %v", h, ok)
	}
	h, _ := payack.HeldFrom(below)
	if h.Committed(); !want.committed || inner.committed {
		t.Error("Committed does not reach what is held")
	}
}

// ledger is a store in the merchant's own database, reduced to what the examples
// need.
type ledger struct{ done map[string]string }

func (l *ledger) Lookup(_ context.Context, id, fingerprint string) (payack.ClaimState, error) {
	switch known, found := l.done[id]; {
	case !found:
		return payack.ClaimUnknown, nil
	case known != fingerprint:
		return payack.ClaimConflict, nil
	}
	return payack.ClaimDone, nil
}

func (l *ledger) Claim(ctx context.Context, id, fingerprint string, _ time.Duration) (payack.Claim, error) {
	if state, _ := l.Lookup(ctx, id, fingerprint); state != payack.ClaimUnknown {
		return payack.Claim{State: state}, nil
	}
	return payack.Claim{State: payack.ClaimGranted, Token: "token"}, nil
}

func (l *ledger) Commit(context.Context, string, string) error  { return payack.ErrNotHeld }
func (l *ledger) Release(context.Context, string, string) error { return nil }
func (l *ledger) Home() string                                  { return "ledger" }

// The store is in the merchant's own database. So the merchant's function marks the
// event done in the transaction of its own work, and then calls Committed.
func ExampleHeldFrom() {
	store := &ledger{done: map[string]string{}}
	settle := func(ctx context.Context, ev *payack.PTSEvent) error {
		h, ok := payack.HeldFrom(ctx)
		if !ok || h.Store() != payack.Store(store) {
			return errors.New("this function needs the ledger as Options.Store")
		}
		// Begin a transaction and book the amount in it, then:
		for _, claim := range h.Claims() {
			store.done[claim.ID] = claim.Fingerprint
		}
		// Commit the transaction, then:
		h.Committed()
		return nil
	}

	// The receiver's side.
	ev := &payack.PTSEvent{UserID: "1", OrderID: "ORD-1", TransactionID: "T1", Status: payack.PTSSuccess, AcceptAmount: payack.NewAmount("63.00")}
	h := &held{store: store, claims: []payack.HeldClaim{{ID: ev.ID(), Fingerprint: ev.Fingerprint(), Token: "token"}}}
	fmt.Println(settle(payack.WithHeld(context.Background(), h), ev), h.committed, len(store.done))
	// Output:
	// <nil> true 1
}

// inLedger is a function type that works only with a ledger.
type inLedger func(ctx context.Context, ev *payack.PTSEvent) error

func (inLedger) CheckStore(s payack.Store) error {
	if _, ok := s.(*ledger); !ok {
		return errors.New("the callback settles in the ledger; set Options.Store to it")
	}
	return nil
}

// A function with the wrong store is refused when the program starts.
func ExampleStoreChecker() {
	settle := inLedger(func(context.Context, *payack.PTSEvent) error { return nil })
	var checks payack.StoreChecker = settle
	fmt.Println(checks.CheckStore(nil))
	fmt.Println(checks.CheckStore(&ledger{}))
	// Output:
	// the callback settles in the ledger; set Options.Store to it
	// <nil>
}
