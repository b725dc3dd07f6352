package payack

import "context"

// Held gives access to the claims that the receiver holds while it calls the
// merchant's function. A store uses it to commit the claims inside the merchant's
// own transaction.
type Held interface {
	// Store returns the receiver's store.
	Store() Store
	// Claims returns the claims that the receiver commits once the function has
	// returned nil. A store that marks the claims done itself must mark all of them
	// or none.
	Claims() []HeldClaim
	// Committed tells the receiver that all claims are marked done. The receiver
	// then neither commits nor releases them. Call it before the function returns,
	// and only after the marks are durable.
	Committed()
}

// HeldClaim is one claim of a [Store]: the id and fingerprint that Claim was called
// with, and the token that it returned.
type HeldClaim struct{ ID, Fingerprint, Token string }

type heldKey struct{}

// WithHeld returns a copy of ctx that carries h. The receiver calls it; tests of a
// store may call it, too.
func WithHeld(ctx context.Context, h Held) context.Context {
	return context.WithValue(ctx, heldKey{}, h)
}

// HeldFrom returns the claims that the receiver holds while it calls the merchant's
// function with ctx. It returns false if the receiver holds none.
func HeldFrom(ctx context.Context) (Held, bool) {
	h, ok := ctx.Value(heldKey{}).(Held)
	if !ok || len(h.Claims()) == 0 {
		return nil, false
	}
	return h, true
}

// StoreChecker is implemented by a type of merchant's functions that work only with
// certain stores. The constructors of handlers call CheckStore, so that a function
// with the wrong store is refused when the program starts.
type StoreChecker interface {
	// CheckStore returns an error that names the fix if the function does not work
	// with s.
	CheckStore(s Store) error
}
