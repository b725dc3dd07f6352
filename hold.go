package payack

import "context"

// Held is what the receiver holds in its store while it calls the merchant's
// function. A store that can commit within a transaction of the merchant's uses
// it; others have no need to.
type Held interface {
	// Store is the receiver's.
	Store() Store
	// Claims are what the receiver commits when the function has returned nil.
	// Whoever marks them done elsewhere marks all of them, or none.
	Claims() []HeldClaim
	// Committed tells the receiver that all claims have been marked done, so
	// that it neither commits nor gives them up. Call it when that is certain,
	// and before the function returns.
	Committed()
}

// HeldClaim is one claim.
type HeldClaim struct{ ID, Fingerprint, Token string }

type heldKey struct{}

// WithHeld returns a context that carries h.
func WithHeld(ctx context.Context, h Held) context.Context {
	return context.WithValue(ctx, heldKey{}, h)
}

// HeldFrom returns what the receiver holds for the event that the function is
// called with.
func HeldFrom(ctx context.Context) (Held, bool) {
	h, ok := ctx.Value(heldKey{}).(Held)
	return h, ok
}

// StoreChecker is implemented by types of callbacks that work with certain
// stores only. The constructors of handlers ask it, so that a callback that
// could never run is found when the program starts.
type StoreChecker interface {
	// CheckStore returns an error that names the fix when the callback does not
	// work with s.
	CheckStore(s Store) error
}
