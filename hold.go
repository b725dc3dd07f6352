package payack

import "context"

// Held is what the receiver holds in its store while it calls the merchant's
// function. A store that can commit inside the merchant's own transaction uses
// it; others ignore it.
type Held interface {
	// Store returns the receiver's store.
	Store() Store
	// Claims returns what the receiver commits once the function has returned
	// nil. Whoever marks them done elsewhere marks all of them, or none.
	Claims() []HeldClaim
	// Committed tells the receiver that all claims are marked done. It then
	// neither commits nor releases them. Call it once the marks are certain to
	// last, and before the function returns.
	Committed()
}

// HeldClaim is one claim of a [Store], with what it was claimed by.
type HeldClaim struct{ ID, Fingerprint, Token string }

type heldKey struct{}

// WithHeld returns a context that carries h. The receiver calls it; tests of a
// store may too.
func WithHeld(ctx context.Context, h Held) context.Context {
	return context.WithValue(ctx, heldKey{}, h)
}

// HeldFrom returns what the receiver holds for the event that the merchant's
// function is called with, and whether it holds anything.
func HeldFrom(ctx context.Context) (Held, bool) {
	h, ok := ctx.Value(heldKey{}).(Held)
	if !ok || len(h.Claims()) == 0 {
		return nil, false
	}
	return h, true
}

// StoreChecker is implemented by callbacks, as function types, that need a
// certain store. Constructors of handlers call it, so that a callback that could
// never run is found when the program starts.
type StoreChecker interface {
	// CheckStore returns an error that names the fix when the callback does not
	// work with s.
	CheckStore(s Store) error
}
