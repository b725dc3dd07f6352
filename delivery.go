package payack

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// Source says how payack learned of an event.
type Source string

// The sources.
const (
	// SourceCallback: the provider sent a callback.
	SourceCallback Source = ""
	// SourceQuery: the provider was asked about an open order (package reconcile).
	// There was no request, so Client, Method, Path, Header and Body are empty.
	SourceQuery Source = "query"
)

// Delivery is one callback as it arrived, or an event that was found by asking the
// provider. Merchant functions get it from their context ([DeliveryFrom]). Observers
// get it together with its outcome.
type Delivery struct {
	Provider Provider
	// Source says how payack learned of the event. It is empty for a callback.
	Source Source
	// Received is when the request reached payack. With SourceQuery it is when the
	// provider answered.
	Received time.Time
	// Client is the address that the callback came from: the peer's, or the one
	// that trusted proxies name. It is the zero netip.Addr if the address is
	// unknown.
	Client netip.Addr
	Method string
	// Path is the URL's path, without the query.
	Path string
	// Header holds the request's headers. Don't change them.
	Header http.Header
	// Body holds the exact bytes that were received. It is empty before the body is
	// read.
	Body string
	// Event is the verified event, nil before verification. A delivery with an
	// event may still be rejected, for the reasons in [Reason.AfterVerified].
	Event Event
	// Invalid says which rule the event breaks: a rule of the provider or of the
	// merchant. It is empty for a valid event. An invalid event never reaches the
	// merchant's function.
	Invalid string
	// OwnRule reports that Invalid names one of the merchant's own rules. Another
	// delivery of the event may be valid, and this delivery may be valid after the
	// rule has changed.
	OwnRule bool
	// Attempt is the number of the current attempt to process an event that an
	// inbox keeps; the first is 1. It is 0 when the event is processed in the
	// request.
	Attempt int
}

type deliveryKey struct{}

// WithDelivery returns a copy of ctx that carries d: [DeliveryFrom] returns d, and
// [EventFrom] returns d.Event. The receiver calls it before the merchant's code
// runs. Call it in tests, to run a handler that reads its event from the context
// without a receiver:
//
//	ctx := payack.WithDelivery(t.Context(), &payack.Delivery{Provider: payack.PTS, Event: ev})
//
// d is not copied, so don't change it while ctx is in use. With a nil d,
// DeliveryFrom and EventFrom return false. WithDelivery verifies nothing.
func WithDelivery(ctx context.Context, d *Delivery) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}

// DeliveryFrom returns the delivery that ctx carries, and whether there is one.
// Handlers and functions that payack calls get the delivery that the call is about.
func DeliveryFrom(ctx context.Context) (*Delivery, bool) {
	d, _ := ctx.Value(deliveryKey{}).(*Delivery)
	return d, d != nil
}

// EventFrom returns the verified event that ctx carries, if it has type E:
//
//	ev, ok := payack.EventFrom[*payack.PTSEvent](r.Context())
//
// ok is false behind a receiver of another provider, and without a receiver.
func EventFrom[E Event](ctx context.Context) (E, bool) {
	if d, ok := DeliveryFrom(ctx); ok {
		ev, ok := d.Event.(E)
		return ev, ok
	}
	var none E
	return none, false
}
