package payack

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// Source says how payack learnt of an event.
type Source string

// The sources.
const (
	// SourceCallback: the provider called.
	SourceCallback Source = ""
	// SourceQuery: the provider was asked about an open order (package reconcile).
	// There was no request then: Client, Method, Path, Header and Body are empty.
	SourceQuery Source = "query"
)

// Delivery is one callback as it arrived. Merchant functions find it in their
// context; observers get it with what became of it.
type Delivery struct {
	Provider Provider
	// Source says how the event was learnt of. It is empty for a callback.
	Source Source
	// Received is when the request reached payack, or when the provider answered.
	Received time.Time
	// Client is the address that the callback came from, or the one that trusted
	// proxies name. It is invalid when it could not be told.
	Client netip.Addr
	Method string
	// Path is the URL's path; the query never counts.
	Path string
	// Header holds the request's headers. Do not change them.
	Header http.Header
	// Body holds the exact bytes that were signed or sealed. It is empty until
	// they are read.
	Body string
	// Event is the verified event, nil as long as nothing is verified. A delivery
	// that has one may still be rejected: [Reason.AfterVerified] has the reasons.
	Event Event
	// Invalid says which rule the event breaks, of the provider's or of the
	// merchant's own; it is empty for an event that is valid. What is invalid
	// never reaches the merchant's function.
	Invalid string
	// OwnRule reports that Invalid names a rule of the merchant's own, so that
	// another delivery of the event, or other rules, may be valid.
	OwnRule bool
	// Attempt counts the attempts to process what an inbox keeps, from 1, the
	// present one included; it is 0 where the request itself is processed.
	Attempt int
}

type deliveryKey struct{}

// WithDelivery returns a context that carries d.
func WithDelivery(ctx context.Context, d *Delivery) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}

// DeliveryFrom returns the delivery that a handler or function behind payack
// is working on, and whether there is one.
func DeliveryFrom(ctx context.Context) (*Delivery, bool) {
	d, _ := ctx.Value(deliveryKey{}).(*Delivery)
	return d, d != nil
}

// EventFrom returns the verified event that a handler behind the middleware is
// working on, when it is of this type:
//
//	ev, ok := payack.EventFrom[*payack.PTSEvent](r.Context())
//
// It is false behind another provider's middleware, and where none was mounted.
func EventFrom[E Event](ctx context.Context) (E, bool) {
	if d, ok := DeliveryFrom(ctx); ok {
		ev, ok := d.Event.(E)
		return ev, ok
	}
	var none E
	return none, false
}
