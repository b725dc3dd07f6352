package payack

import (
	"context"
	"time"
)

// Inbox keeps verified deliveries before the provider is told that they were
// received, and has them processed later, again and again until it succeeds.
// Module inbox has one on SQL databases.
//
// With an inbox a receiver's first half ends in Keep, and its second half runs
// from the inbox, which calls the [Desk] that was mounted under the receipt's
// name.
type Inbox interface {
	// Store is where the second half claims the event, so that a redelivery that
	// is processed twice is settled once.
	Store
	// Mount makes a receiver known by its name, so that what was kept finds it
	// again after a restart. A name that is taken is an error.
	Mount(name string, d Desk) error
	// Keep commits a receipt to durable storage. [ClaimGranted] means that it is
	// kept; [ClaimWaits] that it is already, and waits to be processed; [ClaimDone]
	// that it needs not be, because nothing will be done about it any more;
	// [ClaimBusy] that there is no room for another variant of
	// it; [ClaimConflict] that it came before with other Details, so that a person
	// has to look, and it is not processed. After an error nothing is known, and
	// the provider is asked to send again.
	Keep(ctx context.Context, r *Receipt) (ClaimState, error)
}

// Desk is the second half of a receiver, as an inbox needs it.
// middleware.Handler is one.
type Desk interface {
	// Process takes the event of a receipt to the merchant's function, once only,
	// and fills o. The error is nil for an event that is accepted, or was, and an
	// [*Error] otherwise.
	Process(ctx context.Context, d *Delivery, o *Observation) error
	// Observe has an observation logged, and handed to the receiver's observer.
	Observe(ctx context.Context, o *Observation)
}

// Receipt is a verified delivery on its way into an inbox.
type Receipt struct {
	// Receiver is the name that the receiver was mounted under.
	Receiver string
	// Delivery is what arrived, with its event.
	Delivery *Delivery
	// Variant is the unsigned handle by which Confirm would ask about the event,
	// empty where it asks by nothing unsigned. Copies of a delivery that differ in
	// it are all kept: a forged handle must not keep the genuine one out.
	Variant string
	// Details is a digest of what is not signed and may make another event of it,
	// as those of a second partial refund; empty where nothing does.
	Details string
	// Differs reports that the event was done with other Details, in the inbox or
	// in a store that was there before.
	Differs bool
	// Allowed reports whether the sender's address is among the receiver's
	// AllowedAddresses: there is always room for its deliveries.
	Allowed bool
}

// InboxStats says how much waits in an inbox.
type InboxStats struct {
	// Pending, Running and Dead count the events in these states.
	Pending, Running, Dead int
	// Oldest is how long ago the oldest event that is pending or running was
	// received, 0 where there is none.
	Oldest time.Duration
}
